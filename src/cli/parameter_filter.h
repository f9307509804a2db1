#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"
#include "query/sql_engine.h"
#include "store/table.h"

namespace signalbook::cli {

// "std_dev>=2": a parameter by its exact name, and what its value is compared with. 20 is a number, true a boolean,
// "20" in double quotes text, and so is anything else. A name may stand in double quotes as well: "a=b"=3.
struct Comparison {
  std::string name, op, value;
};

// What --param takes. Invalid when it is none.
Result<Comparison> parse_comparison(const std::string& text);

// What --leaf takes, "bollinger_bands period=20 std_dev>=2": a type (* is any) and what holds for its parameters.
struct LeafPattern {
  std::string type;
  std::vector<Comparison> comparisons;
};
Result<LeafPattern> parse_leaf(const std::string& text);

// Whether the parameters of a normalised configuration fit; one that is not there, or of another kind, does not.
bool fits(const JsonValue::Object& parameters, const Comparison& comparison);

// A view whose rows have parameters: which columns it has, and where the whole configuration and its digest stand.
struct ParameterView {
  std::string name;                          // strategies
  std::string digest_column, config_column;  // strategy_digest, strategy_config
  Table columns;                             // column_name, column_type
};

Result<ParameterView> describe_parameters(SqlEngine& engine, const std::string& view, const std::string& digest_column,
                                          const std::string& config_column);

// A comparison as a condition in SQL. Where the names of columns cannot tell which parameter is meant (over several
// runs, names that differ only in case), the configurations are asked. NotFound, naming those that there are, when no
// strategy has such a parameter.
Result<std::string> comparison_condition(SqlEngine& engine, const ParameterView& view, const Comparison& comparison);

// Which strategies are meant, of those of the view strategies.
struct StrategyFilter {
  std::string type;                     // empty: any
  std::vector<std::string> parameters;  // --param, each
  std::string where;                    // a condition in SQL
};

// It as conditions on the view, all of which are to hold. Errors as comparison_condition().
Result<std::vector<std::string>> filter_conditions(SqlEngine& engine, const ParameterView& view,
                                                   const StrategyFilter& filter);

// The texts that look like one come first, so that a slip of the pen is seen; few of many.
Result<std::string> nearest_names(SqlEngine& engine, const std::string& name, const std::vector<std::string>& known);

}  // namespace signalbook::cli
