#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// Bars [begin, end) of a feed. A position taken on bar t earns the return from its close to the next one, so this
// return belongs to the window that holds t: windows that share no bar share no return. The feed's last bar has none.
struct BarWindow {
  BarIndex begin = 0, end = 0;

  int64_t size() const { return end - begin; }
  bool contains(BarIndex bar) const { return begin <= bar && bar < end; }
  bool operator==(const BarWindow&) const = default;
};

// The bars with from <= ts < to. `ts` increases; all three in one unit.
BarWindow bars_between(std::span<const int64_t> ts, int64_t from, int64_t to);

struct SampleSplit {
  BarWindow in_sample, out_of_sample;  // in this order, without a common bar
  bool operator==(const SampleSplit&) const = default;
};

// What is before bar `first_out_of_sample`, `gap` bars left out, and the rest. Invalid where either side is empty.
Result<SampleSplit> split_sample(int64_t bar_count, BarIndex first_out_of_sample, int64_t gap = 0);

enum class InSample : uint8_t {
  rolling,   // always the same number of bars
  anchored,  // everything from bar 0 on
};

struct WalkForward {
  InSample in_sample = InSample::rolling;
  int64_t in_sample_bars = 0;      // of the first window if anchored
  int64_t out_of_sample_bars = 0;  // and the step from one split to the next
  int64_t gap = 0;                 // bars left out between the two
};

// Splits whose out-of-sample windows follow each other without a gap or a common bar to the last bar; the last one may
// be shorter. Invalid where not even one bar is left for the first, or a length is not positive.
Result<std::vector<SampleSplit>> walk_forward(int64_t bar_count, const WalkForward& plan);

}  // namespace signalbook
