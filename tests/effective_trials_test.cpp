#include "analytics/effective_trials.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "analytics/correlation.h"
#include "analytics/sharpe_statistics.h"
#include "support/random_positions.h"

namespace signalbook {
namespace {

// The definition: of all pairs of clusters join the one with the highest mean correlation, as long as it is high
// enough.
std::vector<std::vector<size_t>> slow_clusters(const SymmetricMatrix& correlation, double least_mean) {
  std::vector<std::vector<size_t>> clusters;
  for (size_t i = 0; i < correlation.size(); ++i) {
    if (correlation.at(i, i)) clusters.push_back({i});
  }
  while (true) {
    double best = -2;
    std::pair<size_t, size_t> pair;
    for (size_t a = 0; a < clusters.size(); ++a) {
      for (size_t b = a + 1; b < clusters.size(); ++b) {
        double mean = 0;
        for (size_t x : clusters[a]) {
          for (size_t y : clusters[b]) mean += correlation.raw(x, y);
        }
        mean /= static_cast<double>(clusters[a].size() * clusters[b].size());
        if (mean > best) {
          best = mean;
          pair = {a, b};
        }
      }
    }
    if (best < least_mean) break;
    auto& into = clusters[pair.first];
    into.insert(into.end(), clusters[pair.second].begin(), clusters[pair.second].end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(pair.second));
  }
  for (auto& members : clusters) std::sort(members.begin(), members.end());
  std::sort(clusters.begin(), clusters.end());
  return clusters;
}

std::vector<std::vector<size_t>> members_of(const TrialClusters& clusters) {
  std::vector<std::vector<size_t>> members(static_cast<size_t>(clusters.count));
  for (size_t i = 0; i < clusters.cluster_of.size(); ++i) {
    if (clusters.cluster_of[i]) members.at(*clusters.cluster_of[i]).push_back(i);
  }
  return members;
}

SymmetricMatrix random_correlation(std::mt19937_64& random, size_t size) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  SymmetricMatrix correlation(size);
  for (size_t a = 0; a < size; ++a) {
    if (a % 11 == 5) continue;  // does not trade
    for (size_t b = 0; b <= a; ++b) {
      if (b % 11 != 5) correlation.set(a, b, a == b ? 1 : uniform(random));
    }
  }
  return correlation;
}

TEST(ClusterTrials, SameAsJoiningTheClosestPairByPair) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const SymmetricMatrix correlation = random_correlation(random, 1 + random() % 24);
    for (double least_mean : {-0.2, 0.1, 0.5, 0.9}) {
      const TrialClusters clusters = cluster_trials(correlation, least_mean);
      EXPECT_EQ(members_of(clusters), slow_clusters(correlation, least_mean)) << round << " " << least_mean;
    }
  }
}

TEST(ClusterTrials, EqualMeansGiveTheSameEveryTime) {
  SymmetricMatrix all_alike(6);
  for (size_t a = 0; a < 6; ++a) {
    for (size_t b = 0; b <= a; ++b) all_alike.set(a, b, a == b ? 1 : 0.5);
  }
  EXPECT_EQ(cluster_trials(all_alike, 0.5).count, 1);
  EXPECT_EQ(cluster_trials(all_alike, 0.51).count, 6);
  EXPECT_EQ(cluster_trials(SymmetricMatrix(0)).count, 0);
  EXPECT_EQ(cluster_trials(SymmetricMatrix(3)).count, 0);
}

