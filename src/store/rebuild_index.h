#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "store/lost_and_found.h"
#include "store/run_description.h"
#include "store/run_summary.h"

namespace signalbook {

struct RebuildOptions {
  bool is_dry = false;  // change nothing
  int64_t now = 0;      // microseconds since 1970 UTC, for notes; stands in no file of the run
  size_t threads = 0;   // 0: one a core; the files are the same
  ProgressCallback progress = nullptr;
};

struct RebuildReport {
  RunSummary summary;
  bool changed = false;              // some file of the run is not what it was
  std::vector<std::string> damage;   // traces that were left out
  std::vector<std::string> missing;  // what the older index or run.json names and is not there: left out, too
  std::vector<std::string> remarks;  // what no trace says and nothing else could tell
  std::vector<MovedFile> moved;
};

// Makes strategy_index.parquet, strategy_components.parquet and run.json from the traces alone, with the bars of the
// store. What the traces do not say is taken from the files that are there, as far as they can be read: tags, note,
// code_version, writers and created_at from run.json (else from `fallback`), aliases and `complete` from the index.
// Other files that run.json names (metric sets) stay named where they are whole. Damaged traces and metric sets are
// left out and moved to lost+found, where copies of the replaced files are as well; a pack of which traces can be read
// stays where it is. Where traces are there in files and in packs, they count once. Readers may be at it meanwhile
// (store/replace_run_file.h); the index is renamed into place last; the same traces give the same bytes, and where they
// are there nothing is written.
// The caller holds the run's lock. NotFound when there is no whole trace.
Result<RebuildReport> rebuild_tables(FileSystem& files, const std::string& run_path, const RunDescription* fallback,
                                     const RebuildOptions& options);

// The same under the run's lock. Invalid when the run is being written, committed or recovered, or has a journal, which
// recover_run() is for.
Result<RebuildReport> rebuild_index(FileSystem& files, const std::string& run_path, const RebuildOptions& options);

}  // namespace signalbook
