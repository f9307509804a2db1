#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/strategy_index.h"

namespace signalbook {

// The paths of the trace files and packs of a run, relative to it, sorted: what lies under traces/ and ends in
// .parquet.
Result<std::vector<std::string>> list_trace_files(FileSystem& files, const std::string& run_path);

// The row of the index that a trace file tells by itself: all but trace_id, aliases and complete. Damaged, naming the
// file, when it is no whole trace: page checksums, trace_hash, and everything that it says twice are compared.
Result<IndexRow> read_index_row(FileSystem& files, const std::string& run_path, const std::string& trace_path);

}  // namespace signalbook
