# deps::simdjson: compiled from .deps, or the system's with SIGNALBOOK_SYSTEM_DEPS.
if(SIGNALBOOK_SYSTEM_DEPS)
  find_package(simdjson CONFIG QUIET)
  if(simdjson_FOUND)
    set(SIGSIMDJSON_FROM "system ${simdjson_VERSION}")
    add_library(deps::simdjson ALIAS simdjson::simdjson)
  endif()
elseif(EXISTS "${SIGNALBOOK_DEPS}/simdjson/simdjson.cpp")
  set(SIGSIMDJSON_FROM "${SIGNALBOOK_DEPS}/simdjson")
  add_library(simdjson STATIC EXCLUDE_FROM_ALL "${SIGNALBOOK_DEPS}/simdjson/simdjson.cpp")
  add_library(deps::simdjson ALIAS simdjson)
  target_include_directories(simdjson SYSTEM PUBLIC "${SIGNALBOOK_DEPS}/simdjson")
  # The same in every file: its headers would otherwise decide by NDEBUG and -O. It chooses its SIMD when it runs.
  target_compile_definitions(simdjson PUBLIC SIMDJSON_DEVELOPMENT_CHECKS=0)
  target_compile_options(simdjson PRIVATE -O3 -g0 -w -fno-sanitize=all)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SigSimdjson REQUIRED_VARS SIGSIMDJSON_FROM
  REASON_FAILURE_MESSAGE "Run scripts/bootstrap, or install simdjson and set SIGNALBOOK_SYSTEM_DEPS.")
