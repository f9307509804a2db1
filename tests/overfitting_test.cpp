#include "analytics/overfitting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "support/random_positions.h"

namespace signalbook {
namespace {

using test::random_returns;

using Strategies = std::vector<std::vector<double>>;

Result<Overfitting> overfitting_of(const Strategies& strategies, int block_count) {
  SB_ASSIGN_OR_RETURN(ReturnBlocks blocks,
                      ReturnBlocks::create(static_cast<int64_t>(strategies.front().size()), block_count));
  for (const auto& returns : strategies) SB_RETURN_IF_ERROR(blocks.add(returns));
  return backtest_overfitting(blocks);
}

// From the returns of a half put one behind the other.
double slow_sharpe(const std::vector<double>& returns, const std::vector<bool>& taken) {
  std::vector<double> half;
  const size_t blocks = taken.size();
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t t = block * returns.size() / blocks; t < (block + 1) * returns.size() / blocks; ++t) {
      if (taken[block]) half.push_back(returns[t]);
    }
  }
  double mean = 0, squares = 0;
  for (double value : half) mean += value / static_cast<double>(half.size());
  for (double value : half) squares += (value - mean) * (value - mean);
  return squares > 0 ? mean / std::sqrt(squares / static_cast<double>(half.size() - 1)) : 0;
}

// Every split by std::next_permutation, ranks by sorting.
Overfitting slow_overfitting(const Strategies& strategies, size_t block_count) {
  Overfitting result{.strategy_count = strategies.size()};
  std::vector<bool> taken(block_count);
  std::fill(taken.begin() + static_cast<std::ptrdiff_t>(block_count / 2), taken.end(), true);
  double overfit = 0, losses = 0, x = 0, y = 0, xx = 0, xy = 0;
  do {
    std::vector<double> inside, outside;
    std::vector<bool> left = taken;
    left.flip();
    for (const auto& returns : strategies) {
      inside.push_back(slow_sharpe(returns, taken));
      outside.push_back(slow_sharpe(returns, left));
    }
    const auto best = static_cast<size_t>(std::max_element(inside.begin(), inside.end()) - inside.begin());
    std::vector<double> sorted = outside;
    std::sort(sorted.begin(), sorted.end());
    const auto rank = std::find(sorted.begin(), sorted.end(), outside[best]) - sorted.begin() + 1;
    const double w = static_cast<double>(rank) / static_cast<double>(strategies.size() + 1);
    result.splits.push_back({.chosen = best,
                             .in_sample_sharpe = inside[best],
                             .out_of_sample_sharpe = outside[best],
                             .logit = std::log(w / (1 - w))});
    overfit += w <= 0.5;
    losses += outside[best] < 0;
    x += inside[best];
    y += outside[best];
    xx += inside[best] * inside[best];
    xy += inside[best] * outside[best];
  } while (std::next_permutation(taken.begin(), taken.end()));
  const auto count = static_cast<double>(result.splits.size());
  result.probability = overfit / count;
  result.probability_of_loss = losses / count;
  result.degradation_slope = (xy - x * y / count) / (xx - x * x / count);
  result.degradation_intercept = (y - *result.degradation_slope * x) / count;
  return result;
}

