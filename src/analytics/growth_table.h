#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analytics/price_series.h"
#include "analytics/wide.h"

namespace signalbook {

// Sums over bars are kept as integers, in units so small that the sum over all bars just fits. What any stretch adds is
// then the difference of two of them: exact in any order, and a few instructions. Equity is kept as its logarithm.
struct FixedUnits {
  double log = 0;     // of logarithms of equity, and of returns
  double in_log = 0;  // 1 / log
  double square = 0;  // of squares of returns

  // For the positions, as far as they are not ruined by a single bar.
  static FixedUnits of(const PriceSeries& series, std::span<const double> positions, double risk_free);

  // Whether kEven is many of them.
  bool is_fine() const { return log < 2e-15; }
  int64_t to_log(double value) const { return static_cast<int64_t>(value * in_log + std::copysign(0.5, value)); }
  double from_log(int64_t value) const { return static_cast<double>(value) * log; }
  double from_square(int64_t value) const { return static_cast<double>(value) * square; }

  // Sums over the bars of a series stay below 2^62 units. Whoever adds anything else stays below this, too.
  static constexpr int64_t kLimit = int64_t{1} << 62;
};

// What holding one position does over any stretch of a series, from two of its rows.
class GrowthTable {
 public:
  // Growth of equity after a bar is between `up` and `down` over the next reach_of(level) bars, in logarithms of
  // 2^kReachShift units. With it most stretches are seen to hold neither a new peak nor a new low, without a look at
  // their bars.
  static constexpr int kLevels = 4, kReachShift = 32;
  static constexpr BarIndex reach_of(int level) { return (BarIndex{8} << 2 * level) - 1; }  // 7, 31, 127, 511
  // The smallest level that holds a stretch of so many bars; kLevels or more where none does.
  static int level_of(BarIndex bars) {
    return (static_cast<int>(std::bit_width(static_cast<uint64_t>(bars) | 7)) - 2) / 2;
  }
  // Sums over the bars up to this one, itself included; a cache line.
  struct alignas(64) Row {
    int64_t log = 0;       // equity, without costs
    int64_t returns = 0;   // of the position
    int64_t squares = 0;   // of them
    int64_t downside = 0;  // squares of what they fell short of the risk-free return, above those of a flat bar
    int32_t up[kLevels] = {}, down[kLevels] = {};
  };

  // Position 0: one row stands for all bars.
  GrowthTable() : rows_(1), logs_(1) {}
  // Nothing where the position would be ruined on some bar.
  static std::optional<GrowthTable> make(const PriceSeries& series, double position, double risk_free,
                                         const FixedUnits& units);

  // Equal for equal positions. (Comparing integers needs no branch.)
  static uint64_t key_of(double position) { return std::bit_cast<uint64_t>(position + 0.0); }
  uint64_t key() const { return key_; }

  const Row& row(BarIndex bar) const { return rows_[static_cast<size_t>(bar) * step_]; }
  int64_t log(BarIndex bar) const { return logs_[static_cast<size_t>(bar) * step_]; }  // the row's, close to the next

 private:
  uint64_t key_ = key_of(0);
  size_t step_ = 0;  // between the rows of two bars
  std::vector<Row> rows_;
  std::vector<int64_t> logs_;
};

}  // namespace signalbook
