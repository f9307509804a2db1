#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analytics/equity.h"
#include "analytics/growth_table.h"
#include "analytics/price_series.h"
#include "analytics/trades.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

struct ExitRules;

struct MetricsOptions {
  double cost = 0;            // a side, as a fraction of what is traded: 5 basis points are 0.0005
  double capital = 100'000;   // what total_pnl is of
  double risk_free_rate = 0;  // a year
  double bars_per_year = 0;   // measure_bars_a_year()
};

// Figures of one trace, named as the columns of the index; docs/metrics.md has formulas and edge cases. What is
// undefined, or is no finite number, is nothing.
struct Metrics {
  std::optional<double> total_return, total_pnl, annual_return, annual_volatility;
  std::optional<double> sharpe_ratio, sortino_ratio, calmar_ratio;
  std::optional<double> max_drawdown;  // at most 0
  std::optional<int64_t> max_drawdown_bars;
  std::optional<double> win_rate, profit_factor;
  std::optional<int64_t> trade_count;
  std::optional<double> avg_trade_return, avg_bars_held, exposure, turnover;
  std::optional<int64_t> long_trades, short_trades;

  bool operator==(const Metrics&) const = default;
};

// Below this a move is rounding: equity that lies less than this part below its peak is at the peak, and a trade whose
// return is no larger is neither won nor lost.
inline constexpr double kEven = 1e-12;
// Returns that vary by less than this, a unit of position, vary by the rounding of prices: no variance.
inline constexpr double kNoVariance = 1e-14;

// Computes metrics of any number of traces on one feed. It is not changed by that: threads may share it.
class MetricsKernel {
 public:
  // Positions that are held often, for each of which a table is prepared: about 80 bytes a bar, 150 with a cost.
  static constexpr double kUsualPositions[] = {1, -1};

  // `series` must live as long as this. Invalid for a cost that is negative or not finite, capital or bars_per_year
  // that are not above 0, and a risk-free rate that is not above -1.
  static Result<MetricsKernel> make(const PriceSeries& series, const MetricsOptions& options,
                                    std::span<const double> positions = kUsualPositions);

  // Errors as equity_curve(). Takes time by the changes where positions have a table, by the bars elsewhere.
  Result<Metrics> compute(const SignalChanges& changes) const;
  // The same, bar by bar; where positions were left at other prices than the close, and with trades that are known.
  Result<Metrics> compute_bar_by_bar(const SignalChanges& changes) const;
  Result<Metrics> compute_with_fills(const SignalChanges& changes, std::span<const Fill> fills,
                                     std::span<const Trade> trades) const;

  const PriceSeries& series() const { return *series_; }
  const MetricsOptions& options() const { return options_; }

 private:
  MetricsKernel(const PriceSeries& series, const MetricsOptions& options);

  // Nothing where this way would lose digits, or equity is ruined: bar by bar then.
  std::optional<Metrics> compute_from_changes(const SignalChanges& changes) const;

  const PriceSeries* series_;
  MetricsOptions options_;
  Wide risk_free_;  // a bar
  FixedUnits units_;
  std::vector<GrowthTable> tables_;  // the first is that of no position
  std::vector<EntryTable> entries_;  // from each of those, and last from any other, to each; empty without a cost
};

// Without bars: what trades alone say (docs/metrics.md), from the price of each change. Errors as
// list_trades_without_bars().
Result<Metrics> metrics_without_bars(const SignalChanges& changes, std::span<const double> px, int64_t bar_count,
                                     double cost);

// Everything that figures depend on beside trace and prices, as one line of JSON; equal text, comparable figures.
// `window` where it is not all of the feed, `exits` where they were laid over the trace.
std::string metrics_definition(const MetricsOptions& options, std::optional<BarWindow> window,
                               const ExitRules* exits = nullptr);
std::string metrics_definition_without_bars(double cost);

}  // namespace signalbook
