#include "query/table_functions.h"

#include <set>

#include "query/trades_view.h"

namespace signalbook {

bool may_call(const std::string& function) {
  static const std::set<std::string> allowed = {"duckdb_columns",
                                                "duckdb_constraints",
                                                "duckdb_extensions",
                                                "duckdb_functions",
                                                "duckdb_keywords",
                                                "duckdb_memory",
                                                "duckdb_optimizers",
                                                "duckdb_schemas",
                                                "duckdb_settings",
                                                "duckdb_tables",
                                                "duckdb_types",
                                                "duckdb_views",
                                                "generate_series",
                                                "glob",
                                                "histogram",
                                                "histogram_values",
                                                "icu_calendar_names",
                                                "json_each",
                                                "json_tree",
                                                "parquet_bloom_probe",
                                                "parquet_file_metadata",
                                                "parquet_full_metadata",
                                                "parquet_kv_metadata",
                                                "parquet_metadata",
                                                "parquet_scan",
                                                "parquet_schema",
                                                "pg_timezone_names",
                                                "pragma_show",
                                                "pragma_table_info",
                                                "pragma_version",
                                                "query_table",
                                                "range",
                                                "read_blob",
                                                "read_csv",
                                                "read_csv_auto",
                                                "read_json",
                                                "read_json_auto",
                                                "read_json_objects",
                                                "read_json_objects_auto",
                                                "read_ndjson",
                                                "read_ndjson_auto",
                                                "read_ndjson_objects",
                                                "read_parquet",
                                                "read_text",
                                                "repeat",
                                                "repeat_row",
                                                "sniff_csv",
                                                "summary",
                                                kTradesAtCost,
                                                "unnest"};
  return allowed.contains(function);
}

bool reads_files(const std::string& function) {
  return function.starts_with("read_") || function.starts_with("parquet_") || function == "glob" ||
         function == "sniff_csv";
}

bool lists_views(const std::string& function) {
  return function == "duckdb_views" || function == "duckdb_tables" || function == "duckdb_columns" ||
         function == "query_table" || function.starts_with("pragma_");
}

}  // namespace signalbook
