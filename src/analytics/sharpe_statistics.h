#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace signalbook {

// How sure a Sharpe ratio is, and how much of it is the luck of having tried often. docs/luck.md has the formulas and
// where they come from. All Sharpe ratios here are per bar, never annualised: mean return of a bar / its standard
// deviation. One a year is divided by sqrt(bars a year) first, and a variance of such ones by bars a year.
// What is not defined is nullopt; nothing here is NaN or infinite when what comes in is finite.

// Moments of returns. Flat bars are returns of 0 and count.
struct ReturnMoments {
  int64_t count = 0;
  std::optional<double> mean;        // with 1 return or more
  std::optional<double> volatility;  // standard deviation, divides by count - 1; with 2 or more
  // Where the returns are not all equal:
  std::optional<double> sharpe;    // mean / volatility
  std::optional<double> skewness;  // m3 / m2^1.5, where mk is the mean of the k-th power of the deviations
  std::optional<double> kurtosis;  // m4 / m2^2: 3 for a normal distribution, not 0
};

ReturnMoments return_moments(std::span<const double> returns);

// A Sharpe ratio with what its error depends on.
struct SharpeEstimate {
  double sharpe = 0;    // per bar
  int64_t count = 0;    // returns it was computed from
  double skewness = 0;  // as in ReturnMoments
  double kurtosis = 3;
};

// nullopt where the returns are all equal, or fewer than two.
std::optional<SharpeEstimate> sharpe_estimate(const ReturnMoments& moments);

// Probability that the true Sharpe ratio is above `benchmark`, were the estimate's error normal (PSR). nullopt with
// fewer than 2 returns, or for moments that no returns can have.
std::optional<double> probabilistic_sharpe_ratio(const SharpeEstimate& estimate, double benchmark = 0);

// Returns needed until the probabilistic Sharpe ratio reaches `confidence` if everything else stays as it is (MinTRL);
// not rounded up. nullopt where it never does, which is where the Sharpe ratio is not above the benchmark (confidence
// above one half), and for a confidence outside (0.5, 1).
std::optional<double> minimum_track_record_length(const SharpeEstimate& estimate, double benchmark = 0,
                                                  double confidence = 0.95);

// Variance of the Sharpe ratios of the trials, divides by their number - 1. Trials without one are left out; nullopt if
// fewer than two are left.
std::optional<double> sharpe_variance(std::span<const std::optional<double>> sharpes);

// The Sharpe ratio that the best of `trial_count` independent trials is expected to show when none has any edge: 0 for
// a single one. nullopt without a trial, or for a negative variance.
std::optional<double> expected_maximum_sharpe(int64_t trial_count, double variance);

// Probability that the true Sharpe ratio is above what the luck of `trial_count` trials explains (DSR): the
// probabilistic one against expected_maximum_sharpe.
std::optional<double> deflated_sharpe_ratio(const SharpeEstimate& estimate, int64_t trial_count, double variance);

}  // namespace signalbook
