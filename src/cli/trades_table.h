#pragma once

#include "base/status.h"
#include "format/bars.h"
#include "store/table.h"
#include "store/trace_file.h"

namespace signalbook::cli {

// The trades of a trace that was observed on the first `bar_count` bars, a row each in the order of their entries, as
// docs/metrics.md defines them. Filled at the prices of the trace. `cost` is that of a side, as a fraction. Invalid for
// labels, and for prices that are not above 0.
Result<Table> trades_table(const Trace& trace, const Bars& bars, int64_t bar_count, double cost);

}  // namespace signalbook::cli
