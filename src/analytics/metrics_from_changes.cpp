#include <algorithm>
#include <bit>
#include <cmath>

#include "analytics/log_drawdown.h"
#include "analytics/metrics_parts.h"
#include "analytics/stretches.h"
#include "analytics/trade_walk.h"

namespace signalbook {

namespace {

// Where these are passed, figures would have fewer than 12 digits, and the trace is computed bar by bar.
constexpr double kDigits = 2e-13;          // what rounding may do to a figure
constexpr double kCancellation = 0.05;     // the part of the squares that must be left for the variance
constexpr double kMostYears = 20;          // how often the bars are compounded to make a year's return
constexpr double kMostOverDrawdown = 1e4;  // that, or 1, over the drawdown
constexpr double kMostPaid = 0.5;          // of equity, at once; ruin is above it

constexpr double kRoom = 1e-13;  // more than rounding does to an exponential

// Whether a trade won, or a bar lost, is as good as random, and a branch on it is mispredicted every other time.
double negative_part(double value) {
  const auto bits = std::bit_cast<int64_t>(value);
  return std::bit_cast<double>(bits & (bits >> 63));
}

// log(1 - x), most often of a cost, which is small.
double log_less(double x) {
  if (x < 1e-3) return -x * (1 + x * (1.0 / 2 + x * (1.0 / 3 + x * (1.0 / 4 + x * (1.0 / 5 + x * (1.0 / 6))))));
  return std::log1p(-x);
}

double log_of(Wide growth) {
  return growth > 0.5L ? std::log1p(static_cast<double>(growth - 1)) : std::log(static_cast<double>(growth));
}

// One trace in several passes over its changes. Each is short and has few branches, and what one needs of the equity
// comes ready from the one before: a processor then works on many changes at once.
class ChangePasses {
 public:
  ChangePasses(const SignalChanges& changes, const PriceSeries& series, const FixedUnits& units,
               const MetricsOptions& options, double risk_free)
      : series_(series), units_(units), options_(options), risk_free_(risk_free), last_(series.size() - 1) {
    stretches_.resize(changes.size() + 2);
    Stretch* next = stretches_.data();
    for_each_stretch(changes, series,
                     [&](BarIndex begin, BarIndex, double value) { *next++ = {.begin = begin, .value = value}; });
    // One behind the last, where that ends.
    has_change_on_last_ = next[-1].begin == last_ && last_ > 0;
    if (has_change_on_last_) {
      value_on_last_ = next[-1].value;
    } else {
      *next++ = {.begin = last_, .value = 0};
    }
    stretches_.resize(static_cast<size_t>(next - stretches_.data()));
  }

  // Nothing where only bar by bar will do.
  std::optional<Metrics> metrics(std::span<const GrowthTable> tables) {
    if (!(options_.cost == 0 ? add_up<false>(tables) : add_up<true>(tables))) return std::nullopt;
    Metrics metrics;
    add_trades(metrics);
    find_drawdown(metrics);
    if (!has_digits(metrics)) return std::nullopt;
    write_return_figures(figures_, options_, risk_free_, metrics);
    return metrics;
  }

 private:
  struct Stretch {
    BarIndex begin = 0;  // it ends where the next one begins
    double value = 0;
    const GrowthTable* table = nullptr;
    int64_t base = 0;  // log of equity on its bars, less the table's; without a table: that on its first bar
  };
  // All but the last, which only ends the one before.
  std::span<Stretch> held() { return std::span(stretches_).first(stretches_.size() - 1); }
  static BarIndex end_of(const Stretch& stretch) { return (&stretch + 1)->begin; }
  double return_of(BarIndex bar) const { return static_cast<double>(series_.simple_return(bar)); }

  // ---- Equity and the moments of returns

