#pragma once

#include <string>

#include "base/status.h"

namespace signalbook {

// What a query is told when it fails.

// DuckDB tells its kinds of error in the message.
Status duckdb_error(const std::string& message);

// A failure of a function of ours as the text that DuckDB passes on, from which duckdb_error() has it back whole.
std::string function_error(const Status& status);

// Adds what we know better than DuckDB.
Status explain_error(const Status& status, const std::string& store_path);

// That a path may not be read, as DuckDB says it.
Status no_access(const std::string& path);

// Of a statement that is not one that only reads; `what` it is or does.
Status refusal(const std::string& what);

}  // namespace signalbook
