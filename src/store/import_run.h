#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/tar_file.h"

namespace signalbook {

struct ImportOptions {
  std::optional<std::string> name;  // of the run here, in place of its own
  std::string created_at;           // for the mark of a store that is made, ISO 8601
};

struct ImportedRun {
  std::string run_id, run_path;
  int64_t trace_count = 0, change_count = 0;
  int64_t file_count = 0, byte_count = 0;  // of what was in the tar
  int64_t new_bars = 0, known_bars = 0;    // files
  std::vector<std::string> notes;          // what a researcher should look at
};

// A run out of a tar that export_run wrote, or that somebody packed with the same names, into a store, which is made
// where there is none. What is not a run of ours in every name and byte is refused, whatever the tar says, and nothing
// of it is left. The run has its name when all of it is durable; an import that died has left nothing but what gc
// takes away.
//
// Damaged when the tar is cut off or the run is not what its run.json and index say; Invalid when there is something
// else in it, or a run of that name in the store.
Result<ImportedRun> import_run(FileSystem& files, const std::string& store_path, TarSource source,
                               const ImportOptions& options);

}  // namespace signalbook
