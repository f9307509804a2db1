#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace signalbook {

// What a commit has to tell beside "done".
struct RunSummary {
  int64_t strategy_count = 0;
  int64_t trace_count = 0;
  int64_t incomplete_count = 0;  // traces whose end was neither observed nor said
  int64_t change_count = 0;
  int64_t signal_count = 0;           // bars observed, over all traces
  int64_t file_bytes = 0;             // of the trace files
  std::vector<std::string> warnings;  // what a researcher should look at
};

}  // namespace signalbook
