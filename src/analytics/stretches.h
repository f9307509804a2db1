#pragma once

#include <algorithm>

#include "analytics/price_series.h"
#include "format/signal.h"

namespace signalbook {

// Calls held(begin, end, value) for the stretches of a series over which a position is constant: taken at the close of
// bar `begin`, kept to the close of bar `end` (bars of the series). They cover the series from bar 0 to its last bar,
// in order, the flat ones included. What was held when a window begins is taken at the window's first close. A change
// on the last bar comes as a stretch without length, begin == end.
template <typename Held>
void for_each_stretch(const SignalChanges& changes, const PriceSeries& series, Held&& held) {
  if (series.size() == 0) return;
  const BarIndex last = series.size() - 1;
  const auto next_bar = std::ranges::upper_bound(changes.idx, series.first_bar());
  auto k = static_cast<size_t>(next_bar - changes.idx.begin());
  BarIndex begin = 0;
  double value = k > 0 ? changes.values[k - 1] : 0.0;
  for (; k < changes.size(); ++k) {
    const BarIndex end = changes.idx[k] - series.first_bar();
    if (end > last) break;
    held(begin, end, value);
    begin = end;
    value = changes.values[k];
  }
  held(begin, last, value);
}

}  // namespace signalbook
