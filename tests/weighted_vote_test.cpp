#include "analytics/weighted_vote.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "format/signal_encoder.h"

namespace signalbook {
namespace {

SignalChanges trace(std::vector<BarIndex> idx, std::vector<double> values) {
  return {.idx = std::move(idx), .values = std::move(values)};
}

SignalChanges vote(const std::vector<std::pair<double, SignalChanges>>& parts, VoteRule rule, double threshold = 0,
                   int64_t bar_count = 10) {
  std::vector<WeightedMember> members;
  for (const auto& [weight, changes] : parts) members.push_back({weight, &changes});
  return weighted_vote(members, rule, threshold, bar_count);
}

TEST(WeightedVote, BeginsWhenAllHaveSpokenAndKeepsChangesAlone) {
  const std::vector<std::pair<double, SignalChanges>> parts = {{0.4, trace({0, 4, 6}, {1, 0, 1})},
                                                               {0.6, trace({2, 6}, {1, -1})}};
  EXPECT_EQ(vote(parts, VoteRule::sum), trace({2, 4, 6}, {0.4 + 0.6, 0.6, 0.4 - 0.6}));
  EXPECT_EQ(vote(parts, VoteRule::sign), trace({2, 6}, {1, -1}));
  EXPECT_EQ(vote(parts, VoteRule::above, 0.5), trace({2, 6}, {1, 0}));
  EXPECT_EQ(vote(parts, VoteRule::above, 0.6), trace({2, 4}, {1, 0}));
  EXPECT_EQ(vote(parts, VoteRule::at_least, 0.6), trace({2, 6}, {1, 0}));
  EXPECT_EQ(vote(parts, VoteRule::at_least, 0.6, 5), trace({2}, {1}));
  EXPECT_EQ(vote({{1, trace({}, {})}, {1, trace({0}, {1})}}, VoteRule::sum), trace({}, {}));
}

TEST(WeightedVote, ShortDecimalsAreAtTheirThreshold) {
  const std::vector<std::pair<double, SignalChanges>> parts = {{0.1, trace({0}, {1})}, {0.2, trace({0}, {1})}};
  EXPECT_EQ(vote(parts, VoteRule::above, 0.3), trace({0}, {0})) << "0.1 + 0.2 is 0.30000000000000004 in doubles";
  EXPECT_EQ(vote(parts, VoteRule::at_least, 0.3), trace({0}, {1}));
  const std::vector<std::pair<double, SignalChanges>> none = {
      {0.1, trace({0}, {1})}, {0.2, trace({0}, {1})}, {0.3, trace({0}, {-1})}};
  EXPECT_EQ(vote(none, VoteRule::sign), trace({0}, {0}));
}

// Bar by bar, from the values that each member says on each bar.
std::vector<double> dense_vote(const std::vector<double>& weights, const std::vector<std::vector<double>>& values,
                               VoteRule rule, double threshold) {
  std::vector<double> votes;
  for (size_t bar = 0; bar < values.front().size(); ++bar) {
    double sum = 0;
    for (size_t m = 0; m < weights.size(); ++m) sum += weights[m] * values[m][bar];  // NaN stays NaN
    const double sign = sum > 1e-9 ? 1 : sum < -1e-9 ? -1 : 0;
    if (rule == VoteRule::sign) sum = std::isnan(sum) ? sum : sign;
    if (rule == VoteRule::above && !std::isnan(sum)) sum = std::abs(sum) > threshold + 1e-9 ? sign : 0;
    if (rule == VoteRule::at_least && !std::isnan(sum)) sum = std::abs(sum) >= threshold - 1e-9 ? sign : 0;
    votes.push_back(sum);
  }
  return votes;
}

TEST(WeightedVote, AsBarByBar) {
  std::mt19937_64 random(7);
  const auto below = [&](size_t end) { return random() % end; };
  constexpr double kValues[] = {-1, 0, 1, 0.5, -2};
  constexpr double kWeights[] = {0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, -0.2};
  int64_t differing_bars = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto bar_count = static_cast<int64_t>(1 + below(60));
    const size_t member_count = 1 + below(5);
    std::vector<double> weights;
    std::vector<std::vector<double>> values(member_count);
    std::vector<SignalEncoder> encoders(member_count);
    for (size_t m = 0; m < member_count; ++m) {
      weights.push_back(kWeights[below(std::size(kWeights))]);
      const size_t first = below(4) == 0 ? below(20) : 0;
      for (size_t bar = 0; bar < size_t(bar_count); ++bar) {
        const bool stays = bar > first && below(4) != 0;
        values[m].push_back(bar < first ? std::nan("") : stays ? values[m].back() : kValues[below(5)]);
        if (bar < first) continue;
        ASSERT_TRUE(encoders[m].observe(BarIndex(bar), values[m].back()).ok());
      }
    }
    std::vector<WeightedMember> members;
    for (size_t m = 0; m < member_count; ++m) members.push_back({weights[m], &encoders[m].changes()});
    const double threshold = std::vector<double>{0, 0.1, 0.3, 0.5}[below(4)];
    std::vector<std::vector<double>> votes;
    for (const VoteRule rule : {VoteRule::sum, VoteRule::sign, VoteRule::above, VoteRule::at_least}) {
      const SignalChanges changes = weighted_vote(members, rule, threshold, bar_count);
      const auto decoded = decode(changes, bar_count);
      ASSERT_TRUE(decoded.ok()) << decoded.status().message();
      votes.push_back(dense_vote(weights, values, rule, threshold));
      for (size_t bar = 0; bar < size_t(bar_count); ++bar) {
        const double a = (*decoded)[bar], b = votes.back()[bar];
        ASSERT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << "round " << round << " bar " << bar;
      }
      for (size_t k = 1; k < changes.size(); ++k) ASSERT_NE(changes.values[k - 1], changes.values[k]);
    }

    // How two of them agree, on a part of the bars.
    const auto begin = static_cast<BarIndex>(below(size_t(bar_count)));
    const SignalChanges above = weighted_vote(members, VoteRule::above, threshold, bar_count);
    const PositionAgreement agreement = compare_positions(above, encoders[0].changes(), begin, bar_count);
    int64_t equal_bars = 0;
    std::optional<BarIndex> first, last;
    for (BarIndex bar = begin; bar < bar_count; ++bar) {
      const auto held = [&](const std::vector<double>& dense) {
        return std::isnan(dense[size_t(bar)]) ? 0 : dense[size_t(bar)];
      };
      if (held(votes[2]) == held(values[0])) {
        ++equal_bars;
      } else {
        first = first.value_or(bar);
        last = bar;
      }
    }
    ASSERT_EQ(agreement.equal_bars, equal_bars);
    ASSERT_EQ(agreement.first.has_value(), first.has_value());
    if (first) {
      ASSERT_EQ(agreement.first->idx, *first);
      ASSERT_EQ(agreement.last->idx, *last);
      ASSERT_NE(agreement.first->a, agreement.first->b);
    }
    differing_bars += bar_count - begin - equal_bars;
  }
  EXPECT_GT(differing_bars, 10'000) << "or nothing was compared";
}

TEST(ComparePositions, WhoHasSaidNothingHoldsNothingAndRoundingIsNone) {
  EXPECT_EQ(compare_positions(trace({3}, {0}), trace({}, {}), 0, 10).equal_bars, 10);
  EXPECT_EQ(compare_positions(trace({3}, {1}), trace({5}, {1}), 0, 10).equal_bars, 8);
  EXPECT_EQ(compare_positions(trace({0}, {0.3}), trace({0}, {0.1 + 0.2}), 0, 10).equal_bars, 10);
  EXPECT_EQ(compare_positions(trace({0}, {0.3}), trace({0}, {0.3 + 1e-8}), 0, 10).equal_bars, 0);
}

}  // namespace
}  // namespace signalbook
