#include "store/verify_table.h"

#include <fmt/format.h>

#include <bit>
#include <span>

#include "base/digest.h"
#include "base/time_text.h"
#include "format/json_value.h"

namespace signalbook {

std::optional<std::string> first_fault(size_t row_count,
                                       const std::function<std::optional<std::string>(size_t)>& check) {
  std::optional<std::string> first;
  size_t more = 0;
  for (size_t row = 0; row < row_count; ++row) {
    std::optional<std::string> fault = check(row);
    if (!fault) continue;
    if (first) {
      ++more;
    } else {
      first = fmt::format("row {}: {}", row + 1, *fault);
    }
  }
  if (more > 0) *first += fmt::format(" (and {} more row{} like it)", more, more == 1 ? "" : "s");
  return first;
}

std::string cell_text(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return "NULL";
  const auto quoted = [](const std::string& text) {
    constexpr size_t kMostShown = 100;
    return text.size() <= kMostShown ? "'" + text + "'" : "'" + text.substr(0, kMostShown) + "...'";
  };
  switch (column.type) {
    case ColumnType::boolean:
      return column.integers[row] != 0 ? "true" : "false";
    case ColumnType::int32:
    case ColumnType::int64:
      return std::to_string(column.integers[row]);
    case ColumnType::timestamp:
      return format_time(column.integers[row]);
    case ColumnType::real:
      return fmt::format("{}", column.reals[row]);
    case ColumnType::text:
      return quoted(column.texts[row]);
    case ColumnType::bytes: {
      const std::string& bytes = column.texts[row];
      return to_hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    }
    case ColumnType::text_list: {
      JsonValue::Array list;
      for (const std::string& text : column.lists[row]) list.emplace_back(text);
      return to_json(JsonValue(std::move(list)));
    }
  }
  return "";
}

namespace {

bool is_integer(ColumnType type) { return type == ColumnType::int32 || type == ColumnType::int64; }

bool is_same_cell(const TableColumn& a, const TableColumn& b, size_t row) {
  if (a.is_null(row) || b.is_null(row)) return a.is_null(row) == b.is_null(row);
  switch (a.type) {
    case ColumnType::boolean:
    case ColumnType::int32:
    case ColumnType::int64:
    case ColumnType::timestamp:
      return a.integers[row] == b.integers[row];
    case ColumnType::real:
      return std::bit_cast<uint64_t>(a.reals[row]) == std::bit_cast<uint64_t>(b.reals[row]);
    case ColumnType::text:
    case ColumnType::bytes:
      return a.texts[row] == b.texts[row];
    case ColumnType::text_list:
      return a.lists[row] == b.lists[row];
  }
  return false;
}

}  // namespace

std::vector<std::string> compare_tables(const Table& expected, const Table& actual, const std::string& source,
                                        const std::function<bool(const std::string&)>& passes_over) {
  if (expected.row_count() != actual.row_count()) {
    return {fmt::format("{} rows, {} {}", actual.row_count(), source, expected.row_count())};
  }
  std::vector<std::string> differences;
  for (const TableColumn& column : expected.columns) {
    if (passes_over(column.name)) continue;
    const TableColumn* const found = actual.find(column.name);
    // A reader gives integers of every width as int64.
    if (found == nullptr || (found->type != column.type && !(is_integer(found->type) && is_integer(column.type)))) {
      differences.push_back(
          fmt::format("column '{}' is {}", column.name, found == nullptr ? "missing" : "of another type"));
      continue;
    }
    const auto fault = first_fault(expected.row_count(), [&](size_t row) -> std::optional<std::string> {
      if (is_same_cell(column, *found, row)) return std::nullopt;
      return fmt::format("column '{}' is {}, {} {}", column.name, cell_text(*found, row), source,
                         cell_text(column, row));
    });
    if (fault) differences.push_back(*fault);
  }
  for (const TableColumn& column : actual.columns) {
    if (!column.name.starts_with("param_") || expected.find(column.name) != nullptr) continue;
    differences.push_back(fmt::format("column '{}' is a parameter of no configuration", column.name));
  }
  return differences;
}

}  // namespace signalbook
