#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <random>
#include <vector>

#include "format/bars.h"
#include "format/signal.h"

namespace signalbook {

using Random = std::mt19937_64;

inline double uniform(Random& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}
inline int64_t integer(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}
template <typename T>
T one_of(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[integer(random, 0, static_cast<int64_t>(choices.size()) - 1)];
}

// A walk; some rounded to cents, so that prices and equity come back to where they were, some with gaps.
inline std::vector<double> random_closes(Random& random, int64_t bars) {
  const double noise = one_of(random, {0.0, 1e-4, 1e-3, 0.02, 0.1}), tick = one_of(random, {0.0, 0.01, 1.0});
  const double gap_share = one_of(random, {0.0, 0.0, 0.02});
  std::normal_distribution<double> move(0, 1);
  std::vector<double> close;
  double price = 100;
  for (int64_t bar = 0; bar < bars; ++bar) {
    price *= std::max(0.3, 1 + noise * move(random));
    if (uniform(random, 0, 1) < gap_share) price *= one_of(random, {0.4, 0.7, 1.5, 2.5});
    if (tick > 0) price = std::max(tick, std::round(price / tick) * tick);
    close.push_back(price);
  }
  return close;
}

// With highs and lows around open and close.
inline Bars random_bars(Random& random, int64_t count) {
  Bars bars;
  bars.close = random_closes(random, count);
  for (size_t i = 0; i < bars.close.size(); ++i) {
    bars.open.push_back((i > 0 ? bars.close[i - 1] : 100) * uniform(random, 0.995, 1.005));
    bars.high.push_back(std::max(bars.open[i], bars.close[i]) * uniform(random, 1, 1.01));
    bars.low.push_back(std::min(bars.open[i], bars.close[i]) * uniform(random, 0.99, 1));
  }
  return bars;
}

inline SignalChanges random_trace(Random& random, int64_t bars) {
  const std::function<double()> kinds[] = {
      [&] { return static_cast<double>(integer(random, -1, 1)); },
      [&] { return static_cast<double>(integer(random, 0, 1)); },
      [&] {
        return one_of(random, {-1.0, 1.0});
      },  // flips only
      [&] { return static_cast<double>(integer(random, -4, 4)) / 4; },
      [&] { return uniform(random, -1.5, 1.5); },
      [&] { return static_cast<double>(integer(random, -30, 30)); },  // to ruin
      [&] { return 0.0; },
  };
  const auto& draw = kinds[static_cast<size_t>(integer(random, 0, 6))];
  const double share = one_of(random, {0.0, 0.01, 0.05, 0.3, 1.0});
  const bool at_first = one_of(random, {true, false}), at_last = one_of(random, {true, false});
  SignalChanges changes;
  for (int64_t bar = 0; bar < bars; ++bar) {
    const bool must = (bar == 0 && at_first) || (bar == bars - 1 && at_last);
    if (!must && uniform(random, 0, 1) >= share) continue;
    const double value = draw();
    if (!changes.values.empty() && changes.values.back() == value) continue;
    changes.idx.push_back(bar);
    changes.values.push_back(value);
  }
  return changes;
}

}  // namespace signalbook
