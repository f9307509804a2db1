#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/lost_and_found.h"

namespace signalbook {

struct RemoveOptions {
  bool takes_unfinished = false;  // a run that is not finished as well: what its journals hold is lost
  bool is_dry = false;            // change nothing, and tell what would be done
  int64_t now = 0;                // microseconds since 1970 UTC, for the note in lost+found
};

struct RemovedRun {
  bool was_finished = true;
  int64_t file_count = 0, byte_count = 0;
  std::vector<MovedFile> moved;    // files in it that are none of ours: to lost+found
  std::vector<std::string> notes;  // what could not be taken away, and gc does
};

// Takes a run out of its store: gone at once for every reader, by one rename, and then file by file. What dies on the
// way leaves the run as it was, or what gc finishes. Its bars stay, as other runs may refer to them.
//
// Invalid when it lies in no store, is a link, is not finished and that is not said, is being written, or somebody else
// changes it; NotFound when it is no run.
Result<RemovedRun> remove_run(FileSystem& files, const std::string& run_path, const RemoveOptions& options = {});

}  // namespace signalbook
