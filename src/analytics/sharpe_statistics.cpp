#include "analytics/sharpe_statistics.h"

#include <cmath>
#include <numbers>

#include "analytics/normal_distribution.h"

namespace signalbook {
namespace {

double sum(std::span<const double> values) {
  double total = 0;
  for (double value : values) total += value;
  return total;
}

// What the squared error of a Sharpe ratio, times count - 1, comes to. nullopt where the moments contradict each other:
// those of real returns keep kurtosis >= 1 + skewness^2, and then it is never negative.
std::optional<double> error_factor(const SharpeEstimate& estimate) {
  const double s = estimate.sharpe;
  const double factor = 1 - estimate.skewness * s + (estimate.kurtosis - 1) / 4 * s * s;
  if (!(factor > 0)) return std::nullopt;
  return factor;
}

}  // namespace

ReturnMoments return_moments(std::span<const double> returns) {
  ReturnMoments moments{.count = static_cast<int64_t>(returns.size())};
  if (returns.empty()) return moments;
  const auto count = static_cast<double>(returns.size());
  double mean = sum(returns) / count;
  double left_over = 0;  // the mean's rounding, without which equal returns would seem to vary
  for (double value : returns) left_over += value - mean;
  mean += left_over / count;
  moments.mean = mean;
  if (returns.size() < 2) return moments;

  double squares = 0, cubes = 0, fourths = 0;
  for (double value : returns) {
    const double deviation = value - mean, square = deviation * deviation;
    squares += square;
    cubes += square * deviation;
    fourths += square * square;
  }
  moments.volatility = std::sqrt(squares / (count - 1));
  const double m2 = squares / count;
  if (!(m2 * m2 > 0)) return moments;  // all equal, or too near to it for a double
  moments.sharpe = mean / *moments.volatility;
  moments.skewness = cubes / count / (m2 * std::sqrt(m2));
  moments.kurtosis = fourths / count / (m2 * m2);
  return moments;
}

std::optional<SharpeEstimate> sharpe_estimate(const ReturnMoments& moments) {
  if (!moments.sharpe) return std::nullopt;
  return SharpeEstimate{
      .sharpe = *moments.sharpe, .count = moments.count, .skewness = *moments.skewness, .kurtosis = *moments.kurtosis};
}

std::optional<double> probabilistic_sharpe_ratio(const SharpeEstimate& estimate, double benchmark) {
  const std::optional<double> factor = error_factor(estimate);
  if (estimate.count < 2 || !factor) return std::nullopt;
  const double error = std::sqrt(*factor / static_cast<double>(estimate.count - 1));
  return normal_cdf((estimate.sharpe - benchmark) / error);
}

std::optional<double> minimum_track_record_length(const SharpeEstimate& estimate, double benchmark, double confidence) {
  const std::optional<double> factor = error_factor(estimate);
  if (!(confidence > 0.5 && confidence < 1) || !(estimate.sharpe > benchmark) || !factor) return std::nullopt;
  const double errors = normal_quantile(confidence) / (estimate.sharpe - benchmark);
  return 1 + *factor * errors * errors;
}

std::optional<double> sharpe_variance(std::span<const std::optional<double>> sharpes) {
  double total = 0, count = 0;
  for (const auto& sharpe : sharpes) {
    if (!sharpe) continue;
    total += *sharpe;
    ++count;
  }
  if (count < 2) return std::nullopt;
  double squares = 0;
  for (const auto& sharpe : sharpes) {
    if (sharpe) squares += (*sharpe - total / count) * (*sharpe - total / count);
  }
  return squares / (count - 1);
}

std::optional<double> expected_maximum_sharpe(int64_t trial_count, double variance) {
  if (trial_count < 1 || !(variance >= 0)) return std::nullopt;
  if (trial_count == 1) return 0;
  // Upper quantiles as mirrored lower ones: 1 - 1/N would lose the digits of 1/N.
  const double share = 1 / static_cast<double>(trial_count);
  const double gumbel = -(1 - std::numbers::egamma) * normal_quantile(share) -
                        std::numbers::egamma * normal_quantile(share / std::numbers::e);
  return std::sqrt(variance) * gumbel;
}

std::optional<double> deflated_sharpe_ratio(const SharpeEstimate& estimate, int64_t trial_count, double variance) {
  const std::optional<double> by_luck = expected_maximum_sharpe(trial_count, variance);
  if (!by_luck) return std::nullopt;
  return probabilistic_sharpe_ratio(estimate, *by_luck);
}

}  // namespace signalbook
