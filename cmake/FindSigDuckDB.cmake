# deps::duckdb: from .deps, or the system's with SIGNALBOOK_SYSTEM_DEPS.
if(SIGNALBOOK_SYSTEM_DEPS)
  find_path(SIGDUCKDB_INCLUDE_DIR duckdb.h)
  find_library(SIGDUCKDB_LIBRARY duckdb)
elseif(EXISTS "${SIGNALBOOK_DEPS}/duckdb/lib/libduckdb.so")
  set(SIGDUCKDB_INCLUDE_DIR "${SIGNALBOOK_DEPS}/duckdb/include")
  set(SIGDUCKDB_LIBRARY "${SIGNALBOOK_DEPS}/duckdb/lib/libduckdb.so")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SigDuckDB REQUIRED_VARS SIGDUCKDB_LIBRARY SIGDUCKDB_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Run scripts/bootstrap, or install DuckDB and set SIGNALBOOK_SYSTEM_DEPS.")
if(SigDuckDB_FOUND)
  add_library(deps::duckdb SHARED IMPORTED GLOBAL)
  set_target_properties(deps::duckdb PROPERTIES
    IMPORTED_LOCATION "${SIGDUCKDB_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${SIGDUCKDB_INCLUDE_DIR}")
endif()
