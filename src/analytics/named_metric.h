#pragma once

#include <optional>
#include <string_view>

#include "analytics/metrics.h"
#include "base/status.h"

namespace signalbook {

// One of the figures of a trace, by the name of its column.
class NamedMetric {
 public:
  // "sharpe", as the views call it, is sharpe_ratio. Invalid, with the names that there are.
  static Result<NamedMetric> find(std::string_view name);

  const char* name() const { return name_; }
  std::optional<double> of(const Metrics& metrics) const;
  // The same so that the larger one is the better one: of volatility and of bars in drawdown the smaller one is.
  // (max_drawdown is at most 0, so its largest is the mildest.)
  std::optional<double> score(const Metrics& metrics) const;
  // The same to choose by: nothing where there was no trade. Who never does a thing is not the calmest of those who do.
  std::optional<double> score_to_choose_by(const Metrics& metrics) const;
  bool is_smaller_better() const { return is_smaller_better_; }

 private:
  const char* name_ = nullptr;
  std::optional<double> Metrics::*real_ = nullptr;
  std::optional<int64_t> Metrics::*count_ = nullptr;
  bool is_smaller_better_ = false;
};

}  // namespace signalbook
