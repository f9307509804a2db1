#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <span>

#include "analytics/log_drawdown.h"
#include "analytics/metrics_parts.h"
#include "analytics/trade_walk.h"

namespace signalbook {

namespace {

// Where these are passed, figures would have fewer than 12 digits, and the trace is computed bar by bar.
constexpr double kDigits = 2e-13;          // what rounding may do to a figure
constexpr double kCancellation = 0.05;     // the part of the squares that must be left for the variance
constexpr double kMostYears = 20;          // how often the bars are compounded to make a year's return
constexpr double kMostOverDrawdown = 1e4;  // that, or 1, over the drawdown

constexpr size_t kAhead = 16;    // changes: how long before it is needed what is prepared is asked for
constexpr double kRoom = 1e-13;  // more than rounding does to an exponential

double log_of(Wide growth) {
  return growth > 0.5L ? std::log1p(static_cast<double>(growth - 1)) : std::log(static_cast<double>(growth));
}

// The smallest level of a table that holds a stretch of so many bars.
constexpr size_t kShortStretch = GrowthTable::reach_of(GrowthTable::kLevels - 1);
constexpr auto kLevelOf = [] {
  std::array<uint8_t, kShortStretch + 1> levels{};
  for (size_t bars = 0; bars < levels.size(); ++bars) {
    while (static_cast<size_t>(GrowthTable::reach_of(levels[bars])) < bars) ++levels[bars];
  }
  return levels;
}();

// ---- Two changes at a time. Whether a trade won is as good as random: nothing here branches.

using Mask = int64_t __attribute__((vector_size(16)));  // of a comparison: all bits of a number, or none

DoublePair where(Mask mask, DoublePair value) { return std::bit_cast<DoublePair>(mask & std::bit_cast<Mask>(value)); }
DoublePair sign_bits(DoublePair value) { return where(Mask{} + std::numeric_limits<int64_t>::min(), value); }
DoublePair flip(DoublePair value, DoublePair signs) {
  return std::bit_cast<DoublePair>(std::bit_cast<Mask>(value) ^ std::bit_cast<Mask>(signs));
}
DoublePair larger(DoublePair a, DoublePair b) { return a > b ? a : b; }
double sum(DoublePair pair) { return pair[0] + pair[1]; }
int64_t sum(SumPair pair) { return pair[0] + pair[1]; }

// As if nothing were resized: each stretch in which a position is held is a trade that ends where the stretch does.
class TradePairs {
 public:
  template <bool kHasCost>
  void add(DoublePair value, DoublePair previous, DoublePair entry, DoublePair exit, SumPair bars, double cost) {
    const Mask is_in = value != 0;
    const DoublePair moved = (exit - entry) / entry;
    DoublePair earned = flip(moved, sign_bits(value));
    if (kHasCost) earned -= cost * (2 + moved);
    earned = where(is_in, earned);
    traded_ += flip(value - previous, sign_bits(value - previous));
    largest_ = larger(largest_, flip(value, sign_bits(value)));
    is_resized_ |= value * previous > 0;
    count_ -= is_in;
    long_count_ -= value > 0;
    bars_held_ += is_in & bars;
    won_ -= earned > kEven;
    lost_ -= earned < -kEven;
    gain_ += where(earned > 0, earned);
    loss_ -= where(earned < 0, earned);
  }

  double traded() const { return sum(traded_); }
  double largest() const { return std::max(largest_[0], largest_[1]); }
  bool is_resized() const { return (is_resized_[0] | is_resized_[1]) != 0; }
  TradeTally::Closed closed() const {
    return {.count = sum(count_),
            .long_count = sum(long_count_),
            .bars_held = sum(bars_held_),
            .won = sum(won_),
            .lost = sum(lost_),
            .returned = sum(gain_) - sum(loss_),
            .gain = sum(gain_),
            .loss = sum(loss_)};
  }

 private:
  SumPair count_{}, long_count_{}, bars_held_{}, won_{}, lost_{};
  Mask is_resized_{};
  DoublePair gain_{}, loss_{}, traded_{}, largest_{};
};

// Which table a position has. The first few are compared without a branch.
class TableFinder {
 public:
  explicit TableFinder(std::span<const GrowthTable> tables) : tables_(tables) {
    keys_.fill(std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN()));  // no position's
    for (size_t i = 0; i < std::min(keys_.size(), tables.size()); ++i) keys_[i] = tables[i].key();
  }

