#pragma once

#include <cstdint>
#include <vector>

#include "analytics/equity.h"
#include "analytics/price_series.h"
#include "analytics/trades.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// Exits laid over a stored trace, as fractions of the entry price (trail: of the best price since the entry). 0 is
// none.
struct ExitRules {
  double stop = 0, target = 0, trail = 0;
  double slippage = 0;  // a stop, trailing or not, fills by this fraction worse than at its price; a target does not
};

enum class ExitReason : uint8_t { signal, stop, target, trail, open };

struct WhatIf {
  SignalChanges changes;    // what would have been held, from the series' first bar on; bars of the feed
  std::vector<Fill> fills;  // exits at other prices than the close; bars of the series
  std::vector<Trade> trades;
  std::vector<ExitReason> reasons;  // one a trade: why it ended
};

// What a trace would have been with these exits.
//
// - They are tested from the bar after the entry on, by high and low where bars have them: the price is touched, and
//   fills at the stop's or the target's price, or at the open where the bar opens beyond it. Of a bar that touches both
//   it counts as the stop, since nothing tells which came first. Without high and low the close is tested and fills.
// - The trailing stop follows the best price up to the bar before: within a bar nothing tells whether the high came
//   before the low.
// - Adding to a position moves its entry price to the weighted mean; stop and target move with it.
// - Who is out stays out until the strategy enters anew: from flat, or by the other sign. Resizing is no entry.
// - A change on the bar of an exit comes after it, at the close.
//
// Invalid for rules that are negative or not finite, a trail or a slippage of 1 or more; else as list_trades().
Result<WhatIf> apply_exits(const SignalChanges& changes, const PriceSeries& series, double cost,
                           const ExitRules& rules);

}  // namespace signalbook
