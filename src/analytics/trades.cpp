#include "analytics/trades.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analytics/stretches.h"
#include "analytics/trade_walk.h"
#include "format/signal_encoder.h"

namespace signalbook {

namespace {

Status check_fills(const SignalChanges& changes, std::span<const double> px) {
  if (px.size() != changes.size()) {
    return Status::invalid(fmt::format("{} prices for {} changes: give one a change", px.size(), changes.size()));
  }
  for (size_t k = 0; k < px.size(); ++k) {
    if (!std::isfinite(px[k]) || px[k] <= 0) {
      return Status::invalid(
          fmt::format("row {}: px of bar {} is {}; trades need prices above 0", k, changes.idx[k], px[k]));
    }
  }
  return Status();
}

// The position at the close of each bar.
std::vector<double> positions(const SignalChanges& changes, const PriceSeries& series) {
  std::vector<double> dense(static_cast<size_t>(series.size()));
  for_each_stretch(changes, series, [&](BarIndex begin, BarIndex end, double value) {
    std::fill(dense.begin() + begin, dense.begin() + end + 1, value);
  });
  return dense;
}

void measure_excursions(const PriceSeries& series, const Fill* fill, Trade& trade) {
  const BarIndex entry = trade.entry_idx - series.first_bar(), exit = trade.exit_idx - series.first_bar();
  double lowest = trade.entry_price, highest = trade.entry_price;
  for (BarIndex bar = entry + 1; bar <= exit; ++bar) {
    const bool at_fill = fill != nullptr && bar == exit;
    lowest = std::min(lowest, at_fill ? fill->price : series.has_range() ? series.low(bar) : series.close(bar));
    highest = std::max(highest, at_fill ? fill->price : series.has_range() ? series.high(bar) : series.close(bar));
  }
  const double down = (lowest - trade.entry_price) / trade.entry_price;
  const double up = (highest - trade.entry_price) / trade.entry_price;
  trade.mae = trade.direction > 0 ? down : -up;
  trade.mfe = trade.direction > 0 ? up : -down;
}

}  // namespace

void measure_trades(const SignalChanges& changes, const PriceSeries& series, double cost, std::span<const Fill> fills,
                    std::vector<Trade>& trades) {
  const std::vector<double> position = positions(changes, series);
  std::vector<Wide> equity = {1};
  for (const Wide earned : wide_returns(changes, series, cost, fills)) equity.push_back(equity.back() * (1 + earned));
  // A flip pays both sides in one: the exit's belongs to the trade that ends, so the next one begins after it.
  BarIndex previous_exit = -1;
  Wide previous_end = 0;
  for (Trade& trade : trades) {
    const BarIndex entry = trade.entry_idx - series.first_bar(), exit = trade.exit_idx - series.first_bar();
    const Wide begin = entry == previous_exit ? previous_end : equity[static_cast<size_t>(entry)];
    Wide end = equity[static_cast<size_t>(exit)];
    if (!trade.is_open && exit + 1 < series.size()) {
      end *= std::max(Wide(0), 1 - cost * std::abs(Wide(position[static_cast<size_t>(exit - 1)])));
    }
    if (begin > 0) trade.contribution = static_cast<double>(end / begin - 1);
    if (trade.contribution && !std::isfinite(*trade.contribution)) trade.contribution.reset();
    const auto fill = std::ranges::lower_bound(fills, exit, {}, &Fill::bar);
    measure_excursions(series, fill != fills.end() && fill->bar == exit ? &*fill : nullptr, trade);
    previous_exit = exit;
    previous_end = end;
  }
}

Result<std::vector<Trade>> list_trades(const SignalChanges& changes, const PriceSeries& series, double cost,
                                       std::span<const double> px) {
  SB_RETURN_IF_ERROR(check_positions(changes, series));
  if (!px.empty()) SB_RETURN_IF_ERROR(check_fills(changes, px));
  std::vector<Trade> trades;
  if (series.size() == 0) return trades;
  const auto emit = [&](const WalkedTrade& walked) { trades.push_back(to_trade(walked, series.first_bar())); };
  const BarIndex last = series.size() - 1;
  TradeWalk walk(cost);
  for_each_stretch(changes, series, [&](BarIndex begin, BarIndex, double value) {
    double price = series.close(begin);
    const auto change = std::ranges::lower_bound(changes.idx, series.first_bar() + begin);
    const bool is_change = change != changes.idx.end() && *change == series.first_bar() + begin;
    if (!px.empty() && is_change) price = px[static_cast<size_t>(change - changes.idx.begin())];
    walk.change(begin, price, value, begin == last, emit);
  });
  walk.finish(last, series.close(last), emit);
  measure_trades(changes, series, cost, {}, trades);
  return trades;
}

Result<std::vector<Trade>> list_trades_without_bars(const SignalChanges& changes, std::span<const double> px,
                                                    int64_t bar_count, double cost) {
  if (changes.kind != SignalKind::number) return Status::invalid("labels are no positions: trades need numbers");
  SB_RETURN_IF_ERROR(check_changes(changes, bar_count));
  SB_RETURN_IF_ERROR(check_fills(changes, px));
  std::vector<Trade> trades;
  const auto emit = [&](const WalkedTrade& walked) {
    trades.push_back(to_trade(walked, 0));
    if (walked.is_open) trades.back().net_return.reset();
  };
  TradeWalk walk(cost);
  for (size_t k = 0; k < changes.size(); ++k) {
    walk.change(changes.idx[k], px[k], changes.values[k], changes.idx[k] == bar_count - 1, emit);
  }
  if (!changes.idx.empty()) walk.finish(bar_count - 1, px.back(), emit);
  return trades;
}

}  // namespace signalbook
