#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "format/signal.h"

namespace signalbook {

// The metrics by their definitions (docs/metrics.md), bar by bar in long double, with nothing clever: what the kernel
// must agree with. Shares no code with it.
struct DenseMetrics {
  using Figure = std::optional<long double>;
  Figure total_return, total_pnl, annual_return, annual_volatility, sharpe_ratio, sortino_ratio, calmar_ratio;
  Figure max_drawdown, win_rate, profit_factor, avg_trade_return, avg_bars_held, exposure, turnover;
  std::optional<int64_t> max_drawdown_bars, trade_count, long_trades, short_trades;
};

struct DenseTrade {
  int64_t entry = 0, exit = 0;
  int direction = 0;
  long double entry_price = 0, exit_price = 0, net_return = 0;
  bool is_open = false;
};

struct DenseTerms {
  double cost = 0, capital = 100'000, risk_free_rate = 0, bars_per_year = 252;
};

// Element t is the position taken at the close of bar t.
inline std::vector<double> dense_positions(const SignalChanges& changes, int64_t bar_count) {
  std::vector<double> positions(static_cast<size_t>(bar_count), 0.0);
  for (size_t k = 0; k < changes.size(); ++k) {
    for (auto bar = changes.idx[k]; bar < bar_count; ++bar) positions[static_cast<size_t>(bar)] = changes.values[k];
  }
  return positions;
}

inline std::vector<long double> dense_returns(const std::vector<double>& position, const std::vector<double>& close,
                                              double cost) {
  std::vector<long double> returns;
  long double equity = 1;
  for (size_t t = 0; t + 1 < close.size(); ++t) {
    const long double r = (static_cast<long double>(close[t + 1]) - close[t]) / close[t];
    const long double traded = std::fabs(static_cast<long double>(position[t]) - (t > 0 ? position[t - 1] : 0.0));
    const long double before = equity;
    equity = before * (1 + position[t] * r - cost * traded);
    if (equity <= 0) equity = 0;
    returns.push_back(before == 0 ? 0 : equity == 0 ? -1 : position[t] * r - cost * traded);
  }
  return returns;
}

inline int sign_of(double value) { return (value > 0) - (value < 0); }

inline std::vector<DenseTrade> dense_trades(const std::vector<double>& position, const std::vector<double>& close,
                                            double cost) {
  struct Part {
    long double size, price;
    bool pays;
  };
  std::vector<DenseTrade> trades;
  std::vector<Part> entered, left;
  DenseTrade trade;
  const size_t bars = close.size();
  const auto end = [&](size_t t, long double size, bool pays, bool is_open) {
    left.push_back({size, close[t], pays});
    long double in = 0, in_value = 0, out = 0, out_value = 0, paid = 0;
    for (const Part& part : entered)
      in += part.size, in_value += part.size * part.price, paid += part.size * part.price;
    for (const Part& part : left) {
      out += part.size, out_value += part.size * part.price;
      if (part.pays) paid += part.size * part.price;
    }
    trade.exit = static_cast<int64_t>(t);
    trade.entry_price = in_value / in;
    trade.exit_price = out_value / out;
    trade.net_return =
        trade.direction * ((trade.exit_price - trade.entry_price) / trade.entry_price) - cost * (paid / in_value);
    trade.is_open = is_open;
    trades.push_back(trade);
    entered.clear();
    left.clear();
  };
  for (size_t t = 0; t < bars; ++t) {
    const double before = t > 0 ? position[t - 1] : 0, now = position[t];
    const bool is_last = t + 1 == bars;
    const long double size = std::fabs(static_cast<long double>(now)),
                      old = std::fabs(static_cast<long double>(before));
    if (sign_of(before) == sign_of(now)) {
      if (now == before || is_last) continue;
      if (size > old) entered.push_back({size - old, close[t], true});
      if (size < old) left.push_back({old - size, close[t], true});
      continue;
    }
    if (before != 0) end(t, old, !is_last, false);
    if (now == 0 || is_last) continue;
    trade = {.entry = static_cast<int64_t>(t), .direction = sign_of(now)};
    entered.push_back({size, close[t], true});
  }
  if (!entered.empty()) end(bars - 1, std::fabs(static_cast<long double>(position[bars - 2])), false, true);
  return trades;
}

inline DenseMetrics dense_metrics(const std::vector<double>& position, const std::vector<double>& close,
                                  const DenseTerms& terms) {
  DenseMetrics m;
  const auto finite = [](long double value) {
    return std::isfinite(static_cast<double>(value)) ? DenseMetrics::Figure(value) : std::nullopt;
  };
  const size_t bars = close.size();

  // Trades
  int64_t closed = 0, won = 0;
  long double profit = 0, loss = 0, returned = 0, held = 0;
  m.trade_count = m.long_trades = m.short_trades = 0;
  for (const DenseTrade& trade : dense_trades(position, close, terms.cost)) {
    ++*m.trade_count;
    ++*(trade.direction > 0 ? m.long_trades : m.short_trades);
    held += static_cast<long double>(trade.exit - trade.entry);
    returned += trade.net_return;
    if (trade.is_open) continue;
    ++closed;
    if (trade.net_return > 1e-12L) ++won, profit += trade.net_return;
    if (trade.net_return < -1e-12L) loss -= trade.net_return;
  }
  if (closed > 0) m.win_rate = static_cast<long double>(won) / static_cast<long double>(closed);
  if (loss > 0) m.profit_factor = profit / loss;
  if (*m.trade_count > 0) {
    m.avg_trade_return = returned / static_cast<long double>(*m.trade_count);
    m.avg_bars_held = held / static_cast<long double>(*m.trade_count);
  }
  if (bars == 0) return m;

  // What was held and traded; a change on the last bar has no effect
  long double traded = 0, in_market = 0, largest = 0;
  for (size_t t = 0; t + 1 < bars; ++t) {
    traded += std::fabs(static_cast<long double>(position[t]) - (t > 0 ? position[t - 1] : 0.0));
    in_market += position[t] != 0;
    largest = std::max<long double>(largest, std::fabs(position[t]));
  }
  m.turnover = traded;
  if (bars > 1) m.exposure = in_market / static_cast<long double>(bars - 1);

  // Equity and drawdown. Near 1, equity - 1 is kept by itself: a long double has few digits for a move of 1e-8 there.
  const std::vector<long double> returns = dense_returns(position, close, terms.cost);
  long double equity = 1, gain = 0, peak = 0, worst = 0;
  int64_t under_water = 0, longest = 0;
  for (const long double earned : returns) {
    equity *= 1 + earned;
    gain = std::fabs(gain) < 0.5L ? gain + (1 + gain) * earned : equity - 1;
    peak = std::max(peak, gain);
    const long double drawdown = (gain - peak) / (1 + peak);
    const bool is_below = drawdown < -1e-12L;
    under_water = is_below ? under_water + 1 : 0;
    longest = std::max(longest, under_water);
    if (is_below) worst = std::min(worst, drawdown);
  }
  m.total_return = finite(gain);
  m.total_pnl = finite(terms.capital * gain);
  m.max_drawdown = worst;
  m.max_drawdown_bars = longest;
  if (returns.empty()) return m;

  // Ratios
  const auto n = static_cast<long double>(returns.size());
  const long double a_year = terms.bars_per_year;
  const long double risk_free = std::pow(1 + static_cast<long double>(terms.risk_free_rate), 1 / a_year) - 1;
  const long double annual = std::expm1((std::fabs(gain) < 0.5L ? std::log1p(gain) : std::log(equity)) * (a_year / n));
  m.annual_return = finite(annual);
  if (worst < 0) m.calmar_ratio = finite(annual / -worst);
  if (m.calmar_ratio && !m.annual_return) m.calmar_ratio.reset();
  if (returns.size() < 2) return m;
  long double mean = 0, variance = 0, downside = 0;
  for (const long double earned : returns) mean += earned / n;
  for (const long double earned : returns) {
    variance += (earned - mean) * (earned - mean) / (n - 1);
    downside += std::pow(std::min(earned - risk_free, 0.0L), 2) / n;
  }
  const bool has_variance = std::sqrt(variance) > 1e-14L * largest;
  m.annual_volatility = has_variance ? finite(std::sqrt(variance * a_year)) : 0;
  if (!has_variance) return m;
  m.sharpe_ratio = finite((mean - risk_free) / std::sqrt(variance) * std::sqrt(a_year));
  if (std::sqrt(downside) > 1e-14L * largest) {
    m.sortino_ratio = finite((mean - risk_free) / std::sqrt(downside) * std::sqrt(a_year));
  }
  return m;
}

}  // namespace signalbook
