#include "study/forward_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "analytics/drawdown_walk.h"
#include "analytics/equity.h"
#include "base/time_text.h"

namespace signalbook {

namespace {

BarWindow moved(BarWindow window, BarIndex by) { return {.begin = window.begin + by, .end = window.end + by}; }

SampleSplit moved(const SampleSplit& split, BarIndex by) {
  return {.in_sample = moved(split.in_sample, by), .out_of_sample = moved(split.out_of_sample, by)};
}

// The prices of a window's positions, from the close of its first bar to that of the bar after its last one.
struct WindowPrices {
  PriceSeries series;
  std::optional<MetricsKernel> kernel;
};

Result<std::unique_ptr<WindowPrices>> prices_of(const FeedTraces& feed, BarWindow held, const MetricsOptions& options) {
  auto prices = std::make_unique<WindowPrices>();
  SB_ASSIGN_OR_RETURN(prices->series, closes_of(feed, {.begin = held.begin, .end = held.end + 1}));
  SB_ASSIGN_OR_RETURN(MetricsKernel kernel, MetricsKernel::make(prices->series, options));
  prices->kernel.emplace(std::move(kernel));
  return prices;
}

std::optional<double> median_of(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return *std::max_element(values.begin(), middle) / 2 + *middle / 2;
}

// Returns of one window after the other, as one equity.
class Stitched {
 public:
  void add(const std::vector<double>& returns, const SignalChanges& changes, const Metrics& metrics) {
    for (const double value : returns) {
      returns_.push_back(is_ruined_ ? 0 : value);
      is_ruined_ |= value <= -1;
    }
    for (const double value : changes.values) largest_position_ = std::max(largest_position_, std::abs(value));
    trade_count_ += metrics.trade_count.value_or(0);
  }
  void add_flat(int64_t bars) { returns_.insert(returns_.end(), static_cast<size_t>(bars), 0.0); }

  Metrics metrics(const MetricsOptions& options) const {
    ReturnFigures figures = {.count = static_cast<int64_t>(returns_.size()), .largest_position = largest_position_};
    const Wide risk_free = std::pow(1 + static_cast<Wide>(options.risk_free_rate), 1 / Wide(options.bars_per_year)) - 1;
    DrawdownWalk drawdown;
    Wide equity = 1;
    for (size_t i = 0; i < returns_.size(); ++i) {
      equity *= 1 + Wide(returns_[i]);
      figures.sum += returns_[i];
      const Wide shortfall = std::min(returns_[i] - risk_free, Wide(0));
      figures.downside += shortfall * shortfall;
      drawdown.visit(static_cast<BarIndex>(i) + 1, equity - 1);
    }
    figures.gain = equity - 1;
    figures.log_growth = std::log(equity);
    const Wide mean = figures.sum / static_cast<Wide>(std::max<size_t>(returns_.size(), 1));
    for (const double value : returns_) figures.squared_deviations += (value - mean) * (value - mean);
    Metrics metrics;
    metrics.trade_count = trade_count_;
    drawdown.write(static_cast<BarIndex>(returns_.size()), metrics);
    write_return_figures(figures, options, risk_free, metrics);
    return metrics;
  }

 private:
  std::vector<double> returns_;
  bool is_ruined_ = false;
  double largest_position_ = 0;
  int64_t trade_count_ = 0;
};

}  // namespace

Result<std::vector<SampleSplit>> split_for_walk(const StudyWindow& window, const WalkForward& plan) {
  const BarWindow bars = window.earning();
  SB_ASSIGN_OR_RETURN(std::vector<SampleSplit> splits, walk_forward(bars.size(), plan));
  for (SampleSplit& split : splits) split = moved(split, bars.begin);
  return splits;
}

Result<std::vector<SampleSplit>> split_at_time(const FeedTraces& feed, const StudyWindow& window, int64_t time,
                                               int64_t gap) {
  const BarWindow bars = window.earning();
  const std::vector<int64_t>& ts = feed.bars.ts;
  const BarIndex first = std::ranges::lower_bound(ts, time) - ts.begin();
  if (first - gap <= bars.begin || first >= bars.end) {
    return Status::not_found(fmt::format(
        "{} leaves no bar {} sample; the bars are from {} to {}{}", format_time(time),
        first >= bars.end ? "out of" : "in", format_time(ts[static_cast<size_t>(bars.begin)]),
        format_time(ts[static_cast<size_t>(bars.end)]), gap > 0 ? fmt::format(", and the gap is {} bars", gap) : ""));
  }
  SB_ASSIGN_OR_RETURN(const SampleSplit split, split_sample(bars.size(), first - bars.begin, gap));
  return std::vector<SampleSplit>{moved(split, bars.begin)};
}

Result<ForwardChoice> follow_choice(const FeedTraces& feed, const StudyWindow& window,
                                    const std::vector<SampleSplit>& splits, const NamedMetric& best,
                                    const StudyControl& control) {
  ForwardChoice forward;
  Stitched stitched;
  const size_t count = feed.traces.size();
  std::vector<std::optional<double>> in_sample(count), out_of_sample(count);  // scores
  for (const SampleSplit& split : splits) {
    SB_ASSIGN_OR_RETURN(const auto before, prices_of(feed, split.in_sample, window.options));
    SB_ASSIGN_OR_RETURN(const auto after, prices_of(feed, split.out_of_sample, window.options));
    SB_RETURN_IF_ERROR(control.for_each(count, [&](size_t i) -> Status {
      const SignalChanges& changes = feed.traces[i].changes;
      const Result<Metrics> earlier = before->kernel->compute(changes), later = after->kernel->compute(changes);
      for (const Result<Metrics>& metrics : {earlier, later}) {
        if (!metrics.ok()) return metrics.status().at(name_of(feed.traces[i]));
      }
      in_sample[i] = best.score_to_choose_by(*earlier);
      out_of_sample[i] = best.score(*later);
      return Status();
    }));
    ForwardStep step = {.split = split};
    std::vector<double> values;
    for (size_t i = 0; i < count; ++i) {
      if (in_sample[i] && (!step.chosen || *in_sample[i] > *in_sample[*step.chosen])) step.chosen = i;
      if (out_of_sample[i]) values.push_back(*out_of_sample[i]);
    }
    step.ranked_count = static_cast<int64_t>(values.size());
    const auto value_of = [&](std::optional<double> score) {
      if (score && best.is_smaller_better()) *score = -*score;
      return score;
    };
    step.median = value_of(median_of(values));
    if (step.chosen) {
      const SignalChanges& changes = feed.traces[*step.chosen].changes;
      const std::optional<double> score = out_of_sample[*step.chosen];
      step.in_sample = value_of(in_sample[*step.chosen]);
      step.out_of_sample = value_of(score);
      if (score) step.rank = 1 + std::ranges::count_if(values, [&](double value) { return value > *score; });
      SB_ASSIGN_OR_RETURN(const Metrics metrics, after->kernel->compute(changes));
      SB_ASSIGN_OR_RETURN(const EquityCurve curve, equity_curve(changes, after->series, window.options.cost));
      step.total_return = metrics.total_return;
      stitched.add(curve.returns, changes, metrics);
    } else {
      stitched.add_flat(split.out_of_sample.size());
    }
    forward.steps.push_back(step);
  }
  if (!splits.empty()) {
    forward.followed = {.begin = splits.front().out_of_sample.begin, .end = splits.back().out_of_sample.end};
  }
  forward.stitched = stitched.metrics(window.options);
  return forward;
}

}  // namespace signalbook
