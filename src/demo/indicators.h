#pragma once

#include <cstddef>
#include <vector>

namespace signalbook::demo {

// Indicators over a whole series in one pass. Value i depends on elements 0 to i only, and is NaN while the window is
// not full.

// Means and standard deviations of any window, from prefix sums made once for all periods of a grid.
class RollingMoments {
 public:
  explicit RollingMoments(const std::vector<double>& series);

  double mean(size_t i, size_t period) const;
  double deviation(size_t i, size_t period) const;  // of the population, as Bollinger's

 private:
  double base_;  // taken off first: squares of differences keep the digits that squares of prices would lose
  std::vector<double> sums_, squares_;
};

// The largest and smallest of the `period` elements that end at i.
std::vector<double> rolling_max(const std::vector<double>& series, size_t period);
std::vector<double> rolling_min(const std::vector<double>& series, size_t period);

// Wilder's relative strength index, 0 to 100; the first value is at index `period`.
std::vector<double> relative_strength_index(const std::vector<double>& close, size_t period);

// How straight the way was: net change over the sum of all changes of the last `period` steps, -1 to 1 (Kaufman's
// efficiency ratio with a sign).
std::vector<double> signed_efficiency(const std::vector<double>& close, size_t period);

}  // namespace signalbook::demo
