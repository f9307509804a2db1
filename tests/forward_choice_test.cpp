#include "study/forward_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/feed_in_memory.h"

namespace signalbook {
namespace {

// The figures of positions on the bars of `held`, from a feed that has no other bar.
Metrics slow_metrics(const FeedTraces& feed, size_t trace, BarWindow held, const MetricsOptions& options) {
  std::vector<double> close;
  SignalChanges changes;
  for (BarIndex bar = held.begin; bar <= held.end; ++bar) {
    close.push_back(feed.bars.close[static_cast<size_t>(bar)]);
    changes.idx.push_back(bar - held.begin);
    changes.values.push_back(position_on(feed.traces[trace].changes, bar));
  }
  const PriceSeries series = *PriceSeries::make(close);
  return *MetricsKernel::make(series, options)->compute_bar_by_bar(changes);
}

bool is_near(std::optional<double> got, std::optional<double> expected) {
  if (got.has_value() != expected.has_value()) return false;
  return !got || std::abs(*got - *expected) <= 1e-10 * std::max(1.0, std::abs(*expected));
}

struct Case {
  FeedTraces feed;
  StudyWindow window;
  std::vector<SampleSplit> splits;
  NamedMetric best;
};

Case make_case(Random& random) {
  Case made = {.feed = random_feed(random, 240, 7), .window = {}, .splits = {}, .best = *NamedMetric::find("sharpe")};
  const BarIndex begin = integer(random, 0, 30), end = integer(random, 200, 240);
  made.window = *find_study_window(made.feed, terms_between(begin, end, one_of(random, {0.0, 0.001})));
  made.splits = *split_for_walk(made.window, {.in_sample = one_of(random, {InSample::rolling, InSample::anchored}),
                                              .in_sample_bars = integer(random, 10, 80),
                                              .out_of_sample_bars = integer(random, 1, 60),
                                              .gap = integer(random, 0, 5)});
  made.best = *NamedMetric::find(one_of(random, {"sharpe_ratio", "total_return", "annual_volatility"}));
  return made;
}

TEST(FollowChoice, IsWhatEachWindowAloneSays) {
  Random random(1);
  int undefined = 0;
  for (int round = 0; round < 60; ++round) {
    const auto [feed, window, splits, best] = make_case(random);
    const auto forward = follow_choice(feed, window, splits, best, {.threads = 2});
    ASSERT_TRUE(forward.ok()) << forward.status().message();
    ASSERT_EQ(forward->steps.size(), splits.size());
    for (const ForwardStep& step : forward->steps) {
      std::vector<double> out;
      std::optional<double> most;  // in sample
      for (size_t i = 0; i < feed.traces.size(); ++i) {
        const auto in = best.score_to_choose_by(slow_metrics(feed, i, step.split.in_sample, window.options));
        if (in && (!most || *in > *most)) most = in;
        const auto score = best.score(slow_metrics(feed, i, step.split.out_of_sample, window.options));
        if (score) out.push_back(*score);
      }
      ASSERT_EQ(step.chosen.has_value(), most.has_value());
      EXPECT_EQ(step.ranked_count, static_cast<int64_t>(out.size()));
      std::ranges::sort(out);
      const size_t half = out.size() / 2;
      const double sign = best.is_smaller_better() ? -1 : 1;
      const auto median = out.empty()           ? std::nullopt
                          : out.size() % 2 == 1 ? std::optional(sign * out[half])
                                                : std::optional(sign * (out[half - 1] + out[half]) / 2);
      EXPECT_TRUE(is_near(step.median, median));
      if (!step.chosen) {
        EXPECT_FALSE(step.in_sample || step.out_of_sample || step.rank || step.total_return);
        ++undefined;
        continue;
      }
      EXPECT_TRUE(is_near(step.in_sample, sign * *most));
      EXPECT_TRUE(
          is_near(best.of(slow_metrics(feed, *step.chosen, step.split.in_sample, window.options)), sign * *most));
      const Metrics chosen = slow_metrics(feed, *step.chosen, step.split.out_of_sample, window.options);
      EXPECT_TRUE(is_near(step.out_of_sample, best.of(chosen)));
      EXPECT_TRUE(is_near(step.total_return, chosen.total_return));
      ASSERT_EQ(step.rank.has_value(), best.of(chosen).has_value());
      if (step.rank) {
        // As many are better as the rank says, but for those that rounding moves by a hair.
        const double score = *best.score(chosen), hair = 1e-9 * std::max(1.0, std::abs(score));
        EXPECT_GE(*step.rank, 1 + std::ranges::count_if(out, [&](double other) { return other > score + hair; }));
        EXPECT_LE(*step.rank, 1 + std::ranges::count_if(out, [&](double other) { return other > score - hair; }) - 1);
      }
    }
  }
  EXPECT_GT(undefined, 0);
}

// What is known at the close of the bar behind a window in sample makes the choice, and nothing later.
TEST(FollowChoice, DoesNotLookAhead) {
  Random random(2);
  int changed = 0;
  for (int round = 0; round < 40; ++round) {
    auto [feed, window, splits, best] = make_case(random);
    const auto before = follow_choice(feed, window, splits, best, {});
    ASSERT_TRUE(before.ok());
    const size_t at = static_cast<size_t>(integer(random, 0, static_cast<int64_t>(splits.size()) - 1));
    const BarIndex known = splits[at].in_sample.end;
    const std::vector<double> other = random_closes(random, 240);
    for (BarIndex bar = known + 1; bar < 240; ++bar) {
      feed.bars.close[static_cast<size_t>(bar)] = other[static_cast<size_t>(bar)];
    }
    for (FeedTrace& trace : feed.traces) {
      SignalChanges cut;
      for (size_t k = 0; k < trace.changes.size() && trace.changes.idx[k] < known; ++k) {
        cut.idx.push_back(trace.changes.idx[k]);
        cut.values.push_back(trace.changes.values[k]);
      }
      for (BarIndex bar = known; bar < 240; bar += integer(random, 1, 20)) {
        cut.idx.push_back(bar);
        cut.values.push_back(uniform(random, -1, 1));
      }
      trace.changes = cut;
    }
    const auto after = follow_choice(feed, window, splits, best, {});
    ASSERT_TRUE(after.ok());
    for (size_t i = 0; i <= at; ++i) {
      EXPECT_EQ(after->steps[i].chosen, before->steps[i].chosen) << i << " of " << at;
      EXPECT_EQ(after->steps[i].in_sample.has_value(), before->steps[i].in_sample.has_value());
      EXPECT_TRUE(is_near(after->steps[i].in_sample, before->steps[i].in_sample));
    }
    changed += after->steps[at].out_of_sample != before->steps[at].out_of_sample;
  }
  EXPECT_GT(changed, 20);  // so something was at stake
}

TEST(FollowChoice, StitchesTheWindowsTogether) {
  Random random(3);
  for (int round = 0; round < 80; ++round) {
    const auto [feed, window, splits, best] = make_case(random);
    const auto forward = follow_choice(feed, window, splits, best, {});
    ASSERT_TRUE(forward.ok());
    EXPECT_EQ(forward->followed.begin, splits.front().out_of_sample.begin);
    EXPECT_EQ(forward->followed.end, window.bars.end - 1);
    std::vector<double> returns;
    bool is_ruined = false;
    int64_t trades = 0;
    for (const ForwardStep& step : forward->steps) {
      const BarWindow out = step.split.out_of_sample;
      if (!step.chosen) {
        returns.insert(returns.end(), static_cast<size_t>(out.size()), 0.0);
        continue;
      }
      for (const double value : slow_returns(feed, *step.chosen, out.begin, out.end + 1, window.options.cost)) {
        returns.push_back(is_ruined ? 0 : value);
        is_ruined |= value <= -1;
      }
      trades += *slow_metrics(feed, *step.chosen, out, window.options).trade_count;
    }
    ASSERT_EQ(static_cast<int64_t>(returns.size()), forward->followed.size());
    long double equity = 1, peak = 1, worst = 0, sum = 0, squares = 0;
    for (const double value : returns) {
      equity *= 1 + static_cast<long double>(value);
      peak = std::max(peak, equity);
      worst = std::min(worst, equity / peak - 1);
      sum += value;
    }
    const long double mean = sum / static_cast<long double>(returns.size());
    for (const double value : returns) squares += (value - mean) * (value - mean);
    const auto deviation = static_cast<double>(std::sqrt(squares / static_cast<long double>(returns.size() - 1)));
    const Metrics& stitched = forward->stitched;
    EXPECT_TRUE(is_near(stitched.total_return, static_cast<double>(equity - 1)));
    EXPECT_TRUE(is_near(stitched.max_drawdown, static_cast<double>(worst)) || worst > -1e-11);
    EXPECT_EQ(stitched.trade_count, trades);
    if (stitched.sharpe_ratio) {
      EXPECT_NEAR(*stitched.sharpe_ratio, static_cast<double>(mean) / deviation * 100,
                  1e-8 * std::max(1.0, std::abs(*stitched.sharpe_ratio)));
    } else {
      EXPECT_LT(deviation, 1e-11);
    }
  }
}

TEST(SplitAtTime, LeavesABarOnBothSides) {
  Random random(4);
  const FeedTraces feed = random_feed(random, 10, 2);
  const StudyWindow window = *find_study_window(feed, terms_between(2, 9));  // bars 2 to 8, of which 8 earns nothing
  constexpr int64_t kMinute = 60'000'000;
  const auto splits = split_at_time(feed, window, 5 * kMinute, 1);
  ASSERT_TRUE(splits.ok());
  EXPECT_EQ(splits->front(), (SampleSplit{{2, 4}, {5, 8}}));
  EXPECT_EQ(split_at_time(feed, window, 4 * kMinute + 1, 1)->front(), (SampleSplit{{2, 4}, {5, 8}}));
  for (const int64_t minute : {0, 2, 8, 20}) {
    EXPECT_EQ(split_at_time(feed, window, minute * kMinute, 0).status().code(), StatusCode::not_found) << minute;
  }
  EXPECT_TRUE(split_at_time(feed, window, 7 * kMinute, 4).ok());
  EXPECT_FALSE(split_at_time(feed, window, 7 * kMinute, 5).ok());
  EXPECT_FALSE(split_for_walk(window, {.in_sample_bars = 6, .out_of_sample_bars = 1}).ok());
  EXPECT_TRUE(split_for_walk(window, {.in_sample_bars = 5, .out_of_sample_bars = 1}).ok());
}

}  // namespace
}  // namespace signalbook