// Twenty ideas, each tried with thirteen parameters that hardly matter, and one that never trades.
TEST(ClusterTrials, CountsIdeasAndNotParameters) {
  constexpr int64_t kBars = 2'000;
  std::mt19937_64 random(2);
  const std::vector<double> returns = test::random_returns(random, kBars, 0, 0.01);
  std::vector<SignalChanges> traces = {{.idx = {0}, .values = {0}}};
  for (int idea = 0; idea < 20; ++idea) {
    const std::vector<double> original =
        test::dense_positions(test::random_positions(random, kBars, 0.05, {-1, 0, 1}), kBars);
    for (int variant = 0; variant < 13; ++variant) {
      SignalChanges trace;
      for (BarIndex bar = 0; bar < kBars; ++bar) {
        const double value = random() % 10 == 0 ? 0 : original[static_cast<size_t>(bar)];
        if (!trace.idx.empty() && value == trace.values.back()) continue;
        trace.idx.push_back(bar);
        trace.values.push_back(value);
      }
      traces.push_back(trace);
    }
  }
  const TrialClusters clusters = cluster_trials(*pnl_correlation(traces, {0, kBars}, returns), 0.5);
  EXPECT_EQ(clusters.count, 20);
  EXPECT_EQ(clusters.cluster_of[0], std::nullopt);
  for (size_t i = 1; i < traces.size(); ++i) EXPECT_EQ(clusters.cluster_of[i], (i - 1) / 13);
}

TEST(ImpliedTrials, ByTheMeanCorrelation) {
  SymmetricMatrix correlation(5);
  EXPECT_EQ(implied_trials(correlation), 0);
  correlation.set(0, 0, 1);
  EXPECT_EQ(implied_trials(correlation), 1);
  for (size_t a : {1, 2, 4}) {  // the one at 3 does not trade
    for (size_t b = 0; b <= a; ++b) correlation.set(a, b, a == b ? 1 : 0.5);
  }
  for (size_t b : {0, 1, 2}) correlation.set(4, b, 0.25);
  EXPECT_EQ(implied_trials(correlation), 3);  // 0.375 + 0.625 * 4 = 2.875
  for (size_t a : {1, 2, 4}) {
    for (size_t b = 0; b < a; ++b) {
      if (b != 3) correlation.set(a, b, 1);
    }
  }
  EXPECT_EQ(implied_trials(correlation), 1);
  correlation.set(0, 1, -5);
  EXPECT_EQ(implied_trials(correlation), 4);  // never more than there are
}

// A hundred strategies without an edge that all lean on the same thing: their correlations are 0.7, so that they look
// like one cluster. Deflated by the implied trials few of the best are believed, by the one cluster most are.
TEST(ImpliedTrials, DeflateWhereClustersDoNot) {
  constexpr size_t kStrategies = 100, kBars = 250;
  int by_clusters = 0, by_implied = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const std::vector<double> common = test::random_returns(random, kBars, 0, std::sqrt(0.7));
    std::vector<std::vector<double>> returns;
    std::vector<std::optional<double>> sharpes;
    for (size_t s = 0; s < kStrategies; ++s) {
      returns.push_back(test::random_returns(random, kBars, 0, std::sqrt(0.3)));
      for (size_t t = 0; t < kBars; ++t) returns[s][t] += common[t];
      sharpes.push_back(return_moments(returns[s]).sharpe);
    }
    SymmetricMatrix correlation(kStrategies);
    for (size_t a = 0; a < kStrategies; ++a) {
      for (size_t b = 0; b <= a; ++b) {
        correlation.set(
            a, b,
            a == b ? 1 : std::inner_product(returns[a].begin(), returns[a].end(), returns[b].begin(), 0.0) / kBars);
      }
    }
    const auto best = static_cast<size_t>(std::ranges::max_element(sharpes) - sharpes.begin());
    const SharpeEstimate estimate = *sharpe_estimate(return_moments(returns[best]));
    const double variance = *sharpe_variance(sharpes);
    by_clusters += *deflated_sharpe_ratio(estimate, cluster_trials(correlation, 0.5).count, variance) > 0.95;
    by_implied += *deflated_sharpe_ratio(estimate, implied_trials(correlation), variance) > 0.95;
  }
  EXPECT_LE(by_implied, 9);
  EXPECT_GE(by_clusters, 15);
}

}  // namespace
}  // namespace signalbook
