#pragma once

#include <cmath>

#include "analytics/metrics.h"

namespace signalbook {

// What the two ways to metrics, from changes and bar by bar, find out; what follows from it is the same for both.

// Nothing for what is no finite double.
inline std::optional<double> finite(Wide value) {
  const auto number = static_cast<double>(value);
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

// Trades, one by one.
class TradeTally {
 public:
  // Closed trades of which nobody need know each.
  struct Closed {
    int64_t count = 0, long_count = 0, bars_held = 0, won = 0, lost = 0;
    double returned = 0, gain = 0, loss = 0;
  };
  void add(const Closed& trades);
  void add(int direction, int64_t bars_held, Wide net_return, bool is_open, bool has_return = true) {
    ++trades_;
    long_trades_ += direction > 0;
    bars_held_ += bars_held;
    if (!has_return) return;
    ++returns_;
    returned_ += net_return;
    if (is_open) return;
    ++closed_;
    const auto result = static_cast<double>(net_return);
    const bool won = result > kEven, lost = result < -kEven;
    won_ += won;
    gain_ += won ? net_return : 0;
    loss_ -= lost ? net_return : 0;
    lost_ += lost;
  }

  void write(Metrics& metrics) const;

 private:
  int64_t trades_ = 0, long_trades_ = 0, bars_held_ = 0, returns_ = 0, closed_ = 0, won_ = 0, lost_ = 0;
  Wide returned_ = 0, gain_ = 0, loss_ = 0;
};

// What the returns of the bars come to.
struct ReturnFigures {
  int64_t count = 0;
  Wide gain = 0;                // equity at the end, less 1
  Wide log_growth = 0;          // its logarithm; after ruin that of 0
  Wide sum = 0;                 // of returns
  Wide squared_deviations = 0;  // from their mean, summed
  Wide downside = 0;            // squares of what they fell short of the risk-free return, summed
  double largest_position = 0;
};

void write_return_figures(const ReturnFigures& figures, const MetricsOptions& options, Wide risk_free,
                          Metrics& metrics);

// Bars that end a stretch in which a position was held, and what was traded at the bars that pay for it.
struct Activity {
  int64_t bars_held = 0;
  Wide traded = 0;

  void write(BarIndex last, Metrics& metrics) const;
};

}  // namespace signalbook
