#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "query/sql_text.h"
#include "store/run_description.h"

namespace signalbook {

// The SQL text of the views. Pure text from facts: nothing here opens a file or knows DuckDB.

// A run as the views see it.
struct ViewRun {
  std::string run_id;
  std::string path;  // as the user sees it: goes in front of trace_path
};

struct ViewColumn {
  std::string name;
  std::string type;  // as DuckDB's DESCRIBE writes it
};

// Runs of one store whose indexes have the same columns: DuckDB opens one footer for all of them.
struct IndexGroup {
  std::vector<ViewRun> runs;
  std::vector<ViewColumn> columns;
};

// Every row of the indexes with run_id, run_path and run_trace_path. Where the types of a parameter differ between
// groups, numbers stay in param_x (DOUBLE), text goes to param_x__str and booleans to param_x__bool. A column gets a
// short name only where no other column has it.
std::string strategies_sql(const std::string& store_directory, std::span<const IndexGroup> groups);

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

std::string traces_sql(const std::string& store_directory, std::span<const TraceSource> sources);

std::string bars_sql(std::span<const std::string> paths);

// A run and its run.json, where it has one.
struct DescribedRun {
  ViewRun run;
  std::optional<RunDescription> description;
};

std::string runs_sql(std::span<const DescribedRun> runs);

}  // namespace signalbook
