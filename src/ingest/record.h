#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_writer.h"

namespace signalbook {

// A run from files: what `signalbook record` is asked for.
struct RecordRequest {
  struct Feed {
    std::string symbol, timeframe;
    std::string bars_path;
  };

  std::string run_path;
  std::vector<Feed> feeds;                     // one or more
  std::optional<std::string> strategies_path;  // not needed where signals bring their configurations
  std::string signals_path;
  RunOptions options;
};

// Signals come in one of two forms, told by their columns:
//   long  strategy_id, idx or ts (both: checked against each other), val; optional px, config (JSON, on a strategy's
//         first row), symbol and timeframe (where there are several feeds)
//   wide  a row a bar, a column a strategy (named by strategy_id, or FEED/strategy_id); optional idx or ts, without
//         which the file has exactly one row for each bar
// In both a row says what holds from its bar on: bars that are left out hold the value before, until the last bar.
// On an error nothing is left behind.
Result<RunSummary> record_run(FileSystem& files, const RecordRequest& request);

}  // namespace signalbook
