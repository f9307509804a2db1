#include "analytics/growth_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace signalbook {

namespace {

using Extremes = GrowthTable::Extremes;

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

// log(1 - x), most often of a cost, which is small.
double log_less(double x) {
  if (x < 1e-3) return -x * (1 + x * (1.0 / 2 + x * (1.0 / 3 + x * (1.0 / 4 + x * (1.0 / 5 + x * (1.0 / 6))))));
  return std::log1p(-x);
}

}  // namespace

FixedUnits FixedUnits::of(const PriceSeries& series, std::span<const double> positions, double risk_free) {
  double moved = 1, squares = 0;
  for (BarIndex bar = 1; bar < series.size(); ++bar) {
    double most = 0, largest = std::abs(risk_free);
    for (const double position : positions) {
      const double earned = position * static_cast<double>(series.simple_return(bar));
      // No logarithm where a bound will do: |log(1 + x)| <= |x| / (1 - |x|).
      const double size = std::abs(earned);
      if (earned > -1) most = std::max({most, size, size < 0.01 ? size / (1 - size) : std::abs(std::log1p(earned))});
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
    const int64_t units_of_log = to_units(log, in_log);
    row.growth = SumPair{units_of_log, to_units(returns, in_log)};
    row.squares = SumPair{to_units(squares, in_square), to_units(downside, in_square)};
    table.logs_[bar] = units_of_log;
    windows[bar] = {.lowest = units_of_log, .highest = units_of_log};
  }
  table.blocks_.reserve(size / kBlock + 1);
  for (size_t begin = 0; begin < size; begin += kBlock) {
    const size_t end = std::min(begin + static_cast<size_t>(kBlock), size);
    const auto [lowest, highest] = std::minmax_element(table.logs_.begin() + static_cast<std::ptrdiff_t>(begin),
                                                       table.logs_.begin() + static_cast<std::ptrdiff_t>(end));
    table.blocks_.push_back({.lowest = *lowest, .highest = *highest});
  }
  size_t width = 1;
  for (int level = 0; level < kLevels; ++level) {
    // A window holds the bar itself and those within its reach.
    for (; width <= static_cast<size_t>(reach_of(level)); width *= 2) widen(windows, width);
    for (size_t bar = 0; bar < size; ++bar) {
      Row& row = table.rows_[bar];
      row.up[level] = static_cast<int32_t>((windows[bar].highest - table.logs_[bar]) >> kReachShift) + 1;
      row.down[level] = static_cast<int32_t>((windows[bar].lowest - table.logs_[bar]) >> kReachShift);
    }
  }
  return table;
}

EntryTable EntryTable::make(const PriceSeries& series, double from, double to, double cost, double risk_free,
                            const FixedUnits& units) {
  EntryTable table;
  const double paid = cost * std::abs(to - from);
  if (to == 0 || from == to) {
    table.rows_.push_back(row_of(paid, 0, risk_free, units));
  } else if (from == 0 || from == -to) {
    table.step_ = 1;
    table.rows_.resize(static_cast<size_t>(series.size()));
    for (BarIndex bar = 0; bar + 1 < series.size(); ++bar) {
      const double earned = to * static_cast<double>(series.simple_return(bar + 1));
      table.rows_[static_cast<size_t>(bar)] = row_of(paid, earned, risk_free, units);
    }
  }
  return table;
}

EntryTable::Row EntryTable::row_of(double paid, double earned, double risk_free, const FixedUnits& units) {
  if (paid == 0) return {};
  const double share = paid / (1 + earned);
  if (!(share >= 0 && share <= kMostPaid)) return {.squares = DoublePair{std::numeric_limits<double>::infinity(), 0}};
  const double shortfall = std::min(earned - risk_free, 0.0), deeper = std::min(earned - paid - risk_free, 0.0);
  return {.log = units.to_log(log_less(share)),
          .returns = -paid,
          .squares = DoublePair{paid * (paid - 2 * earned), (deeper - shortfall) * (deeper + shortfall)}};
}

}  // namespace signalbook
