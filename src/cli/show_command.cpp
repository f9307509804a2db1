#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "cli/run_filter.h"
#include "cli/strategy_report.h"
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
    print_out("{:<{}}  {}\n", escape_control_characters(column.name), width,
              escape_control_characters(to_valid_utf8(text)));
  }
  const Result<JsonValue> parsed = parse_json(config);
  const std::string tree = parsed.ok() ? strategy_tree_text(*parsed, terminal_width()) : "";
  if (!tree.empty()) print_out("components\n{}", tree);
  print_out("strategy_config\n{}\n", parsed.ok() ? to_json(*parsed, JsonStyle::pretty) : config);
}

}  // namespace

Status run_show(const ShowOptions& options) {
  SB_ASSIGN_OR_RETURN(Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::string run_condition, choose_runs(options.runs, scope));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options.common));
  SB_ASSIGN_OR_RETURN(std::string condition, strategy_condition(*engine, options.strategy, run_condition));
  SB_RETURN_IF_ERROR(print_prefix_note(*engine, options.strategy, condition, run_condition, options.common));
  if (!run_condition.empty()) condition += " AND " + run_condition;
  std::string query = "SELECT * FROM strategies WHERE " + condition;
  query += options.common.sort_by.empty() ? " ORDER BY run_id, trace_id" : sort_clause(options.common.sort_by);
  if (options.common.limit >= 0) query += fmt::format(" LIMIT {}", options.common.limit);
  const auto explain = [&](const Status& status) {
    return explain_sort_error(*engine, status, "strategies", options.common.sort_by);
  };
  if (options.common.format != "table") {
    ArrowArrayStream stream;
    SB_RETURN_IF_ERROR(explain(engine->query(query, &stream)));
    SB_RETURN_IF_ERROR(print_result(&stream, options.common));
    return print_strategy_notes(*engine, condition, options.common);
  }
  Result<Table> asked = ask(*engine, query);
  if (!asked.ok()) return explain(asked.status());
  const Table rows = std::move(asked).value();
  bool is_first = true;
  for (const std::vector<size_t>& traces : rows_by_strategy(rows)) {
    if (!is_first) print_out("\n");
    is_first = false;
    if (traces.size() == 1) {
      print_row(rows, traces.front());
      continue;
    }
    print_row(common_columns(rows, traces.front()), 0);
    print_out("\n");
    SB_RETURN_IF_ERROR(print_traces(*engine, rows, traces, options.common));
  }
  const bool may_be_cut = options.common.limit >= 0 && static_cast<int64_t>(rows.row_count()) >= options.common.limit;
  return print_strategy_notes(*engine, condition, options.common, may_be_cut ? nullptr : &rows);
}

}  // namespace signalbook::cli
