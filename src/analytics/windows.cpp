#include "analytics/windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace signalbook {

BarWindow bars_between(std::span<const int64_t> ts, int64_t from, int64_t to) {
  const auto first = std::ranges::lower_bound(ts, from);
  const auto last = std::ranges::lower_bound(first, ts.end(), to);
  return {.begin = first - ts.begin(), .end = last - ts.begin()};
}

Result<SampleSplit> split_sample(int64_t bar_count, BarIndex first_out_of_sample, int64_t gap) {
  if (gap < 0 || first_out_of_sample <= gap || first_out_of_sample >= bar_count) {
    return Status::invalid(
        fmt::format("cannot split {} bars before bar {} with a gap of {}: each side needs a bar, so choose one "
                    "between {} and {}",
                    bar_count, first_out_of_sample, gap, std::max<int64_t>(gap, 0) + 1, bar_count - 1));
  }
  return SampleSplit{.in_sample = {.begin = 0, .end = first_out_of_sample - gap},
                     .out_of_sample = {.begin = first_out_of_sample, .end = bar_count}};
}

Result<std::vector<SampleSplit>> walk_forward(int64_t bar_count, const WalkForward& plan) {
  if (plan.in_sample_bars < 1 || plan.out_of_sample_bars < 1 || plan.gap < 0) {
    return Status::invalid(
        fmt::format("a walk forward of {} bars in sample, {} out of sample and a gap of {}: the "
                    "first two must be at least 1 and the gap at least 0",
                    plan.in_sample_bars, plan.out_of_sample_bars, plan.gap));
  }
  // Compared by what is left, since the sum of two large lengths may be none that an integer holds.
  if (plan.gap >= bar_count || plan.in_sample_bars >= bar_count - plan.gap) {
    return Status::invalid(
        fmt::format("{} bars in sample and a gap of {} leave none of {} bars out of sample: choose "
                    "a shorter window in sample",
                    plan.in_sample_bars, plan.gap, bar_count));
  }
  std::vector<SampleSplit> splits;
  for (BarIndex begin = plan.in_sample_bars + plan.gap;;) {
    const int64_t length = std::min(plan.out_of_sample_bars, bar_count - begin);
    const BarIndex trained_to = begin - plan.gap;
    const BarIndex trained_from = plan.in_sample == InSample::anchored ? 0 : trained_to - plan.in_sample_bars;
    splits.push_back({.in_sample = {.begin = trained_from, .end = trained_to},
                      .out_of_sample = {.begin = begin, .end = begin + length}});
    begin += length;
    if (begin == bar_count) return splits;
  }
}

}  // namespace signalbook
