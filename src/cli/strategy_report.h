#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common.h"
#include "query/sql_engine.h"
#include "store/table.h"

namespace signalbook::cli {

// A strategy over all its runs, from rows of the view strategies.

// The rows of each strategy together, in the order in which they come first.
std::vector<std::vector<size_t>> rows_by_strategy(const Table& rows);

// What is the same in every run of a strategy (identity, type, parameters, configuration), as a table of one row.
Table common_columns(const Table& rows, size_t row);

// A row for each trace of a strategy: where it stands, on which bars, by which code, and what came of it.
Status print_traces(SqlEngine& engine, const Table& rows, const std::vector<size_t>& traces,
                    const CommonOptions& options);

// What a researcher should know of the strategies that fit a condition: traces that should be equal and are not, the
// same values in another spelling, another strategy of the same hash. `rows`, where given, are all that fit, whole:
// they may save asking.
Status print_strategy_notes(SqlEngine& engine, const std::string& condition, const CommonOptions& options,
                            const Table* rows = nullptr);

// Whether rows beside these (run_id, trace_id, strategy_hash, value_digest) may have the hash or the values of one of
// them; false where look-ups tell that none has.
Result<bool> may_have_relatives(SqlEngine& engine, const Table& rows);

// How many different values there are in a column.
size_t count_distinct(const Table& rows, const char* column);

// Conditions on the view strategies: who has the same values, and who the same hash, as those that fit a condition.
struct Relatives {
  std::string by_values, by_hash;
};
Result<Relatives> find_relatives(SqlEngine& engine, const std::string& condition);

}  // namespace signalbook::cli
