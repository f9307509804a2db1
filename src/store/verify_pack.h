#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/strategy_index.h"

namespace signalbook {

// `rows` are those of the index whose traces lie in one pack, in its order. A line a finding, without the pack's name.

// Whether they share the rows of the pack out, one behind the other.
std::vector<std::string> check_pack_ranges(std::span<const IndexRow* const> rows, int64_t pack_row_count);

// A pack decoded and compared with its rows of the index and its bars, whatever the digests say, as check_trace_file()
// does it with a file: of each trace that is not right the first fault; of many the first traces. Without bars
// (nullptr) times are not compared.
struct PackCheckOptions {
  size_t threads = 0;                                    // 0: one a core; the lines are the same
  std::function<void(int64_t rows)> progress = nullptr;  // told how many rows were looked at; by any thread
};
std::vector<std::string> check_pack(FileSystem& files, const std::string& path, const std::string& name,
                                    std::span<const IndexRow* const> rows, const Bars* bars,
                                    const PackCheckOptions& options);

}  // namespace signalbook
