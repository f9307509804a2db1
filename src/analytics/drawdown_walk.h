#pragma once

#include <algorithm>

#include "analytics/metrics_parts.h"

namespace signalbook {

// Equity bar by bar: its peaks, and what lies below them. It comes as gain, equity - 1, which keeps the digits of small
// moves. Bar 0 is at the first peak.
class DrawdownWalk {
 public:
  // Bars come in order. Those may be left out on which equity stays between low() and below_peak().
  void visit(BarIndex bar, Wide gain) {
    if (gain >= at_peak_) {
      longest_ = std::max(longest_, bar - last_at_peak_ - 1);
      last_at_peak_ = bar;
      if (gain > peak_) set_peak(gain);
    } else if (gain < low_) {
      worst_ = (gain - peak_) / (1 + peak_);
      low_ = gain;
    }
  }
  // Equity is the same on the bars `first` to `last`.
  void visit_flat(BarIndex first, BarIndex last, Wide gain) {
    visit(first, gain);
    if (gain >= at_peak_) last_at_peak_ = last;
  }

  double low() const { return static_cast<double>(1 + low_); }  // lower equity is a new worst
  // A bit below where equity counts as at its peak.
  double below_peak() const { return static_cast<double>(1 + peak_) * (1 - 10 * kEven); }

  // The series ends on this bar.
  void write(BarIndex last, Metrics& metrics) const {
    metrics.max_drawdown = finite(worst_);
    metrics.max_drawdown_bars = std::max(longest_, last - last_at_peak_);
  }

 private:
  void set_peak(Wide gain) {
    peak_ = gain;
    at_peak_ = gain - Wide(kEven) * (1 + gain);
    low_ = gain + worst_ * (1 + gain);
  }

  Wide peak_ = 0, at_peak_ = -Wide(kEven);
  Wide worst_ = 0;  // the lowest equity, as a return from the peak before it
  Wide low_ = 0;
  BarIndex last_at_peak_ = 0;
  int64_t longest_ = 0;  // bars in a row below a peak
};

}  // namespace signalbook