TEST(BacktestOverfitting, SameAsSplitBySplit) {
  std::mt19937_64 random(1);
  for (int block_count : {2, 4, 6, 8}) {
    for (int64_t bars : {40, 101}) {  // 101 are not divisible by any of them
      SCOPED_TRACE(block_count);
      Strategies strategies;
      for (int s = 0; s < 9; ++s) strategies.push_back(random_returns(random, bars, 0.001 * s, 0.01));
      const auto got = overfitting_of(strategies, block_count);
      ASSERT_TRUE(got.ok());
      Overfitting expected = slow_overfitting(strategies, static_cast<size_t>(block_count));
      EXPECT_EQ(got->strategy_count, 9u);
      EXPECT_DOUBLE_EQ(got->probability, expected.probability);
      EXPECT_DOUBLE_EQ(got->probability_of_loss, expected.probability_of_loss);
      EXPECT_NEAR(*got->degradation_slope, *expected.degradation_slope, 1e-9);
      EXPECT_NEAR(*got->degradation_intercept, *expected.degradation_intercept, 1e-9);
      // The orders of the splits differ, so they are compared sorted.
      ASSERT_EQ(got->splits.size(), expected.splits.size());
      const auto by_sharpe = [](const OverfittingSplit& split) { return split.in_sample_sharpe; };
      Overfitting sorted = *got;
      std::ranges::sort(sorted.splits, {}, by_sharpe);
      std::ranges::sort(expected.splits, {}, by_sharpe);
      for (size_t i = 0; i < sorted.splits.size(); ++i) {
        EXPECT_EQ(sorted.splits[i].chosen, expected.splits[i].chosen);
        EXPECT_NEAR(sorted.splits[i].in_sample_sharpe, expected.splits[i].in_sample_sharpe, 1e-12);
        EXPECT_NEAR(sorted.splits[i].out_of_sample_sharpe, expected.splits[i].out_of_sample_sharpe, 1e-12);
        EXPECT_NEAR(sorted.splits[i].logit, expected.splits[i].logit, 1e-12);
      }
    }
  }
}

// What pypbo says (github.com/esvhd/pypbo, with mean / std(ddof=1) as its metric): numbers that both can make.
TEST(BacktestOverfitting, SameAsAnotherImplementation) {
  struct Case {
    int block_count;
    double edge;  // of each strategy over the one before, a bar
    double probability, probability_of_loss, slope, intercept, mean_logit;
  };
  const std::vector<Case> cases = {
      {8, 0, 0.4428571428571429, 0.5, -0.7321736099977967, 0.10742317830053663, -0.0478020883123612},
      {16, 0, 0.4331779331779332, 0.5023310023310024, -0.631991291262946, 0.09501086664881372, 0.057921230178049656},
      {8, 0.00005, 0.37142857142857144, 0.014285714285714285, -0.46227820636893635, 0.20597526133929495,
       0.2073459326790504}};
  for (const Case& expected : cases) {
    uint64_t random = 1;
    Strategies strategies(20, std::vector<double>(320));
    for (size_t s = 0; s < strategies.size(); ++s) {
      for (double& value : strategies[s]) {
        random = (random * 1'103'515'245 + 12'345) % (uint64_t{1} << 31);
        value = (static_cast<double>(random) / 0x1p31 - 0.5) / 50 + expected.edge * static_cast<double>(s);
      }
    }
    const auto got = overfitting_of(strategies, expected.block_count);
    ASSERT_TRUE(got.ok());
    double mean_logit = 0;
    for (const OverfittingSplit& split : got->splits) {
      mean_logit += split.logit / static_cast<double>(got->splits.size());
    }
    EXPECT_NEAR(got->probability, expected.probability, 1e-12);
    EXPECT_NEAR(got->probability_of_loss, expected.probability_of_loss, 1e-12);
    EXPECT_NEAR(*got->degradation_slope, expected.slope, 1e-11);
    EXPECT_NEAR(*got->degradation_intercept, expected.intercept, 1e-11);
    EXPECT_NEAR(mean_logit, expected.mean_logit, 1e-12);
  }
}

