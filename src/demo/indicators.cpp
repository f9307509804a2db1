#include "demo/indicators.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace signalbook::demo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Keeps the indices that can still become the extreme; each enters and leaves once.
template <typename Better>
std::vector<double> rolling_extreme(const std::vector<double>& series, size_t period, Better better) {
  std::vector<double> result(series.size(), kNaN);
  std::vector<size_t> candidates(series.size());
  size_t head = 0, tail = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    while (tail > head && !better(series[candidates[tail - 1]], series[i])) --tail;
    candidates[tail++] = i;
    if (candidates[head] + period <= i) ++head;
    if (i + 1 >= period) result[i] = series[candidates[head]];
  }
  return result;
}

}  // namespace

RollingMoments::RollingMoments(const std::vector<double>& series)
    : base_(series.empty() ? 0.0 : series[0]), sums_(series.size() + 1), squares_(series.size() + 1) {
  for (size_t i = 0; i < series.size(); ++i) {
    const double x = series[i] - base_;
    sums_[i + 1] = sums_[i] + x;
    squares_[i + 1] = squares_[i] + x * x;
  }
}

double RollingMoments::mean(size_t i, size_t period) const {
  if (i + 1 < period) return kNaN;
  return base_ + (sums_[i + 1] - sums_[i + 1 - period]) / static_cast<double>(period);
}

double RollingMoments::deviation(size_t i, size_t period) const {
  if (i + 1 < period) return kNaN;
  const double n = static_cast<double>(period);
  const double mean = (sums_[i + 1] - sums_[i + 1 - period]) / n;
  return std::sqrt(std::max(0.0, (squares_[i + 1] - squares_[i + 1 - period]) / n - mean * mean));
}

std::vector<double> rolling_max(const std::vector<double>& series, size_t period) {
  return rolling_extreme(series, period, [](double a, double b) { return a > b; });
}

std::vector<double> rolling_min(const std::vector<double>& series, size_t period) {
  return rolling_extreme(series, period, [](double a, double b) { return a < b; });
}

std::vector<double> relative_strength_index(const std::vector<double>& close, size_t period) {
  std::vector<double> result(close.size(), kNaN);
  const double n = static_cast<double>(period);
  double gain = 0.0, loss = 0.0;
  for (size_t i = 1; i < close.size(); ++i) {
    const double change = close[i] - close[i - 1];
    const double up = std::max(change, 0.0), down = std::max(-change, 0.0);
    if (i <= period) {  // the first value is a plain mean, later ones are smoothed
      gain += up / n;
      loss += down / n;
    } else {
      gain += (up - gain) / n;
      loss += (down - loss) / n;
    }
    if (i >= period) result[i] = gain + loss > 0.0 ? 100.0 * gain / (gain + loss) : 50.0;
  }
  return result;
}

std::vector<double> signed_efficiency(const std::vector<double>& close, size_t period) {
  std::vector<double> result(close.size(), kNaN);
  std::vector<double> way(close.size());  // sum of all changes up to here
  for (size_t i = 1; i < close.size(); ++i) way[i] = way[i - 1] + std::fabs(close[i] - close[i - 1]);
  for (size_t i = period; i < close.size(); ++i) {
    const double walked = way[i] - way[i - period];
    result[i] = walked > 0.0 ? (close[i] - close[i - period]) / walked : 0.0;
  }
  return result;
}

}  // namespace signalbook::demo
