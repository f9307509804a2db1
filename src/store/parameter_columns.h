#pragma once

#include <vector>

#include "format/json_value.h"
#include "store/strategy_index.h"
#include "store/table.h"

namespace signalbook {

// The param_* columns of a table of strategies: one or more for each parameter name, sorted by name, a value or NULL
// for each row.
//   numbers                                   param_x        DOUBLE
//   text, lists and objects (as JSON)         param_x        STRING,  param_x__str beside another type
//   booleans                                  param_x        BOOLEAN, param_x__bool beside another type
//   integers that a double cannot hold        param_x__str   STRING
// A name that differs from an earlier column's only in case gets __2, because SQL would not tell them apart.
std::vector<TableColumn> make_parameter_columns(const std::vector<const JsonValue::Object*>& rows);
std::vector<TableColumn> make_parameter_columns(const std::vector<IndexRow>& rows);

}  // namespace signalbook
