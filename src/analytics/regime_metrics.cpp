#include "analytics/regime_metrics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>

#include "analytics/sharpe_statistics.h"
#include "format/signal_encoder.h"

namespace signalbook {

Result<std::vector<RegimeMetrics>> metrics_by_regime(std::span<const double> returns, const SignalChanges& labels) {
  if (labels.kind != SignalKind::label) {
    return Status::invalid("regimes are told by a classifier's labels, and this trace holds numbers");
  }
  SB_RETURN_IF_ERROR(check_changes(labels, std::numeric_limits<int64_t>::max()));

  std::map<std::optional<std::string_view>, std::vector<double>> returns_by_label;
  const auto count = static_cast<int64_t>(returns.size());
  const auto collect = [&](std::optional<std::string_view> label, BarIndex begin, BarIndex end) {
    end = std::min(end, count);
    if (begin >= end) return;
    const auto part = returns.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    std::vector<double>& collected = returns_by_label[label];
    collected.insert(collected.end(), part.begin(), part.end());
  };
  collect(std::nullopt, 0, labels.idx.empty() ? count : labels.idx.front());
  for (size_t k = 0; k < labels.size(); ++k) {
    collect(labels.labels[k], labels.idx[k], k + 1 < labels.size() ? labels.idx[k + 1] : count);
  }

  std::vector<RegimeMetrics> rows;
  for (const auto& [label, collected] : returns_by_label) {
    const ReturnMoments moments = return_moments(collected);
    RegimeMetrics row{
        .bars = moments.count, .mean = *moments.mean, .volatility = moments.volatility, .sharpe = moments.sharpe};
    if (label) row.label = std::string(*label);
    for (double value : collected) row.total += value;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace signalbook
