#include "query/trades_view.h"

#include <fmt/format.h>

#include "query/sql_text.h"
#include "query/trade_reader.h"

namespace signalbook {

namespace {

constexpr const char* kFunction = "signalbook_trades";
// The traces of the scope that have trades. In a schema of its own, which SHOW TABLES does not list.
constexpr const char* kSchema = "signalbook";
constexpr const char* kTraces = "signalbook.traces_with_trades";

constexpr const char* kShownColumns =
    "run_id, strategy_id, strategy_hash, strategy_digest, strategy_type, symbol, timeframe, trace_path";

}  // namespace

Status prepare_trades(Connection& connection, FileSystem& files, const TradesPlace& place) {
  SB_RETURN_IF_ERROR(connection.add_list_function(kFunction, trades_function(files, place.runs, place.confined_to)));
  // Indexes of other programs say nothing of bars.
  const std::string select = fmt::format(
      "SELECT {}, run_trace_path, data_id, bar_count, file_size, file_sha256, pack, row_start, trace_hash, "
      "change_count "
      "FROM ({}) WHERE kind = 'signal' AND data_id IS NOT NULL",
      kShownColumns, place.strategies_sql);
  SB_ASSIGN_OR_RETURN(const TextRows counted,
                      connection.fetch(fmt::format("SELECT CAST(count(*) <= {} AS VARCHAR) FROM ({})",
                                                   place.most_copied, place.strategies_sql)));
  // DuckDB hands the few values that a join looks for down to the columns of a table, but not to one that a view
  // computes, as strategies.trace_path.
  const bool is_table = counted[0][0] == "true";
  SB_RETURN_IF_ERROR(connection.run(fmt::format("CREATE SCHEMA IF NOT EXISTS {}", kSchema)));
  return connection.run(fmt::format("CREATE {} {} AS {}", is_table ? "TABLE" : "VIEW", kTraces, select));
}

std::string trades_sql(const std::string& cost_bps) {
  // A trace without a change is looked at as well, so that one that is missing is an error.
  const std::string parts =
      fmt::format("SELECT *, unnest(range(CAST(ceil(greatest(change_count, 1) / {}) AS BIGINT))) AS part FROM {}",
                  kTradesOfAPart, kTraces);
  return fmt::format(
      "SELECT {0}, unnest(signalbook_trade) FROM (SELECT {0}, unnest({1}(run_id, run_trace_path, strategy_id, data_id, "
      "bar_count, change_count, file_size, file_sha256, pack, row_start, trace_hash, part, CAST({2} AS DOUBLE))) AS "
      "signalbook_trade FROM ({3}))",
      kShownColumns, kFunction, cost_bps, parts);
}

}  // namespace signalbook
