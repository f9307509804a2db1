#include "analytics/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analytics/drawdown_walk.h"
#include "analytics/metrics_parts.h"
#include "analytics/stretches.h"
#include "analytics/what_if.h"

namespace signalbook {

void TradeTally::add(const Closed& trades) {
  trades_ += trades.count;
  long_trades_ += trades.long_count;
  bars_held_ += trades.bars_held;
  returns_ += trades.count;
  closed_ += trades.count;
  won_ += trades.won;
  lost_ += trades.lost;
  returned_ += trades.returned;
  gain_ += trades.gain;
  loss_ += trades.loss;
}

void TradeTally::write(Metrics& metrics) const {
  metrics.trade_count = trades_;
  metrics.long_trades = long_trades_;
  metrics.short_trades = trades_ - long_trades_;
  if (closed_ > 0) metrics.win_rate = static_cast<double>(static_cast<Wide>(won_) / static_cast<Wide>(closed_));
  if (lost_ > 0) metrics.profit_factor = finite(gain_ / loss_);
  if (returns_ > 0) metrics.avg_trade_return = finite(returned_ / static_cast<Wide>(returns_));
  if (trades_ > 0) {
    metrics.avg_bars_held = static_cast<double>(static_cast<Wide>(bars_held_) / static_cast<Wide>(trades_));
  }
}

void Activity::write(BarIndex last, Metrics& metrics) const {
  if (last > 0) metrics.exposure = static_cast<double>(static_cast<Wide>(bars_held) / static_cast<Wide>(last));
  metrics.turnover = finite(traded);
}

void write_return_figures(const ReturnFigures& figures, const MetricsOptions& options, Wide risk_free,
                          Metrics& metrics) {
  metrics.total_return = finite(figures.gain);
  metrics.total_pnl = finite(options.capital * figures.gain);
  if (figures.count == 0) return;
  const auto count = static_cast<Wide>(figures.count);
  const Wide years = count / options.bars_per_year;
  const Wide annual_return = std::expm1(figures.log_growth / years);
  metrics.annual_return = finite(annual_return);
  if (metrics.annual_return && metrics.max_drawdown && *metrics.max_drawdown < 0) {
    metrics.calmar_ratio = finite(annual_return / -*metrics.max_drawdown);
  }
  if (figures.count < 2) return;
  const Wide deviation = std::sqrt(figures.squared_deviations / (count - 1));
  const Wide yearly = std::sqrt(static_cast<Wide>(options.bars_per_year));
  const Wide noise = kNoVariance * figures.largest_position;
  if (deviation <= noise) {
    metrics.annual_volatility = 0;
    return;
  }
  metrics.annual_volatility = finite(deviation * yearly);
  const Wide excess = figures.sum / count - risk_free;
  metrics.sharpe_ratio = finite(excess / deviation * yearly);
  const Wide downside_deviation = std::sqrt(figures.downside / count);
  if (downside_deviation > noise) metrics.sortino_ratio = finite(excess / downside_deviation * yearly);
}

// ---- The kernel -----------------------------------------------------------------------------------------------------

MetricsKernel::MetricsKernel(const PriceSeries& series, const MetricsOptions& options)
    : series_(&series),
      options_(options),
      risk_free_(std::pow(1 + static_cast<Wide>(options.risk_free_rate), 1 / static_cast<Wide>(options.bars_per_year)) -
                 1) {}

Result<MetricsKernel> MetricsKernel::make(const PriceSeries& series, const MetricsOptions& options,
                                          std::span<const double> positions) {
  const auto is_positive = [](double value) { return std::isfinite(value) && value > 0; };
  if (!std::isfinite(options.cost) || options.cost < 0) {
    return Status::invalid(fmt::format("a cost of {} a side: give 0 or more", options.cost));
  }
  if (!is_positive(options.capital))
    return Status::invalid(fmt::format("a capital of {}: give an amount above 0", options.capital));
  if (!is_positive(options.bars_per_year))
    return Status::invalid(fmt::format("{} bars a year: give a number above 0", options.bars_per_year));
  if (!std::isfinite(options.risk_free_rate) || options.risk_free_rate <= -1) {
    return Status::invalid(fmt::format("a risk-free rate of {} a year: 0.03 is 3%", options.risk_free_rate));
  }
  MetricsKernel kernel(series, options);
  const auto risk_free = static_cast<double>(kernel.risk_free_);
  kernel.units_ = FixedUnits::of(series, positions, risk_free);
  kernel.tables_.emplace_back();
  std::vector<double> held = {0};
  for (const double position : positions) {
    const auto is_there = [&](const GrowthTable& table) { return table.key() == GrowthTable::key_of(position); };
    if (!std::isfinite(position) || std::ranges::any_of(kernel.tables_, is_there)) continue;
    auto table = GrowthTable::make(series, position, risk_free, kernel.units_);
    if (!table) continue;
    kernel.tables_.push_back(std::move(*table));
    held.push_back(position);
  }
  if (options.cost == 0) return kernel;
  for (const double from : held) {
    for (const double to : held) {
      kernel.entries_.push_back(EntryTable::make(series, from, to, options.cost, risk_free, kernel.units_));
    }
  }
  kernel.entries_.resize(kernel.entries_.size() + held.size());
  return kernel;
}

Result<Metrics> MetricsKernel::compute(const SignalChanges& changes) const {
  SB_RETURN_IF_ERROR(check_positions(changes, *series_));
  if (const auto metrics = compute_from_changes(changes)) return *metrics;
  return compute_bar_by_bar(changes);
}

Result<Metrics> MetricsKernel::compute_bar_by_bar(const SignalChanges& changes) const {
  SB_ASSIGN_OR_RETURN(const std::vector<Trade> trades, list_trades(changes, *series_, options_.cost));
  return compute_with_fills(changes, {}, trades);
}

Result<Metrics> MetricsKernel::compute_with_fills(const SignalChanges& changes, std::span<const Fill> fills,
                                                  std::span<const Trade> trades) const {
  SB_RETURN_IF_ERROR(check_positions(changes, *series_));
  Metrics metrics;
  TradeTally tally;
  for (const Trade& trade : trades) {
    tally.add(trade.direction, trade.bars_held, trade.net_return.value_or(0), trade.is_open,
              trade.net_return.has_value());
  }
  tally.write(metrics);
  if (series_->size() == 0) return metrics;

  const std::vector<Wide> returns = wide_returns(changes, *series_, options_.cost, fills);
  ReturnFigures figures;
  figures.count = static_cast<int64_t>(returns.size());
  Wide equity = 1;
  DrawdownWalk drawdown;
  for (size_t i = 0; i < returns.size(); ++i) {
    equity *= 1 + returns[i];
    // Near 1 the gain by itself has more digits than equity - 1, elsewhere fewer.
    figures.gain = std::abs(figures.gain) < 0.5L ? figures.gain + (1 + figures.gain) * returns[i] : equity - 1;
    figures.sum += returns[i];
    const Wide shortfall = std::min(returns[i] - risk_free_, Wide(0));
    figures.downside += shortfall * shortfall;
    drawdown.visit(static_cast<BarIndex>(i) + 1, figures.gain);
  }
  figures.log_growth = std::abs(figures.gain) < 0.5L ? std::log1p(figures.gain) : std::log(equity);
  const Wide mean = returns.empty() ? 0 : figures.sum / static_cast<Wide>(returns.size());
  for (const Wide earned : returns) figures.squared_deviations += (earned - mean) * (earned - mean);

  const BarIndex last = series_->size() - 1;
  Activity activity;
  double previous = 0;
  for_each_stretch(changes, *series_, [&](BarIndex begin, BarIndex end, double value) {
    if (begin == last) return;
    activity.traded += std::abs(Wide(value) - previous);
    if (value != 0) activity.bars_held += end - begin;
    figures.largest_position = std::max(figures.largest_position, std::abs(value));
    previous = value;
  });
  activity.write(last, metrics);
  drawdown.write(last, metrics);
  write_return_figures(figures, options_, risk_free_, metrics);
  return metrics;
}

Result<Metrics> metrics_without_bars(const SignalChanges& changes, std::span<const double> px, int64_t bar_count,
                                     double cost) {
  SB_ASSIGN_OR_RETURN(const std::vector<Trade> trades, list_trades_without_bars(changes, px, bar_count, cost));
  Metrics metrics;
  TradeTally tally;
  Activity activity;
  for (const Trade& trade : trades) {
    tally.add(trade.direction, trade.bars_held, trade.net_return.value_or(0), trade.is_open,
              trade.net_return.has_value());
    activity.bars_held += trade.bars_held;
  }
  double previous = 0;
  for (size_t k = 0; k < changes.size() && changes.idx[k] < bar_count - 1; ++k) {
    activity.traded += std::abs(Wide(changes.values[k]) - previous);
    previous = changes.values[k];
  }
  tally.write(metrics);
  activity.write(std::max<int64_t>(bar_count - 1, 0), metrics);
  return metrics;
}

std::string metrics_definition(const MetricsOptions& options, std::optional<BarWindow> window, const ExitRules* exits) {
  std::string text = fmt::format(
      R"({{"equation":1,"prices":"close","cost":{},"capital":{},"risk_free_rate":{},"bars_per_year":{},"window":{})",
      options.cost, options.capital, options.risk_free_rate, options.bars_per_year,
      window ? fmt::format("[{},{}]", window->begin, window->end - 1) : "null");
  if (exits != nullptr) {
    text += fmt::format(R"(,"exits":{{"stop":{},"target":{},"trail":{},"slippage":{}}})", exits->stop, exits->target,
                        exits->trail, exits->slippage);
  }
  return text + "}";
}

std::string metrics_definition_without_bars(double cost) {
  return fmt::format(R"({{"equation":1,"prices":"px","cost":{}}})", cost);
}

}  // namespace signalbook
