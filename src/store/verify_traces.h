#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/run_description.h"
#include "store/strategy_index.h"
#include "store/verify_log.h"

namespace signalbook {

struct TraceCheckOptions {
  bool is_deep = false;
  size_t threads = 0;  // 0: one a core
  ProgressCallback progress = nullptr;
  std::string what;  // that is done, for `progress`
};

// The traces of a run, in files and in packs, each where its row of the index says; read by several threads, told in
// the order of the index, packs behind files. What vouches for a pack is run.json, where there is one (nullptr); for a
// file the index. `bars_of` gives the bars of a data_id, where traces are to be held against them, or nullptr.
Status check_traces(FileSystem& files, const std::string& run_path, const RunDescription* description,
                    const std::vector<IndexRow>& rows, const std::function<const Bars*(const std::string&)>& bars_of,
                    const TraceCheckOptions& options, VerifyLog& log);

}  // namespace signalbook
