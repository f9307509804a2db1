#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analytics/price_series.h"
#include "analytics/trades.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/table.h"
#include "store/trace_file.h"

namespace signalbook {

// What trades on a feed are measured by, prepared once for all traces that were observed on the same bars of it.
class TradePrices {
 public:
  // Of the first `bar_count` bars: the trades of a trace that was cut off are marked where it ends. Invalid for prices
  // that are not above 0.
  static Result<TradePrices> make(const Bars& bars, int64_t bar_count);

  int64_t feed_size() const { return static_cast<int64_t>(ts_.size()); }
  const std::vector<int64_t>& ts() const { return ts_; }                       // of every bar of the feed
  const std::vector<double>& close() const { return close_; }                  // likewise
  const PriceSeries* series() const { return series_ ? &*series_ : nullptr; }  // none where no bar was observed
  size_t memory() const;                                                       // bytes, about

 private:
  std::vector<int64_t> ts_;
  std::vector<double> close_;
  std::optional<PriceSeries> series_;
};

// The price at which each change was filled: its px, and where a file does not have it (NaN) the close of its bar. All
// changes lie on bars that have one.
std::vector<double> fill_prices(const SignalChanges& changes, std::span<const double> px,
                                std::span<const double> close);

// The trades of a trace, filled at its prices, as docs/metrics.md defines them. `cost` is that of a side, as a
// fraction. Invalid for labels, and for prices that are not above 0.
Result<std::vector<Trade>> trades_of_trace(const Trace& trace, const TradePrices& prices, double cost);

// A row a trade, in their order: entry_idx, entry_ts and so on. `ts`: of every bar of the feed.
Table trade_table(std::span<const Trade> trades, std::span<const int64_t> ts);

}  // namespace signalbook
