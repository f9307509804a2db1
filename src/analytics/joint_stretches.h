#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "format/signal.h"

namespace signalbook {

// Several traces of positions side by side: calls held(begin, end, values) for the stretches of [begin, end) on which
// none of them changes, in order. values[m] is what traces[m] says there, NaN before its first change. Time goes with
// changes x traces.
template <typename Held>
void for_each_joint_stretch(std::span<const SignalChanges* const> traces, BarIndex begin, BarIndex end, Held&& held) {
  std::vector<size_t> next(traces.size());
  std::vector<double> values(traces.size(), std::numeric_limits<double>::quiet_NaN());
  while (begin < end) {
    BarIndex until = end;
    for (size_t m = 0; m < traces.size(); ++m) {
      const std::vector<BarIndex>& idx = traces[m]->idx;
      while (next[m] < idx.size() && idx[next[m]] <= begin) values[m] = traces[m]->values[next[m]++];
      if (next[m] < idx.size()) until = std::min(until, idx[next[m]]);
    }
    held(begin, until, std::span<const double>(values));
    begin = until;
  }
}

}  // namespace signalbook
