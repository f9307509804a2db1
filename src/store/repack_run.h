#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/trace_writer.h"

namespace signalbook {

struct RepackOptions {
  bool to_packs = true;  // else to a file a trace
  PackOptions packs;
  size_t threads = 0;  // 0: one a core
  // Told how many traces are done: growing. May be none.
  std::function<void(int64_t done, int64_t total)> progress = nullptr;
  const std::atomic<int>* interrupt = nullptr;  // not 0: stop, and leave the run as it was
};

struct RepackReport {
  bool was_so = false;  // its traces lie like that already
  int64_t trace_count = 0;
  int64_t bytes_before = 0, bytes_after = 0;  // of the traces on disk
  int64_t removed_count = 0;                  // files that no row of the index needs any more, or that a crash has left
};

// Lays the traces of a finished run out the other way, under the run's lock: the same rows, the same metadata and the
// same figures. Packs that are unpacked and packed again have the same bytes, and so have files.
//
// All new files are there, durable, before the index, whose rows say where each trace lies, is replaced by one rename;
// then the old ones go. Whoever dies in between leaves the run whole, in one layout or the other; called again it goes
// on, and recover takes away what is left over. Damaged, and nothing changed, when a trace is not what was recorded.
Result<RepackReport> repack_run(FileSystem& files, const std::string& run_path, const RepackOptions& options);

// Removes what lies where traces lie and the index does not name, as far as it is what repack_run() leaves behind:
// packs, files of traces that are in a pack, files in flight; run.json does not name them then. Returns their paths,
// relative to the run. When `is_dry` nothing is done. The caller holds the run's lock. Damaged when index or run.json
// is.
Result<std::vector<std::string>> remove_unused_traces(FileSystem& files, const std::string& run_path, bool is_dry);

}  // namespace signalbook
