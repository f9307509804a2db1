#include "study/trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "analytics/correlation.h"
#include "analytics/effective_trials.h"
#include "analytics/equity.h"
#include "analytics/metrics.h"
#include "analytics/overfitting.h"
#include "analytics/price_series.h"
#include "analytics/sharpe_statistics.h"
#include "analytics/what_if.h"
#include "base/parallel_for.h"
#include "base/time_text.h"
#include "study/parameter_grid.h"

namespace signalbook {

namespace {

constexpr size_t kReturnBytes = 16 << 20;           // held at a time
constexpr int64_t kOverfittingBytes = 192LL << 20;  // of sums of blocks

// The mean of the correlations of all pairs, without the pairs: of vectors of mean 0 and length 1 the squared length of
// their sum is their number and twice the sum of all correlations.
class MeanCorrelation {
 public:
  explicit MeanCorrelation(size_t size) : sum_(size) {}

  // Turns y into such a vector. False where all its values are equal.
  static bool standardise(std::vector<double>& y) {
    double total = 0;
    for (const double value : y) total += value;
    const double mean = total / static_cast<double>(y.size());
    double squares = 0, largest = 0;
    for (double& value : y) {
      largest = std::max(largest, std::abs(value));
      value -= mean;
      squares += value * value;
    }
    const double length = std::sqrt(squares);
    if (!(length > 1e-14 * largest * std::sqrt(static_cast<double>(y.size())))) return false;
    for (double& value : y) value /= length;
    return true;
  }

  void add(const std::vector<double>& standard) {
    ++count_;
    for (size_t t = 0; t < sum_.size(); ++t) sum_[t] += standard[t];
  }

  std::optional<double> mean() const {
    if (count_ < 2) return std::nullopt;
    double squares = 0;
    for (const double value : sum_) squares += value * value;
    return std::clamp((squares - count_) / (count_ * (count_ - 1)), -1.0, 1.0);
  }

 private:
  std::vector<double> sum_;
  double count_ = 0;
};

// implied_trials() by the mean correlation. What rounding adds to it is no trial.
int64_t implied_count(double mean, int64_t trial_count) {
  const auto count = static_cast<double>(trial_count);
  const double implied = mean + (1 - mean) * count;
  return static_cast<int64_t>(std::clamp(std::ceil(implied - 1e-9 * count), 1.0, count));
}

class TrialsOfFeed {
 public:
  TrialsOfFeed(const FeedTraces& feed, const TrialsOptions& options) : feed_(feed), options_(options) {}

  Result<TrialStudy> judge() {
    SB_RETURN_IF_ERROR(prepare());
    SB_RETURN_IF_ERROR(read_returns());
    SB_RETURN_IF_ERROR(count_trials());
    SB_RETURN_IF_ERROR(deflate());
    SB_RETURN_IF_ERROR(find_clusters());
    SB_RETURN_IF_ERROR(cross_validate());
    std::erase_if(study_.trials, [&](const Trial& trial) { return !is_asked_about(trial.trace); });
    std::ranges::stable_sort(study_.trials, [](const Trial& a, const Trial& b) {
      if (!a.sharpe_ratio || !b.sharpe_ratio) return a.sharpe_ratio.has_value() && !b.sharpe_ratio;
      return *a.sharpe_ratio > *b.sharpe_ratio;
    });
    if (study_.best() != nullptr && study_.implied_expected_maximum) {
      const auto& estimate = estimates_[study_.best()->trace];
      study_.implied_deflated_sharpe =
          probabilistic_sharpe_ratio(*estimate, *study_.implied_expected_maximum / yearly_);
    }
    return std::move(study_);
  }

 private:
  // What a strategy is reduced to before the next one's returns take its place.
  struct Returns {
    std::vector<double> excess;    // a bar, over the risk-free return
    std::vector<double> standard;  // what it earned before costs, as MeanCorrelation takes it; empty: all equal
  };

  bool is_asked_about(size_t trace) const {
    return options_.is_asked_about == nullptr || options_.is_asked_about(feed_.traces[trace]);
  }

  Status prepare();
  Status read_returns();
  Status reduce(size_t i, Returns& returns);
  Status count_trials();
  Status deflate();
  Status find_clusters();
  Status cross_validate();

