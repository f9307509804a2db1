#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/strategy_index.h"

namespace signalbook {

// The rows of the index that a pack tells by itself: all but trace_path, aliases and complete, and without bars the
// times. trace_id is that of the pack. Page checksums, and what it says twice, are compared.
struct PackContents {
  std::vector<IndexRow> rows;       // of whole traces, in their order
  std::vector<std::string> damage;  // what is none, a line each, without the pack's name
};

// The bars with this data_id, or nullptr where they cannot be read.
using FindBars = std::function<const Bars*(const std::string& data_id_hex)>;

// `pack` is a path within the run. Damaged, naming it, when it is no pack; IoError when the disk refuses to open it.
Result<PackContents> read_pack_rows(FileSystem& files, const std::string& run_path, const std::string& pack,
                                    const FindBars& bars_of, size_t threads);

}  // namespace signalbook
