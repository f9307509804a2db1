#include "store/parameter_columns.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/exact_double.h"
#include "base/utf8.h"

namespace signalbook {

namespace {

// A double holds it, so that it can be found by an equal number.
std::optional<double> as_exact_double(const JsonValue::BigInteger& integer) {
  double number = 0.0;
  const std::string& digits = integer.digits;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (parsed.ec != std::errc() || fmt::format("{:.0f}", number) != digits) return std::nullopt;
  return number;
}

bool is_integer(const JsonValue& value) { return value.integer() != nullptr || value.big_integer() != nullptr; }

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

struct ParameterColumns::Cell {
  Form form = kNull;
  double number = 0.0;
  std::string text = {};
  bool boolean = false;
};

ParameterColumns::Cell ParameterColumns::make_cell(const JsonValue& value) {
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

void ParameterColumns::note(const Parameters& parameters) {
  for (const auto& [name, value] : parameters) {
    Known& known = known_[name];
    const Form form = make_cell(value).form;
    known.present[form] = true;
    if (form == kText && is_integer(value)) known.has_large_integer = true;
  }
}

std::vector<TableColumn> ParameterColumns::make(std::span<const Parameters* const> rows) const {
  using Places = std::array<size_t, kFormCount>;
  constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<TableColumn> columns;
  std::map<std::string_view, Places> places;
  ColumnNames names;
  for (const auto& [name, known] : known_) {
    auto present = known.present;
    const int forms = present[kNumber] + present[kText] + present[kBoolean];
    if (forms == 0) present[kText] = true;  // NULL wherever it is given: the column still says it exists
    const bool alone = forms <= 1 && !(present[kText] && known.has_large_integer);
    const std::string base = "param_" + to_valid_utf8(name);
    Places& of_name = places.emplace(name, Places{kNone, kNone, kNone, kNone}).first->second;
    for (const Form form : {kNumber, kText, kBoolean}) {
      if (!present[form]) continue;
      of_name[form] = columns.size();
      TableColumn& column = columns.emplace_back();
      column.name = names.make_unique(form == kNumber || alone ? base : base + (form == kText ? "__str" : "__bool"));
      column.type = form == kNumber ? ColumnType::real : form == kText ? ColumnType::text : ColumnType::boolean;
    }
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const auto& [name, value] : *rows[row]) {
      const Cell cell = make_cell(value);
      if (cell.form == kNull) continue;
      TableColumn& column = columns[places.at(name)[cell.form]];
      if (column.size() > row) continue;  // a name that is there twice
      while (column.size() < row) column.append_null();
      if (cell.form == kNumber) {
        column.append_real(cell.number);
      } else if (cell.form == kText) {
        column.append_text(cell.text);
      } else {
        column.append_integer(cell.boolean ? 1 : 0);
      }
    }
  }
  for (TableColumn& column : columns) {
    while (column.size() < rows.size()) column.append_null();
  }
  return columns;
}

std::vector<TableColumn> make_parameter_columns(std::span<const JsonValue::Object* const> rows) {
  ParameterColumns columns;
  for (const JsonValue::Object* const parameters : rows) columns.note(*parameters);
  return columns.make(rows);
}

}  // namespace signalbook
