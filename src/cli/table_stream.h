#pragma once

#include <functional>

#include "base/status.h"
#include "cli/common.h"
#include "store/table.h"

namespace signalbook::cli {

// Prints a result of any size, made piece by piece: add_rows() appends the next rows to an empty table with the columns
// of `columns`, and none when there are no more.
Status print_pieces(const Table& columns, std::function<Status(Table&)> add_rows, const CommonOptions& options);

}  // namespace signalbook::cli
