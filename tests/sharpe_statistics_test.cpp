#include "analytics/sharpe_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "analytics/normal_distribution.h"
#include "support/random_positions.h"

namespace signalbook {
namespace {

TEST(NormalDistribution, KnownValues) {
  // scipy.special.ndtri and scipy.stats.norm.cdf, version 1.17
  const std::vector<std::pair<double, double>> quantiles = {
      {1e-300, -37.0470962993612}, {1e-20, -9.262340089798409},   {1e-10, -6.361340902404056},
      {0.001, -3.090232306167813}, {0.02425, -1.972961051311885}, {0.05, -1.6448536269514729},
      {0.25, -0.6744897501960817}, {0.4, -0.2533471031357997},    {0.6, 0.2533471031357997},
      {0.975, 1.959963984540054},  {0.999, 3.090232306167813}};
  for (const auto& [p, x] : quantiles) EXPECT_NEAR(normal_quantile(p) / x, 1, 4e-15) << p;
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-15);
  EXPECT_NEAR(normal_cdf(-10) / 7.61985302416047e-24, 1, 1e-13);
  EXPECT_NEAR(normal_cdf(-1), 0.15865525393145707, 1e-16);
  EXPECT_EQ(normal_cdf(0), 0.5);
  EXPECT_NEAR(normal_cdf(2), 0.9772498680518208, 1e-15);
  EXPECT_EQ(normal_quantile(0), -INFINITY);
  EXPECT_EQ(normal_quantile(1), INFINITY);
  for (double outside : {-0.1, 1.1, std::nan("")}) EXPECT_TRUE(std::isnan(normal_quantile(outside)));
}

TEST(NormalDistribution, QuantileTurnsCdfRound) {
  for (double exponent = -300; exponent < -0.3; exponent += 0.37) {
    const double p = std::pow(10, exponent);
    EXPECT_NEAR(normal_cdf(normal_quantile(p)) / p, 1, 1e-12) << p;
  }
}

TEST(ReturnMoments, KnownValues) {
  // numpy mean, std(ddof=1); scipy.stats skew and kurtosis(fisher=False)
  const ReturnMoments moments = return_moments(std::vector{0.01, -0.02, 0.03, 0.005, 0.0, 0.0, -0.01, 0.04});
  EXPECT_EQ(moments.count, 8);
  EXPECT_NEAR(*moments.mean, 0.006875, 1e-17);
  EXPECT_NEAR(*moments.volatility, 0.01980935925984771, 1e-16);
  EXPECT_NEAR(*moments.sharpe, 0.34705817133294053, 1e-14);
  EXPECT_NEAR(*moments.skewness, 0.46898501543750876, 1e-14);
  EXPECT_NEAR(*moments.kurtosis, 2.2236834441868862, 1e-14);
}

TEST(ReturnMoments, UndefinedWhereNothingVaries) {
  EXPECT_EQ(return_moments({}).mean, std::nullopt);
  EXPECT_EQ(return_moments(std::vector{0.5}).mean, 0.5);
  EXPECT_EQ(return_moments(std::vector{0.5}).volatility, std::nullopt);
  for (double value : {0.0, 0.1, 1e-9}) {  // the mean of thousand times 0.1 is not 0.1
    const ReturnMoments still = return_moments(std::vector(1'000, value));
    EXPECT_EQ(still.volatility, 0);
    EXPECT_EQ(still.sharpe, std::nullopt);
    EXPECT_EQ(still.skewness, std::nullopt);
    EXPECT_EQ(sharpe_estimate(still), std::nullopt);
  }
  EXPECT_EQ(return_moments(std::vector{0.0, 1e-200}).sharpe, std::nullopt);
}

// The example of Bailey and Lopez de Prado, "The deflated Sharpe ratio" (2014): 2.5 a year from five years of 250 days,
// the best of 100 with variance 1/2 (a year). The further digits are scipy's.
const SharpeEstimate kExample = {.sharpe = 2.5 / std::sqrt(250), .count = 1'250, .skewness = -3, .kurtosis = 10};
constexpr double kExampleVariance = 0.5 / 250;

TEST(DeflatedSharpeRatio, PublishedExample) {
  EXPECT_NEAR(*expected_maximum_sharpe(100, kExampleVariance), 0.1132, 5e-5);
  EXPECT_NEAR(*expected_maximum_sharpe(100, kExampleVariance), 0.11317200186513214, 1e-15);
  EXPECT_NEAR(*deflated_sharpe_ratio(kExample, 100, kExampleVariance), 0.9004, 5e-5);
  EXPECT_NEAR(*deflated_sharpe_ratio(kExample, 100, kExampleVariance), 0.9003968344493903, 1e-13);
  // 46 trials would have left it at 0.95, and so would 88 with normal returns.
  EXPECT_NEAR(*deflated_sharpe_ratio(kExample, 46, kExampleVariance), 0.9505017068755787, 1e-13);
  const SharpeEstimate normal = {.sharpe = kExample.sharpe, .count = kExample.count};
  EXPECT_NEAR(*deflated_sharpe_ratio(normal, 88, kExampleVariance), 0.9504908166760139, 1e-13);
}

// Those of "The Sharpe ratio efficient frontier" (2012): a hedge fund's 24 months.
TEST(ProbabilisticSharpeRatio, PublishedExample) {
  const SharpeEstimate fund = {.sharpe = 0.458, .count = 24, .skewness = -2.448, .kurtosis = 10.164};
  EXPECT_NEAR(*probabilistic_sharpe_ratio(fund), 0.913, 5e-4);
  EXPECT_NEAR(*probabilistic_sharpe_ratio({.sharpe = 0.458, .count = 24}), 0.982, 5e-4);
}

// From the same: years until a Sharpe ratio of 2 a year is above 1 with 95%.
TEST(MinimumTrackRecordLength, PublishedExample) {
  const auto years = [](double bars_a_year, double skewness, double kurtosis) {
    const SharpeEstimate estimate = {
        .sharpe = 2 / std::sqrt(bars_a_year), .count = 100, .skewness = skewness, .kurtosis = kurtosis};
    return *minimum_track_record_length(estimate, 1 / std::sqrt(bars_a_year)) / bars_a_year;
  };
  EXPECT_NEAR(years(252, 0, 3), 2.73, 5e-3);
  EXPECT_NEAR(years(52, 0, 3), 2.83, 5e-3);
  EXPECT_NEAR(years(12, 0, 3), 3.24, 5e-3);
  EXPECT_NEAR(years(12, -0.72, 5.78), 4.99, 5e-3);
}

TEST(MinimumTrackRecordLength, IsWhereTheProbabilityIsReached) {
  for (double benchmark : {0.0, 0.01}) {
    SharpeEstimate estimate = {.sharpe = 0.0231, .skewness = -1.2, .kurtosis = 7};
    const double length = *minimum_track_record_length(estimate, benchmark, 0.9);
    estimate.count = static_cast<int64_t>(std::floor(length));
    EXPECT_LT(*probabilistic_sharpe_ratio(estimate, benchmark), 0.9);
    estimate.count += 1;
    EXPECT_GE(*probabilistic_sharpe_ratio(estimate, benchmark), 0.9);
  }
}

TEST(SharpeStatistics, UndefinedStaysUndefined) {
  EXPECT_EQ(probabilistic_sharpe_ratio({.sharpe = 1, .count = 1}), std::nullopt);
  EXPECT_EQ(probabilistic_sharpe_ratio({.sharpe = 2, .count = 9, .skewness = 5, .kurtosis = 1}), std::nullopt);
  EXPECT_EQ(minimum_track_record_length({.sharpe = 0.1, .count = 9}, 0.1), std::nullopt);
  EXPECT_EQ(minimum_track_record_length({.sharpe = -0.1, .count = 9}), std::nullopt);
  for (double confidence : {0.5, 1.0, -1.0, std::nan("")}) {
    EXPECT_EQ(minimum_track_record_length({.sharpe = 0.1, .count = 9}, 0, confidence), std::nullopt);
  }
  EXPECT_EQ(expected_maximum_sharpe(0, 1), std::nullopt);
  EXPECT_EQ(expected_maximum_sharpe(5, -1), std::nullopt);
  EXPECT_EQ(deflated_sharpe_ratio(kExample, 0, 1), std::nullopt);
  EXPECT_EQ(sharpe_variance(std::vector<std::optional<double>>{0.1, std::nullopt}), std::nullopt);
  EXPECT_NEAR(*sharpe_variance(std::vector<std::optional<double>>{0.1, std::nullopt, 0.3}), 0.02, 1e-17);
}

TEST(DeflatedSharpeRatio, OneTrialIsTheProbabilisticOneAndMoreTrialsAreLess) {
  double before = *probabilistic_sharpe_ratio(kExample);
  EXPECT_EQ(deflated_sharpe_ratio(kExample, 1, kExampleVariance), before);
  for (int64_t trials = 2; trials < int64_t{1} << 60; trials *= 2) {
    const double now = *deflated_sharpe_ratio(kExample, trials, kExampleVariance);
    EXPECT_LT(now, before) << trials;
    before = now;
  }
}

// The formula is an approximation: it is right to 2% of the mean of the best of so many normal ones, seen here.
TEST(ExpectedMaximumSharpe, IsTheMeanOfTheBest) {
  std::mt19937_64 random(6);
  std::normal_distribution<double> normal(0, 0.03);
  for (int trials : {10, 100, 1'000}) {
    double mean = 0;
    const int rounds = 400'000 / trials;
    for (int round = 0; round < rounds; ++round) {
      double best = -1;
      for (int trial = 0; trial < trials; ++trial) best = std::max(best, normal(random));
      mean += best / rounds;
    }
    EXPECT_NEAR(*expected_maximum_sharpe(trials, 0.03 * 0.03) / mean, 1, 0.03) << trials;
  }
}

struct Sweep {
  std::vector<std::optional<double>> sharpes;
  ReturnMoments best;
  size_t best_place = 0;
};

// Strategies that are long, short or flat at random over the same bars. The one at `planted`, if any, earns more than
// that: its position knows a little of the next return.
Sweep random_sweep(uint64_t seed, int64_t bars, size_t strategies, std::optional<size_t> planted) {
  std::mt19937_64 random(seed);
  const std::vector<double> market = test::random_returns(random, bars, 0, 0.01);
  std::bernoulli_distribution knows(0.25);
  Sweep sweep;
  for (size_t s = 0; s < strategies; ++s) {
    std::vector<double> returns = test::dense_positions(test::random_positions(random, bars, 0.1, {-1, 0, 1}), bars);
    for (size_t t = 0; t < returns.size(); ++t) {
      if (s == planted && knows(random)) returns[t] = market[t] > 0 ? 1 : -1;
      returns[t] *= market[t];
    }
    const ReturnMoments moments = return_moments(returns);
    sweep.sharpes.push_back(moments.sharpe);
    if (s == 0 || *moments.sharpe > *sweep.best.sharpe) {
      sweep.best = moments;
      sweep.best_place = s;
    }
  }
  return sweep;
}

double deflated_best(const Sweep& sweep) {
  return *deflated_sharpe_ratio(*sharpe_estimate(sweep.best), static_cast<int64_t>(sweep.sharpes.size()),
                                *sharpe_variance(sweep.sharpes));
}

TEST(DeflatedSharpeRatio, TheBestOfAThousandNoisesIsLuck) {
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  const uint64_t seeds = is_long ? 100 : 10;
  uint64_t called_luck = 0, fooled = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const Sweep noise = random_sweep(seed, is_long ? 2'000 : 400, 1'000, std::nullopt);
    called_luck += deflated_best(noise) < 0.95;
    fooled += *probabilistic_sharpe_ratio(*sharpe_estimate(noise.best)) >= 0.95;
  }
  EXPECT_GE(called_luck * 100, seeds * 95);
  EXPECT_EQ(fooled, seeds);  // who does not count the trials believes each of them
}

TEST(DeflatedSharpeRatio, FindsAPlantedEdge) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const Sweep sweep = random_sweep(seed, 1'000, 1'000, 617);
    EXPECT_EQ(sweep.best_place, 617u);
    EXPECT_GT(deflated_best(sweep), 0.95);
  }
}

}  // namespace
}  // namespace signalbook
