#include "store/trade_table.h"

#include <cmath>

#include "format/signal_encoder.h"

namespace signalbook {

std::vector<double> fill_prices(const SignalChanges& changes, std::span<const double> px,
                                std::span<const double> close) {
  std::vector<double> fills(px.begin(), px.end());
  for (size_t k = 0; k < fills.size(); ++k) {
    if (std::isnan(fills[k])) fills[k] = close[static_cast<size_t>(changes.idx[k])];
  }
  return fills;
}

Result<TradePrices> TradePrices::make(const Bars& bars, int64_t bar_count) {
  TradePrices prices;
  prices.ts_ = bars.ts;
  prices.close_ = bars.close;
  if (bar_count <= 0) return prices;
  const bool is_cut = bar_count < static_cast<int64_t>(bars.size());
  const std::optional<BarWindow> window =
      is_cut ? std::optional(BarWindow{.begin = 0, .end = bar_count}) : std::nullopt;
  SB_ASSIGN_OR_RETURN(prices.series_, PriceSeries::make(bars, window));
  return prices;
}

size_t TradePrices::memory() const {
  constexpr size_t kOfSeries = 4 * sizeof(double) + sizeof(Wide);
  const auto observed = static_cast<size_t>(series_ ? series_->size() : 0);
  return ts_.size() * (sizeof(int64_t) + sizeof(double)) + observed * kOfSeries;
}

Result<std::vector<Trade>> trades_of_trace(const Trace& trace, const TradePrices& prices, double cost) {
  SB_RETURN_IF_ERROR(check_changes(trace.changes, prices.feed_size()));
  if (prices.series() == nullptr) return std::vector<Trade>();
  return list_trades(trace.changes, *prices.series(), cost, fill_prices(trace.changes, trace.px, prices.close()));
}

Table trade_table(std::span<const Trade> trades, std::span<const int64_t> ts) {
  Table table;
  const auto integers = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::int64);
    for (const Trade& trade : trades) column.append_integer(value(trade));
  };
  const auto times = [&](const char* name, auto&& bar) {
    TableColumn& column = table.add(name, ColumnType::timestamp);
    for (const Trade& trade : trades) column.append_integer(ts[static_cast<size_t>(bar(trade))]);
  };
  const auto reals = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::real);
    for (const Trade& trade : trades) {
      const std::optional<double> number = value(trade);
      column.append_real(number);
    }
  };
  integers("entry_idx", [](const Trade& trade) { return trade.entry_idx; });
  times("entry_ts", [](const Trade& trade) { return trade.entry_idx; });
  reals("entry_px", [](const Trade& trade) { return std::optional(trade.entry_price); });
  integers("exit_idx", [](const Trade& trade) { return trade.exit_idx; });
  times("exit_ts", [](const Trade& trade) { return trade.exit_idx; });
  reals("exit_px", [](const Trade& trade) { return std::optional(trade.exit_price); });
  TableColumn& direction = table.add("direction", ColumnType::text);
  for (const Trade& trade : trades) direction.append_text(trade.direction > 0 ? "long" : "short");
  reals("size", [](const Trade& trade) { return std::optional(trade.size); });
  reals("return", [](const Trade& trade) { return trade.net_return; });
  integers("bars_held", [](const Trade& trade) { return trade.bars_held; });
  reals("mae", [](const Trade& trade) { return trade.mae; });
  reals("mfe", [](const Trade& trade) { return trade.mfe; });
  TableColumn& open = table.add("is_open", ColumnType::boolean);
  for (const Trade& trade : trades) open.append_integer(trade.is_open ? 1 : 0);
  return table;
}

}  // namespace signalbook
