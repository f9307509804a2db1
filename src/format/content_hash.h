#pragma once

#include <array>
#include <cstdint>

#include "base/digest.h"
#include "format/bars.h"
#include "format/signal.h"

namespace signalbook {

using TraceHash = std::array<uint8_t, 16>;

// The first 16 bytes of a SHA-256 over the changes: two traces with equal hashes say the same on every bar.
// bar_count is the number of bars from bar 0 to the last one observed. -0.0 counts as 0.0.
// A trace without changes hashes as numbers, whatever its kind. The recipe stands in docs/format.md.
TraceHash trace_hash(const SignalChanges& changes, int64_t bar_count);

// SHA-256 over symbol, timeframe, times, prices and volume: equal for the same bars from anywhere.
Digest data_id(const Bars& bars);

}  // namespace signalbook
