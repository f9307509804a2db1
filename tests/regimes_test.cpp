#include "study/regimes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "analytics/trades.h"
#include "support/feed_in_memory.h"

namespace signalbook {
namespace {

SignalChanges random_labels(Random& random, int64_t bars) {
  SignalChanges labels{.kind = SignalKind::label};
  for (BarIndex bar = integer(random, 0, 20); bar < bars; bar += integer(random, 1, 30)) {
    const char* const label = one_of(random, {"calm", "wild", "falling"});
    if (!labels.labels.empty() && labels.labels.back() == label) continue;
    labels.idx.push_back(bar);
    labels.labels.push_back(label);
  }
  return labels;
}

std::optional<std::string> label_on(const SignalChanges& labels, BarIndex bar) {
  std::optional<std::string> label;
  for (size_t k = 0; k < labels.size() && labels.idx[k] <= bar; ++k) label = labels.labels[k];
  return label;
}

struct SlowRegime {
  std::vector<double> returns;
  int64_t trades = 0, closed = 0, won = 0;
};

TEST(MeasureByRegime, IsBarByBarAndAddsUpToTheWhole) {
  Random random(1);
  for (int round = 0; round < 150; ++round) {
    const FeedTraces feed = random_feed(random, 200, 3);
    const SignalChanges labels = random_labels(random, 200);
    const BarIndex begin = integer(random, 0, 60), end = integer(random, begin + 2, 200);
    const double cost = one_of(random, {0.0, 0.001});
    MetricTerms terms = terms_between(begin, end, cost);
    terms.risk_free_rate = one_of(random, {0.0, 0.05});
    const auto rows = measure_by_regime(feed, terms, labels, {.threads = 2});
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    auto row = rows->begin();
    for (size_t i = 0; i < 3; ++i) {
      std::map<std::optional<std::string>, SlowRegime> expected;
      const std::vector<double> returns = slow_returns(feed, i, begin, end, cost);
      for (size_t t = 0; t < returns.size(); ++t) {
        expected[label_on(labels, begin + static_cast<BarIndex>(t))].returns.push_back(returns[t]);
      }
      const PriceSeries series = *PriceSeries::make(feed.bars.close, BarWindow{begin, end});
      const std::vector<Trade> trades = *list_trades(feed.traces[i].changes, series, cost);
      for (const Trade& trade : trades) {
        SlowRegime& regime = expected[label_on(labels, trade.entry_idx)];
        ++regime.trades;
        regime.closed += !trade.is_open;
        regime.won += !trade.is_open && *trade.net_return > 1e-12;
      }
      int64_t bars = 0, trade_count = 0;
      double sum = 0, share = 0;
      for (const auto& [label, slow] : expected) {
        ASSERT_NE(row, rows->end());
        ASSERT_EQ(row->trace, i);
        ASSERT_EQ(row->label, label);
        const double total = std::accumulate(slow.returns.begin(), slow.returns.end(), 0.0);
        const double mean = total / static_cast<double>(slow.returns.size());
        EXPECT_EQ(row->bars, static_cast<int64_t>(slow.returns.size()));
        EXPECT_NEAR(row->return_sum, total, 1e-11 * std::max(1.0, std::abs(total)));
        EXPECT_NEAR(row->mean_return, mean, 1e-12 * std::max(1.0, std::abs(mean)));
        double squares = 0;
        for (const double value : slow.returns) squares += (value - mean) * (value - mean);
        const double volatility = std::sqrt(squares / static_cast<double>(slow.returns.size() - 1));
        EXPECT_EQ(row->annual_volatility.has_value(), slow.returns.size() > 1);
        if (row->sharpe_ratio) {
          EXPECT_NEAR(*row->annual_volatility, volatility * 100, 1e-9 * std::max(1.0, volatility * 100));
          const double risk_free = std::pow(1 + terms.risk_free_rate, 1e-4) - 1,
                       sharpe = (mean - risk_free) / volatility;
          EXPECT_NEAR(*row->sharpe_ratio, sharpe * 100, 1e-9 * std::max(1.0, std::abs(sharpe) * 100));
        } else {
          EXPECT_TRUE(slow.returns.size() < 2 || volatility < 1e-12) << volatility;
        }
        EXPECT_EQ(row->trade_count, slow.trades);
        ASSERT_EQ(row->win_rate.has_value(), slow.closed > 0);
        if (row->win_rate) {
          EXPECT_DOUBLE_EQ(*row->win_rate, static_cast<double>(slow.won) / static_cast<double>(slow.closed));
        }
        bars += row->bars;
        trade_count += row->trade_count;
        sum += row->return_sum;
        share += row->bars_share;
        ++row;
      }
      const double whole = std::accumulate(returns.begin(), returns.end(), 0.0);
      EXPECT_EQ(bars, end - begin - 1);
      EXPECT_EQ(trade_count, static_cast<int64_t>(trades.size()));
      EXPECT_NEAR(sum, whole, 1e-11 * std::max(1.0, std::abs(whole)));
      EXPECT_NEAR(share, 1, 1e-12);
    }
    EXPECT_EQ(row, rows->end());
  }
}

// The price leaps from bar 3 to bar 4, and the classifier sees the leap at the close of bar 4. Whoever gave it that
// leap's return would know the future.
TEST(MeasureByRegime, WhatWasEarnedBeforeTheLabelWasSaidIsNotItsOwn) {
  const FeedTraces feed = make_feed({100, 100, 100, 100, 150, 150, 75, 75}, {{.idx = {0}, .values = {1}}});
  const SignalChanges labels = {.kind = SignalKind::label, .idx = {1, 4, 6}, .labels = {"calm", "leap", "calm"}};
  const auto rows = measure_by_regime(feed, {}, labels, {});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[0].label, std::nullopt);
  EXPECT_EQ((*rows)[0].bars, 1);
  EXPECT_EQ((*rows)[0].trade_count, 1);
  EXPECT_EQ((*rows)[1].label, "calm");
  EXPECT_EQ((*rows)[1].bars, 4);  // 1, 2, 3 and 6: bar 7 earns nothing
  EXPECT_DOUBLE_EQ((*rows)[1].return_sum, 0.5);
  EXPECT_EQ((*rows)[2].label, "leap");
  EXPECT_EQ((*rows)[2].bars, 2);
  EXPECT_DOUBLE_EQ((*rows)[2].return_sum, -0.5);
  EXPECT_EQ((*rows)[2].trade_count, 0);
  EXPECT_EQ((*rows)[2].win_rate, std::nullopt);
}

TEST(MeasureByRegime, ALabelHoldsOnIntoTheWindow) {
  const FeedTraces feed = make_feed({100, 101, 102, 103, 104, 105}, {{.idx = {0}, .values = {1}}});
  const SignalChanges labels = {.kind = SignalKind::label, .idx = {0, 1, 5}, .labels = {"a", "b", "c"}};
  const auto rows = measure_by_regime(feed, terms_between(3, 6), labels, {});
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);  // c is said on the last bar, which earns nothing
  EXPECT_EQ(rows->front().label, "b");
  EXPECT_EQ(rows->front().bars, 2);
}

TEST(MeasureByRegime, RefusesWhatIsNoCost) {
  const FeedTraces feed = make_feed({100, 101, 102}, {{.idx = {0}, .values = {1}}});
  const SignalChanges labels = {.kind = SignalKind::label};
  EXPECT_FALSE(measure_by_regime(feed, {.cost = -1}, labels, {}).ok());
  EXPECT_FALSE(measure_by_regime(feed, {}, {.kind = SignalKind::number}, {}).ok());
  EXPECT_TRUE(measure_by_regime(feed, {}, labels, {}).ok());
}

}  // namespace
}  // namespace signalbook
