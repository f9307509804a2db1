#pragma once

#include <random>
#include <vector>

#include "format/signal.h"

namespace signalbook::test {

// A trace that changes on about `change_share` of the bars, drawn from `values` (some twice in a row, which is no
// change), and has not been observed on its first few bars now and then.
inline SignalChanges random_positions(std::mt19937_64& random, int64_t bar_count, double change_share,
                                      const std::vector<double>& values) {
  std::bernoulli_distribution changes_now(change_share), late(0.3);
  std::uniform_int_distribution<size_t> pick(0, values.size() - 1);
  SignalChanges changes;
  for (int64_t bar = late(random) ? 7 : 0; bar < bar_count; ++bar) {
    const double value = values[pick(random)];
    if (!changes.idx.empty() && (!changes_now(random) || value == changes.values.back())) continue;
    changes.idx.push_back(bar);
    changes.values.push_back(value);
  }
  return changes;
}

// The position on each bar, 0 before the first change: bar by bar, the slow and obvious way.
inline std::vector<double> dense_positions(const SignalChanges& changes, int64_t bar_count) {
  std::vector<double> dense;
  double held = 0;
  size_t next = 0;
  for (int64_t bar = 0; bar < bar_count; ++bar) {
    if (next < changes.size() && changes.idx[next] == bar) held = changes.values[next++];
    dense.push_back(held);
  }
  return dense;
}

inline std::vector<double> random_returns(std::mt19937_64& random, int64_t count, double mean, double volatility) {
  std::normal_distribution<double> normal(mean, volatility);
  std::vector<double> returns;
  for (int64_t t = 0; t < count; ++t) returns.push_back(normal(random));
  return returns;
}

}  // namespace signalbook::test
