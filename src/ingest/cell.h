#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "store/table.h"

namespace signalbook {

// What one cell of an input says, whatever the file's type for it.

// The number a text is as a whole ("1", "-0.5", "1e-3"); nothing for other text. Infinities and NaN are numbers here.
std::optional<double> parse_number(std::string_view text);

// Whether a text is an integer that its double does not hold exactly.
bool is_rounded_integer(std::string_view text, double number);

// A number, or NaN for NULL. In an untyped file (CSV) text is read as a number. Invalid for other text, times, lists.
Result<double> read_number(const TableColumn& column, size_t row, bool untyped);

// An integer. NULL, fractions, true and false, and text that is none are Invalid.
Result<int64_t> read_integer(const TableColumn& column, size_t row);

// true or false, in any case, or 1 or 0; NULL is false. Invalid for anything else.
Result<bool> read_flag(const TableColumn& column, size_t row);

// A time in microseconds since 1970 UTC. `zone_missing` is set where it came without a zone.
Result<int64_t> read_time(const TableColumn& column, size_t row, bool* zone_missing);

}  // namespace signalbook
