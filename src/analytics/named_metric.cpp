#include "analytics/named_metric.h"

#include <fmt/format.h>

#include <string>

#include "analytics/metric_names.h"

namespace signalbook {

Result<NamedMetric> NamedMetric::find(std::string_view name) {
  if (name == "sharpe") name = "sharpe_ratio";
  NamedMetric found;
  std::string known;
  const auto is_meant = [&](const auto& metric) {
    known += (known.empty() ? "" : ", ") + std::string(metric.name);
    if (name != metric.name) return false;
    found.name_ = metric.name;
    return true;
  };
  for (const RealMetric& metric : kRealMetrics) {
    if (is_meant(metric)) found.real_ = metric.value;
  }
  for (const CountMetric& metric : kCountMetrics) {
    if (is_meant(metric)) found.count_ = metric.value;
  }
  if (found.name_ == nullptr) return Status::invalid(fmt::format("there is no metric {}; there are {}", name, known));
  found.is_smaller_better_ = name == "annual_volatility" || name == "max_drawdown_bars";
  return found;
}

std::optional<double> NamedMetric::of(const Metrics& metrics) const {
  if (real_ != nullptr) return metrics.*real_;
  const std::optional<int64_t>& count = metrics.*count_;
  return count ? std::optional(static_cast<double>(*count)) : std::nullopt;
}

std::optional<double> NamedMetric::score(const Metrics& metrics) const {
  std::optional<double> value = of(metrics);
  if (value && is_smaller_better_) *value = -*value;
  return value;
}

std::optional<double> NamedMetric::score_to_choose_by(const Metrics& metrics) const {
  return metrics.trade_count.value_or(0) > 0 ? score(metrics) : std::nullopt;
}

}  // namespace signalbook
