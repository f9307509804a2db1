#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/tar_file.h"

namespace signalbook {

// A run as one tar, with its bars: <run_id>/... and bars/<data_id>.parquet, sorted by name, all as old as the run. The
// same run gives the same bytes. It is compared with what run.json and the index say of it first, and once more while
// it is written.

struct ExportedRun {
  int64_t file_count = 0, byte_count = 0;  // of what is in the tar
  std::vector<std::string> left_out;       // what lies in the run's directory and is none of it
};

// `run_path` lies in its store. NotFound when the run is not finished; Damaged when a file of it is not what was
// recorded, or its bars are missing: nothing has gone to the sink then. Invalid when somebody changed the run
// meanwhile.
Result<ExportedRun> export_run(FileSystem& files, const std::string& run_path, const TarSink& sink);

// The same into a file, which has its name when it is whole and durable. Invalid where the name is taken, or somebody
// else is writing it. What an attempt that died has left (<file>.tmp) is replaced.
Result<ExportedRun> export_run_to_file(FileSystem& files, const std::string& run_path, const std::string& tar_path);

}  // namespace signalbook
