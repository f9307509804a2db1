#include "study/study_window.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time_text.h"

namespace signalbook {

Result<StudyWindow> find_study_window(const FeedTraces& feed, const MetricTerms& terms) {
  if (terms.has_exits() || terms.without_bars) {
    return Status::invalid(
        fmt::format("{} changes the figures of each trace by itself, and is no part of a question "
                    "about several; leave it out",
                    terms.has_exits() ? "a stop, target or trailing stop" : "--without-bars"));
  }
  const std::vector<int64_t>& ts = feed.bars.ts;
  StudyWindow window;
  if (!ts.empty()) {
    window.bars = bars_between(ts, terms.from.value_or(ts.front()), terms.to.value_or(ts.back() + 1));
    window.bars.end = std::min(window.bars.end, feed.bar_count);
  }
  if (window.bars.size() < 2) {
    const size_t last = static_cast<size_t>(std::max<int64_t>(feed.bar_count, 1)) - 1;
    return Status::not_found(
        fmt::format("{} {} has {} in that time, and two are needed to earn anything; its traces are from {} to {}",
                    feed.symbol, feed.timeframe, window.bars.size() == 1 ? "one bar" : "no bar",
                    ts.empty() ? "nowhere" : format_time(ts.front()), ts.empty() ? "nowhere" : format_time(ts[last])));
  }
  window.options = {.cost = terms.cost,
                    .capital = terms.capital,
                    .risk_free_rate = terms.risk_free_rate,
                    .bars_per_year = terms.bars_per_year.value_or(feed.bars_per_year)};
  return window;
}

Result<PriceSeries> closes_of(const FeedTraces& feed, BarWindow bars) {
  Result<PriceSeries> series = PriceSeries::make(feed.bars.close, bars);
  if (!series.ok()) return series.status().at(fmt::format("{} {}", feed.symbol, feed.timeframe));
  return series;
}

std::string name_of(const FeedTrace& trace) {
  return trace.row == nullptr ? "a trace" : fmt::format("strategy {}", trace.row->strategy_id);
}

}  // namespace signalbook
