#pragma once

#include <string>

#include "base/status.h"
#include "store/table.h"

namespace signalbook::cli {

// Puts the rows in the order that --sort-by names: a column, "column asc" or "column desc", in any case. Equal rows
// stay as they are, NULL comes last. Invalid, naming the columns, where there is none of that name.
Status sort_table(Table& table, const std::string& sort_by);

}  // namespace signalbook::cli