  // As many as there are where it has none.
  size_t find(double position) const {
    const uint64_t key = GrowthTable::key_of(position);
    size_t found = tables_.size();
    for (size_t i = 0; i < keys_.size(); ++i) found = key == keys_[i] ? i : found;
    for (size_t i = keys_.size(); found == tables_.size() && i < tables_.size(); ++i) {
      if (key == tables_[i].key()) found = i;
    }
    return found;
  }

 private:
  std::span<const GrowthTable> tables_;
  std::array<uint64_t, 4> keys_;
};

// One trace in two passes over its changes, each with few branches: a processor then works on many changes at once.
class ChangePasses {
 public:
  ChangePasses(const SignalChanges& changes, const PriceSeries& series, const FixedUnits& units,
               const MetricsOptions& options, double risk_free)
      : series_(series), units_(units), options_(options), risk_free_(risk_free), last_(series.size() - 1) {
    const BarIndex first = series.first_bar();
    const auto begin = std::ranges::upper_bound(changes.idx, first);
    const auto end = std::upper_bound(begin, changes.idx.end(), first + last_);
    const auto before = static_cast<size_t>(begin - changes.idx.begin());
    count_ = 1 + static_cast<size_t>(end - begin);
    begins_ = std::make_unique_for_overwrite<BarIndex[]>(count_ + 1);
    values_ = std::make_unique_for_overwrite<double[]>(count_);
    begins_[0] = 0;
    values_[0] = before > 0 ? changes.values[before - 1] : 0.0;
    for (size_t k = 1; k < count_; ++k) begins_[k] = changes.idx[before + k - 1] - first;
    std::copy_n(changes.values.begin() + static_cast<std::ptrdiff_t>(before), count_ - 1, &values_[1]);
    has_change_on_last_ = begins_[count_ - 1] == last_;
    if (has_change_on_last_) {
      --count_;
      value_on_last_ = values_[count_];
    }
    begins_[count_] = last_;
  }

  // Nothing where only bar by bar will do.
  std::optional<Metrics> metrics(std::span<const GrowthTable> tables, std::span<const EntryTable> entries) {
    const bool has_cost = options_.cost != 0;
    Metrics metrics;
    if (!(has_cost ? follow_equity<true>(tables, entries, metrics) : follow_equity<false>(tables, entries, metrics))) {
      return std::nullopt;
    }
    has_cost ? add_trades<true>(metrics) : add_trades<false>(metrics);
    if (!has_digits(metrics)) return std::nullopt;
    write_return_figures(figures_, options_, risk_free_, metrics);
    return metrics;
  }

 private:
  // A position is constant over a stretch: values_[k] is taken at the close of bar begins_[k] and kept to that of
  // begins_[k + 1]. There are count_ of them, none is empty, and one more begin ends the last.

  double return_of(BarIndex bar) const { return static_cast<double>(series_.simple_return(bar)); }

  // ---- Equity, the moments of returns, and the drawdown

