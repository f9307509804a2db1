#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "store/commit_run.h"
#include "store/lost_and_found.h"
#include "store/recovery_table.h"
#include "store/run_summary.h"

namespace signalbook {

struct RecoverOptions {
  bool is_dry = false;  // change nothing, and tell what would be done
  int64_t now = 0;      // microseconds since 1970 UTC, for the notes in lost+found; stands in no file of a run
  size_t threads = 0;   // 0: one a core; the files are the same
  ProgressCallback progress = nullptr;
  CommitOptions commit = {};  // of a run that is finished; threads and progress are those above
};

// What was found in the directory of a run, what was done about it, and why.
struct RecoveryReport {
  RecoveryFacts facts;
  RecoveryAction action = RecoveryAction::keep;
  std::string why;                         // a sentence
  std::vector<std::string> alive_writers;  // for which it was refused; the other facts were not looked at then
  RunSummary summary;                      // of a run that was finished or rebuilt; when dry, trace_count alone
  int64_t torn_bytes = 0;                  // at the ends of journals, cut off by a crash: dropped
  std::vector<std::string> damage;         // what was not what was written, mended or not; a line each, file in front
  std::vector<std::string> remarks;
  std::vector<MovedFile> moved;  // to lost+found

  // Whether the run is now, or when dry would be, whole.
  bool is_whole() const { return action != RecoveryAction::refuse && action != RecoveryAction::set_aside; }
};

// Looks at the directory of a run and does what the recovery table says: a run whose recording or commit died is
// finished from its journals, a damaged index is made anew, what cannot be a run is moved to lost+found, and where
// nothing helps nothing is touched. Done again it changes nothing; when it dies itself, the next one goes on.
//
// A report with `refuse` is a success of this function. Invalid when another process commits or recovers the run or a
// newer Signalbook wrote it; NotFound when there is no run; IoError when the disk refuses.
Result<RecoveryReport> recover_run(FileSystem& files, const std::string& run_path, const RecoverOptions& options = {});

}  // namespace signalbook