  const FeedTraces& feed_;
  const TrialsOptions& options_;
  TrialStudy study_;
  PriceSeries series_;
  std::optional<MetricsKernel> kernel_;
  double yearly_ = 0;                                     // a Sharpe ratio a year over one a bar
  double risk_free_ = 0;                                  // a bar
  std::vector<std::optional<SharpeEstimate>> estimates_;  // by trace; per bar
  std::optional<ReturnBlocks> blocks_;
  std::optional<MeanCorrelation> correlation_;
};

Status TrialsOfFeed::prepare() {
  const MetricTerms& terms = options_.terms;
  const Bars& bars = feed_.bars;
  study_.window = bars_between(bars.ts, terms.from.value_or(bars.ts.front()), terms.to.value_or(bars.ts.back() + 1));
  study_.window.end = std::min(study_.window.end, feed_.bar_count);
  if (study_.window.size() <= 0) {
    return Status::not_found(
        fmt::format("{} {} has no bar in that time; the traces' bars are from {} to {}", feed_.symbol, feed_.timeframe,
                    format_time(bars.ts.front()),
                    format_time(bars.ts[static_cast<size_t>(std::max<int64_t>(feed_.bar_count, 1) - 1)])));
  }
  study_.return_count = study_.window.size() - 1;
  study_.bars_per_year = terms.bars_per_year.value_or(feed_.bars_per_year);
  SB_ASSIGN_OR_RETURN(series_, PriceSeries::make(bars, study_.window));
  SB_ASSIGN_OR_RETURN(MetricsKernel kernel, MetricsKernel::make(series_, {.cost = terms.cost,
                                                                          .capital = terms.capital,
                                                                          .risk_free_rate = terms.risk_free_rate,
                                                                          .bars_per_year = study_.bars_per_year}));
  kernel_.emplace(std::move(kernel));
  yearly_ = std::sqrt(study_.bars_per_year);
  risk_free_ = std::expm1(std::log1p(terms.risk_free_rate) / study_.bars_per_year);

  // The number of blocks is checked first by itself: bars that are too few for them are no mistake of the caller.
  const int block_count = options_.block_count;
  SB_RETURN_IF_ERROR(ReturnBlocks::create(std::numeric_limits<int32_t>::max(), block_count).status());
  Result<ReturnBlocks> blocks = ReturnBlocks::create(study_.return_count, block_count);
  if (blocks.ok()) {
    blocks_.emplace(std::move(blocks).value());
  } else {
    study_.no_overfitting = blocks.status().message();
  }
  correlation_.emplace(static_cast<size_t>(study_.return_count));
  return Status();
}

// Some strategies at a time, on all threads; what is added up is added in their order, so that the number of threads
// changes no digit.
Status TrialsOfFeed::read_returns() {
  const size_t count = feed_.traces.size();
  study_.trials.resize(count);
  estimates_.resize(count);
  const size_t bytes = 2 * sizeof(double) * static_cast<size_t>(std::max<int64_t>(study_.return_count, 1));
  const size_t threads = options_.control.threads > 0 ? options_.control.threads : core_count();
  std::vector<Returns> held(std::min(count, std::max(threads, kReturnBytes / bytes)));
  for (size_t begin = 0; begin < count; begin += held.size()) {
    const size_t size = std::min(held.size(), count - begin);
    StudyControl control = options_.control;
    if (control.progress != nullptr) {
      control.progress = [&](int64_t done, int64_t) {
        options_.control.progress(static_cast<int64_t>(begin) + done, static_cast<int64_t>(count));
      };
    }
    SB_RETURN_IF_ERROR(control.for_each(size, [&](size_t k) -> Status {
      const IndexRow& row = *feed_.traces[begin + k].row;
      return reduce(begin + k, held[k]).at(fmt::format("{}: strategy {}", row.trace_path, row.strategy_id));
    }));
    for (size_t k = 0; k < size; ++k) {
      if (!estimates_[begin + k]) continue;
      if (blocks_) SB_RETURN_IF_ERROR(blocks_->add(held[k].excess));
      if (!held[k].standard.empty()) correlation_->add(held[k].standard);
    }
  }
  return Status();
}

Status TrialsOfFeed::reduce(size_t i, Returns& returns) {
  const MetricTerms& terms = options_.terms;
  const SignalChanges* changes = &feed_.traces[i].changes;
  WhatIf outcome;
  Metrics figures;
  if (terms.has_exits()) {
    SB_ASSIGN_OR_RETURN(outcome, apply_exits(*changes, series_, terms.cost, terms.exits));
    changes = &outcome.changes;
    SB_ASSIGN_OR_RETURN(figures, kernel_->compute_with_fills(*changes, outcome.fills, outcome.trades));
  } else {
    SB_ASSIGN_OR_RETURN(figures, kernel_->compute(*changes));
  }
  Trial& trial = study_.trials[i];
  trial.trace = i;
  // The index's: it also tells what varies from what only rounds.
  if (!figures.sharpe_ratio) return Status();

  const auto narrow = [](const std::vector<Wide>& wide, double less, std::vector<double>& out) {
    out.resize(wide.size());
    for (size_t t = 0; t < wide.size(); ++t) out[t] = static_cast<double>(wide[t] - less);
  };
  narrow(wide_returns(*changes, series_, terms.cost, outcome.fills), risk_free_, returns.excess);
  std::optional<SharpeEstimate> estimate = sharpe_estimate(return_moments(returns.excess));
  if (!estimate) return Status();
  trial.sharpe_ratio = figures.sharpe_ratio;
  trial.is_ruined = figures.total_return.value_or(0) <= -1;
  estimate->sharpe = *figures.sharpe_ratio / yearly_;
  estimates_[i] = estimate;
  narrow(wide_returns(*changes, series_, 0), 0, returns.standard);
  if (!MeanCorrelation::standardise(returns.standard)) returns.standard.clear();
  return Status();
}

Status TrialsOfFeed::count_trials() {
  study_.own_trials = std::ranges::count_if(estimates_, [](const auto& estimate) { return estimate.has_value(); });
  study_.trial_count = options_.trial_count.value_or(study_.own_trials + options_.tried_elsewhere);
  int64_t asked_count = 0;
  for (size_t i = 0; i < estimates_.size(); ++i) asked_count += estimates_[i] && is_asked_about(i) ? 1 : 0;
  if (options_.trial_count && study_.trial_count < std::max<int64_t>(asked_count, 1)) {
    return Status::invalid(
        fmt::format("{} trials, but {} strategies with returns that vary are looked at, and each of them was tried: "
                    "give their number or more, or choose fewer strategies",
                    study_.trial_count, asked_count));
  }
  return Status();
}

Status TrialsOfFeed::deflate() {
  std::vector<std::optional<double>> sharpes;
  for (const Trial& trial : study_.trials) sharpes.push_back(trial.sharpe_ratio);
  study_.sharpe_variance = sharpe_variance(sharpes);
  // Whoever tried once has no luck to take off, whatever the variance.
  const std::optional<double> variance =
      study_.trial_count == 1 ? std::optional(study_.sharpe_variance.value_or(0)) : study_.sharpe_variance;
  const auto expected = [&](int64_t trial_count) {
    return variance ? expected_maximum_sharpe(trial_count, *variance) : std::nullopt;
  };
  study_.expected_maximum = expected(study_.trial_count);
  study_.mean_correlation = correlation_->mean();
  if (study_.trial_count == 1) study_.implied_trials = 1;
  if (study_.mean_correlation) study_.implied_trials = implied_count(*study_.mean_correlation, study_.trial_count);
  if (study_.implied_trials) study_.implied_expected_maximum = expected(*study_.implied_trials);

  SB_ASSIGN_OR_RETURN(std::vector<std::optional<Neighbourhood>> around, grid_neighbourhoods(feed_.traces, sharpes));
  for (size_t i = 0; i < study_.trials.size(); ++i) {
    Trial& trial = study_.trials[i];
    trial.neighbourhood = std::move(around[i]);
    if (!estimates_[i]) continue;
    trial.probabilistic_sharpe = probabilistic_sharpe_ratio(*estimates_[i]);
    if (!study_.expected_maximum) continue;
    const double by_luck = *study_.expected_maximum / yearly_;
    trial.deflated_sharpe = probabilistic_sharpe_ratio(*estimates_[i], by_luck);
    trial.minimum_track_record = minimum_track_record_length(*estimates_[i], by_luck, kTrialConfidence);
  }
  return Status();
}

Status TrialsOfFeed::find_clusters() {
  if (study_.own_trials == 0 || study_.own_trials > kMostClustered) return Status();
  std::vector<SignalChanges> changes;
  for (size_t i = 0; i < feed_.traces.size(); ++i) {
    if (!estimates_[i]) continue;
    changes.push_back(feed_.traces[i].changes);
    if (!options_.terms.has_exits()) continue;
    SB_ASSIGN_OR_RETURN(WhatIf outcome,
                        apply_exits(changes.back(), series_, options_.terms.cost, options_.terms.exits));
    changes.back() = std::move(outcome.changes);
  }
  // A return belongs to the bar on which the position was taken; the last bar has none.
  std::vector<double> returns(static_cast<size_t>(study_.window.end - 1));
  for (BarIndex bar = 1; bar < series_.size(); ++bar) {
    returns[static_cast<size_t>(study_.window.begin + bar - 1)] = static_cast<double>(series_.simple_return(bar));
  }
  SB_ASSIGN_OR_RETURN(SymmetricMatrix correlation,
                      pnl_correlation(changes, {.begin = study_.window.begin, .end = study_.window.end - 1}, returns));
  study_.clusters = cluster_trials(std::move(correlation)).count;
  return Status();
}

Status TrialsOfFeed::cross_validate() {
  if (!blocks_) return Status();
  const int64_t bytes = study_.own_trials * (32LL << (options_.block_count / 2));
  if (bytes > kOverfittingBytes) {
    int fewer = options_.block_count;
    while (fewer > 2 && study_.own_trials * (32LL << (fewer / 2)) > kOverfittingBytes) fewer -= 2;
    study_.no_overfitting = fmt::format("{} strategies in {} blocks need {} MB of memory: take {} blocks",
                                        study_.own_trials, options_.block_count, bytes >> 20, fewer);
    return Status();
  }
  const Result<Overfitting> overfitting = backtest_overfitting(*blocks_);
  if (!overfitting.ok()) {
    study_.no_overfitting = overfitting.status().message();
    return Status();
  }
  study_.overfitting_probability = overfitting->probability;
  study_.loss_probability = overfitting->probability_of_loss;
  study_.degradation_slope = overfitting->degradation_slope;
  return Status();
}

}  // namespace

Result<TrialStudy> study_trials(const FeedTraces& feed, const TrialsOptions& options) {
  if (options.terms.without_bars) return Status::invalid("Sharpe ratios need bars");
  return TrialsOfFeed(feed, options).judge();
}

}  // namespace signalbook
