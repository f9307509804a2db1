#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "store/lost_and_found.h"
#include "store/recovery_table.h"
#include "store/run_description.h"

namespace signalbook {

// The directory of a run as it was found: the facts that decide what to do with it, and what stands behind them.
struct RunInspection {
  RecoveryFacts facts;
  std::vector<std::string> alive_writers;  // when there are any, nothing else was looked at
  std::vector<std::string> damage;         // a line each, file in front
  std::vector<std::string> remarks;        // no damage, and worth telling
  std::vector<LostFile> damaged_files;     // traces, index and run.json that are there and are not whole
  std::vector<LostFile> in_the_way;        // directories where a file of the run belongs
  std::optional<RunDescription> recorded;  // what the journals say of the run, where they say it
  bool has_two_versions = false;           // run.json names two of a file: a replacement is going on, or died
  int64_t torn_bytes = 0;                  // at the ends of journals
  // What is not to be removed with the journals of a run that is whole: the directory, or what of it is cut off or none
  // of ours; and what an earlier removal has left under the other name.
  std::vector<LostFile> kept_journals, kept_done_journals;
  int64_t recorded_trace_count = 0;  // in the journals
  int64_t whole_trace_count = 0;     // files
};

// The writers whose locks somebody holds. None where that cannot be told because nobody may write there.
Result<std::vector<std::string>> find_alive_writers(FileSystem& files, const std::string& run_path);

// Whether a directory is, or was to be, a run: it holds something that only runs have, more than a lock.
Result<bool> looks_like_run(FileSystem& files, const std::string& path);

// Reads everything in it, and changes nothing. Whoever wants to act on it holds the run's lock and those of its
// writers, and says so; otherwise a writer that lives is told by the lock of its journal. NotFound when there is no
// such directory; Invalid when a newer Signalbook wrote it; IoError when the disk refuses.
struct InspectOptions {
  size_t threads = 0;  // 0: one a core; what is found is the same
  ProgressCallback progress = nullptr;
};
Result<RunInspection> inspect_run(FileSystem& files, const std::string& run_path, bool writers_are_locked,
                                  const InspectOptions& options = {});

// The runs of a store that are not finished, have a journal, or have no index or run.json that can be read: their
// names, sorted.
Result<std::vector<std::string>> list_unfinished_runs(FileSystem& files, const std::string& store_path);

}  // namespace signalbook
