#include "analytics/windows.h"

#include <gtest/gtest.h>

#include <limits>

#include "analytics/regime_metrics.h"
#include "support/random_positions.h"

namespace signalbook {
namespace {

TEST(BarsBetween, FromIsInAndToIsNot) {
  const std::vector<int64_t> ts = {10, 20, 30, 40};
  EXPECT_EQ(bars_between(ts, 20, 40), (BarWindow{1, 3}));
  EXPECT_EQ(bars_between(ts, 11, 41), (BarWindow{1, 4}));
  EXPECT_EQ(bars_between(ts, 0, 100), (BarWindow{0, 4}));
  EXPECT_EQ(bars_between(ts, 21, 30).size(), 0);
  EXPECT_EQ(bars_between(ts, 30, 20).size(), 0);
  EXPECT_EQ(bars_between({}, 0, 1).size(), 0);
}

TEST(SplitSample, LeavesTheGapOut) {
  EXPECT_EQ(*split_sample(10, 7), (SampleSplit{{0, 7}, {7, 10}}));
  EXPECT_EQ(*split_sample(10, 7, 2), (SampleSplit{{0, 5}, {7, 10}}));
  EXPECT_TRUE(split_sample(2, 1).ok());
  for (BarIndex first : {0, 10, 11, -1}) EXPECT_FALSE(split_sample(10, first).ok());
  EXPECT_FALSE(split_sample(10, 3, 3).ok());
  EXPECT_FALSE(split_sample(10, 3, -1).ok());
  EXPECT_NE(split_sample(10, 12, 3).status().message().find("between 4 and 9"), std::string::npos);
}

// What walking forward promises, for all small plans.
TEST(WalkForward, EveryBarIsTestedOnceAndNeverByWhatHasSeenIt) {
  for (int64_t bars = 1; bars <= 12; ++bars) {
    for (int64_t in = 1; in <= 6; ++in) {
      for (int64_t out = 1; out <= 5; ++out) {
        for (int64_t gap = 0; gap <= 3; ++gap) {
          for (InSample kind : {InSample::rolling, InSample::anchored}) {
            const auto splits =
                walk_forward(bars, {.in_sample = kind, .in_sample_bars = in, .out_of_sample_bars = out, .gap = gap});
            ASSERT_EQ(splits.ok(), in + gap < bars);
            if (!splits.ok()) continue;
            BarIndex next = in + gap;
            for (const SampleSplit& split : *splits) {
              EXPECT_EQ(split.out_of_sample.begin, next);
              EXPECT_EQ(split.out_of_sample.size(), std::min(out, bars - next));
              EXPECT_EQ(split.in_sample.end, split.out_of_sample.begin - gap);
              EXPECT_EQ(split.in_sample.begin, kind == InSample::anchored ? 0 : split.in_sample.end - in);
              next = split.out_of_sample.end;
            }
            EXPECT_EQ(next, bars);
          }
        }
      }
    }
  }
}

TEST(WalkForward, RefusesWhatLeavesNothing) {
  EXPECT_FALSE(walk_forward(10, {.in_sample_bars = 0, .out_of_sample_bars = 1}).ok());
  EXPECT_FALSE(walk_forward(10, {.in_sample_bars = 1, .out_of_sample_bars = 0}).ok());
  EXPECT_FALSE(walk_forward(10, {.in_sample_bars = 1, .out_of_sample_bars = 1, .gap = -1}).ok());
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(walk_forward(10, {.in_sample_bars = kHuge, .out_of_sample_bars = 1, .gap = kHuge}).ok());
  EXPECT_EQ(walk_forward(10, {.in_sample_bars = 4, .out_of_sample_bars = kHuge})->size(), 1u);
}

TEST(MetricsByRegime, ALabelCountsForTheReturnAfterItsBar) {
  const SignalChanges labels = {.kind = SignalKind::label, .idx = {1, 3, 4, 6}, .labels = {"up", "down", "up", "end"}};
  const std::vector<double> returns = {0.5, 0.01, 0.02, -0.04, 0.06, 0.03};  // of bars 0 to 5, of the 7 that there are
  const auto rows = metrics_by_regime(returns, labels);
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 3u);  // "end" stands on the last bar, which earns nothing
  EXPECT_EQ((*rows)[0].label, std::nullopt);
  EXPECT_EQ((*rows)[0].bars, 1);
  EXPECT_EQ((*rows)[0].mean, 0.5);
  EXPECT_EQ((*rows)[0].volatility, std::nullopt);
  EXPECT_EQ((*rows)[1].label, "down");
  EXPECT_EQ((*rows)[1].total, -0.04);
  EXPECT_EQ((*rows)[2].label, "up");
  EXPECT_EQ((*rows)[2].bars, 4);
  EXPECT_NEAR((*rows)[2].total, 0.12, 1e-16);
  EXPECT_NEAR((*rows)[2].mean, 0.03, 1e-17);
  EXPECT_NEAR(*(*rows)[2].volatility, 0.02160246899469287, 1e-16);  // numpy std(ddof=1)
  EXPECT_NEAR(*(*rows)[2].sharpe, 0.03 / 0.02160246899469287, 1e-14);
}

TEST(MetricsByRegime, RegimesAddUpToTheWhole) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    const int64_t bars = 200;
    const SignalChanges numbers = test::random_positions(random, bars, 0.1, {0, 1, 2});
    SignalChanges labels = {.kind = SignalKind::label, .idx = numbers.idx};
    for (double value : numbers.values) labels.labels.push_back(value == 0 ? "calm" : value == 1 ? "wild" : "odd");
    const std::vector<double> returns = test::random_returns(random, bars - 1, 0, 0.01);
    double total = 0, expected = 0;
    int64_t count = 0;
    const auto rows = metrics_by_regime(returns, labels);
    for (const RegimeMetrics& row : *rows) {
      total += row.total;
      count += row.bars;
    }
    for (double value : returns) expected += value;
    EXPECT_NEAR(total, expected, 1e-14);
    EXPECT_EQ(count, bars - 1);
  }
}

TEST(MetricsByRegime, OddTraces) {
  EXPECT_TRUE(metrics_by_regime({}, {.kind = SignalKind::label})->empty());
  const auto silent = metrics_by_regime(std::vector{0.1, 0.1}, {.kind = SignalKind::label});
  ASSERT_EQ(silent->size(), 1u);
  EXPECT_EQ((*silent)[0].bars, 2);
  EXPECT_EQ((*silent)[0].volatility, 0);
  EXPECT_EQ((*silent)[0].sharpe, std::nullopt);
  EXPECT_EQ(metrics_by_regime({}, {.idx = {0}, .values = {1}}).status().code(), StatusCode::invalid);
  EXPECT_EQ(metrics_by_regime({}, {.kind = SignalKind::label, .idx = {1, 1}, .labels = {"a", "b"}}).status().code(),
            StatusCode::damaged);
}

}  // namespace
}  // namespace signalbook