  template <bool kHasCost>
  bool follow_equity(std::span<const GrowthTable> tables, std::span<const EntryTable> entries, Metrics& metrics) {
    // Sums up to the beginning of a stretch, less those of its table up to there: with what the table has on any of its
    // bars they are the sums up to that bar.
    SumPair growth{}, squares{};
    Moments rest;  // what no table has
    // What entering costs. (In registers, which what add_bars() is handed is not.)
    DoublePair entry_squares{};
    double entry_returns = 0;
    EntryTable::Row computed;
    const TableFinder finder(tables);
    const GrowthTable* table = tables.data();
    size_t held = 0;  // its number; that of no table where `table` only stands for one
    double previous = 0;
    LogDrawdown drawdown(units_);
    int64_t peak = drawdown.below_peak(), low = drawdown.low();
    // Tables do not fit into the nearest cache; which bars come is known, if not yet for which of the usual two.
    const GrowthTable &usual = tables[1 % tables.size()], &other = tables[2 % tables.size()];
    for (size_t k = 0; k < count_; ++k) {
      const BarIndex begin = begins_[k], end = begins_[k + 1];
      const double value = values_[k];
      const BarIndex soon = begins_[std::min(k + kAhead, count_)];
      __builtin_prefetch(&usual.row(soon));
      __builtin_prefetch(&other.row(soon));
      const GrowthTable::Row& left = table->row(begin);
      growth += left.growth;
      squares += left.squares;
      const size_t from = held;
      held = finder.find(value);
      if (held == tables.size()) [[unlikely]] {
        const double paid = options_.cost * std::abs(value - previous);
        int64_t log = growth[0];
        if (!add_bars(begin, end, value, paid, rest, log)) return false;
        visit_bars(begin, end, value, growth[0], paid, drawdown);
        peak = drawdown.below_peak(), low = drawdown.low();
        growth[0] = log;
        previous = value;
        table = tables.data();
        continue;
      }
      table = &tables[held];
      const GrowthTable::Row& row = table->row(begin);
      growth -= row.growth;
      squares -= row.squares;
      if constexpr (kHasCost) {
        const EntryTable& known = entries[from * tables.size() + held];
        const EntryTable::Row* entry = known.row(begin);
        if (entry == nullptr) [[unlikely]] {
          const double paid = options_.cost * std::abs(value - previous);
          computed = EntryTable::row_of(paid, value * return_of(begin + 1), risk_free_, units_);
          entry = &computed;
        }
        growth += SumPair{entry->log, 0};
        entry_returns += entry->returns;
        entry_squares += entry->squares;
        previous = value;
      }
      const int64_t log = growth[0] + row.growth[0];
      if (kHasCost && log < -FixedUnits::kLimit) return false;

      const auto bars = static_cast<size_t>(end - begin);
      if (bars <= kShortStretch) {
        const size_t level = kLevelOf[bars];
        const bool may_reach_peak = log + (int64_t{row.up[level]} << GrowthTable::kReachShift) >= peak;
        const bool may_reach_low = log + (int64_t{row.down[level]} << GrowthTable::kReachShift) < low;
        if (!may_reach_peak && !may_reach_low) continue;
        if (!may_reach_peak) {
          visit_below_peak(*table, begin, end, growth[0], drawdown);
          low = drawdown.low();
          continue;
        }
      }
      visit_in_parts(*table, begin, end, growth[0], drawdown);
      peak = drawdown.below_peak(), low = drawdown.low();
    }
    drawdown.write(last_, units_, metrics);
    const GrowthTable::Row& left = table->row(last_);
    growth += left.growth;
    squares += left.squares;
    rest.returns += entry_returns;
    rest.squares += entry_squares[0];
    rest.downside += entry_squares[1];
    if (!std::isfinite(rest.squares)) return false;

    const int64_t log = growth[0];
    const double flat_shortfall = std::max(risk_free_, 0.0);
    flat_downside_ = static_cast<double>(last_) * flat_shortfall * flat_shortfall;
    logs_squared_ = rest.logs_squared;
    figures_.count = last_;
    figures_.gain = std::expm1(static_cast<Wide>(log) * units_.log);
    figures_.log_growth = static_cast<Wide>(log) * units_.log;
    figures_.sum = units_.from_log(growth[1]) + rest.returns;
    squares_ = units_.from_square(squares[0]) + rest.squares;
    figures_.downside = units_.from_square(squares[1]) + rest.downside + flat_downside_;
    if (last_ > 0) figures_.squared_deviations = squares_ - figures_.sum * figures_.sum / static_cast<Wide>(last_);
    return true;
  }

  struct Moments {
    double returns = 0, squares = 0, downside = 0, logs_squared = 0;
  };
  bool add_bars(BarIndex begin, BarIndex end, double value, double paid, Moments& moments, int64_t& log) const {
    const double flat_shortfall = std::max(risk_free_, 0.0);
    const double room = units_.from_log(FixedUnits::kLimit) - std::abs(units_.from_log(log));
    const Wide least = std::exp(-room), most = std::exp(room);
    Wide growth = 1;
    for (BarIndex bar = begin + 1; bar <= end; ++bar) {
      const Wide exactly = value * series_.simple_return(bar) - paid;
      paid = 0;
      if (exactly <= -1) return false;  // ruin
      growth *= 1 + exactly;
      if (!(growth > least && growth < most)) return false;
      const auto earned = static_cast<double>(exactly);
      moments.returns += earned;
      moments.squares += earned * earned;
      const double shortfall = std::min(earned - risk_free_, 0.0);
      moments.downside += shortfall * shortfall - flat_shortfall * flat_shortfall;
    }
    const double log_growth = log_of(growth);
    log += units_.to_log(log_growth);
    moments.logs_squared += log_growth * log_growth;
    return true;
  }

  // Only few stretches are looked into.
  static void visit_all(const GrowthTable& table, BarIndex begin, BarIndex end, int64_t base, LogDrawdown& drawdown) {
    if (table.is_flat()) return drawdown.visit_flat(begin + 1, end, base);
    for (BarIndex bar = begin + 1; bar <= end; ++bar) drawdown.visit(bar, base + table.log(bar));
  }

