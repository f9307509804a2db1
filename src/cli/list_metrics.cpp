#include "cli/list_metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analytics/metric_names.h"
#include "analytics/named_metric.h"
#include "cli/find_strategy.h"
#include "query/sql_text.h"
#include "store/metric_set.h"

namespace signalbook::cli {

Result<std::vector<std::string>> metric_conditions(const MetricFilter& filter) {
  std::vector<std::string> conditions;
  if (!filter.best.empty()) {
    const Result<NamedMetric> metric = NamedMetric::find(filter.best);
    if (!metric.ok()) return metric.status().at("--best");
    conditions.push_back(std::string(metric->name()) + " IS NOT NULL");
  }
  if (filter.min_trades) conditions.push_back(fmt::format("trade_count >= {}", *filter.min_trades));
  if (filter.max_drawdown) conditions.push_back(fmt::format("max_drawdown >= -{}::DOUBLE", *filter.max_drawdown));
  return conditions;
}

Result<std::string> metric_order(const MetricFilter& filter) {
  SB_ASSIGN_OR_RETURN(const NamedMetric metric, NamedMetric::find(filter.best));
  return fmt::format("{} {}", metric.name(), metric.is_smaller_better() ? "ASC" : "DESC");
}

Result<std::string> metric_relation(SqlEngine& engine, const MetricFilter& filter) {
  if (filter.set.empty()) return std::string("strategies");
  SB_ASSIGN_OR_RETURN(const Table sets, ask(engine, "SELECT DISTINCT metric_set FROM metrics ORDER BY ALL"));
  const std::vector<std::string>& known = sets.columns.front().texts;
  if (std::ranges::find(known, filter.set) == known.end()) {
    return Status::not_found(
        known.empty()
            ? fmt::format("there is no metric set {}, nor any other; compute one with signalbook analyze", filter.set)
            : fmt::format("there is no metric set {}; there are {}", filter.set, fmt::join(known, ", ")));
  }
  std::vector<std::string> replaced;
  for (const std::string& name : metric_columns()) replaced.push_back(fmt::format("m.{0} AS {0}", name));
  return fmt::format(
      "(SELECT s.* REPLACE ({}, m.sharpe AS sharpe) FROM strategies s JOIN (SELECT * FROM metrics WHERE metric_set = "
      "{}) m ON s.run_id = m.run_id AND s.trace_id = m.trace_id)",
      fmt::join(replaced, ", "), quote_sql_text(filter.set));
}

Status print_metric_notes(SqlEngine& engine, const MetricFilter& filter, const std::string& relation,
                          const std::string& where, const CommonOptions& options) {
  if (!filter.is_asked()) return Status();
  SB_ASSIGN_OR_RETURN(const Table counts,
                      ask(engine, fmt::format("SELECT count(*), count({}) FROM {} WHERE kind = 'signal'",
                                              kMetricsDefinition, relation)));
  const int64_t traces = counts.columns[0].integers[0], computed = counts.columns[1].integers[0];
  if (computed < traces) {
    SB_ASSIGN_OR_RETURN(const Table without,
                        ask(engine, fmt::format("SELECT count(DISTINCT run_id) FROM {} WHERE kind = 'signal' AND {} IS "
                                                "NULL",
                                                relation, kMetricsDefinition)));
    const int64_t runs = without.columns[0].integers[0];
    print_note(options,
               fmt::format("{} of {} here have no metrics ({}); compute them with: signalbook analyze",
                           with_separators(traces - computed), count_of(traces, "trace"), count_of(runs, "run")));
  }
  // Feeds differ in bars a year, and traces that broke off in their windows: that is as it should be.
  SB_ASSIGN_OR_RETURN(
      const Table terms,
      ask(engine, fmt::format("SELECT DISTINCT json_extract_string(definition, '$.cost')::DOUBLE * 1e4 AS bps FROM "
                              "(SELECT DISTINCT {0} AS definition FROM {1}{2} {0} IS NOT NULL) ORDER BY ALL",
                              kMetricsDefinition, relation, where.empty() ? " WHERE" : where + " AND")));
  if (terms.row_count() > 1) {
    std::vector<std::string> costs;
    for (const double bps : terms.columns.front().reals) costs.push_back(fmt::format("{:.12g}", bps));
    print_note(options, fmt::format("figures at several costs stand beside each other here ({} basis points a side); "
                                    "--metrics NAME lists those of one set",
                                    fmt::join(costs, ", ")));
  }
  return Status();
}

}  // namespace signalbook::cli
