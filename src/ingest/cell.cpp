#include "ingest/cell.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/ascii.h"
#include "base/exact_double.h"
#include "store/parse_time.h"

namespace signalbook {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_rounded_integer(std::string_view text, double number) {
  text = trim(text);
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return std::abs(number) >= 0x1p53 && fmt::format("{:.0f}", std::abs(number)) != text;
}

std::optional<double> parse_number(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  // Too large or too small: strtod tells which (from_chars does not), and is right for both.
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(text).c_str(), nullptr);
  if (error != std::errc()) return std::nullopt;
  return number;
}

Result<double> read_number(const TableColumn& column, size_t row, bool untyped) {
  if (column.is_null(row)) return std::numeric_limits<double>::quiet_NaN();
  switch (column.type) {
    case ColumnType::real:
      return column.reals[row];
    case ColumnType::boolean:
    case ColumnType::int32:
    case ColumnType::int64:
      if (const auto number = to_exact_double(column.integers[row])) return *number;
      return Status::invalid(fmt::format("{} is more than a double holds exactly", column.integers[row]));
    case ColumnType::text: {
      if (untyped) {
        if (const auto number = parse_number(column.texts[row])) {
          if (!is_rounded_integer(column.texts[row], *number)) return *number;
          return Status::invalid(fmt::format("{} is more than a double holds exactly", column.texts[row]));
        }
      }
      return Status::invalid(fmt::format("'{}' is no number", column.texts[row]));
    }
    default:
      return Status::invalid("this is no number");
  }
}

Result<int64_t> read_integer(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return Status::invalid("the value is missing");
  if (column.type == ColumnType::boolean) {
    return Status::invalid(fmt::format("{} is no whole number", column.integers[row] != 0 ? "true" : "false"));
  }
  if (column.type == ColumnType::int64) return column.integers[row];
  SB_ASSIGN_OR_RETURN(const double number, read_number(column, row, true));
  if (std::abs(number) > 0x1p53 || number != std::floor(number)) {
    return Status::invalid(fmt::format("{} is no whole number", number));
  }
  return static_cast<int64_t>(number);
}

Result<bool> read_flag(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return false;
  if (column.type == ColumnType::text) {
    const std::string text = to_lower_ascii(trim(column.texts[row]));
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    return Status::invalid(fmt::format("'{}' is neither true nor false", column.texts[row]));
  }
  const Result<double> number = read_number(column, row, false);
  if (!number.ok() || (*number != 0.0 && *number != 1.0)) return Status::invalid("this is neither true nor false");
  return *number == 1.0;
}

Result<int64_t> read_time(const TableColumn& column, size_t row, bool* zone_missing) {
  if (column.is_null(row)) return Status::invalid("the time is missing");
  if (column.type == ColumnType::timestamp) {
    *zone_missing |= !column.time_zone_given;
    return column.integers[row];
  }
  if (column.type == ColumnType::boolean) return Status::invalid("true and false are no times");
  if (column.type != ColumnType::text) {
    return Status::invalid(
        "the time is a plain number; write it as text (2024-03-26 13:30:00+00:00) or as a timestamp");
  }
  bool zone_given = true;
  SB_ASSIGN_OR_RETURN(const int64_t time, parse_time(trim(column.texts[row]), &zone_given));
  *zone_missing |= !zone_given;
  return time;
}

}  // namespace signalbook
