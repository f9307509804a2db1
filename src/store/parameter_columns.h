#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "format/json_value.h"
#include "store/table.h"

namespace signalbook {

// The param_* columns of a table of strategies: one or more for each parameter name, sorted by name, a value or NULL
// for each row.
//   numbers                                   param_x        DOUBLE
//   text, lists and objects (as JSON)         param_x        STRING,  param_x__str beside another type
//   booleans                                  param_x        BOOLEAN, param_x__bool beside another type
//   integers that a double cannot hold        param_x__str   STRING
// A name that differs from an earlier column's only in case gets __2, because SQL would not tell them apart.
//
// Which columns there are depends on all rows, so each is shown to note() before the first are made.
class ParameterColumns {
 public:
  using Parameters = JsonValue::Object;

  void note(const Parameters& parameters);
  // The columns of some of the rows, in the order given.
  std::vector<TableColumn> make(std::span<const Parameters* const> rows) const;

 private:
  enum Form : size_t { kNumber, kText, kBoolean, kNull, kFormCount };
  struct Cell;  // a value in the type of its column
  struct Known {
    std::array<bool, kFormCount> present{};
    bool has_large_integer = false;
  };
  static Cell make_cell(const JsonValue& value);

  std::map<std::string, Known> known_;  // by name
};

// Of a table that is whole.
std::vector<TableColumn> make_parameter_columns(std::span<const JsonValue::Object* const> rows);

}  // namespace signalbook
