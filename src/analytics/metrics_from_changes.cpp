#include <algorithm>
#include <bit>
#include <cmath>

#include "analytics/drawdown_walk.h"
#include "analytics/metrics_parts.h"
#include "analytics/stretches.h"
#include "analytics/trade_walk.h"

namespace signalbook {

namespace {

// The variance comes from sums of squares less a square of sums. As long as this part of them is left, there are
// digits to spare; returns that hardly vary around a mean go bar by bar.
constexpr Wide kCancellation = 0.05L;
constexpr double kCalmarCondition = 1e5;
// Outside, equity in double might leave its range. At or below 0 it is ruined.
constexpr double kSmallestScale = 1e-140, kLargestScale = 1e140;
// Doubles that are nearer to each other than this are looked at with all digits.
constexpr double kNear = 1e-11;

// Whether a trade won is as good as random, and a branch on it is mispredicted every other time.
double negative_part(double value) {
  const auto bits = std::bit_cast<int64_t>(value);
  return std::bit_cast<double>(bits & (bits >> 63));
}

// One trace in several passes over its changes. Each is short and has few branches, and what one needs of the equity
// comes ready from the one before: a processor then works on many changes at once.
class ChangePasses {
 public:
  ChangePasses(const SignalChanges& changes, const PriceSeries& series, double cost, Wide risk_free)
      : series_(series), cost_(cost), risk_free_(risk_free), last_(series.size() - 1) {
    stretches_.reserve(changes.size() + 2);
    for_each_stretch(changes, series, [this](BarIndex begin, BarIndex end, double value) {
      stretches_.push_back({.begin = begin, .end = end, .value = value});
    });
  }

  // Nothing where only bar by bar will do.
  std::optional<Metrics> metrics(const MetricsOptions& options, std::span<const GrowthTable> tables) {
    if (!(cost_ == 0 ? multiply<false>(tables) : multiply<true>(tables))) return std::nullopt;
    figures_.count = last_;
    if (last_ > 0) {
      figures_.squared_deviations = squares_ - figures_.sum * figures_.sum / static_cast<Wide>(last_);
      if (squares_ > 0 && figures_.squared_deviations < kCancellation * squares_) return std::nullopt;
    }
    const Wide flat_shortfall = std::max(risk_free_, Wide(0));
    const Wide flat_downside = static_cast<Wide>(last_) * flat_shortfall * flat_shortfall;
    figures_.downside += flat_downside;
    if (figures_.downside < kCancellation * flat_downside) return std::nullopt;
    Metrics metrics;
    add_trades(metrics);
    find_drawdown(metrics);
    if (!has_digits_for_calmar(metrics, options)) return std::nullopt;
    write_return_figures(figures_, options, risk_free_, metrics);
    return metrics;
  }

 private:
  struct Stretch {
    BarIndex begin, end;
    double value;
    const GrowthTable* table = nullptr;
    double rounded_scale = 0;
    Wide scale = 0;  // equity on its bars, by growth; without a table: equity on its first one
  };

  // ---- Equity and the moments of returns

