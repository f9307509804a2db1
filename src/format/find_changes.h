#pragma once

#include <cstdint>

namespace signalbook {

// The inner loop of recording: where do two rows of values differ? 64 bytes are compared at once, because on most
// bars most strategies say nothing new (of the values of a real sweep, one in twenty is a change).
//
// Writes the numbers of the elements in which a and b differ by a bit, in order, and returns how many there are.
// `positions` has room for `count` numbers and kDifferencesSlack more. So -0.0 is told from 0.0 here and equal NaN
// are not told apart: who cares looks at the values again. kElementSize is 1, 2, 4 or 8 bytes.
template <int kElementSize>
int64_t find_differences(const void* a, const void* b, int64_t count, uint32_t* positions);

inline constexpr int64_t kDifferencesSlack = 4;

}  // namespace signalbook
