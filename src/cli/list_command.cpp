#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "ingest/cell.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"
#include "query/sql_views.h"

namespace signalbook::cli {

namespace {

// Whether a column holds a parameter's numbers, text (__str) or booleans (__bool). Where names differ only in case,
// later ones have __2 and so on: then the case of the letters tells which is meant.
bool holds_parameter(std::string_view column, std::string_view name) {
  for (const std::string_view part : {std::string_view("param_"), name}) {
    if (!column.starts_with(part)) return false;
    column.remove_prefix(part.size());
  }
  for (const std::string_view form : {"__str", "__bool"}) {
    if (column.starts_with(form)) {
      column.remove_prefix(form.size());
      break;
    }
  }
  return column.empty() || (column.size() > 2 && column.starts_with("__") &&
                            column.find_first_not_of("0123456789", 2) == std::string_view::npos);
}

// What a column of this type is compared with; empty where a value of another kind is asked for. 20 is a number, true a
// boolean, "20" in double quotes text, and so is anything else; an integer that no double holds stands as text, too.
std::string operand_for(const std::string& column_type, const std::string& value) {
  const bool is_quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  if (is_quoted) return column_type == "VARCHAR" ? quote_sql_text(value.substr(1, value.size() - 2)) : "";
  if (value == "true" || value == "false") return column_type == "BOOLEAN" ? value : "";
  const std::optional<double> number = parse_number(value);
  if (number.has_value() && !is_rounded_integer(value, number.value())) {
    return column_type == "DOUBLE" ? fmt::format("{}", number.value()) : "";
  }
  return column_type == "VARCHAR" ? quote_sql_text(value) : "";
}

// "period=20", "std_dev >= 2", "mode!=fast" as a condition on the parameter's columns.
Result<std::string> parameter_condition(const std::string& text, const Table& columns) {
  const size_t begin = text.find_first_of("=<>!");
  constexpr const char* kOperators[] = {"!=", "<=", ">=", "==", "=", "<", ">"};
  for (const char* const op : kOperators) {
    if (begin == std::string::npos || begin == 0 || text.compare(begin, std::string_view(op).size(), op) != 0) continue;
    std::string name = text.substr(0, begin), value = text.substr(begin + std::string_view(op).size());
    name.erase(name.find_last_not_of(' ') + 1);
    value.erase(0, std::min(value.find_first_not_of(' '), value.size()));
    std::vector<std::string> conditions;
    bool known = false;
    for (size_t i = 0; i < columns.row_count(); ++i) {
      const std::string& column = columns.columns[0].texts[i];
      if (!holds_parameter(column, name)) continue;
      known = true;
      const std::string operand = operand_for(columns.columns[1].texts[i], value);
      if (!operand.empty()) conditions.push_back(fmt::format("{} {} {}", quote_sql_name(column), op, operand));
    }
    if (known && conditions.empty()) conditions.emplace_back("false");
    if (conditions.empty()) return Status::not_found(fmt::format("no strategy here has a parameter '{}'", name));
    return fmt::format("({})", fmt::join(conditions, " OR "));
  }
  return Status::invalid(fmt::format("--param {} is not of the form name=value; there are = != < <= > >=", text));
}

constexpr const char* kLeadingColumns[] = {"strategy_id", "strategy_hash", "strategy_type", "symbol", "timeframe"};
constexpr const char* kOptionalColumns[] = {"constraints", "threshold", "total_return", "sharpe_ratio", "max_drawdown"};
constexpr const char* kTrailingColumns[] = {"change_count", "bar_count"};

// A parameter under its short name, unless another column of the list is called so.
std::string select_parameter(const std::string& column) {
  const std::string name = column.substr(std::string_view("param_").size());
  const auto is_name = [&](const char* other) { return name == other; };
  const bool taken = name == "run_id" || std::any_of(std::begin(kLeadingColumns), std::end(kLeadingColumns), is_name) ||
                     std::any_of(std::begin(kOptionalColumns), std::end(kOptionalColumns), is_name) ||
                     std::any_of(std::begin(kTrailingColumns), std::end(kTrailingColumns), is_name);
  const std::string quoted = quote_sql_name(column);
  return taken || name.empty() ? quoted : quoted + " AS " + quote_sql_name(name);
}

}  // namespace

Status run_list(const ListOptions& options) {
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, SqlEngine::open(posix_file_system(), scope));
  SB_ASSIGN_OR_RETURN(const Table described,
                      ask(*engine, "SELECT column_name, column_type FROM (DESCRIBE strategies)"));
  const std::vector<std::string>& columns = described.columns.front().texts;

  std::vector<std::string> conditions;
  if (!options.type.empty()) conditions.push_back("strategy_type = " + quote_sql_text(options.type));
  for (const std::string& parameter : options.parameters) {
    SB_ASSIGN_OR_RETURN(std::string condition, parameter_condition(parameter, described));
    conditions.push_back(std::move(condition));
  }
  if (!options.where.empty()) conditions.push_back("(" + options.where + ")");
  const std::string where = conditions.empty() ? "" : fmt::format(" WHERE {}", fmt::join(conditions, " AND "));

  // Which columns say something about the strategies that fit: a sweep of moving averages needs no column of std_dev.
  std::vector<std::string> optional_columns;
  for (const std::string& column : columns) {
    if (column.starts_with("param_")) optional_columns.push_back(column);
  }
  optional_columns.insert(optional_columns.end(), std::begin(kOptionalColumns), std::end(kOptionalColumns));
  std::string counts = "SELECT count(*) AS strategies";
  for (const std::string& column : optional_columns) counts += fmt::format(", count({})", quote_sql_name(column));
  SB_ASSIGN_OR_RETURN(const Table counted, ask(*engine, counts + " FROM strategies" + where));

  std::vector<std::string> selected;
  if (!scope.run_path) selected.emplace_back("run_id");
  selected.insert(selected.end(), std::begin(kLeadingColumns), std::end(kLeadingColumns));
  for (size_t i = 0; i < optional_columns.size(); ++i) {
    if (counted.columns[i + 1].integers.front() == 0) continue;
    const std::string& column = optional_columns[i];
    selected.push_back(column.starts_with("param_") ? select_parameter(column) : column);
  }
  selected.insert(selected.end(), std::begin(kTrailingColumns), std::end(kTrailingColumns));

  std::string query = fmt::format("SELECT {} FROM strategies{}", fmt::join(selected, ", "), where);
  if (options.common.sort_by.empty()) {
    query += " ORDER BY run_id, trace_id";
  } else {
    query += sort_clause(options.common.sort_by) + ", run_id, trace_id";
  }
  if (options.common.limit >= 0) query += fmt::format(" LIMIT {}", options.common.limit);
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(engine->query(query, &stream));
  SB_RETURN_IF_ERROR(print_result(&stream, options.common));

  const int64_t total = counted.columns.front().integers.front();
  if (options.common.limit >= 0 && total > options.common.limit) {
    print_note(options.common,
               fmt::format("{} of {} shown", with_separators(options.common.limit), with_separators(total)));
  }
  SB_ASSIGN_OR_RETURN(const Table spellings,
                      ask(*engine, "SELECT count(*) FROM (SELECT value_digest FROM strategies" + where +
                                       " GROUP BY ALL HAVING count(DISTINCT strategy_digest) > 1)"));
  if (const int64_t count = spellings.columns.front().integers.front(); count > 0) {
    print_note(options.common,
               fmt::format("{} configurations stand here with the same values in another spelling (2 and 2.0): they "
                           "have the same value_digest and different hashes",
                           with_separators(count)));
  }
  return Status();
}

}  // namespace signalbook::cli
