#include "study/related_traces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "analytics/metric_names.h"
#include "study/study_window.h"
#include "support/feed_in_memory.h"

namespace signalbook {
namespace {

std::optional<double> slow_correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto count = static_cast<long double>(x.size());
  long double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (size_t t = 0; t < x.size(); ++t) {
    mean_x += x[t] / count;
    mean_y += y[t] / count;
  }
  for (size_t t = 0; t < x.size(); ++t) {
    xx += (x[t] - mean_x) * (x[t] - mean_x);
    yy += (y[t] - mean_y) * (y[t] - mean_y);
    xy += (x[t] - mean_x) * (y[t] - mean_y);
  }
  const auto varies = [](const std::vector<double>& z) {
    return std::ranges::any_of(z, [&](double value) { return value != z.front(); });
  };
  if (!varies(x) || !varies(y)) return std::nullopt;
  return static_cast<double>(xy / std::sqrt(xx * yy));
}

struct Dense {
  std::vector<double> positions, earned;
};

// Bars of the window on which a position earns.
Dense dense_of(const FeedTraces& feed, size_t trace, BarIndex begin, BarIndex end) {
  Dense dense;
  for (BarIndex bar = begin; bar + 1 < end; ++bar) {
    const long double from = feed.bars.close[static_cast<size_t>(bar)],
                      to = feed.bars.close[static_cast<size_t>(bar) + 1];
    dense.positions.push_back(position_on(feed.traces[trace].changes, bar));
    dense.earned.push_back(dense.positions.back() * static_cast<double>((to - from) / from));
  }
  return dense;
}

void expect_near(std::optional<double> got, std::optional<double> expected, const std::string& what) {
  ASSERT_EQ(got.has_value(), expected.has_value()) << what;
  if (got) {
    ASSERT_NEAR(*got, *expected, 1e-11) << what;
  }
}

TEST(RelateTraces, IsBarByBarWithinTheWindowWithoutItsLastBar) {
  Random random(1);
  int pairs_with_value = 0;
  for (int round = 0; round < 60; ++round) {
    FeedTraces feed = random_feed(random, 120, 6);
    const std::vector<FeedTrace> before = feed.traces;
    const BarIndex begin = integer(random, 0, 40), end = integer(random, begin + 2, 120);
    const MetricTerms terms = terms_between(begin, end, 0.01);
    const auto positions = relate_traces(feed, terms, Likeness::positions, {});
    const auto pnl = relate_traces(feed, terms, Likeness::pnl, {});
    const auto overlap = relate_traces(feed, terms, Likeness::overlap, {});
    ASSERT_TRUE(positions.ok() && pnl.ok() && overlap.ok());
    for (size_t a = 0; a < 6; ++a) {
      EXPECT_EQ(feed.traces[a].changes, before[a].changes);
      for (size_t b = 0; b < a; ++b) {
        const Dense x = dense_of(feed, a, begin, end), y = dense_of(feed, b, begin, end);
        const std::string what = "round " + std::to_string(round);
        expect_near(positions->value.at(a, b), slow_correlation(x.positions, y.positions), what);
        expect_near(pnl->value.at(a, b), slow_correlation(x.earned, y.earned), what);
        pairs_with_value += pnl->value.at(a, b).has_value();
        double both = 0, same = 0, either = 0;
        for (size_t t = 0; t < x.positions.size(); ++t) {
          both += x.positions[t] != 0 && y.positions[t] != 0;
          same += x.positions[t] * y.positions[t] > 0;
          either += x.positions[t] != 0 || y.positions[t] != 0;
        }
        const auto share = [&](double part) { return either > 0 ? std::optional(part / either) : std::nullopt; };
        expect_near(overlap->value.at(a, b), share(both), what);
        expect_near(overlap->same_side.at(a, b), share(same), what);
      }
    }
  }
  EXPECT_GT(pairs_with_value, 200);
}

TEST(RelateTraces, SaysWhatIsMissing) {
  Random random(2);
  FeedTraces one = random_feed(random, 50, 1), two = random_feed(random, 50, 2);
  EXPECT_NE(relate_traces(one, {}, Likeness::pnl, {}).status().message().find("one strategy only"), std::string::npos);
  EXPECT_EQ(relate_traces(two, terms_between(7, 8), Likeness::pnl, {}).status().code(), StatusCode::not_found);
  EXPECT_EQ(relate_traces(two, terms_between(70, 80), Likeness::pnl, {}).status().code(), StatusCode::not_found);
  EXPECT_TRUE(relate_traces(two, terms_between(7, 9), Likeness::pnl, {}).ok());
  MetricTerms with_stop;
  with_stop.exits.stop = 0.01;
  EXPECT_EQ(relate_traces(two, with_stop, Likeness::pnl, {}).status().code(), StatusCode::invalid);
  const std::atomic<int> interrupt = 2;
  EXPECT_EQ(relate_traces(two, {}, Likeness::pnl, {.interrupt = &interrupt}).status().code(), StatusCode::io_error);
}

TEST(StrongestPairs, AreTheFirstOfAllPairsInOrder) {
  Random random(3);
  for (int round = 0; round < 30; ++round) {
    const auto size = static_cast<size_t>(integer(random, 0, 60));
    SymmetricMatrix value(size);
    std::vector<TracePair> all;
    for (uint32_t a = 0; a < size; ++a) {
      for (uint32_t b = a + 1; b < size; ++b) {
        if (uniform(random, 0, 1) < 0.9) value.set(a, b, static_cast<double>(integer(random, -20, 20)) / 20);
        all.push_back({a, b});
      }
    }
    std::ranges::stable_sort(all, [&](const TracePair& x, const TracePair& y) {
      const auto left = value.at(x.a, x.b), right = value.at(y.a, y.b);
      if (!left || !right) return left.has_value() && !right;
      return std::abs(*left) > std::abs(*right);
    });
    for (const size_t count : {size_t{0}, size_t{1}, size_t{20}, size_t{1'500}, all.size()}) {
      std::vector<TracePair> expected = all;
      expected.resize(std::min(count, all.size()));
      ASSERT_EQ(strongest_pairs(value, count), expected) << size << " " << count;
    }
  }
}

TEST(ChooseEnsemble, TakesTheBestOfThoseThatAreUnlikeIt) {
  Random random(4);
  size_t members_seen = 0;
  for (int round = 0; round < 100; ++round) {
    FeedTraces feed = random_feed(random, 150, 12);
    const BarIndex begin = integer(random, 0, 40), end = integer(random, 100, 150);
    const double cost = one_of(random, {0.0, 0.002});
    const MetricTerms terms = terms_between(begin, end, cost);
    const char* const metric = one_of(random, {"sharpe_ratio", "total_return", "annual_volatility"});
    const bool is_smaller_better = std::string(metric) == "annual_volatility";
    EnsembleChoice choice = {.likeness = one_of(random, {Likeness::positions, Likeness::pnl}),
                             .count = static_cast<size_t>(integer(random, 1, 8)),
                             .max_correlation = uniform(random, 0, 0.5),
                             .best = *NamedMetric::find(metric)};
    const auto members = choose_ensemble(feed, terms, choice, {.threads = 2});
    ASSERT_TRUE(members.ok());

    const PriceSeries series = *PriceSeries::make(feed.bars.close, BarWindow{begin, end});
    const MetricsKernel kernel = *MetricsKernel::make(series, {.cost = cost, .bars_per_year = 10'000});
    std::vector<std::optional<double>> values;
    for (const FeedTrace& trace : feed.traces) {
      const Metrics figures = *kernel.compute_bar_by_bar(trace.changes);
      // Who never trades is not chosen, however calm.
      if (figures.trade_count == 0) {
        values.emplace_back();
        continue;
      }
      values.push_back(std::string(metric) == "sharpe_ratio"   ? figures.sharpe_ratio
                       : std::string(metric) == "total_return" ? figures.total_return
                                                               : figures.annual_volatility);
    }
    const auto correlation = [&](size_t a, size_t b) {
      const Dense x = dense_of(feed, a, begin, end), y = dense_of(feed, b, begin, end);
      return choice.likeness == Likeness::pnl ? slow_correlation(x.earned, y.earned)
                                              : slow_correlation(x.positions, y.positions);
    };
    std::set<size_t> left;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i]) left.insert(i);
    }
    for (const EnsembleMember& member : *members) {
      // The best of what is left, and what is not too alike those before.
      ASSERT_TRUE(left.contains(member.trace));
      EXPECT_NEAR(member.metric, *values[member.trace], 1e-9 * std::max(1.0, std::abs(member.metric)));
      for (const size_t other : left) {
        const double ahead = (*values[other] - *values[member.trace]) * (is_smaller_better ? -1 : 1);
        EXPECT_LE(ahead, 1e-9 * std::max(1.0, std::abs(*values[other])));
      }
      std::optional<double> highest;
      for (const EnsembleMember& before : *members) {
        if (&before == &member) break;
        highest = std::max(highest.value_or(0), std::abs(*correlation(member.trace, before.trace)));
      }
      expect_near(member.highest_correlation, highest, metric);
      EXPECT_LE(highest.value_or(0), choice.max_correlation + 1e-11);
      std::erase_if(left, [&](size_t other) {
        const auto size = correlation(other, member.trace);
        return other == member.trace || !size || std::abs(*size) > choice.max_correlation;
      });
    }
    EXPECT_TRUE(members->size() == choice.count || left.empty());
    members_seen += members->size();
  }
  EXPECT_GT(members_seen, 80u);
}

TEST(NamedMetric, IsEveryColumnOfMetrics) {
  Random random(5);
  const FeedTraces feed = random_feed(random, 60, 1);
  const PriceSeries series = *PriceSeries::make(feed.bars.close);
  const Metrics figures =
      *MetricsKernel::make(series, {.bars_per_year = 100})->compute({.idx = {3, 20}, .values = {1, -1}});
  for (const RealMetric& metric : kRealMetrics) {
    EXPECT_EQ(NamedMetric::find(metric.name)->of(figures), figures.*metric.value) << metric.name;
  }
  for (const CountMetric& metric : kCountMetrics) {
    EXPECT_EQ(NamedMetric::find(metric.name)->of(figures), std::optional<double>(figures.*metric.value));
  }
  EXPECT_EQ(NamedMetric::find("max_drawdown")->score(figures), figures.max_drawdown);
  EXPECT_EQ(NamedMetric::find("annual_volatility")->score(figures), -*figures.annual_volatility);
  EXPECT_STREQ(NamedMetric::find("sharpe")->name(), "sharpe_ratio");
  const std::string message = NamedMetric::find("sharp").status().message();
  EXPECT_NE(message.find("sharpe_ratio"), std::string::npos);
  EXPECT_NE(message.find("trade_count"), std::string::npos);
}

}  // namespace
}  // namespace signalbook
