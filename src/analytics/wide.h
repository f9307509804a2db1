#pragma once

namespace signalbook {

// What sums and products are kept in between the double that comes in and the one that goes out. A figure such as
// calmar_ratio divides by what is left of a cancellation, so that the 53 bits of a double do not give 12 digits. Where
// a long double has more bits (x86: 64, most ARM systems: 113, in software) they do; where it is a double, figures of
// long traces are good to about ten digits.
using Wide = long double;

// A running sum in two doubles, the second what the first rounds away (Knuth's two-sum). So the difference of two of
// them, in plain double arithmetic, has all its digits, however small a part of the sum it is.
struct SplitSum {
  double high = 0, low = 0;

  void add(Wide term) {
    const auto first = static_cast<double>(term);
    const double sum = high + first, shared = sum - high;
    const double lost = (high - (sum - shared)) + (first - shared);
    const double rest = low + static_cast<double>(term - first) + lost;
    high = sum + rest;
    low = rest - (high - sum);
  }
  double since(const SplitSum& earlier) const { return (high - earlier.high) + (low - earlier.low); }
};

}  // namespace signalbook