  template <bool kHasCost>
  bool multiply(std::span<const GrowthTable> tables) {
    Wide equity = 1;
    double previous = 0, sum = 0, squares = 0, downside = 0;
    const double risk_free = static_cast<double>(risk_free_), flat_shortfall = std::max(risk_free, 0.0);
    for (Stretch& stretch : stretches_) {
      const auto [begin, end] = std::pair(stretch.begin, stretch.end);
      if (begin == end) break;  // a change on the last bar
      const double value = stretch.value;
      const double paid = kHasCost ? cost_ * std::abs(value - previous) : 0;
      previous = value;
      const uint64_t key = GrowthTable::key_of(value);
      const GrowthTable* table = nullptr;
      for (const GrowthTable& candidate : tables) table = key == candidate.key() ? &candidate : table;
      stretch.table = table;

      // Of a bar that pays, the return is taken as it is: what it earned and paid may nearly cancel.
      const PriceSeries::Sums &from = series_.sums(kHasCost ? begin + 1 : begin), &to = series_.sums(end);
      sum += value * to.of_returns.since(from.of_returns);
      squares += value * value * to.of_squares.since(from.of_squares);
      if (kHasCost) {
        const double earned = value * series_.rounded_return(begin + 1) - paid;
        sum += earned;
        squares += earned * earned;
      }
      if (table == nullptr) {
        stretch.scale = equity;
        const BarByBar held = multiply_bars(stretch, paid);
        if (held.is_ruined) return false;
        equity *= held.growth;
        downside += held.downside;
        continue;
      }
      const GrowthTable::Row &before = table->row(begin), &after = table->row(end);
      if (kHasCost) {
        const GrowthTable::Row& first = table->row(begin + 1);
        const Wide factor = before.inverse - paid * first.inverse;
        stretch.scale = equity * factor;
        equity *= factor * after.growth;
        const double shortfall = std::min(value * series_.rounded_return(begin + 1) - paid - risk_free, 0.0);
        downside += after.downside.since(first.downside) + shortfall * shortfall - flat_shortfall * flat_shortfall;
      } else {
        stretch.scale = equity * before.inverse;
        equity *= before.inverse * after.growth;
        downside += after.downside.since(before.downside);
      }
      stretch.rounded_scale = static_cast<double>(stretch.scale);
      if (!(stretch.rounded_scale > kSmallestScale && stretch.rounded_scale < kLargestScale)) return false;
    }
    if (!(equity > kSmallestScale && equity < kLargestScale)) return false;
    figures_.equity = equity;
    figures_.gain = equity - 1;
    figures_.sum = sum;
    squares_ = squares;
    figures_.downside = downside;
    return true;
  }

  struct BarByBar {
    Wide growth = 1;
    double downside = 0;  // above a flat bar's
    bool is_ruined = false;
  };
  BarByBar multiply_bars(const Stretch& stretch, double paid) const {
    const double risk_free = static_cast<double>(risk_free_), flat_shortfall = std::max(risk_free, 0.0);
    BarByBar held;
    for (BarIndex bar = stretch.begin + 1; bar <= stretch.end; ++bar) {
      const Wide earned = stretch.value * series_.simple_return(bar) - paid;
      paid = 0;
      held.growth *= 1 + earned;
      held.is_ruined |= earned <= -1;
      const double shortfall = std::min(static_cast<double>(earned) - risk_free, 0.0);
      held.downside += shortfall * shortfall - flat_shortfall * flat_shortfall;
    }
    return held;
  }

  // ---- Drawdown

  // A year's return over the drawdown: where the one is made of much less than a year, or the other is very small, the
  // digits that equity lost in being near 1 count.
  bool has_digits_for_calmar(const Metrics& metrics, const MetricsOptions& options) const {
    if (last_ == 0 || *metrics.max_drawdown == 0) return true;
    const double exponent = std::max(1.0, options.bars_per_year / static_cast<double>(last_));
    return exponent / -*metrics.max_drawdown < kCalmarCondition;
  }

  void find_drawdown(Metrics& metrics) {
    DrawdownWalk drawdown;
    double low = drawdown.low() * (1 + kNear), below_peak = drawdown.below_peak(), previous = 0;
    for (const Stretch& stretch : stretches_) {
      if (stretch.begin == stretch.end) break;
      const int level = GrowthTable::level_of(stretch.end - stretch.begin);
      if (stretch.table != nullptr && level < GrowthTable::kLevels) {
        const GrowthTable::Reach& reach = stretch.table->reach(stretch.begin);
        const double base = stretch.rounded_scale * reach.growth;
        if (base * reach.up[level] < below_peak && base * reach.down[level] > low) {
          previous = stretch.value;
          continue;
        }
      }
      visit(stretch, cost_ * std::abs(stretch.value - previous), drawdown);
      previous = stretch.value;
      low = drawdown.low() * (1 + kNear);
      below_peak = drawdown.below_peak();
    }
    drawdown.write(last_, metrics);
  }

  void visit(const Stretch& stretch, double paid, DrawdownWalk& drawdown) const {
    if (stretch.table == nullptr) return visit_bars(stretch, paid, drawdown);
    const GrowthTable& table = *stretch.table;
    if (stretch.value == 0) return drawdown.visit_flat(stretch.begin + 1, stretch.end, stretch.scale - 1);
    double low = drawdown.low() * (1 + kNear), below_peak = drawdown.below_peak();
    for (BarIndex bar = stretch.begin + 1; bar <= stretch.end; ++bar) {
      const double equity = stretch.rounded_scale * table.growth(bar);
      if (equity < below_peak && equity > low) continue;
      drawdown.visit(bar, stretch.scale * table.row(bar).growth - 1);
      low = drawdown.low() * (1 + kNear);
      below_peak = drawdown.below_peak();
    }
  }

