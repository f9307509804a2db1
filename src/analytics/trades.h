#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analytics/equity.h"
#include "analytics/price_series.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// A maximal stretch of one sign. Its bars are the feed's. Fractions are fractions: 0.01 is 1%.
struct Trade {
  BarIndex entry_idx = 0, exit_idx = 0;
  double entry_price = 0;  // where it was resized: the mean of what was entered, weighted by size
  double exit_price = 0;   // the same of what was left; of an open trade, with the mark at the last close
  int direction = 0;       // 1 long, -1 short
  double size = 0;         // the largest |position| in it
  // (exit - entry) / entry x direction, net of cost. Nothing where an open trade has no price to be marked at.
  std::optional<double> net_return;
  // Growth of equity over it, with its own costs: 1 + total_return is the product of all 1 + contribution. Nothing
  // without bars, and for what was entered after ruin.
  std::optional<double> contribution;
  int64_t bars_held = 0;
  // The worst and the best price on the bars after the entry, to the exit's, as returns from entry_price: at most 0,
  // at least 0. By high and low where bars have them, else by the close. Nothing without bars.
  std::optional<double> mae, mfe;
  bool is_open = false;  // held on the last bar; marked there, and no exit was paid

  bool operator==(const Trade&) const = default;
};

// The trades of a trace over the bars of the series. `px` has the price at which each change was filled, where that is
// not the bar's close; only prices and returns of trades follow it: equity is close to close. Errors as equity_curve(),
// and Invalid for a px that is not above 0 or not one a change.
Result<std::vector<Trade>> list_trades(const SignalChanges& changes, const PriceSeries& series, double cost,
                                       std::span<const double> px = {});

// From the changes and their prices alone, for a trace of `bar_count` bars. An open trade has no net_return.
Result<std::vector<Trade>> list_trades_without_bars(const SignalChanges& changes, std::span<const double> px,
                                                    int64_t bar_count, double cost);

// What equity made of trades that are in order and whose prices are known: contribution, mae and mfe. Fills as in
// equity_curve(), on a trade's last bar: of that bar the trade saw no price beyond the fill.
void measure_trades(const SignalChanges& changes, const PriceSeries& series, double cost, std::span<const Fill> fills,
                    std::vector<Trade>& trades);

}  // namespace signalbook
