#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common.h"
#include "query/sql_engine.h"

namespace signalbook::cli {

// Which strategies are listed by what they earned.
struct MetricFilter {
  std::string best;  // a metric: the best come first, and those without it not at all
  std::optional<int64_t> min_trades;
  std::optional<double> max_drawdown;  // 0.1: no more than 10% below a peak
  std::string set;                     // of figures; empty: those in the index

  bool is_asked() const { return !best.empty() || min_trades || max_drawdown; }
};

// Conditions on the view strategies. Invalid, with the metrics that there are, when `best` is none.
Result<std::vector<std::string>> metric_conditions(const MetricFilter& filter);

// "sharpe_ratio DESC" for `best`; for what is better when it is less, the other way round.
Result<std::string> metric_order(const MetricFilter& filter);

// What to list from: the view, or the view with the figures of a set. NotFound, with those that there are, when no run
// has such a set.
Result<std::string> metric_relation(SqlEngine& engine, const MetricFilter& filter);

// Where figures are missing, or those of the rows that are listed (`where`) were computed at several costs.
Status print_metric_notes(SqlEngine& engine, const MetricFilter& filter, const std::string& relation,
                          const std::string& where, const CommonOptions& options);

}  // namespace signalbook::cli