  template <bool kHasCost>
  bool add_up(std::span<const GrowthTable> tables) {
    int64_t log = 0, returns = 0, squares = 0, downside = 0;
    Moments rest;  // what no table has
    double previous = 0;
    for (Stretch& stretch : held()) {
      const BarIndex begin = stretch.begin, end = end_of(stretch);
      const double value = stretch.value;
      const double paid = kHasCost ? options_.cost * std::abs(value - previous) : 0;
      previous = value;
      const uint64_t key = GrowthTable::key_of(value);
      const GrowthTable* table = nullptr;
      for (const GrowthTable& candidate : tables) table = key == candidate.key() ? &candidate : table;
      stretch.table = table;
      if (table == nullptr) {
        stretch.base = log;
        if (!add_bars(begin, end, value, paid, rest, log)) return false;
        continue;
      }
      const GrowthTable::Row &from = table->row(begin), &to = table->row(end);
      stretch.base = log - from.log;
      log += to.log - from.log;
      returns += to.returns - from.returns;
      squares += to.squares - from.squares;
      downside += to.downside - from.downside;
      if (!kHasCost || paid == 0) continue;

      const double earned = value * return_of(begin + 1), shortfall = negative_part(earned - risk_free_);
      const double share = paid / (1 + earned);
      if (share > kMostPaid) return false;
      const int64_t lost = units_.to_log(log_less(share));
      stretch.base += lost;
      log += lost;
      rest.returns -= paid;
      rest.squares += paid * (paid - 2 * earned);
      const double deeper = negative_part(earned - paid - risk_free_);
      rest.downside += (deeper - shortfall) * (deeper + shortfall);
      if (log < -FixedUnits::kLimit) return false;
    }
    const double flat_shortfall = std::max(risk_free_, 0.0);
    flat_downside_ = static_cast<double>(last_) * flat_shortfall * flat_shortfall;
    logs_squared_ = rest.logs_squared;
    figures_.count = last_;
    figures_.gain = std::expm1(static_cast<Wide>(log) * units_.log);
    figures_.log_growth = static_cast<Wide>(log) * units_.log;
    figures_.sum = units_.from_log(returns) + rest.returns;
    squares_ = units_.from_square(squares) + rest.squares;
    figures_.downside = units_.from_square(downside) + rest.downside + flat_downside_;
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

  // Whether the units, and doubles, leave 12 digits in every figure.
  bool has_digits(const Metrics& metrics) const {
    if (squares_ == 0 && figures_.sum == 0) return true;  // nothing was earned or paid
    const double bars = static_cast<double>(last_), steps = std::sqrt(static_cast<double>(stretches_.size()));
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

  // ---- Drawdown

  void find_drawdown(Metrics& metrics) {
    LogDrawdown drawdown(units_);
    double previous = 0;
    for (const Stretch& stretch : held()) {
      const BarIndex begin = stretch.begin, end = end_of(stretch);
      const int level = GrowthTable::level_of(end - begin);
      if (stretch.table == nullptr) {
        visit_bars(stretch, options_.cost * std::abs(stretch.value - previous), drawdown);
      } else if (level >= GrowthTable::kLevels) {
        visit_all(stretch, drawdown);
      } else {
        const GrowthTable::Row& row = stretch.table->row(begin);
        const int64_t log = stretch.base + row.log;
        if (log + (int64_t{row.up[level]} << GrowthTable::kReachShift) >= drawdown.below_peak()) {
          visit_all(stretch, drawdown);
        } else if (log + (int64_t{row.down[level]} << GrowthTable::kReachShift) < drawdown.low()) {
          int64_t lowest = stretch.table->log(begin + 1);
          for (BarIndex bar = begin + 2; bar <= end; ++bar) lowest = std::min(lowest, stretch.table->log(bar));
          drawdown.visit_below_peak(stretch.base + lowest);
        }
      }
      previous = stretch.value;
    }
    drawdown.write(last_, units_, metrics);
  }

  static void visit_all(const Stretch& stretch, LogDrawdown& drawdown) {
    const BarIndex begin = stretch.begin, end = end_of(stretch);
    if (stretch.value == 0) return drawdown.visit_flat(begin + 1, end, stretch.base);
    for (BarIndex bar = begin + 1; bar <= end; ++bar) drawdown.visit(bar, stretch.base + stretch.table->log(bar));
  }

  void visit_bars(const Stretch& stretch, double paid, LogDrawdown& drawdown) const {
    // A logarithm for each bar would take longer than all the rest, so growth is compared, with some room.
    const auto growth_to = [&](int64_t log) { return std::exp(units_.from_log(log - stretch.base)); };
    double near_peak = growth_to(drawdown.below_peak()) * (1 - kRoom),
           near_low = growth_to(drawdown.low()) * (1 + kRoom);
    Wide growth = 1;
    for (BarIndex bar = stretch.begin + 1; bar <= end_of(stretch); ++bar) {
      growth *= 1 + (stretch.value * series_.simple_return(bar) - paid);
      paid = 0;
      if (growth < near_peak && growth > near_low) continue;
      drawdown.visit(bar, stretch.base + units_.to_log(log_of(growth)));
      near_peak = growth_to(drawdown.below_peak()) * (1 - kRoom);
      near_low = growth_to(drawdown.low()) * (1 + kRoom);
    }
  }

  // ---- Trades

  void add_trades(Metrics& metrics) {
    // As if nothing were resized: each stretch that is not flat is a trade. All in one pass without branches; who
    // resizes is walked through after it. The last stretch is left for the end, since it pays no exit.
    Activity activity;
    TradeTally::Closed closed;
    double previous = 0, largest = 0, traded = 0;
    bool is_resized = false;
    const double cost = options_.cost;
    for (const Stretch& stretch : held()) {
      const double value = stretch.value;
      const auto is_in = static_cast<int64_t>(GrowthTable::key_of(value) != 0);
      const BarIndex end = end_of(stretch), bars = (end - stretch.begin) & -is_in;
      is_resized |= value * previous > 0;
      traded += std::abs(value - previous);
      largest = std::max(largest, std::abs(value));
      activity.bars_held += bars;
      previous = value;
      if (end == last_) break;
      const auto weight = static_cast<double>(is_in);
      const double entry = series_.close(stretch.begin), moved = (series_.close(end) - entry) / entry;
      const double earned = std::copysign(weight, value) * moved - cost * weight * (2 + moved);
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
      add_last_trade(tally);
    }
    tally.write(metrics);
  }

  void walk_trades(TradeTally& tally) {
    const auto add = [&](const WalkedTrade& trade) {
      tally.add(trade.direction, trade.exit - trade.entry, trade.net_return, trade.is_open);
    };
    TradeWalk walk(options_.cost);
    for (const Stretch& stretch : held()) {
      walk.change(stretch.begin, series_.close(stretch.begin), stretch.value, false, add);
    }
    if (has_change_on_last_) walk.change(last_, series_.close(last_), value_on_last_, true, add);
    walk.finish(last_, series_.close(last_), add);
  }

  // It ends by a change on the last bar or by the mark there.
  void add_last_trade(TradeTally& tally) {
    if (held().empty() || held().back().value == 0) return;
    const Stretch& stretch = held().back();
    const int direction = stretch.value > 0 ? 1 : -1;
    const bool is_left = has_change_on_last_ && value_on_last_ * direction <= 0;
    const Wide entry = series_.close(stretch.begin), exit = series_.close(last_);
    tally.add(direction, last_ - stretch.begin, direction * ((exit - entry) / entry) - options_.cost, !is_left);
  }

  const PriceSeries& series_;
  const FixedUnits& units_;
  const MetricsOptions& options_;
  const double risk_free_;
  const BarIndex last_;
  std::vector<Stretch> stretches_;
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
  return ChangePasses(changes, *series_, units_, options_, static_cast<double>(risk_free_)).metrics(tables_);
}

}  // namespace signalbook
