#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analytics/neighbourhood.h"
#include "analytics/windows.h"
#include "base/status.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"
#include "study/study_control.h"

namespace signalbook {

// Whether the best of many is better than luck: docs/luck.md has what is asked and how. All Sharpe ratios here are
// annualised, as in the index; what is undefined is nothing.

struct TrialsOptions {
  MetricTerms terms;     // cost, window, risk-free rate, bars a year, exits
  int block_count = 16;  // of the cross-validation
  // Of the traces given those that the question is about; all others are trials as well, and neighbours. None: all.
  std::function<bool(const FeedTrace&)> is_asked_about = nullptr;
  // Strategies that were tried on the same bars and are not among the traces given: each is a trial more.
  int64_t tried_elsewhere = 0;
  // How many were tried in truth, in place of what can be counted.
  std::optional<int64_t> trial_count;
  StudyControl control;
};

// Believed from this deflated Sharpe ratio on, and the confidence of the minimum track record.
inline constexpr double kTrialConfidence = 0.95;

struct Trial {
  size_t trace = 0;                    // its place in FeedTraces::traces
  std::optional<double> sharpe_ratio;  // nothing without variance, and then nothing of what follows
  std::optional<double> probabilistic_sharpe;
  std::optional<double> deflated_sharpe;       // against the luck of trial_count trials
  std::optional<double> minimum_track_record;  // returns until it were 95%, all else being as it is
  std::optional<Neighbourhood> neighbourhood;  // by Sharpe ratios; of places in FeedTraces::traces
  bool is_ruined = false;                      // it lost all
};

struct TrialStudy {
  BarWindow window;          // bars of the feed
  int64_t return_count = 0;  // one less
  double bars_per_year = 0;
  int64_t own_trials = 0;   // of the traces given, asked about or not, those that have a Sharpe ratio
  int64_t trial_count = 0;  // what deflates: own_trials and those elsewhere, or as given
  std::optional<double> sharpe_variance;
  std::optional<double> expected_maximum;  // Sharpe ratio of the best of trial_count without any edge

  std::optional<double> mean_correlation;  // of P&L before costs, of all pairs
  std::optional<int64_t> implied_trials;   // of trial_count, by that
  std::optional<double> implied_expected_maximum;
  std::optional<double> implied_deflated_sharpe;  // of the best
  std::optional<int64_t> clusters;                // nothing for more than kMostClustered trials
  std::optional<double> overfitting_probability, loss_probability, degradation_slope;
  std::string no_overfitting;  // why these are nothing

  std::vector<Trial> trials;  // of the traces asked about, best first, those without a Sharpe ratio last

  // Nothing where none has a Sharpe ratio.
  const Trial* best() const { return !trials.empty() && trials.front().sharpe_ratio ? &trials.front() : nullptr; }
};

inline constexpr int64_t kMostClustered = 4'000;  // 64 MB of correlations

// Invalid for a number of blocks that is odd or not from 2 to 20, a trial_count below 1 or below the number of those
// asked about that have a Sharpe ratio, and as
// MetricsKernel::make(); NotFound where no bar lies in the window or all traces end before it.
// Besides the traces it holds about 16 MB of returns at a time, 32 * 2^(blocks / 2) bytes a strategy (13 MB for 1,640
// and 16 blocks), and for the clusters a copy of the changes and 4 bytes a pair.
Result<TrialStudy> study_trials(const FeedTraces& feed, const TrialsOptions& options);

}  // namespace signalbook
