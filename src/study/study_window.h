#pragma once

#include <vector>

#include "analytics/metrics.h"
#include "analytics/windows.h"
#include "base/status.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"

namespace signalbook {

// The bars that a question about many traces is asked of, and at what their figures are computed.
struct StudyWindow {
  BarWindow bars;  // of the feed, with from <= ts < to, as far as the traces reach; at least two
  MetricsOptions options;

  // Bars on which a position earns something: the window's last bar has no bar after it.
  BarWindow earning() const { return {.begin = bars.begin, .end = bars.end - 1}; }
};

// NotFound where less than two bars lie in that time. Invalid for terms that need more than changes and closes (exits,
// figures without bars).
Result<StudyWindow> find_study_window(const FeedTraces& feed, const MetricTerms& terms);

// The closes of some bars of the feed. Errors as PriceSeries::make().
Result<PriceSeries> closes_of(const FeedTraces& feed, BarWindow bars);

// "run_2: strategy_7": a trace to people.
std::string name_of(const FeedTrace& trace);

}  // namespace signalbook
