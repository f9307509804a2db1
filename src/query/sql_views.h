#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/merged_table.h"
#include "query/packed_traces.h"
#include "store/run_description.h"

namespace signalbook {

// The SQL text of the views. Pure text from facts: nothing here opens a file or knows DuckDB.

// The eight columns of a trace as the views show them.
const std::vector<ViewColumn>& trace_columns();

// Trace files of many runs that have the same columns.
struct TraceSource {
  std::vector<std::string> patterns;  // absolute
  bool classifiers = false;           // val is text
  // Files of a known format: their columns are known without opening one. Else the columns that there are.
  bool known_format = true;
  std::vector<std::string> columns;
};

std::string traces_sql(const std::string& store_directory, std::span<const TraceSource> sources,
                       std::span<const PackedColumns> packs);

// The file of a metric set.
struct MetricSetFile {
  std::string run_id;
  std::string name;  // of the set
  std::string path;  // absolute
  std::string file;  // by what name DuckDB opens it: its path, or another
};

// The figures of all traces of `strategies_sql` (the SELECT of the view strategies), those in the index as the set
// "index", and of the sets beside it.
std::string metrics_sql(const std::string& store_directory, const std::string& strategies_sql,
                        std::span<const MetricSetFile> sets);

std::string bars_sql(std::span<const std::string> paths);

// A run and its run.json, where it has one.
struct DescribedRun {
  ViewRun run;
  std::optional<RunDescription> description;
};

std::string runs_sql(std::span<const DescribedRun> runs);

}  // namespace signalbook