  void visit_bars(const Stretch& stretch, double paid, DrawdownWalk& drawdown) const {
    Wide equity = stretch.scale;
    for (BarIndex bar = stretch.begin + 1; bar <= stretch.end; ++bar) {
      equity *= 1 + (stretch.value * series_.simple_return(bar) - paid);
      paid = 0;
      drawdown.visit(bar, equity - 1);
    }
  }

  // ---- Trades

  void add_trades(Metrics& metrics) {
    // As if nothing were resized: each stretch that is not flat is a trade. All in one pass without branches; who
    // resizes is walked through after it.
    Activity activity;
    TradeTally::Closed closed;
    double previous = 0, largest = 0, traded = 0;
    bool is_resized = false;
    for (const Stretch& stretch : stretches_) {
      if (stretch.begin == stretch.end) break;
      const double value = stretch.value;
      const auto is_in = static_cast<int64_t>(GrowthTable::key_of(value) != 0);
      const BarIndex bars = (stretch.end - stretch.begin) & -is_in;
      is_resized |= value * previous > 0;
      traded += std::abs(value - previous);
      largest = std::max(largest, std::abs(value));
      activity.bars_held += bars;
      previous = value;
      if (stretch.end == last_) break;
      const auto weight = static_cast<double>(is_in);
      const double entry = series_.close(stretch.begin);
      const double moved = (series_.close(stretch.end) - entry) / entry;
      const double earned = std::copysign(weight, value) * moved - cost_ * weight * (2 + moved);
      closed.count += is_in;
      closed.long_count += value > 0;
      closed.bars_held += bars;
      closed.won += earned > kEven;
      closed.lost += earned < -kEven;
      closed.returned += earned;
      const double part_lost = negative_part(earned);
      closed.gain += earned - part_lost;
      closed.loss -= part_lost;
    }
    activity.traded = traded;
    activity.write(last_, metrics);
    figures_.largest_position = largest;
    TradeTally tally;
    if (is_resized) {
      walk_trades(tally);
    } else {
      tally.add(closed);
      add_trade_to_the_end(tally);
    }
    tally.write(metrics);
  }

  void walk_trades(TradeTally& tally) const {
    const auto add = [&](const WalkedTrade& trade) {
      tally.add(trade.direction, trade.exit - trade.entry, trade.net_return, trade.is_open);
    };
    TradeWalk walk(cost_);
    for (const Stretch& stretch : stretches_) {
      walk.change(stretch.begin, series_.close(stretch.begin), stretch.value, stretch.begin == last_, add);
    }
    walk.finish(last_, series_.close(last_), add);
  }

  // The last trade ends on the last bar, by a change there or by the mark; it pays no exit.
  void add_trade_to_the_end(TradeTally& tally) const {
    const bool has_change = stretches_.back().begin == last_ && stretches_.size() > 1;
    const Stretch& stretch = has_change ? stretches_[stretches_.size() - 2] : stretches_.back();
    if (stretch.begin == stretch.end || stretch.value == 0) return;
    const int direction = stretch.value > 0 ? 1 : -1;
    const bool is_left = has_change && stretches_.back().value * direction <= 0;
    const Wide entry = series_.close(stretch.begin), exit = series_.close(last_);
    tally.add(direction, last_ - stretch.begin, direction * ((exit - entry) / entry) - cost_, !is_left);
  }

  const PriceSeries& series_;
  const double cost_;
  const Wide risk_free_;
  const BarIndex last_;
  std::vector<Stretch> stretches_;
  ReturnFigures figures_;
  Wide squares_ = 0;
};

}  // namespace

std::optional<Metrics> MetricsKernel::compute_from_changes(const SignalChanges& changes) const {
  if (series_->size() == 0) return std::nullopt;
  return ChangePasses(changes, *series_, options_.cost, risk_free_).metrics(options_, tables_);
}

}  // namespace signalbook
