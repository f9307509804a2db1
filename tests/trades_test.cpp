#include "analytics/trades.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/dense_metrics.h"
#include "support/random_prices.h"

namespace signalbook {
namespace {

SignalChanges trace(std::vector<BarIndex> idx, std::vector<double> values) {
  return {.idx = std::move(idx), .values = std::move(values)};
}

std::vector<Trade> list(const SignalChanges& changes, const std::vector<double>& close, double cost = 0,
                        std::span<const double> px = {}) {
  const auto series = PriceSeries::make(close);
  auto trades = list_trades(changes, *series, cost, px);
  EXPECT_TRUE(trades.ok()) << trades.status().message();
  return *trades;
}

TEST(Trades, ByHand) {
  const auto trades = list(trace({1, 3, 5}, {1, -1, 0}), {100, 100, 80, 110, 121, 99, 99}, 0.01);
  ASSERT_EQ(trades.size(), 2);
  const Trade& first = trades[0];
  EXPECT_EQ(first.entry_idx, 1);
  EXPECT_EQ(first.exit_idx, 3);
  EXPECT_EQ(first.entry_price, 100);
  EXPECT_EQ(first.exit_price, 110);
  EXPECT_EQ(first.direction, 1);
  EXPECT_EQ(first.size, 1);
  EXPECT_EQ(first.bars_held, 2);
  EXPECT_NEAR(*first.net_return, 0.1 - 0.01 * 2.1, 1e-15);
  EXPECT_NEAR(*first.contribution, (1 - 0.2 - 0.01) * (110.0 / 80) * (1 - 0.01) - 1, 1e-15);
  EXPECT_NEAR(*first.mae, -0.2, 1e-15);
  EXPECT_NEAR(*first.mfe, 0.1, 1e-15);
  EXPECT_FALSE(first.is_open);
  const Trade& second = trades[1];
  EXPECT_EQ(second.entry_idx, 3);
  EXPECT_EQ(second.exit_idx, 5);
  EXPECT_EQ(second.direction, -1);
  EXPECT_NEAR(*second.net_return, 0.1 - 0.01 * 1.9, 1e-15) << "a short earns what the price loses, of its entry";
  EXPECT_NEAR(*second.mae, -0.1, 1e-15);
  EXPECT_NEAR(*second.mfe, 0.1, 1e-15);
}

TEST(Trades, AFlipIsAnExitAndAnEntryOnOneBar) {
  const auto trades = list(trace({0, 2}, {1, -1}), {100, 101, 102, 103});
  ASSERT_EQ(trades.size(), 2);
  EXPECT_EQ(trades[0].exit_idx, trades[1].entry_idx);
  EXPECT_EQ(trades[0].exit_price, trades[1].entry_price);
}

TEST(Trades, TheOpenTradeIsMarkedAndPaysNoExit) {
  const auto trades = list(trace({1}, {1}), {100, 100, 105, 110}, 0.001);
  ASSERT_EQ(trades.size(), 1);
  EXPECT_TRUE(trades[0].is_open);
  EXPECT_EQ(trades[0].exit_idx, 3);
  EXPECT_EQ(trades[0].exit_price, 110);
  EXPECT_NEAR(*trades[0].net_return, 0.1 - 0.001, 1e-15);
}

TEST(Trades, AChangeOnTheLastBarEndsATradeAndBeginsNone) {
  const auto left = list(trace({0, 3}, {1, 0}), {100, 100, 105, 110}, 0.001);
  ASSERT_EQ(left.size(), 1);
  EXPECT_FALSE(left[0].is_open);
  EXPECT_NEAR(*left[0].net_return, 0.1 - 0.001, 1e-15) << "the last bar pays nothing";
  const auto flipped = list(trace({0, 3}, {1, -1}), {100, 100, 105, 110});
  ASSERT_EQ(flipped.size(), 1);
  EXPECT_FALSE(flipped[0].is_open);
  const auto resized = list(trace({0, 3}, {1, 2}), {100, 100, 105, 110});
  ASSERT_EQ(resized.size(), 1);
  EXPECT_TRUE(resized[0].is_open);
  EXPECT_EQ(resized[0].size, 1);
  EXPECT_TRUE(list(trace({3}, {1}), {100, 100, 105, 110}).empty());
}

TEST(Trades, ResizingMovesThePricesToTheWeightedOnes) {
  // 1 at 100, 2 more at 130; 1 left at 150, the rest at 90.
  const auto trades = list(trace({0, 1, 2, 3}, {1, 3, 2, 0}), {100, 130, 150, 90, 90}, 0.01);
  ASSERT_EQ(trades.size(), 1);
  EXPECT_NEAR(trades[0].entry_price, 120, 1e-13);
  EXPECT_NEAR(trades[0].exit_price, 110, 1e-13);
  EXPECT_EQ(trades[0].size, 3);
  EXPECT_NEAR(*trades[0].net_return, -10.0 / 120 - 0.01 * (1 + 110.0 / 120), 1e-15);
}

TEST(Trades, HighsAndLowsMakeTheExcursions) {
  Bars bars;
  bars.close = {100, 101, 102, 103};
  bars.high = {150, 104, 120, 103};
  bars.low = {50, 97, 101, 60};
  const auto series = PriceSeries::make(bars);
  const auto longs = list_trades(trace({0, 2}, {1, 0}), *series, 0);
  ASSERT_TRUE(longs.ok());
  EXPECT_NEAR(*longs->at(0).mae, -0.03, 1e-15) << "neither the entry's bar nor those after the exit count";
  EXPECT_NEAR(*longs->at(0).mfe, 0.2, 1e-15);
  const auto shorts = list_trades(trace({0, 2}, {-1, 0}), *series, 0);
  EXPECT_NEAR(*shorts->at(0).mae, -0.2, 1e-15);
  EXPECT_NEAR(*shorts->at(0).mfe, 0.03, 1e-15);
}

TEST(Trades, GivenPricesTakeThePlaceOfCloses) {
  const double px[] = {101, 109};
  const auto trades = list(trace({1, 2}, {1, 0}), {100, 100, 110, 110}, 0, px);
  ASSERT_EQ(trades.size(), 1);
  EXPECT_EQ(trades[0].entry_price, 101);
  EXPECT_EQ(trades[0].exit_price, 109);
  EXPECT_NEAR(*trades[0].net_return, 8.0 / 101, 1e-15);
  EXPECT_NEAR(*trades[0].contribution, 0.1, 1e-15) << "equity goes from close to close";
  const auto series = PriceSeries::make(std::vector<double>{100, 100, 110, 110});
  EXPECT_FALSE(list_trades(trace({1, 2}, {1, 0}), *series, 0, std::vector<double>{101}).ok());
  EXPECT_FALSE(list_trades(trace({1, 2}, {1, 0}), *series, 0, std::vector<double>{101, 0}).ok());
}

TEST(Trades, AWindowCountsBarsOfTheFeed) {
  const auto series =
      PriceSeries::make(std::vector<double>{100, 105, 103, 108, 104, 110}, BarWindow{.begin = 2, .end = 5});
  const auto trades = list_trades(trace({0, 3}, {1, 0}), *series, 0);
  ASSERT_TRUE(trades.ok());
  ASSERT_EQ(trades->size(), 1);
  EXPECT_EQ(trades->at(0).entry_idx, 2);
  EXPECT_EQ(trades->at(0).entry_price, 103);
  EXPECT_EQ(trades->at(0).exit_idx, 3);
}

TEST(Trades, WithoutBars) {
  const auto trades = list_trades_without_bars(trace({1, 4}, {1, -1}), std::vector<double>{100, 110}, 8, 0.001);
  ASSERT_TRUE(trades.ok());
  ASSERT_EQ(trades->size(), 2);
  EXPECT_NEAR(*trades->at(0).net_return, 0.1 - 0.001 * 2.1, 1e-15);
  EXPECT_EQ(trades->at(0).mae, std::nullopt);
  EXPECT_TRUE(trades->at(1).is_open);
  EXPECT_EQ(trades->at(1).net_return, std::nullopt);
  EXPECT_EQ(trades->at(1).bars_held, 3);
}

TEST(Trades, AfterRuinNothingIsContributed) {
  const auto trades = list(trace({0, 2, 3}, {3, 0, 1}), {100, 60, 60, 60, 90});
  ASSERT_EQ(trades.size(), 2);
  EXPECT_EQ(trades[0].contribution, -1);
  EXPECT_EQ(trades[1].contribution, std::nullopt);
  EXPECT_NEAR(*trades[1].net_return, 0.5, 1e-15) << "by price it is a trade as any";
}

TEST(Trades, AsTheSlowReferenceAndTheirContributionsMakeTheTotal) {
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const int64_t bars = integer(random, 1, 300);
    const std::vector<double> close = random_closes(random, bars);
    const SignalChanges changes = random_trace(random, bars);
    const double cost = one_of(random, {0.0, 0.001, 0.02});
    const auto got = list(changes, close, cost);
    const auto positions = dense_positions(changes, bars);
    const auto expected = dense_trades(positions, close, cost);
    ASSERT_EQ(got.size(), expected.size());
    long double product = 1, equity = 1;
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].entry_idx, expected[i].entry);
      ASSERT_EQ(got[i].exit_idx, expected[i].exit);
      ASSERT_EQ(got[i].direction, expected[i].direction);
      ASSERT_EQ(got[i].is_open, expected[i].is_open);
      ASSERT_EQ(got[i].bars_held, expected[i].exit - expected[i].entry);
      ASSERT_NEAR(got[i].entry_price, static_cast<double>(expected[i].entry_price), 1e-10);
      ASSERT_NEAR(*got[i].net_return, static_cast<double>(expected[i].net_return), 1e-12);
      ASSERT_LE(*got[i].mae, 0);
      ASSERT_GE(*got[i].mfe, 0);
      product *= 1 + got[i].contribution.value_or(0);
    }
    for (const long double earned : dense_returns(positions, close, cost)) equity *= 1 + earned;
    ASSERT_LE(std::fabs(product - equity), 1e-9L * std::max(1.0L, equity));
  }
}

}  // namespace
}  // namespace signalbook
