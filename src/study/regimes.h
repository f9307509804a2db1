#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/signal.h"
#include "store/run_reader.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"
#include "study/study_control.h"

namespace signalbook {

// A run, as its store calls it.
struct NamedRun {
  std::string run_id;
  RunReader* run = nullptr;
};

struct ClassifierTrace {
  std::string run_id;
  const IndexRow* row = nullptr;  // of that run, which must live as long
  SignalChanges labels;
};

// The classifier that `name` means: a strategy_id or an alias, else 4 or more digits of a strategy_hash, else a
// strategy_type. Only those on the very bars of the feed count, and of the runs the first that has it. NotFound, naming
// those that there are, for none; Invalid, with the candidates, where different ones fit, and where it broke off before
// it had said something on the first `bar_count` bars.
Result<ClassifierTrace> find_classifier(std::span<const NamedRun> runs, const FeedTraces& feed, int64_t bar_count,
                                        std::string_view name);

// What a strategy did while a classifier said one label.
struct RegimeRow {
  size_t trace = 0;                  // its place in the feed
  std::optional<std::string> label;  // nullopt: before the classifier said anything
  int64_t bars = 0;                  // on which a position earns and the label holds
  double bars_share = 0;             // of all such bars of the window
  double return_sum = 0;             // net of costs, not compounded: regimes add up to the whole
  double mean_return = 0;            // a bar
  // A year, as if all of its bars were such bars; undefined as in docs/metrics.md.
  std::optional<double> annual_volatility, sharpe_ratio;
  int64_t trade_count = 0;         // entered while it held, the open one included
  std::optional<double> win_rate;  // of those that are closed
};

// The rows of each trace, by the bytes of the label, nullopt first. The label of a bar is known at its close, so it
// counts for the return to the next close, and for what is entered at this one. Errors as find_study_window().
Result<std::vector<RegimeRow>> measure_by_regime(const FeedTraces& feed, const MetricTerms& terms,
                                                 const SignalChanges& labels, const StudyControl& control);

}  // namespace signalbook
