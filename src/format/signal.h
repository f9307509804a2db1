#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace signalbook {

// 0-based number of a bar among the bars of its feed.
using BarIndex = int64_t;

enum class SignalKind : uint8_t { number, label };  // a position, or what a classifier says

// The changes of one strategy on one feed, as columns: bar idx[k] is the first on which the strategy says the
// k-th value. Numbers stand in `values`, labels in `labels`; the other one is empty.
struct SignalChanges {
  SignalKind kind = SignalKind::number;
  std::vector<BarIndex> idx;  // strictly increasing
  std::vector<double> values;
  std::vector<std::string> labels;

  size_t size() const { return idx.size(); }
  bool operator==(const SignalChanges&) const = default;
};

}  // namespace signalbook
