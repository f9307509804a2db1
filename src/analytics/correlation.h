#pragma once

#include <atomic>
#include <cstddef>
#include <span>

#include "analytics/symmetric_matrix.h"
#include "analytics/windows.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// How the work is done; the numbers are the same in every way.
struct PairWork {
  size_t threads = 1;                           // 0: one a core
  const std::atomic<int>* interrupt = nullptr;  // not 0: stop, which is an IoError
};

// How alike traces are, each with each, over the bars of a window. All hold numbers and belong to one feed; before its
// first change a trace's position is 0. The entry of two traces is at (a, b), by their places in `traces`.
// Errors: Invalid for labels, values that are not finite, a window that ends before it begins, is before bar 0 or has
// 2^31 bars or more; Damaged for changes out of order. They name the trace by its place.
// Work is done once a change and pair, not once a bar and pair, and for 16 or 32 pairs at a time. Traces that change on
// every bar cost as much as dense ones. Memory: the result, up to 50 bytes a
// change, and 128 bytes a trace and thread.

// Pearson's correlation of positions. Undefined where one of the two holds the same position on all bars.
// Whole numbers, as long as their squares times bars stay below 2^31, are summed exactly.
Result<SymmetricMatrix> position_correlation(std::span<const SignalChanges> traces, BarWindow bars,
                                             const PairWork& work = {});

// Pearson's correlation of what the positions earned before costs: v(t) * returns[t]. `returns[t]` is the return from
// the close of bar t to the close of bar t + 1, for the bars of the window at least. Undefined where one of the two
// earned the same on all bars. Also Invalid where returns are too few or not finite.
Result<SymmetricMatrix> pnl_correlation(std::span<const SignalChanges> traces, BarWindow bars,
                                        std::span<const double> returns, const PairWork& work = {});

// Shares of the bars on which at least one of the two holds a position (of any size): undefined where there is none.
struct PositionOverlap {
  SymmetricMatrix both;       // both hold one
  SymmetricMatrix same_side;  // both hold one, both long or both short
};

Result<PositionOverlap> position_overlap(std::span<const SignalChanges> traces, BarWindow bars,
                                         const PairWork& work = {});

}  // namespace signalbook
