#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// How a strategy did on the bars on which a classifier said one label.
struct RegimeMetrics {
  std::optional<std::string> label;  // nullopt: before the classifier said anything
  int64_t bars = 0;
  double total = 0;                  // sum of the returns, not compounded, so that regimes add up to the whole
  double mean = 0;                   // of a bar
  std::optional<double> volatility;  // of a bar, divides by bars - 1
  std::optional<double> sharpe;      // per bar; nullopt where the returns are all equal
};

// `returns[t]` is what the strategy earned from the close of bar t to the close of bar t + 1, so there is one less than
// bars, and it counts for the label of bar t, which is known by then. One row for each label that holds on such a bar,
// ordered by its bytes; nullopt first. Invalid for a trace of numbers, Damaged for changes out of order.
Result<std::vector<RegimeMetrics>> metrics_by_regime(std::span<const double> returns, const SignalChanges& labels);

}  // namespace signalbook
