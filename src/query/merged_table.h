#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/sql_text.h"

namespace signalbook {

// One table whose rows lie in many files, a file a run, or in the catalogue's segments, with columns that differ. The
// SQL that makes one table of them: pure text from facts, nothing here opens a file.

enum class RunTable { strategies, components };

// The file of a run that holds its part of the table.
const char* file_of(RunTable table);

struct ViewColumn {
  std::string name;
  std::string type;                 // as DuckDB's DESCRIBE writes it
  bool has_large_integers = false;  // that a double cannot hold

  bool operator==(const ViewColumn&) const = default;
};

// A run as the views see it.
struct ViewRun {
  std::string run_id;
  std::string path;  // as the user sees it: goes in front of trace_path
  std::string file;  // by what name DuckDB opens its file; empty: its place in the store
};

// Files with the same columns, so that DuckDB opens one footer for all of them; or one segment.
struct TableGroup {
  std::vector<ViewRun> runs;        // whose rows are meant
  std::vector<ViewColumn> columns;  // without those of a segment that tell the run
  std::string segment;              // absolute path; empty: the files of the runs
  std::vector<std::string> hidden;  // runs in the segment that are not meant
};

bool is_parameter(std::string_view column);
bool is_wide_integer(const std::string& type);  // of more bits than a double holds

// The columns that tell the run in a segment.
inline constexpr const char* kSegmentRunColumn = "run_id";
inline constexpr const char* kSegmentCodeVersionColumn = "run_code_version";

// What run.json alone tells of a run.
struct RunFact {
  std::string run_id;
  std::string code_version;  // empty where there is none
};

// The view: every row with run_id, and for strategies run_path and run_trace_path. Every column of the format is
// there, NULL where no file has it. Where the types of a parameter differ between groups, numbers stay in param_x
// (DOUBLE), text and integers that no double holds go to param_x__str and booleans to param_x__bool; likewise of
// metrics. Names that differ only in case are one column, as SQL sees them. A column gets a short name only where no
// other column has it.
std::string table_view_sql(RunTable table, const std::string& store_directory, std::span<const TableGroup> groups);

// The rows for a segment: kSegmentRunColumn, kSegmentCodeVersionColumn and the merged columns, like beside like.
std::string segment_sql(RunTable table, const std::string& store_directory, std::span<const TableGroup> groups,
                        std::span<const RunFact> facts);

// One row a strategy: how often and where it was run, and how it did (docs/sql.md). `condition` picks strategies by
// strategy_hash and strategy_digest; empty: all.
std::string history_sql(const std::string& store_directory, std::span<const TableGroup> groups,
                        std::span<const RunFact> facts, const std::string& condition);

}  // namespace signalbook
