#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace signalbook {

// The bars of one feed, as columns of equal length. Volume is empty where there is none.
struct Bars {
  std::string symbol;
  std::string timeframe;
  std::vector<int64_t> ts;  // opening time, microseconds since 1970 UTC, strictly increasing
  std::vector<double> open, high, low, close;
  std::vector<double> volume;

  size_t size() const { return ts.size(); }
  bool has_volume() const { return !volume.empty(); }
};

}  // namespace signalbook
