#include "store/parameter_columns.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/exact_double.h"
#include "base/utf8.h"

namespace signalbook {

namespace {

enum Form : size_t { kNumber, kText, kBoolean, kNull, kFormCount };

// Which of a parameter's columns a value goes to, and the value in that column's type.
struct Cell {
  Form form = kNull;
  double number = 0.0;
  std::string text = {};
  bool boolean = false;
};

// A double holds it, so that it can be found by an equal number.
std::optional<double> as_exact_double(const JsonValue::BigInteger& integer) {
  double number = 0.0;
  const std::string& digits = integer.digits;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc() || fmt::format("{:.0f}", number) != digits) return std::nullopt;
  return number;
}

Cell make_cell(const JsonValue& value) {
  if (value.is_null()) return {};
  if (const bool* boolean = value.boolean()) return {.form = kBoolean, .boolean = *boolean};
  if (const double* real = value.real()) return {.form = kNumber, .number = *real};
  if (const int64_t* integer = value.integer()) {
    if (const auto number = to_exact_double(*integer)) return {.form = kNumber, .number = *number};
    return {.form = kText, .text = std::to_string(*integer)};
  }
  if (const auto* integer = value.big_integer()) {
    if (const auto number = as_exact_double(*integer)) return {.form = kNumber, .number = *number};
    return {.form = kText, .text = integer->digits};
  }
  if (const std::string* text = value.text()) return {.form = kText, .text = to_valid_utf8(*text)};
  return {.form = kText, .text = to_json(value)};
}

bool is_integer(const JsonValue& value) { return value.integer() != nullptr || value.big_integer() != nullptr; }

// What one parameter name holds over all rows.
struct Parameter {
  std::vector<std::pair<size_t, Cell>> cells;  // row and value
  std::array<bool, kFormCount> present{};
  bool has_large_integer = false;
};

class ColumnNames {
 public:
  std::string make_unique(const std::string& name) {
    std::string unique = name;
    for (int number = 2; !taken_.insert(to_lower_ascii(unique)).second; ++number)
      unique = fmt::format("{}__{}", name, number);
    return unique;
  }

 private:
  std::set<std::string> taken_;
};

}  // namespace

std::vector<TableColumn> make_parameter_columns(const std::vector<IndexRow>& rows) {
  std::vector<const JsonValue::Object*> parameters;
  for (const IndexRow& row : rows) parameters.push_back(&row.parameters);
  return make_parameter_columns(parameters);
}

std::vector<TableColumn> make_parameter_columns(const std::vector<const JsonValue::Object*>& rows) {
  std::map<std::string, Parameter> parameters;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const auto& [name, value] : *rows[row]) {
      Parameter& parameter = parameters[name];
      Cell cell = make_cell(value);
      parameter.present[cell.form] = true;
      if (cell.form == kText && is_integer(value)) parameter.has_large_integer = true;
      parameter.cells.emplace_back(row, std::move(cell));
    }
  }

  std::vector<TableColumn> columns;
  ColumnNames names;
  for (auto& [name, parameter] : parameters) {
    const int forms = parameter.present[kNumber] + parameter.present[kText] + parameter.present[kBoolean];
    if (forms == 0) parameter.present[kText] = true;  // NULL wherever it is given: the column still says it exists
    const std::string base = "param_" + to_valid_utf8(name);
    for (const Form form : {kNumber, kText, kBoolean}) {
      if (!parameter.present[form]) continue;
      TableColumn column;
      const bool alone = forms <= 1 && !(form == kText && parameter.has_large_integer);
      column.name = names.make_unique(form == kNumber || alone ? base : base + (form == kText ? "__str" : "__bool"));
      column.type = form == kNumber ? ColumnType::real : form == kText ? ColumnType::text : ColumnType::boolean;
      size_t row = 0;
      for (const auto& [given_row, cell] : parameter.cells) {
        for (; row < given_row; ++row) column.append_null();
        ++row;
        if (cell.form != form) {
          column.append_null();
        } else if (form == kNumber) {
          column.append_real(cell.number);
        } else if (form == kText) {
          column.append_text(cell.text);
        } else {
          column.append_integer(cell.boolean ? 1 : 0);
        }
      }
      for (; row < rows.size(); ++row) column.append_null();
      columns.push_back(std::move(column));
    }
  }
  return columns;
}

}  // namespace signalbook
