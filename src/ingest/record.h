#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "store/run_writer.h"

namespace signalbook {

// Signals that are recorded while they are produced.
struct SignalStream {
  int descriptor = 0;             // of a pipe, mostly; not closed
  bool end_of_file_ends = false;  // else the end of the stream is to be said in it
  // Told before anything is read: so many rows are durable, the next ones are wanted. May be none.
  std::function<Status(int64_t)> resume;
  // Told whenever the first N rows are durable, N growing. May be none.
  std::function<Status(int64_t)> acknowledge;
};

// A run from files: what `signalbook record` is asked for.
struct RecordRequest {
  struct Feed {
    std::string symbol, timeframe;
    std::string bars_path;
  };

  std::string run_path;
  std::vector<Feed> feeds;                     // one or more
  std::optional<std::string> strategies_path;  // not needed where signals bring their configurations
  std::string signals_path;                    // where there is no stream
  std::optional<SignalStream> stream;
  RunOptions options;
  bool is_one_of_several = false;  // of the run's writers: when its input ends, the run goes on

  // When this is not 0 the recording stops between two rows; the descriptor can be read then, and is looked at while
  // nothing comes. Either may be none.
  const std::atomic<int>* interrupt = nullptr;
  int interrupt_descriptor = -1;

  CommitOptions commit = {};
  ProgressCallback progress = nullptr;  // of the reading
};

struct RecordOutcome {
  enum class End : uint8_t {
    committed,
    closed,        // one of several writers is done
    interrupted,   // the run is to be resumed or recovered
    was_finished,  // it was to be resumed and is whole; nothing was read
  };

  End end = End::committed;
  RunSummary summary;                 // of a run that was committed
  int64_t row_count = 0;              // that are durable; 0 where the input was not read by rows
  std::vector<std::string> warnings;  // those of the summary among them
};

// Signals come in one of two forms, told by their columns:
//   long  strategy_id, idx or ts (both: checked against each other), val; optional px, config (JSON, on a strategy's
//         first row), symbol and timeframe (where there are several feeds), end (true: the trace ends behind this row;
//         without a strategy_id: the stream does)
//   wide  a row a bar, a column a strategy (named by strategy_id, or FEED/strategy_id); optional idx or ts, without
//         which the file has exactly one row for each bar
// In both a row says what holds from its bar on: bars that are left out hold the value before, until the last bar.
//
// Errors of a file leave nothing behind, unless the run is resumed or one of several writers records. Otherwise, and
// where a stream is wrong or closes without its end (NotFound), what came before is durable and the message says how to
// go on.
Result<RecordOutcome> record_run(FileSystem& files, const RecordRequest& request);

}  // namespace signalbook
