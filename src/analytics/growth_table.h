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

// Two numbers that are added together: one instruction on every processor with a vector unit.
using SumPair = int64_t __attribute__((vector_size(16)));
using DoublePair = double __attribute__((vector_size(16)));

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
    SumPair growth = {};   // logarithm of equity, without costs; returns of the position
    SumPair squares = {};  // of returns; of what they fell short of the risk-free return, above that of a flat bar
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

  // The lowest and the highest log() of some bars: of a long stretch, blocks are passed over by them. They stay in the
  // nearest cache, which rows do not.
  struct Extremes {
    int64_t lowest = 0, highest = 0;
  };
  static constexpr BarIndex kBlock = 256;
  const Extremes& block_of(BarIndex bar) const { return blocks_[static_cast<size_t>(bar / kBlock)]; }

  bool is_flat() const { return step_ == 0; }
  const Row& row(BarIndex bar) const { return rows_[static_cast<size_t>(bar) * step_]; }
  int64_t log(BarIndex bar) const { return logs_[static_cast<size_t>(bar) * step_]; }  // the row's, close to the next

 private:
  uint64_t key_ = key_of(0);
  size_t step_ = 0;  // between the rows of two bars
  std::vector<Row> rows_;
  std::vector<int64_t> logs_;
  std::vector<Extremes> blocks_;
};

// What it costs to go from one position to another at the close of a bar, as it is paid from what the next bar makes of
// equity. Computed once, because it takes a division and a logarithm.
class EntryTable {
 public:
  struct alignas(32) Row {
    int64_t log = 0;          // of equity
    double returns = 0;       // what is paid
    DoublePair squares = {};  // as those of GrowthTable; infinite where more is paid than kMostPaid of equity
  };
  static constexpr double kMostPaid = 0.5;  // of equity, at once; ruin is above it

  EntryTable() = default;  // none
  // From flat and from the opposite position, to flat, and for nothing from a position to itself; else none.
  static EntryTable make(const PriceSeries& series, double from, double to, double cost, double risk_free,
                         const FixedUnits& units);
  static Row row_of(double paid, double earned, double risk_free, const FixedUnits& units);

  // Of the bar at whose close it is paid; nothing where there is no table.
  const Row* row(BarIndex bar) const { return rows_.data() + static_cast<size_t>(bar) * step_; }

 private:
  size_t step_ = 0;
  std::vector<Row> rows_;
};

}  // namespace signalbook
