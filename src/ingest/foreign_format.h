#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace signalbook {

// What people send in place of CSV, JSON lines, Parquet or Arrow, so that a message can say what it is.

// Invalid when a file or stream begins as gzip, zstd, zip or UTF-16 do.
Status refuse_foreign_format(std::string_view start);
// Whether that may still be so with more bytes.
bool may_become_foreign_format(std::string_view start);

// Invalid when the names of the columns of a CSV are those of UTF-16 read as bytes, or are one name that another
// separator would make names that we know of.
Status refuse_foreign_names(const std::vector<std::string>& column_names);

}  // namespace signalbook