// Two strategies, each good in one half of the bars only: whatever is chosen in sample is last out of sample, where
// blocks are not mixed.
TEST(BacktestOverfitting, KnownAnswers) {
  const std::vector<double> first = {3, 1, 2, 2.5, -3, -1, -2, -2.5}, second = {-3, -1, -2, -2.5, 3, 1, 2, 2.5};
  const auto opposite = overfitting_of({first, second}, 2);
  EXPECT_EQ(opposite->probability, 1);
  EXPECT_EQ(opposite->probability_of_loss, 1);
  EXPECT_EQ(opposite->splits.size(), 2u);
  EXPECT_NEAR(opposite->splits[0].logit, std::log(1.0 / 2), 1e-15);  // last of two: (1/3) / (2/3)

  std::vector<double> better = first;
  for (double& value : better) value += 10;
  const auto clear = overfitting_of({first, better, second}, 4);
  EXPECT_EQ(clear->probability, 0);
  EXPECT_EQ(clear->probability_of_loss, 0);
  EXPECT_EQ(clear->splits.size(), 6u);
  for (const OverfittingSplit& split : clear->splits) EXPECT_EQ(split.chosen, 1u);

  // Equal ones share a rank: in the middle, so no better than the median.
  const auto same = overfitting_of({first, first, first}, 2);
  EXPECT_EQ(same->probability, 1);
  EXPECT_EQ(same->splits[0].chosen, 0u);
  EXPECT_EQ(same->splits[0].logit, 0);
}

TEST(BacktestOverfitting, HalfForNoiseAndNearNothingForAnEdge) {
  const int seeds = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 200 : 30;
  double noise = 0, edge = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    Strategies strategies;
    for (int s = 0; s < 50; ++s) strategies.push_back(random_returns(random, 400, 0, 0.01));
    noise += overfitting_of(strategies, 8)->probability / seeds;
    strategies[17] = random_returns(random, 400, 0.004, 0.01);
    edge += overfitting_of(strategies, 8)->probability / seeds;
  }
  EXPECT_NEAR(noise, 0.5, seeds > 100 ? 0.05 : 0.12);  // a single one's deviation is 0.18
  EXPECT_LT(edge, 0.01);
}

TEST(BacktestOverfitting, WhoDoesNothingTakesNoPart) {
  std::mt19937_64 random(2);
  Strategies strategies = {std::vector<double>(80, 0.0), random_returns(random, 80, -0.01, 0.01),
                           std::vector<double>(80, 0.1), random_returns(random, 80, -0.01, 0.01)};
  const Strategies trading = {strategies[1], strategies[3]};
  const auto with = overfitting_of(strategies, 4), without = overfitting_of(trading, 4);
  EXPECT_EQ(with->strategy_count, 2u);
  EXPECT_EQ(with->probability, without->probability);
  for (size_t i = 0; i < with->splits.size(); ++i) {
    EXPECT_EQ(with->splits[i].chosen, 2 * without->splits[i].chosen + 1);
  }

  // Flat in half of the bars: 0 there, which beats who loses.
  std::fill_n(strategies[0].begin(), 40, 0.01);
  strategies[0][0] = 0.02;
  const auto late = overfitting_of({strategies[0], strategies[1]}, 2);
  EXPECT_EQ(late->splits[0].chosen, 0u);
  EXPECT_EQ(late->splits[0].out_of_sample_sharpe, 0);
  EXPECT_EQ(late->probability, 0);
}

TEST(BacktestOverfitting, RefusesWhatCannotBeSplit) {
  for (int blocks : {0, 1, 3, 22, -2}) EXPECT_FALSE(ReturnBlocks::create(1'000, blocks).ok()) << blocks;
  EXPECT_FALSE(ReturnBlocks::create(31, 16).ok());
  EXPECT_TRUE(ReturnBlocks::create(32, 16).ok());
  auto blocks = ReturnBlocks::create(4, 2);
  EXPECT_FALSE(blocks->add(std::vector<double>(3, 0.0)).ok());
  EXPECT_NE(blocks->add(std::vector<double>{0, 1, NAN, 2}).message().find("strategy 0: return 2"), std::string::npos);
  EXPECT_EQ(blocks->strategy_count(), 0u);
  EXPECT_TRUE(blocks->add(std::vector<double>{0, 1, 1, 2}).ok());
  EXPECT_NE(backtest_overfitting(*blocks).status().message().find("1 of 1"), std::string::npos);
}

}  // namespace
}  // namespace signalbook
