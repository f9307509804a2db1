#include "study/feed_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analytics/bars_a_year.h"
#include "base/time_text.h"
#include "store/trade_table.h"

namespace signalbook {

// Prices of a window and the kernel on them, which points to them.
struct FeedMetrics::Prepared {
  PriceSeries series;
  std::optional<MetricsKernel> kernel;
};

FeedMetrics::FeedMetrics(const Bars* bars, const MetricTerms& terms) : bars_(bars), terms_(terms) {}
FeedMetrics::~FeedMetrics() = default;

namespace {

BarWindow window_between(const Bars& bars, const MetricTerms& terms) {
  return bars_between(bars.ts, terms.from.value_or(bars.ts.front()), terms.to.value_or(bars.ts.back() + 1));
}

// Whether the trace has another price than the close at a change.
bool is_filled_off_the_close(const TraceChanges& trace, const Bars& bars) {
  for (size_t k = 0; k < trace.px.size(); ++k) {
    const double close = bars.close[static_cast<size_t>(trace.changes.idx[k])];
    if (!std::isnan(trace.px[k]) && trace.px[k] != close) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<FeedMetrics>> FeedMetrics::make(const Bars* bars, const MetricTerms& terms,
                                                       int64_t usual_bar_count) {
  std::unique_ptr<FeedMetrics> feed(new FeedMetrics(bars, terms));
  if (terms.without_bars) return feed;
  feed->bars_per_year_ = terms.bars_per_year.value_or(measure_bars_a_year(bars->ts));
  feed->asked_ = window_between(*bars, terms);
  if (feed->asked_.size() <= 0) {
    return Status::not_found(fmt::format("{} {} has no bar in that time; its bars are from {} to {}", bars->symbol,
                                         bars->timeframe, format_time(bars->ts.front()), format_time(bars->ts.back())));
  }
  feed->usual_ = feed->window_of(usual_bar_count);
  if (feed->usual_.size() <= 0) feed->usual_ = feed->asked_;  // prices are checked all the same
  SB_ASSIGN_OR_RETURN(feed->prepared_, feed->prepare(feed->usual_, /*with_tables=*/true));
  return feed;
}

MetricsOptions FeedMetrics::options() const {
  return {.cost = terms_.cost,
          .capital = terms_.capital,
          .risk_free_rate = terms_.risk_free_rate,
          .bars_per_year = bars_per_year_};
}

BarWindow FeedMetrics::window_of(int64_t bar_count) const {
  return {.begin = asked_.begin, .end = std::min(asked_.end, bar_count)};
}

std::optional<BarWindow> FeedMetrics::unless_all(BarWindow window) const {
  return window.size() == static_cast<int64_t>(bars_->size()) ? std::nullopt : std::optional(window);
}

Result<std::unique_ptr<FeedMetrics::Prepared>> FeedMetrics::prepare(BarWindow window, bool with_tables) const {
  auto prepared = std::make_unique<Prepared>();
  SB_ASSIGN_OR_RETURN(prepared->series, PriceSeries::make(*bars_, unless_all(window)));
  SB_ASSIGN_OR_RETURN(MetricsKernel kernel,
                      MetricsKernel::make(prepared->series, options(),
                                          with_tables ? std::span<const double>(MetricsKernel::kUsualPositions)
                                                      : std::span<const double>()));
  prepared->kernel.emplace(std::move(kernel));
  return prepared;
}

std::optional<std::string> FeedMetrics::definition(int64_t bar_count) const {
  if (terms_.without_bars) return metrics_definition_without_bars(terms_.cost);
  const BarWindow window = window_of(bar_count);
  if (window.size() <= 0) return std::nullopt;
  return metrics_definition(options(), unless_all(window), terms_.has_exits() ? &terms_.exits : nullptr);
}

Result<std::optional<Metrics>> FeedMetrics::compute(const TraceChanges& trace, int64_t bar_count) const {
  if (terms_.without_bars) {
    SB_ASSIGN_OR_RETURN(const Metrics figures, metrics_without_bars(trace.changes, trace.px, bar_count, terms_.cost));
    return std::optional(figures);
  }
  const BarWindow window = window_of(bar_count);
  if (window.size() <= 0) return std::optional<Metrics>();
  std::unique_ptr<Prepared> part;
  if (window != usual_) {
    SB_ASSIGN_OR_RETURN(part, prepare(window, /*with_tables=*/false));
  }
  SB_ASSIGN_OR_RETURN(const Metrics figures, figures_of(trace, part ? *part : *prepared_));
  return std::optional(figures);
}

Result<Metrics> FeedMetrics::figures_of(const TraceChanges& trace, const Prepared& prepared) const {
  const MetricsKernel& kernel = *prepared.kernel;
  if (terms_.has_exits()) {
    SB_ASSIGN_OR_RETURN(const WhatIf outcome, apply_exits(trace.changes, prepared.series, terms_.cost, terms_.exits));
    return kernel.compute_with_fills(outcome.changes, outcome.fills, outcome.trades);
  }
  // The kernel looks at no bar of a change that it has not checked, so neither may this.
  SB_RETURN_IF_ERROR(check_positions(trace.changes, prepared.series));
  if (!is_filled_off_the_close(trace, *bars_)) return kernel.compute(trace.changes);
  const std::vector<double> prices = fill_prices(trace.changes, trace.px, bars_->close);
  SB_ASSIGN_OR_RETURN(const std::vector<Trade> trades,
                      list_trades(trace.changes, prepared.series, terms_.cost, prices));
  return kernel.compute_with_fills(trace.changes, {}, trades);
}

}  // namespace signalbook
