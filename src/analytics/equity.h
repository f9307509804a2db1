#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analytics/price_series.h"
#include "analytics/wide.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// Bar by bar. With v(t) the position taken at the close of bar t, r(t) the simple return of the close and c the cost a
// side (a fraction of what is traded):
//
//   E(0) = 1,  E(t+1) = E(t) (1 + v(t) r(t+1) - c |v(t) - v(t-1)|),  v(-1) = 0
//
// Exposure is constant: equity is rebalanced on each bar, and resizing alone pays. Entering on bar 0 pays; a change on
// the last bar has no bar after it and pays nothing. Equity at or below 0 is ruin: 0 from that bar on.

// The position was left on this bar (of the series), at this price and not at the close: a stop, a target.
struct Fill {
  BarIndex bar = 0;
  double price = 0;
};

struct EquityCurve {
  std::vector<double> equity;   // one a bar of the series; 1 on bar 0
  std::vector<double> returns;  // one a bar from bar 1 on: -1 on the bar of a ruin, 0 after it
  std::optional<BarIndex> ruined_on;
};

// Positions of a trace over all bars of the series. The changes count bars of the feed. Invalid for labels; Damaged
// for changes that are out of order, not finite or reach past the feed. Fills are in the order of their bars.
Result<EquityCurve> equity_curve(const SignalChanges& changes, const PriceSeries& series, double cost,
                                 std::span<const Fill> fills = {});

// What equity_curve() refuses.
Status check_positions(const SignalChanges& changes, const PriceSeries& series);

// The returns alone, element t that of bar t + 1; the changes have been checked.
std::vector<Wide> wide_returns(const SignalChanges& changes, const PriceSeries& series, double cost,
                               std::span<const Fill> fills = {});

}  // namespace signalbook
