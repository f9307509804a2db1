#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/lost_and_found.h"
#include "store/run_summary.h"

namespace signalbook {

// A run made of its journals.
struct CommittedRun {
  RunSummary summary;
  int64_t torn_bytes = 0;               // at the ends of journals, cut off by a crash: dropped
  std::vector<std::string> torn_paths;  // of the journals that have such an end
  std::vector<std::string> damage;  // frames before the end that are not what was written, a line each, file in front
};

struct CommitOptions {
  int64_t memory_bytes = int64_t{128} << 20;  // for changes: the journals are read in as many passes as that needs
  int64_t pack_bytes = int64_t{1} << 30;      // of a pack, about
  size_t threads = 0;                         // 0: one a core
  // Told how many traces are done: growing. May be none.
  std::function<void(int64_t done, int64_t total)> progress = nullptr;
};

// Finishes a run from the journals of all its writers: traces -> components -> run.json -> index, which is renamed into
// place last, durably. How the traces are to lie is said by the header of the first journal. The journals stay as they
// are (remove_journals). Done again it gives the same bytes.
// The caller holds the run's lock and those of all its writers. Invalid when the journals hold no trace.
Result<CommittedRun> commit_run(FileSystem& files, const std::string& run_path, const CommitOptions& options = {});

// After a commit: the journals are of no use any more. Those of `kept`, paths in .journal/, and what is no journal's go
// to lost+found; all others are removed.
Status remove_journals(FileSystem& files, const std::string& run_path, LostAndFound& lost,
                       const std::vector<LostFile>& kept);
Status remove_journals(FileSystem& files, const std::string& run_path);

// What is to be kept of the journals that a commit has read.
std::vector<LostFile> journals_cut_off(const std::vector<std::string>& torn_paths);
// And what in a directory of journals, by its name within the run, is none of ours.
Result<std::vector<LostFile>> find_foreign_files(FileSystem& files, const std::string& run_path,
                                                 const std::string& directory);

}  // namespace signalbook
