#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "format/bars.h"
#include "format/signal.h"
#include "store/run_reader.h"
#include "study/study_control.h"

namespace signalbook {

// Which feed of one or several runs is meant. Empty: whatever it is.
struct FeedChoice {
  std::string symbol, timeframe;
  std::string data_id = {};
  // Traces that reach so far are looked at as far as that; nothing: as far as the longest.
  std::optional<int64_t> bar_count = {};
};

// A trace as it is held in memory to be looked at beside others.
struct FeedTrace {
  const RunReader* run = nullptr;
  const IndexRow* row = nullptr;  // of that run
  SignalChanges changes;
};

// The traces of one feed, which may come from several runs on the same bars: what is needed for questions about many
// strategies together. The runs must outlive it.
struct FeedTraces {
  std::string symbol, timeframe, data_id;
  Bars bars;
  double bars_per_year = 0;  // measure_bars_a_year() of all bars
  // All traces reach to this bar, the end of the longest. One that broke off earlier cannot be held against the others.
  int64_t bar_count = 0;
  std::vector<FeedTrace> traces;          // in the order of the runs and their indexes
  std::vector<const IndexRow*> left_out;  // they broke off earlier
  int64_t silent_count = 0;               // have said nothing on any bar, and are not there
  int64_t repeated_count = 0;             // the same strategy with the same trace in a run before: there once
};

// Reads the traces of signals (SignalKind::number) for which `wanted` says yes; none given: all. NotFound where there
// are none on the feed chosen, Invalid, naming them, where several feeds (or bars of one feed) are meant by the choice.
Result<FeedTraces> read_feed_traces(std::span<RunReader* const> runs, const FeedChoice& choice,
                                    const StudyControl& control,
                                    const std::function<bool(const RunReader&, const IndexRow&)>& wanted = nullptr);

}  // namespace signalbook
