#pragma once

#include <utility>
#include <vector>

#include "analytics/equity.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"
#include "support/random_prices.h"

namespace signalbook {

// A feed and its traces without a run behind them: a bar every minute from minute 0 on, 10,000 bars a year.
inline FeedTraces make_feed(std::vector<double> close, std::vector<SignalChanges> traces) {
  FeedTraces feed;
  feed.symbol = feed.bars.symbol = "SPY";
  feed.timeframe = feed.bars.timeframe = "1m";
  feed.bars.close = std::move(close);
  for (size_t i = 0; i < feed.bars.close.size(); ++i) feed.bars.ts.push_back(static_cast<int64_t>(i) * 60'000'000);
  feed.bars_per_year = 10'000;
  feed.bar_count = static_cast<int64_t>(feed.bars.close.size());
  for (SignalChanges& changes : traces) feed.traces.push_back({.changes = std::move(changes)});
  return feed;
}

inline FeedTraces random_feed(Random& random, int64_t bars, size_t traces) {
  std::vector<SignalChanges> all;
  for (size_t i = 0; i < traces; ++i) all.push_back(random_trace(random, bars));
  return make_feed(random_closes(random, bars), std::move(all));
}

// The bars [begin, end) of such a feed.
inline MetricTerms terms_between(BarIndex begin, BarIndex end, double cost = 0) {
  return {.cost = cost, .from = begin * 60'000'000, .to = end * 60'000'000};
}

// What was said on a bar, by a walk from the first change on; 0 before it.
inline double position_on(const SignalChanges& changes, BarIndex bar) {
  double value = 0;
  for (size_t k = 0; k < changes.size() && changes.idx[k] <= bar; ++k) value = changes.values[k];
  return value;
}

// The returns of a window that stands alone, bar by bar from the equation of docs/metrics.md: element 0 is from the
// close of bar `begin` to that of the next one, and the last one ends at the close of bar end - 1.
inline std::vector<double> slow_returns(const FeedTraces& feed, size_t trace, BarIndex begin, BarIndex end,
                                        double cost) {
  std::vector<double> returns;
  long double before = 0;
  bool is_ruined = false;
  for (BarIndex bar = begin; bar + 1 < end; ++bar) {
    const long double now = position_on(feed.traces[trace].changes, bar);
    const long double from = feed.bars.close[static_cast<size_t>(bar)],
                      to = feed.bars.close[static_cast<size_t>(bar) + 1];
    long double earned = is_ruined ? 0 : now * (to / from - 1) - cost * std::abs(now - before);
    if (earned <= -1) earned = -1, is_ruined = true;
    returns.push_back(static_cast<double>(earned));
    before = now;
  }
  return returns;
}

}  // namespace signalbook