  // A stretch that no level of the table holds, by the blocks that its bars lie in.
  static void visit_in_parts(const GrowthTable& table, BarIndex begin, BarIndex end, int64_t base,
                             LogDrawdown& drawdown) {
    constexpr int kLast = GrowthTable::kLevels - 1;
    constexpr BarIndex kMost = GrowthTable::reach_of(kLast), kBlock = GrowthTable::kBlock;
    static_assert(kBlock <= kMost);
    if (end - begin <= kMost || table.is_flat()) return visit_all(table, begin, end, base, drawdown);
    for (BarIndex before = begin; before < end;) {
      const BarIndex first = before + 1, last = std::min(first | (kBlock - 1), end);
      const GrowthTable::Extremes& block = table.block_of(first);
      if (base + block.highest >= drawdown.below_peak() || base + block.lowest < drawdown.low()) {
        visit_part<kLast>(table, before, last, base, drawdown);
      }
      before = last;
    }
  }

  // Within the reach of a level; where something may be new on the way, by parts within that of the level below.
  template <int kLevel>
  static void visit_part(const GrowthTable& table, BarIndex begin, BarIndex end, int64_t base, LogDrawdown& drawdown) {
    const GrowthTable::Row& row = table.row(begin);
    const int64_t log = base + row.growth[0];
    const bool may_reach_peak = log + (int64_t{row.up[kLevel]} << GrowthTable::kReachShift) >= drawdown.below_peak();
    const bool may_reach_low = log + (int64_t{row.down[kLevel]} << GrowthTable::kReachShift) < drawdown.low();
    if (!may_reach_peak && !may_reach_low) return;
    if constexpr (kLevel == 0) {
      visit_all(table, begin, end, base, drawdown);
    } else {
      constexpr BarIndex kStep = GrowthTable::reach_of(kLevel - 1);
      for (BarIndex part = begin; part < end; part += kStep) {
        visit_part<kLevel - 1>(table, part, std::min(part + kStep, end), base, drawdown);
      }
    }
  }

  static void visit_below_peak(const GrowthTable& table, BarIndex begin, BarIndex end, int64_t base,
                               LogDrawdown& drawdown) {
    int64_t lowest = table.log(begin + 1);
    for (BarIndex bar = begin + 2; bar <= end && !table.is_flat(); ++bar) lowest = std::min(lowest, table.log(bar));
    drawdown.visit_below_peak(base + lowest);
  }

  void visit_bars(BarIndex begin, BarIndex end, double value, int64_t log, double paid, LogDrawdown& drawdown) const {
    // A logarithm for each bar would take longer than all the rest, so growth is compared, with some room.
    const auto growth_to = [&](int64_t other) { return std::exp(units_.from_log(other - log)); };
    double near_peak = growth_to(drawdown.below_peak()) * (1 - kRoom),
           near_low = growth_to(drawdown.low()) * (1 + kRoom);
    Wide growth = 1;
    for (BarIndex bar = begin + 1; bar <= end; ++bar) {
      growth *= 1 + (value * series_.simple_return(bar) - paid);
      paid = 0;
      if (growth < near_peak && growth > near_low) continue;
      drawdown.visit(bar, log + units_.to_log(log_of(growth)));
      near_peak = growth_to(drawdown.below_peak()) * (1 - kRoom);
      near_low = growth_to(drawdown.low()) * (1 + kRoom);
    }
  }

  // Whether the units, and doubles, leave 12 digits in every figure.
  bool has_digits(const Metrics& metrics) const {
    if (squares_ == 0 && figures_.sum == 0) return true;  // nothing was earned or paid
    const double bars = static_cast<double>(last_), steps = std::sqrt(static_cast<double>(count_ + 1));
    const double years = options_.bars_per_year / bars;
    // Of the logarithm: half a unit at either end of a stretch at most, and a double's rounding where no table was.
    const double moved = std::sqrt(logs_squared_ + static_cast<double>(squares_));
    const double rounding = steps * units_.log + 0x1p-54 * moved;
    const double pnl = std::abs(options_.capital * static_cast<double>(figures_.gain));
    const double most =
        std::max({1.0, years, options_.capital * (1 + static_cast<double>(figures_.gain)) / std::max(pnl, 1.0)});
    if (years > kMostYears || rounding * most > kDigits) return false;
    if (*metrics.max_drawdown < 0 && std::max(years, 1.0) > kMostOverDrawdown * -*metrics.max_drawdown) return false;
    const double squares = static_cast<double>(squares_), downside = static_cast<double>(figures_.downside);
    const double least = steps * units_.square / kDigits;
    if (squares < least || figures_.squared_deviations < kCancellation * squares_) return false;
    if (downside != 0 && (downside < least || downside < kCancellation * flat_downside_)) return false;
    const double deviation = std::sqrt(std::min(squares, downside != 0 ? downside : squares) / bars);
    return steps * units_.log * std::sqrt(options_.bars_per_year) < kDigits * bars * deviation;
  }

