#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "store/store.h"

namespace signalbook {

// The view `trades`: the rows of `strategies`, and behind each the trades of its trace, which a function of ours reads
// and computes when DuckDB comes to that row. So what a statement filters or joins away costs nothing.

struct TradesPlace {
  std::vector<RunLocation> runs;           // their paths are those that messages show
  std::optional<std::string> confined_to;  // an absolute path: what leads out of it is refused
  std::string strategies_sql;              // the SELECT of the view `strategies`: rows of these runs
  int64_t most_copied = 100'000;           // of more traces none are held in memory
};

// Makes what the view is made of, once for a database.
Status prepare_trades(Connection& connection, FileSystem& files, const TradesPlace& place);

// Its SELECT. `cost_bps`: an expression, the cost of a side in basis points.
std::string trades_sql(const std::string& cost_bps);

// trades_at(cost_bps) in place of `trades`.
inline constexpr const char* kTradesAtCost = "trades_at";

}  // namespace signalbook
