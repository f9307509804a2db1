#pragma once

#include <string>

#include "base/status.h"
#include "query/sql_engine.h"
#include "store/table.h"

namespace signalbook::cli {

// A query whose answer is small enough to be held.
Result<Table> ask(SqlEngine& engine, const std::string& query);

// A condition on the view strategies that picks what a user names: a strategy_id or an alias, else a strategy by 4 or
// more digits of its hash. NotFound when there is none, Invalid with the candidates when digits fit several strategies.
Result<std::string> strategy_condition(SqlEngine& engine, const std::string& name);

// " ORDER BY ..." for what --sort-by names: a column, "column asc" or "column desc". NULL comes last.
std::string sort_clause(const std::string& sort_by);

// A cell as text for people; empty for NULL.
std::string cell_text(const TableColumn& column, size_t row);

}  // namespace signalbook::cli
