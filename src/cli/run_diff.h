#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

struct ArrowArrayStream;

namespace signalbook::cli {

struct RunDiffOptions {
  bool all = false;         // what is the same is told as well
  bool all_digits = false;  // for programs: whole digests, and a column strategy_digest at the end
};

struct RunDiffCounts {
  int64_t only_a = 0, only_b = 0, same = 0, other_trace = 0, other_data = 0;

  bool is_different() const { return only_a + only_b + other_trace + other_data > 0; }
};

// Two runs side by side, trace by trace: a strategy (all 64 digits) on a symbol and timeframe is one thing in both.
// Both come sorted and are merged as they are read, so that runs of any size pass.
class RunDiff {
 public:
  // The runs may lie in different stores.
  static Result<std::unique_ptr<RunDiff>> open(const std::string& run_a, const std::string& run_b,
                                               const RunDiffOptions& options);
  ~RunDiff();

  // The rows, for somebody who reads while this lasts and releases it: change, strategy_hash (more digits where two
  // strategies share them), strategy_type, symbol, timeframe, and of either run strategy_id, data_id, trace_hash and
  // changes.
  void stream(ArrowArrayStream* out);

  // After the stream: reads on to the end where its reader did not. What went wrong, or how many of each there are.
  Result<RunDiffCounts> finish();

 private:
  struct State;
  explicit RunDiff(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace signalbook::cli
