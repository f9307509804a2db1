#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common.h"
#include "format/strategy_identity.h"
#include "query/sql_engine.h"
#include "store/table.h"

namespace signalbook::cli {

// An engine that says on standard error which runs its answers leave out.
Result<std::unique_ptr<SqlEngine>> open_engine(const Scope& scope, const CommonOptions& options, bool confined = true);

// A query whose answer is small enough to be held.
Result<Table> ask(SqlEngine& engine, const std::string& query);

// A condition on the view strategies that picks what a user names: a strategy_id or an alias, else a strategy by 4 or
// more digits of its hash. NotFound when there is none, Invalid with the candidates when digits fit several strategies.
// `among`, where given, is a condition on the rows that are looked at.
Result<std::string> strategy_condition(SqlEngine& engine, const std::string& name, const std::string& among = "");

// Says so where `name`, which the condition found by strategy_id, is at the same time digits of other strategies'
// hashes.
Status print_prefix_note(SqlEngine& engine, const std::string& name, const std::string& condition,
                         const std::string& among, const CommonOptions& options);

// A strategy to choose from.
struct Candidate {
  std::string digest;  // 64 hex digits
  std::string type;
  std::string config;  // JSON as given
};

// The strategies that fit a condition on the view strategies, each once, by digest.
Result<std::vector<Candidate>> find_candidates(SqlEngine& engine, const std::string& condition);

// A line for each: digits that tell them apart, type and parameters.
std::string list_candidates(const std::vector<Candidate>& candidates, size_t least_digits = kStrategyHashLength);

// What to say of the strategies that fit a condition (or all) where two of them share a strategy_hash; empty where
// none do.
Result<std::string> collision_note(SqlEngine& engine, const std::string& condition);

// " ORDER BY ..." for what --sort-by names: a column, "column asc" or "column desc". NULL comes last.
std::string sort_clause(const std::string& sort_by);

// What a query said that ended in sort_clause(sort_by): that a table or "(SELECT ...)" has no such column, and which it
// has, else the error as it is.
Status explain_sort_error(SqlEngine& engine, const Status& error, const std::string& relation,
                          const std::string& sort_by);

// A cell as text for people; empty for NULL.
std::string cell_text(const TableColumn& column, size_t row);

}  // namespace signalbook::cli
