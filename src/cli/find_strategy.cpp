#include "cli/find_strategy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "base/digest.h"
#include "base/time_text.h"
#include "format/json_value.h"
#include "query/arrow_c_stream.h"
#include "query/sql_views.h"

namespace signalbook::cli {

Result<Table> ask(SqlEngine& engine, const std::string& query) {
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(engine.query(query, &stream));
  return table_from_stream(&stream);
}

Result<std::string> strategy_condition(SqlEngine& engine, const std::string& name) {
  const std::string quoted = quote_sql_text(name);
  const std::string by_id = fmt::format("(strategy_id = {0} OR list_contains(aliases, {0}))", quoted);
  SB_ASSIGN_OR_RETURN(const Table ids, ask(engine, "SELECT count(*) FROM strategies WHERE " + by_id));
  if (ids.columns.front().integers.front() > 0) return by_id;

  constexpr size_t kMinDigits = 4, kMaxDigits = 64, kMostNamed = 20;
  const bool is_prefix = name.size() >= kMinDigits && name.size() <= kMaxDigits &&
                         name.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (is_prefix) {
    const std::string by_hash = fmt::format("starts_with(lower(hex(strategy_digest)), lower({}))", quoted);
    SB_ASSIGN_OR_RETURN(const Table digests,
                        ask(engine, fmt::format("SELECT DISTINCT lower(hex(strategy_digest)) AS digest, strategy_type "
                                                "FROM strategies WHERE {} ORDER BY digest LIMIT {}",
                                                by_hash, kMostNamed)));
    if (digests.row_count() == 1) return by_hash;
    if (digests.row_count() > 1) {
      std::string message = fmt::format("{} fits {} strategies; give more digits:", name, digests.row_count());
      for (size_t i = 0; i < digests.row_count(); ++i) {
        message += fmt::format("\n  {}  {}", digests.columns[0].texts[i].substr(0, 16), digests.columns[1].texts[i]);
      }
      return Status::invalid(message);
    }
  }
  return Status::not_found(
      fmt::format("there is no strategy {}; give a strategy_id, or 4 or more digits of a strategy_hash "
                  "(signalbook list shows both)",
                  name));
}

std::string sort_clause(const std::string& sort_by) {
  std::string column = sort_by, direction;
  for (const char* word : {" desc", " DESC", " asc", " ASC"}) {
    if (!sort_by.ends_with(word)) continue;
    column = sort_by.substr(0, sort_by.size() - std::string_view(word).size());
    direction = word;
  }
  return " ORDER BY " + quote_sql_name(column) + direction + " NULLS LAST";
}

std::string cell_text(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return "";
  switch (column.type) {
    case ColumnType::boolean:
      return column.integers[row] != 0 ? "true" : "false";
    case ColumnType::int32:
    case ColumnType::int64:
      return std::to_string(column.integers[row]);
    case ColumnType::timestamp:
      return format_time(column.integers[row]);
    case ColumnType::real: {
      std::string text;
      append_python_float(column.reals[row], text);
      return text;
    }
    case ColumnType::text:
      return column.texts[row];
    case ColumnType::bytes: {
      const std::string& bytes = column.texts[row];
      return to_hex(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    }
    case ColumnType::text_list:
      return fmt::format("{}", fmt::join(column.lists[row], ", "));
  }
  return "";
}

}  // namespace signalbook::cli
