#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace signalbook {

// A number for each pair of `size()` things, in either order, and for each with itself; some may be undefined, which
// all are at first. Half a square: 8 bytes a pair, so 10.8 MB for 1,640 traces.
class SymmetricMatrix {
 public:
  explicit SymmetricMatrix(size_t size = 0)
      : size_(size), values_(size * (size + 1) / 2, std::numeric_limits<double>::quiet_NaN()) {}

  size_t size() const { return size_; }
  std::optional<double> at(size_t a, size_t b) const {
    const double value = raw(a, b);
    return std::isnan(value) ? std::nullopt : std::optional(value);
  }
  void set(size_t a, size_t b, double value) { raw(a, b) = value; }

  // NaN where undefined: for inner loops.
  double raw(size_t a, size_t b) const { return values_[place(a, b)]; }
  double& raw(size_t a, size_t b) { return values_[place(a, b)]; }

 private:
  static size_t place(size_t a, size_t b) {
    const size_t row = std::max(a, b);
    return row * (row + 1) / 2 + std::min(a, b);
  }

  size_t size_;
  std::vector<double> values_;  // below the diagonal and on it, row by row
};

}  // namespace signalbook
