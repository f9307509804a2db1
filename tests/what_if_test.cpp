#include "analytics/what_if.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analytics/metrics.h"
#include "support/dense_metrics.h"
#include "support/random_prices.h"

namespace signalbook {
namespace {

SignalChanges trace(std::vector<BarIndex> idx, std::vector<double> values) {
  return {.idx = std::move(idx), .values = std::move(values)};
}

WhatIf apply(const SignalChanges& changes, const Bars& bars, const ExitRules& rules, double cost = 0) {
  const auto series = PriceSeries::make(bars);
  EXPECT_TRUE(series.ok());
  auto outcome = apply_exits(changes, *series, cost, rules);
  EXPECT_TRUE(outcome.ok()) << outcome.status().message();
  return *outcome;
}

Bars make_bars(std::vector<double> close, std::vector<double> high = {}, std::vector<double> low = {},
               std::vector<double> open = {}) {
  Bars bars;
  bars.close = std::move(close);
  bars.high = std::move(high);
  bars.low = std::move(low);
  bars.open = std::move(open);
  return bars;
}

TEST(WhatIf, AStopIsTestedFromTheBarAfterTheEntry) {
  // The entry's own bar went to 90 before the close at which it was entered.
  const Bars bars = make_bars({100, 100, 101, 102, 103}, {100, 101, 102, 103, 104}, {100, 90, 99.5, 98, 103});
  const WhatIf outcome = apply(trace({1}, {1}), bars, {.stop = 0.01});
  ASSERT_EQ(outcome.trades.size(), 1);
  EXPECT_EQ(outcome.trades[0].exit_idx, 3);
  EXPECT_NEAR(outcome.trades[0].exit_price, 99, 1e-12);
  EXPECT_EQ(outcome.reasons[0], ExitReason::stop);
  EXPECT_EQ(outcome.changes, trace({0, 1, 3}, {0, 1, 0}));
}

TEST(WhatIf, ABarThatTouchesBothIsTheStop) {
  const Bars bars = make_bars({100, 101, 101}, {100, 105, 101}, {100, 97, 101});
  const WhatIf outcome = apply(trace({0}, {1}), bars, {.stop = 0.02, .target = 0.03});
  ASSERT_EQ(outcome.reasons.size(), 1);
  EXPECT_EQ(outcome.reasons[0], ExitReason::stop);
  EXPECT_NEAR(outcome.trades[0].exit_price, 98, 1e-12);
  EXPECT_NEAR(*outcome.trades[0].mae, -0.02, 1e-12) << "the bar's low came after the exit, for all we know";
  EXPECT_EQ(*outcome.trades[0].mfe, 0);
}

TEST(WhatIf, ATargetFillsAtItsPriceAndAStopSlips) {
  const Bars bars = make_bars({100, 102, 100, 98, 98}, {100, 104, 102, 100, 98}, {100, 100, 100, 97, 98});
  const WhatIf hit = apply(trace({0, 2}, {1, 0}), bars, {.target = 0.03, .slippage = 0.001});
  EXPECT_NEAR(hit.trades[0].exit_price, 103, 1e-12);
  const WhatIf stopped = apply(trace({2}, {1}), bars, {.stop = 0.02, .slippage = 0.001});
  EXPECT_NEAR(stopped.trades[0].exit_price, 98 * 0.999, 1e-12);
  const Bars up = make_bars({100, 102, 102}, {100, 104, 102}, {100, 100, 102});
  const WhatIf shorted = apply(trace({0}, {-1}), up, {.stop = 0.02, .slippage = 0.001});
  EXPECT_NEAR(shorted.trades[0].exit_price, 102 * 1.001, 1e-12);
  EXPECT_NEAR(*shorted.trades[0].net_return, -(102 * 1.001 / 100 - 1), 1e-12);
}

TEST(WhatIf, AGapFillsAtTheOpen) {
  const Bars down = make_bars({100, 90, 90}, {100, 94, 90}, {100, 89, 90}, {100, 93, 90});
  EXPECT_NEAR(apply(trace({0}, {1}), down, {.stop = 0.02}).trades[0].exit_price, 93, 1e-12);
  EXPECT_NEAR(apply(trace({0}, {-1}), down, {.target = 0.02}).trades[0].exit_price, 93, 1e-12);
}

TEST(WhatIf, WithoutHighAndLowTheCloseDecidesAndFills) {
  const Bars bars = make_bars({100, 99.5, 97, 100});
  const WhatIf outcome = apply(trace({0}, {1}), bars, {.stop = 0.01});
  EXPECT_EQ(outcome.trades[0].exit_idx, 2);
  EXPECT_EQ(outcome.trades[0].exit_price, 97);
}

TEST(WhatIf, ATrailingStopFollowsTheBestOfTheBarsBefore) {
  // On bar 2 the high is 110 and the low 107: which came first is unknown, so that 108.9 is not its stop yet.
  const Bars bars = make_bars({100, 104, 108, 109, 109}, {100, 105, 110, 109.5, 109}, {100, 104, 107, 108.5, 109});
  const WhatIf outcome = apply(trace({0}, {1}), bars, {.trail = 0.01});
  EXPECT_EQ(outcome.trades[0].exit_idx, 3);
  EXPECT_NEAR(outcome.trades[0].exit_price, 110 * 0.99, 1e-12);
  EXPECT_EQ(outcome.reasons[0], ExitReason::trail);
}

TEST(WhatIf, WhoIsOutStaysOutUntilTheStrategyEntersAnew) {
  const Bars bars = make_bars({100, 90, 100, 100, 100, 100, 80, 100, 100});
  // Stopped on bar 1; bigger on bar 2 is no entry, flat on bar 3, in again on bar 4, stopped on bar 6, a flip on 7.
  const WhatIf outcome = apply(trace({0, 2, 3, 4, 7}, {1, 2, 0, 1, -1}), bars, {.stop = 0.05});
  EXPECT_EQ(outcome.changes, trace({0, 1, 4, 6, 7}, {1, 0, 1, 0, -1}));
  ASSERT_EQ(outcome.trades.size(), 3);
  EXPECT_EQ(outcome.reasons, (std::vector{ExitReason::stop, ExitReason::stop, ExitReason::open}));
}

TEST(WhatIf, AFlipOnTheBarOfAStopIsTakenAtItsClose) {
  const Bars bars = make_bars({100, 97, 96, 95}, {100, 100, 97, 96}, {100, 96, 95, 94});
  const WhatIf outcome = apply(trace({0, 1}, {1, -1}), bars, {.stop = 0.02});
  EXPECT_EQ(outcome.changes, trace({0, 1}, {1, -1}));
  ASSERT_EQ(outcome.trades.size(), 2);
  EXPECT_NEAR(outcome.trades[0].exit_price, 98, 1e-12);
  EXPECT_EQ(outcome.trades[1].entry_price, 97);
}

TEST(WhatIf, FiguresFollowTheFills) {
  const Bars bars = make_bars({100, 101, 100, 100}, {100, 101, 101, 100}, {100, 100, 96, 100});
  const auto series = PriceSeries::make(bars);
  const auto outcome = apply_exits(trace({0}, {1}), *series, 0.001, {.stop = 0.02});
  ASSERT_TRUE(outcome.ok());
  const auto kernel = MetricsKernel::make(*series, {.cost = 0.001, .bars_per_year = 252});
  const auto m = kernel->compute_with_fills(outcome->changes, outcome->fills, outcome->trades);
  ASSERT_TRUE(m.ok());
  EXPECT_NEAR(*m->total_return, (1.01 - 0.001) * (98.0 / 101) * (1 - 0.001) - 1, 1e-15);
  EXPECT_NEAR(*outcome->trades[0].contribution, *m->total_return, 1e-15);
  EXPECT_NEAR(*m->avg_trade_return, -0.02 - 0.001 * 1.98, 1e-15);
  EXPECT_EQ(m->exposure, 2.0 / 3);
}

TEST(WhatIf, RefusesRulesThatAreNone) {
  const auto series = PriceSeries::make(std::vector<double>{100, 101});
  for (const ExitRules& rules : {ExitRules{.stop = -0.1}, ExitRules{.target = std::nan("")}, ExitRules{.trail = 1},
                                 ExitRules{.slippage = 1}, ExitRules{.stop = HUGE_VAL}}) {
    EXPECT_EQ(apply_exits(trace({0}, {1}), *series, 0, rules).status().code(), StatusCode::invalid);
  }
}

// ---- Against a slow reference: one bar after the other, longs and shorts written out
// ----------------------------------

struct SlowExit {
  BarIndex bar;
  double price;
  bool is_stop;
};

std::vector<SlowExit> slow_exits(const std::vector<double>& signal, const Bars& bars, const ExitRules& rules,
                                 std::vector<double>& held) {
  std::vector<SlowExit> exits;
  double entry = 0, high = 0, low = 0;
  bool is_out = false;
  for (size_t t = 0; t < signal.size(); ++t) {
    double now = t > 0 ? held[t - 1] : 0.0;
    if (now > 0) {
      const double stop =
          std::max(rules.stop > 0 ? entry * (1 - rules.stop) : 0.0, rules.trail > 0 ? high * (1 - rules.trail) : 0.0);
      if (bars.low[t] <= stop) {
        exits.push_back({static_cast<BarIndex>(t), std::min(stop, bars.open[t]) * (1 - rules.slippage), true});
        is_out = true;
      } else if (rules.target > 0 && bars.high[t] >= entry * (1 + rules.target)) {
        exits.push_back({static_cast<BarIndex>(t), std::max(entry * (1 + rules.target), bars.open[t]), false});
        is_out = true;
      }
    } else if (now < 0) {
      const double stop = std::min(rules.stop > 0 ? entry * (1 + rules.stop) : HUGE_VAL,
                                   rules.trail > 0 ? low * (1 + rules.trail) : HUGE_VAL);
      if (bars.high[t] >= stop) {
        exits.push_back({static_cast<BarIndex>(t), std::max(stop, bars.open[t]) * (1 + rules.slippage), true});
        is_out = true;
      } else if (rules.target > 0 && bars.low[t] <= entry * (1 - rules.target)) {
        exits.push_back({static_cast<BarIndex>(t), std::min(entry * (1 - rules.target), bars.open[t]), false});
        is_out = true;
      }
    }
    high = std::max(high, bars.high[t]);
    low = std::min(low, bars.low[t]);
    const double said_before = t > 0 ? signal[t - 1] : 0.0;
    if (sign_of(signal[t]) != sign_of(said_before)) {  // the strategy enters anew, or leaves
      is_out = false;
      entry = high = low = bars.close[t];
    } else if (!is_out && std::abs(signal[t]) > std::abs(said_before)) {
      const double old = std::abs(said_before), size = std::abs(signal[t]);
      entry = (old * entry + (size - old) * bars.close[t]) / size;
    }
    held.push_back(is_out ? 0 : signal[t]);
  }
  return exits;
}

TEST(WhatIf, AsTheSlowReference) {
  int64_t exits = 0, stops = 0;
  for (uint64_t seed = 0; seed < 4'000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const int64_t count = integer(random, 1, 200);
    const Bars bars = random_bars(random, count);
    const SignalChanges changes = random_trace(random, count);
    const ExitRules rules = {.stop = one_of(random, {0.0, 0.004, 0.05}),
                             .target = one_of(random, {0.0, 0.006, 0.08}),
                             .trail = one_of(random, {0.0, 0.005, 0.05}),
                             .slippage = one_of(random, {0.0, 0.0001})};
    const double cost = one_of(random, {0.0, 0.001});
    const WhatIf got = apply(changes, bars, rules, cost);
    std::vector<double> held;
    const auto expected = slow_exits(dense_positions(changes, count), bars, rules, held);
    ASSERT_EQ(dense_positions(got.changes, count), held);
    ASSERT_EQ(got.fills.size(), expected.size());
    ASSERT_EQ(got.trades.size(), got.reasons.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(got.fills[i].bar, expected[i].bar);
      ASSERT_NEAR(got.fills[i].price, expected[i].price, 1e-9 * expected[i].price);
      stops += expected[i].is_stop;
    }
    exits += static_cast<int64_t>(expected.size());
    if (rules.stop == 0 && rules.target == 0 && rules.trail == 0) {
      const auto series = PriceSeries::make(bars);
      ASSERT_EQ(got.trades, *list_trades(changes, *series, cost)) << "no rule, no difference";
    }
  }
  EXPECT_GT(stops, 1'000);
  EXPECT_GT(exits - stops, 1'000);
}

}  // namespace
}  // namespace signalbook
