#include "study/related_traces.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "analytics/correlation.h"
#include "analytics/selection.h"
#include "study/study_window.h"

namespace signalbook {

namespace {

// The changes of all traces side by side, which is how they are compared, without a copy of them.
class BorrowedChanges {
 public:
  explicit BorrowedChanges(FeedTraces& feed) : feed_(feed) {
    for (FeedTrace& trace : feed_.traces) changes_.push_back(std::move(trace.changes));
  }
  ~BorrowedChanges() {
    for (size_t i = 0; i < changes_.size(); ++i) feed_.traces[i].changes = std::move(changes_[i]);
  }
  BorrowedChanges(const BorrowedChanges&) = delete;
  BorrowedChanges& operator=(const BorrowedChanges&) = delete;

  std::span<const SignalChanges> all() const { return changes_; }

 private:
  FeedTraces& feed_;
  std::vector<SignalChanges> changes_;
};

// From the close of each bar to the next one's; 0 outside of the window.
Result<std::vector<double>> returns_of(const FeedTraces& feed, BarWindow bars) {
  SB_ASSIGN_OR_RETURN(const PriceSeries series, closes_of(feed, bars));
  std::vector<double> returns(feed.bars.close.size());
  for (BarIndex bar = 1; bar < series.size(); ++bar) {
    returns[static_cast<size_t>(bars.begin + bar - 1)] = static_cast<double>(series.simple_return(bar));
  }
  return returns;
}

}  // namespace

Result<TraceRelations> relate_traces(FeedTraces& feed, const MetricTerms& terms, Likeness likeness,
                                     const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const StudyWindow window, find_study_window(feed, terms));
  if (feed.traces.size() < 2) {
    return Status::invalid("there is one strategy only, and nothing to hold it against; choose more of them");
  }
  SB_RETURN_IF_ERROR(control.check_interrupt());
  std::vector<double> returns;
  if (likeness == Likeness::pnl) {
    SB_ASSIGN_OR_RETURN(returns, returns_of(feed, window.bars));
  }
  const PairWork work = {.threads = control.threads, .interrupt = control.interrupt};
  const BorrowedChanges changes(feed);
  TraceRelations relations;
  switch (likeness) {
    case Likeness::positions: {
      SB_ASSIGN_OR_RETURN(relations.value, position_correlation(changes.all(), window.earning(), work));
      break;
    }
    case Likeness::pnl: {
      SB_ASSIGN_OR_RETURN(relations.value, pnl_correlation(changes.all(), window.earning(), returns, work));
      break;
    }
    case Likeness::overlap: {
      SB_ASSIGN_OR_RETURN(PositionOverlap overlap, position_overlap(changes.all(), window.earning(), work));
      relations = {.value = std::move(overlap.both), .same_side = std::move(overlap.same_side)};
      break;
    }
  }
  SB_RETURN_IF_ERROR(control.check_interrupt());
  return relations;
}

std::vector<TracePair> strongest_pairs(const SymmetricMatrix& value, size_t max_count) {
  struct Ranked {
    double strength;  // below 0 without a value
    TracePair pair;
  };
  const auto comes_first = [](const Ranked& x, const Ranked& y) {
    if (x.strength != y.strength) return x.strength > y.strength;
    return std::pair(x.pair.a, x.pair.b) < std::pair(y.pair.a, y.pair.b);
  };
  const size_t pair_count = value.size() * (value.size() - std::min<size_t>(value.size(), 1)) / 2;
  max_count = std::min(max_count, pair_count);
  const auto drop_the_weak = [&](std::vector<Ranked>& ranked) {
    if (ranked.size() <= max_count) return;
    std::ranges::nth_element(ranked, ranked.begin() + static_cast<std::ptrdiff_t>(max_count), comes_first);
    ranked.resize(max_count);
  };
  std::vector<Ranked> ranked;
  const size_t held = std::min(pair_count, 2 * max_count + 1'024);
  ranked.reserve(held);
  for (uint32_t a = 0; a < value.size(); ++a) {
    for (uint32_t b = a + 1; b < value.size(); ++b) {
      const double strength = std::abs(value.raw(a, b));
      ranked.push_back({.strength = std::isnan(strength) ? -1 : strength, .pair = {.a = a, .b = b}});
      if (ranked.size() == held) drop_the_weak(ranked);
    }
  }
  drop_the_weak(ranked);
  std::ranges::sort(ranked, comes_first);
  std::vector<TracePair> pairs;
  pairs.reserve(ranked.size());
  for (const Ranked& one : ranked) pairs.push_back(one.pair);
  return pairs;
}

Result<std::vector<EnsembleMember>> choose_ensemble(FeedTraces& feed, const MetricTerms& terms,
                                                    const EnsembleChoice& choice, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const StudyWindow window, find_study_window(feed, terms));
  SB_ASSIGN_OR_RETURN(const TraceRelations relations, relate_traces(feed, terms, choice.likeness, control));
  SB_ASSIGN_OR_RETURN(const PriceSeries series, closes_of(feed, window.bars));
  SB_ASSIGN_OR_RETURN(const MetricsKernel kernel, MetricsKernel::make(series, window.options));
  std::vector<std::optional<double>> values(feed.traces.size()), scores(feed.traces.size());
  SB_RETURN_IF_ERROR(control.for_each(feed.traces.size(), [&](size_t i) -> Status {
    const Result<Metrics> metrics = kernel.compute(feed.traces[i].changes);
    if (!metrics.ok()) return metrics.status().at(name_of(feed.traces[i]));
    values[i] = choice.best.of(*metrics);
    scores[i] = choice.best.score_to_choose_by(*metrics);
    return Status();
  }));
  std::vector<EnsembleMember> members;
  for (const size_t i : select_uncorrelated(scores, relations.value, choice.max_correlation, choice.count)) {
    EnsembleMember member = {.trace = i, .metric = *values[i]};
    for (const EnsembleMember& before : members) {
      const double size = std::abs(relations.value.raw(i, before.trace));
      member.highest_correlation = std::max(member.highest_correlation.value_or(0), size);
    }
    members.push_back(member);
  }
  return members;
}

}  // namespace signalbook
