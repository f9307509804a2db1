#pragma once

#include <algorithm>
#include <cmath>

#include "analytics/growth_table.h"
#include "analytics/metrics.h"

namespace signalbook {

// The logarithm of equity bar by bar: its peaks, and what lies below them. As DrawdownWalk, in units.
class LogDrawdown {
 public:
  explicit LogDrawdown(const FixedUnits& units) : even_(units.to_log(kEven)) {}

  void visit(BarIndex bar, int64_t log) {
    if (log >= peak_ - even_) {
      longest_ = std::max(longest_, bar - last_at_peak_ - 1);
      last_at_peak_ = bar;
      peak_ = std::max(peak_, log);
    } else {
      worst_ = std::min(worst_, log - peak_);
    }
  }
  // The same on the bars `first` to `last`.
  void visit_flat(BarIndex first, BarIndex last, int64_t log) {
    visit(first, log);
    if (log >= peak_ - even_) last_at_peak_ = last;
  }
  // The lowest of some bars that are all below_peak().
  void visit_below_peak(int64_t lowest) { worst_ = std::min(worst_, lowest - peak_); }
  // Bars may be left out on which it stays between these two.
  int64_t below_peak() const { return peak_ - even_; }
  int64_t low() const { return peak_ + worst_; }

  // The series ends on this bar.
  void write(BarIndex last, const FixedUnits& units, Metrics& metrics) const {
    metrics.max_drawdown = worst_ < 0 ? std::expm1(units.from_log(worst_)) : 0.0;
    metrics.max_drawdown_bars = std::max(longest_, last - last_at_peak_);
  }

 private:
  const int64_t even_;
  int64_t peak_ = 0;
  int64_t worst_ = 0;  // the lowest, less the peak before it
  BarIndex last_at_peak_ = 0;
  int64_t longest_ = 0;  // bars in a row below a peak
};

}  // namespace signalbook
