# deps::arrow, deps::parquet, deps::arrow_compute: from the pyarrow wheel, or the system's with SIGNALBOOK_SYSTEM_DEPS.
if(SIGNALBOOK_SYSTEM_DEPS)
  find_package(Arrow CONFIG QUIET)
  find_package(Parquet CONFIG QUIET)
  find_package(ArrowCompute CONFIG QUIET)
  if(Arrow_FOUND AND Parquet_FOUND)
    set(SIGARROW_FROM "system ${Arrow_VERSION}")
    add_library(deps::arrow ALIAS Arrow::arrow_shared)
    add_library(deps::parquet ALIAS Parquet::parquet_shared)
    if(TARGET ArrowCompute::arrow_compute_shared)
      add_library(deps::arrow_compute ALIAS ArrowCompute::arrow_compute_shared)
    else()  # before Arrow 21 it was part of libarrow
      add_library(deps::arrow_compute ALIAS Arrow::arrow_shared)
    endif()
  endif()
else()
  # The wheel has no unversioned names: the number is Arrow's ABI, 2600 for 26.0.
  file(GLOB _arrow "${SIGNALBOOK_DEPS}/arrow/libarrow.so.[0-9]*")
  if(_arrow)
    string(REGEX REPLACE ".*\\.so\\." "" _abi "${_arrow}")
    set(SIGARROW_FROM "${SIGNALBOOK_DEPS}/arrow, ABI ${_abi}")
    foreach(_library arrow parquet arrow_compute)
      add_library(deps::${_library} SHARED IMPORTED GLOBAL)
      set_target_properties(deps::${_library} PROPERTIES
        IMPORTED_LOCATION "${SIGNALBOOK_DEPS}/arrow/lib${_library}.so.${_abi}"
        INTERFACE_INCLUDE_DIRECTORIES "${SIGNALBOOK_DEPS}/arrow/include")
    endforeach()
    target_link_libraries(deps::parquet INTERFACE deps::arrow)
    target_link_libraries(deps::arrow_compute INTERFACE deps::arrow)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SigArrow REQUIRED_VARS SIGARROW_FROM
  REASON_FAILURE_MESSAGE "Run scripts/bootstrap, or install Arrow C++ and set SIGNALBOOK_SYSTEM_DEPS.")
