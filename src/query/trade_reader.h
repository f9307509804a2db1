#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "query/database.h"
#include "store/store.h"

namespace signalbook {

// The function behind the view `trades`: from what an index says of a trace to a part of its trades, in rows as
// trade_table() has them with their number in the trace (`trade`) in front. A trace is read and checked as RunReader
// does. Parts keep lists short, however many trades a trace has.

// Trades of a part. A trace has at most as many trades as changes.
inline constexpr int kTradesOfAPart = 128;

// Parameters, in this order: run_id, trace_path (as in the index), strategy_id, data_id, bar_count, change_count,
// file_size, file_sha256, pack, row_start (of a trace in a file the last two are NULL, of one in a pack the two before
// them), trace_hash, part (from 0) and cost_bps. The paths of the runs are those that messages show. What leads
// out of `confined_to`, an absolute path, is refused.
ListFunction trades_function(FileSystem& files, const std::vector<RunLocation>& runs,
                             const std::optional<std::string>& confined_to);

}  // namespace signalbook
