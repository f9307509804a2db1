# deps::isal: Intel ISA-L, the system's (Debian: libisal-dev).
find_path(SIGISAL_INCLUDE_DIR isa-l/crc.h)
find_library(SIGISAL_LIBRARY isal)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SigIsal REQUIRED_VARS SIGISAL_LIBRARY SIGISAL_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Run scripts/bootstrap, or install ISA-L with its headers.")
if(SigIsal_FOUND)
  add_library(deps::isal UNKNOWN IMPORTED)
  set_target_properties(deps::isal PROPERTIES
    IMPORTED_LOCATION "${SIGISAL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${SIGISAL_INCLUDE_DIR}")
endif()
