#include "analytics/growth_table.h"

#include <algorithm>
#include <limits>

namespace signalbook {

namespace {

// A double holds these and whatever equity does beside them.
constexpr Wide kSmallest = 1e-150L, kLargest = 1e150L;
// What rounding to float, and of the doubles before, may take.
constexpr double kRounding = 1e-6;
constexpr double kLargestFloat = 1e38;

struct Extremes {
  double lowest, highest;
};

// From extremes over `width` bars to those over twice as many, cut off at the end.
void widen(std::vector<Extremes>& windows, size_t width) {
  for (size_t bar = 0; bar + width < windows.size(); ++bar) {
    windows[bar].lowest = std::min(windows[bar].lowest, windows[bar + width].lowest);
    windows[bar].highest = std::max(windows[bar].highest, windows[bar + width].highest);
  }
}

}  // namespace

std::optional<GrowthTable> GrowthTable::make(const PriceSeries& series, double position, Wide risk_free) {
  const auto size = static_cast<size_t>(series.size());
  const Wide flat_shortfall = std::max(risk_free, Wide(0));
  GrowthTable table;
  table.position_ = position;
  table.key_ = key_of(position);
  table.step_ = 1;
  table.rows_.resize(size);
  table.growth_.resize(size, 1.0);
  for (size_t bar = 1; bar < size; ++bar) {
    const Wide earned = position * series.simple_return(static_cast<BarIndex>(bar));
    Row& row = table.rows_[bar];
    row.growth = table.rows_[bar - 1].growth * (1 + earned);
    if (!(row.growth > kSmallest && row.growth < kLargest)) return std::nullopt;
    row.inverse = 1 / row.growth;
    const Wide shortfall = std::min(earned - risk_free, Wide(0));
    row.downside = table.rows_[bar - 1].downside;
    row.downside.add(shortfall * shortfall - flat_shortfall * flat_shortfall);
    table.growth_[bar] = static_cast<double>(row.growth);
  }
  table.reaches_.resize(size);
  std::vector<Extremes> windows(size);
  std::ranges::transform(table.growth_, windows.begin(), [](double growth) { return Extremes{growth, growth}; });
  size_t width = 1;
  for (int level = 0; level < kLevels; ++level) {
    // A window holds the bar itself and those within its reach.
    for (; width <= static_cast<size_t>(reach_of(level)); width *= 2) widen(windows, width);
    for (size_t bar = 0; bar < size; ++bar) {
      const double here = table.growth_[bar], up = windows[bar].highest / here * (1 + kRounding);
      Reach& reach = table.reaches_[bar];
      reach.growth = here;
      reach.up[level] = up < kLargestFloat ? static_cast<float>(up) : std::numeric_limits<float>::infinity();
      reach.down[level] = static_cast<float>(windows[bar].lowest / here * (1 - kRounding));
    }
  }
  return table;
}

}  // namespace signalbook
