#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "cli/strategy_tree_text.h"
#include "cli/text_table.h"
#include "format/json_value.h"
#include "query/arrow_c_stream.h"

namespace signalbook::cli {

namespace {

// Short names stand beside param_* and the metrics in the view; one of each is enough for a reader.
bool is_repeated(const std::string& name, const std::vector<TableColumn>& columns) {
  if (name == "sharpe" || name == "strat_hash" || name == "run_trace_path") return true;
  return std::any_of(columns.begin(), columns.end(), [&](const TableColumn& c) { return c.name == "param_" + name; });
}

void print_row(const Table& table, size_t row) {
  size_t width = 0;
  for (const TableColumn& column : table.columns) {
    if (!cell_text(column, row).empty()) width = std::max(width, column.name.size());
  }
  std::string config;
  for (const TableColumn& column : table.columns) {
    const std::string text = cell_text(column, row);
    if (text.empty() || is_repeated(column.name, table.columns)) continue;
    if (column.name == "strategy_config") {
      config = text;
      continue;
    }
    fmt::print("{:<{}}  {}\n", escape_control_characters(column.name), width,
               escape_control_characters(to_valid_utf8(text)));
  }
  const Result<JsonValue> parsed = parse_json(config);
  const std::string tree = parsed.ok() ? strategy_tree_text(*parsed) : "";
  if (!tree.empty()) fmt::print("components\n{}", tree);
  fmt::print("strategy_config\n{}\n", parsed.ok() ? to_json(*parsed, JsonStyle::pretty) : config);
}

}  // namespace

Status run_show(const ShowOptions& options) {
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, SqlEngine::open(posix_file_system(), scope));
  SB_ASSIGN_OR_RETURN(const std::string condition, strategy_condition(*engine, options.strategy));
  std::string query = "SELECT * FROM strategies WHERE " + condition;
  query += options.common.sort_by.empty() ? " ORDER BY run_id, trace_id" : sort_clause(options.common.sort_by);
  if (options.common.limit >= 0) query += fmt::format(" LIMIT {}", options.common.limit);
  if (options.common.format != "table") {
    ArrowArrayStream stream;
    SB_RETURN_IF_ERROR(engine->query(query, &stream));
    return print_result(&stream, options.common);
  }
  SB_ASSIGN_OR_RETURN(const Table rows, ask(*engine, query));
  for (size_t row = 0; row < rows.row_count(); ++row) {
    if (row > 0) fmt::print("\n");
    print_row(rows, row);
  }
  return Status();
}

}  // namespace signalbook::cli
