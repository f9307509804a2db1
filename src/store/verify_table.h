#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/table.h"

namespace signalbook {

// Faults of one kind in the rows of a file are one finding: the first of them, and how many more there are. `check`
// gives what is wrong with a row (from 0), or nothing. Rows are told from 1.
std::optional<std::string> first_fault(size_t row_count,
                                       const std::function<std::optional<std::string>(size_t)>& check);

// What a column says on a row, for a message: NULL, a number, a time, hexadecimal digits, text between quotes.
std::string cell_text(const TableColumn& column, size_t row);

// How a table differs from what it should be, a line a column, with `source` as what says so ("the configuration
// gives"): "row 3: column 'param_period' is 21, the configuration gives 20". Columns that are there beside the expected
// ones do not count, but for those of parameters.
std::vector<std::string> compare_tables(const Table& expected, const Table& actual, const std::string& source,
                                        const std::function<bool(const std::string&)>& passes_over);

}  // namespace signalbook
