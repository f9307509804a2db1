#pragma once

#include <cmath>
#include <vector>

#include "format/signal.h"

namespace signalbook {

// The obvious encoder, ONLY to check the real one: bar by bar, with nothing remembered but the last value.
// NaN before the first value is skipped; after it, it stands for `flat_or_hold`: 0 where `flat`, else the last value.
inline SignalChanges slow_encode(const std::vector<double>& bars, bool flat = false) {
  SignalChanges changes;
  for (size_t bar = 0; bar < bars.size(); ++bar) {
    double value = bars[bar];
    if (std::isnan(value)) {
      if (changes.idx.empty()) continue;
      value = flat ? 0.0 : changes.values.back();
    }
    if (!changes.idx.empty() && changes.values.back() == value) continue;
    changes.idx.push_back(static_cast<BarIndex>(bar));
    changes.values.push_back(value == 0.0 ? 0.0 : value);
  }
  return changes;
}

}  // namespace signalbook
