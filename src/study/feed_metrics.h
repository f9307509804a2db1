#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "analytics/metrics.h"
#include "analytics/price_series.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/trace_file.h"
#include "study/metric_terms.h"

namespace signalbook {

// Computes metrics of the traces of one feed at given terms. It is not changed by that: threads may share it.
class FeedMetrics {
 public:
  ~FeedMetrics();
  // NotFound where no bar of the feed lies between terms.from and terms.to; Invalid as MetricsKernel::make() and
  // apply_exits(). `bars` must outlive it; nullptr where terms.without_bars. Most traces end with bar
  // `usual_bar_count`, for which tables are prepared; others take longer.
  static Result<std::unique_ptr<FeedMetrics>> make(const Bars* bars, const MetricTerms& terms,
                                                   int64_t usual_bar_count = std::numeric_limits<int64_t>::max());

  // Of the first `bar_count` bars of the trace: one that broke off is marked where it ends. Trades follow the trace's
  // px, where that is not the close. Nothing where the trace ends before the window begins.
  Result<std::optional<Metrics>> compute(const TraceChanges& trace, int64_t bar_count) const;
  // What they are computed at (metrics_definition); nothing where there are none.
  std::optional<std::string> definition(int64_t bar_count) const;

 private:
  struct Prepared;  // prices and kernel of a window

  FeedMetrics(const Bars* bars, const MetricTerms& terms);
  Result<std::unique_ptr<Prepared>> prepare(BarWindow window, bool with_tables) const;
  MetricsOptions options() const;
  BarWindow window_of(int64_t bar_count) const;
  std::optional<BarWindow> unless_all(BarWindow window) const;
  Result<Metrics> figures_of(const TraceChanges& trace, const Prepared& prepared) const;

  const Bars* bars_;
  MetricTerms terms_;
  double bars_per_year_ = 0;
  BarWindow asked_;  // of the feed, by terms_.from and to
  BarWindow usual_;  // of it, what most traces have
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace signalbook
