#include "analytics/growth_table.h"

#include <cmath>

namespace signalbook {

namespace {

struct Extremes {
  int64_t lowest, highest;
};

// From extremes over `width` bars to those over twice as many, cut off at the end.
void widen(std::vector<Extremes>& windows, size_t width) {
  for (size_t bar = 0; bar + width < windows.size(); ++bar) {
    windows[bar].lowest = std::min(windows[bar].lowest, windows[bar + width].lowest);
    windows[bar].highest = std::max(windows[bar].highest, windows[bar + width].highest);
  }
}

int64_t to_units(Wide value, Wide units_in_one) {
  return static_cast<int64_t>(value * units_in_one + (value < 0 ? -0.5L : 0.5L));
}

}  // namespace

FixedUnits FixedUnits::of(const PriceSeries& series, std::span<const double> positions, double risk_free) {
  double moved = 1, squares = 0;
  for (BarIndex bar = 1; bar < series.size(); ++bar) {
    double most = 0, largest = std::abs(risk_free);
    for (const double position : positions) {
      const double earned = position * static_cast<double>(series.simple_return(bar));
      if (earned > -1) most = std::max({most, std::abs(earned), std::abs(std::log1p(earned))});
      largest = std::max(largest, std::abs(earned) + std::abs(risk_free));
    }
    moved += most;
    squares += largest * largest;
  }
  return {.log = moved * 0x1p-62, .in_log = 0x1p62 / moved, .square = std::max(squares, 1e-200) * 0x1p-62};
}

std::optional<GrowthTable> GrowthTable::make(const PriceSeries& series, double position, double risk_free,
                                             const FixedUnits& units) {
  const auto size = static_cast<size_t>(series.size());
  const Wide flat_shortfall = std::max(risk_free, 0.0);
  GrowthTable table;
  table.key_ = key_of(position);
  table.step_ = 1;
  table.rows_.resize(size);
  table.logs_.resize(size);
  std::vector<Extremes> windows(size);
  const Wide in_log = 1 / static_cast<Wide>(units.log), in_square = 1 / static_cast<Wide>(units.square);
  Wide log = 0, returns = 0, squares = 0, downside = 0;
  for (size_t bar = 1; bar < size; ++bar) {
    const Wide earned = position * series.simple_return(static_cast<BarIndex>(bar));
    if (earned <= -1) return std::nullopt;
    // A double's digits do for a small move: it is a small part of the sum.
    log += std::abs(earned) < 0.1L ? std::log1p(static_cast<double>(earned)) : std::log1p(earned);
    returns += earned;
    squares += earned * earned;
    const Wide shortfall = std::min(earned - risk_free, Wide(0));
    downside += shortfall * shortfall - flat_shortfall * flat_shortfall;
    Row& row = table.rows_[bar];
    row.log = to_units(log, in_log);
    row.returns = to_units(returns, in_log);
    row.squares = to_units(squares, in_square);
    row.downside = to_units(downside, in_square);
    table.logs_[bar] = row.log;
    windows[bar] = {.lowest = row.log, .highest = row.log};
  }
  size_t width = 1;
  for (int level = 0; level < kLevels; ++level) {
    // A window holds the bar itself and those within its reach.
    for (; width <= static_cast<size_t>(reach_of(level)); width *= 2) widen(windows, width);
    for (size_t bar = 0; bar < size; ++bar) {
      Row& row = table.rows_[bar];
      row.up[level] = static_cast<int32_t>((windows[bar].highest - row.log) >> kReachShift) + 1;
      row.down[level] = static_cast<int32_t>((windows[bar].lowest - row.log) >> kReachShift);
    }
  }
  return table;
}

}  // namespace signalbook
