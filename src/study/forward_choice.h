#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analytics/metrics.h"
#include "analytics/named_metric.h"
#include "analytics/windows.h"
#include "base/status.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"
#include "study/study_control.h"
#include "study/study_window.h"

namespace signalbook {

// Splits of the bars on which a position earns (StudyWindow::earning()), as bars of the feed. Errors as walk_forward();
// NotFound for a time that leaves no bar on either side.
Result<std::vector<SampleSplit>> split_for_walk(const StudyWindow& window, const WalkForward& plan);
Result<std::vector<SampleSplit>> split_at_time(const FeedTraces& feed, const StudyWindow& window, int64_t time,
                                               int64_t gap);

// What was chosen by a window, and how it went on.
struct ForwardStep {
  SampleSplit split;
  std::optional<size_t> chosen;  // its place in the feed; nullopt where no trace had a figure in sample
  std::optional<double> in_sample, out_of_sample;  // the metric of what was chosen
  std::optional<int64_t> rank;                     // of it out of sample, 1 is best; equal ones share the better rank
  int64_t ranked_count = 0;                        // traces that have a figure out of sample
  std::optional<double> median;                    // of these
  std::optional<double> total_return;              // of what was chosen, out of sample
};

struct ForwardChoice {
  std::vector<ForwardStep> steps;
  // Of whoever follows the choice through all windows out of sample, from `followed.begin` to the close of bar
  // `followed.end`. Each window enters anew and pays for that; what is held at its end is marked. Flat where nothing
  // was chosen. Of trades there is their number alone.
  BarWindow followed;
  Metrics stitched;
};

// Chooses, in each window in sample, the trace with the best metric there (the first of equal ones), and measures it
// and all others out of sample. A window stands alone: positions taken on its bars, marked at the close of the bar
// after its last one, which is the last price that the choice sees. Errors as find_study_window() and MetricsKernel.
Result<ForwardChoice> follow_choice(const FeedTraces& feed, const StudyWindow& window,
                                    const std::vector<SampleSplit>& splits, const NamedMetric& best,
                                    const StudyControl& control);

}  // namespace signalbook
