#pragma once

#include <string>

namespace signalbook {

// What we know of DuckDB's table functions, by their names in lowercase.

// Those that only read. A list of what is allowed: among DuckDB's others are enable_logging, with which a SELECT
// writes files, and query, which runs text that was not looked at.
bool may_call(const std::string& function);

// Of those, the ones whose first argument is a path.
bool reads_files(const std::string& function);

// And the ones through which any view may be seen.
bool lists_views(const std::string& function);

}  // namespace signalbook
