#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "analytics/price_series.h"
#include "analytics/wide.h"

namespace signalbook {

// What holding one position does over any stretch of a series, from two of its rows.
class GrowthTable {
 public:
  struct Row {
    Wide growth = 1;    // of equity, held from bar 0 to this one, without costs
    Wide inverse = 1;   // 1 / growth
    SplitSum downside;  // squares of what returns fell short of the risk-free one, above a flat bar's, up to this bar
  };
  // Growth over the next reach_of(level) bars, by this bar's: at most `up`, at least `down`.
  // With it most stretches are seen to hold neither a new peak nor a new low, without a look at their bars.
  static constexpr int kLevels = 7;
  static constexpr BarIndex reach_of(int level) { return (BarIndex{8} << level) - 1; }  // 7 to 511 bars
  struct alignas(64) Reach {
    double growth = 1;  // the row's, rounded
    float up[kLevels] = {1, 1, 1, 1, 1, 1, 1};
    float down[kLevels] = {1, 1, 1, 1, 1, 1, 1};
  };

  // Position 0: one row stands for all bars.
  GrowthTable() : rows_(1), growth_(1, 1.0), reaches_(1) {}
  // Nothing where the position would be ruined on some bar, or leave the range in which this is exact.
  static std::optional<GrowthTable> make(const PriceSeries& series, double position, Wide risk_free);

  double position() const { return position_; }
  // Equal for equal positions. (Comparing integers needs no branch.)
  static uint64_t key_of(double position) { return std::bit_cast<uint64_t>(position + 0.0); }
  uint64_t key() const { return key_; }

  const Row& row(BarIndex bar) const { return rows_[static_cast<size_t>(bar) * step_]; }
  double growth(BarIndex bar) const { return growth_[static_cast<size_t>(bar) * step_]; }
  const Reach& reach(BarIndex bar) const { return reaches_[static_cast<size_t>(bar) * step_]; }
  // The smallest level that holds a stretch of so many bars; kLevels where none does.
  static int level_of(BarIndex bars) {
    return std::min(static_cast<int>(std::bit_width(static_cast<uint64_t>(bars) | 7)) - 3, kLevels);
  }

 private:
  double position_ = 0;
  uint64_t key_ = key_of(0);
  size_t step_ = 0;  // between the rows of two bars
  std::vector<Row> rows_;
  std::vector<double> growth_;
  std::vector<Reach> reaches_;
};

}  // namespace signalbook