  // ---- Trades

  template <bool kHasCost>
  void add_trades(Metrics& metrics) {
    // The last stretch is left for the end, since it pays no exit.
    TradePairs pairs;
    const size_t closed = count_ - 1;
    double previous = 0, entry = series_.close(0);
    size_t k = 0;
    for (; k + 1 < closed; k += 2) {
      const double between = series_.close(begins_[k + 1]), exit = series_.close(begins_[k + 2]);
      const SumPair bars{begins_[k + 1] - begins_[k], begins_[k + 2] - begins_[k + 1]};
      pairs.add<kHasCost>(DoublePair{values_[k], values_[k + 1]}, DoublePair{previous, values_[k]},
                          DoublePair{entry, between}, DoublePair{between, exit}, bars, options_.cost);
      previous = values_[k + 1];
      entry = exit;
    }
    if (k < closed) {
      pairs.add<kHasCost>(DoublePair{values_[k], 0}, DoublePair{previous, 0}, DoublePair{entry, 1},
                          DoublePair{series_.close(begins_[k + 1]), 1}, SumPair{begins_[k + 1] - begins_[k], 0},
                          options_.cost);
      previous = values_[k];
    }
    const double value = values_[closed];
    const TradeTally::Closed trades = pairs.closed();
    Activity activity{.bars_held = trades.bars_held, .traded = pairs.traded() + std::abs(value - previous)};
    if (value != 0) activity.bars_held += last_ - begins_[closed];
    activity.write(last_, metrics);
    figures_.largest_position = std::max(pairs.largest(), std::abs(value));
    TradeTally tally;
    if (pairs.is_resized() || value * previous > 0) {
      walk_trades(tally);
    } else {
      tally.add(trades);
      add_last_trade(tally);
    }
    tally.write(metrics);
  }

  void walk_trades(TradeTally& tally) {
    const auto add = [&](const WalkedTrade& trade) {
      tally.add(trade.direction, trade.exit - trade.entry, trade.net_return, trade.is_open);
    };
    TradeWalk walk(options_.cost);
    for (size_t k = 0; k < count_; ++k) walk.change(begins_[k], series_.close(begins_[k]), values_[k], false, add);
    if (has_change_on_last_) walk.change(last_, series_.close(last_), value_on_last_, true, add);
    walk.finish(last_, series_.close(last_), add);
  }

  // It ends by a change on the last bar or by the mark there.
  void add_last_trade(TradeTally& tally) {
    const double value = values_[count_ - 1];
    if (value == 0) return;
    const BarIndex begin = begins_[count_ - 1];
    const int direction = value > 0 ? 1 : -1;
    const bool is_left = has_change_on_last_ && value_on_last_ * direction <= 0;
    const Wide entry = series_.close(begin), exit = series_.close(last_);
    tally.add(direction, last_ - begin, direction * ((exit - entry) / entry) - options_.cost, !is_left);
  }

  const PriceSeries& series_;
  const FixedUnits& units_;
  const MetricsOptions& options_;
  const double risk_free_;
  const BarIndex last_;
  size_t count_ = 0;
  std::unique_ptr<BarIndex[]> begins_;
  std::unique_ptr<double[]> values_;
  bool has_change_on_last_ = false;
  double value_on_last_ = 0;
  ReturnFigures figures_;
  Wide squares_ = 0;
  double flat_downside_ = 0;
  double logs_squared_ = 0;  // of the growth of stretches without a table
};

}  // namespace

std::optional<Metrics> MetricsKernel::compute_from_changes(const SignalChanges& changes) const {
  if (series_->size() < 2 || !units_.is_fine()) return std::nullopt;
  ChangePasses passes(changes, *series_, units_, options_, static_cast<double>(risk_free_));
  return passes.metrics(tables_, entries_);
}

}  // namespace signalbook
