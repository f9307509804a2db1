#include "cli/trades_table.h"

#include <optional>

#include "analytics/trades.h"
#include "format/signal_encoder.h"

namespace signalbook::cli {

namespace {

// NaN stands for a price that older files do not have: the close, then.
std::vector<double> fills_of(const Trace& trace, const Bars& bars) {
  std::vector<double> fills = trace.px;
  for (size_t k = 0; k < fills.size(); ++k) {
    if (!(fills[k] == fills[k])) fills[k] = bars.close[static_cast<size_t>(trace.changes.idx[k])];
  }
  return fills;
}

}  // namespace

Result<Table> trades_table(const Trace& trace, const Bars& bars, int64_t bar_count, double cost) {
  SB_RETURN_IF_ERROR(check_changes(trace.changes, static_cast<int64_t>(bars.size())));
  std::vector<Trade> trades;
  if (bar_count > 0) {
    // A trace that was cut off is marked where it ends.
    const bool is_cut = bar_count < static_cast<int64_t>(bars.size());
    const std::optional<BarWindow> window =
        is_cut ? std::optional(BarWindow{.begin = 0, .end = bar_count}) : std::nullopt;
    SB_ASSIGN_OR_RETURN(const PriceSeries series, PriceSeries::make(bars, window));
    SB_ASSIGN_OR_RETURN(trades, list_trades(trace.changes, series, cost, fills_of(trace, bars)));
  }
  Table table;
  const auto integers = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::int64);
    for (const Trade& trade : trades) column.append_integer(value(trade));
  };
  const auto times = [&](const char* name, auto&& bar) {
    TableColumn& column = table.add(name, ColumnType::timestamp);
    for (const Trade& trade : trades) column.append_integer(bars.ts[static_cast<size_t>(bar(trade))]);
  };
  const auto reals = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::real);
    for (const Trade& trade : trades) {
      const std::optional<double> number = value(trade);
      number ? column.append_real(*number) : column.append_null();
    }
  };
  integers("entry_idx", [](const Trade& trade) { return trade.entry_idx; });
  times("entry_ts", [](const Trade& trade) { return trade.entry_idx; });
  reals("entry_px", [](const Trade& trade) { return std::optional(trade.entry_price); });
  integers("exit_idx", [](const Trade& trade) { return trade.exit_idx; });
  times("exit_ts", [](const Trade& trade) { return trade.exit_idx; });
  reals("exit_px", [](const Trade& trade) { return std::optional(trade.exit_price); });
  TableColumn& direction = table.add("direction", ColumnType::text);
  for (const Trade& trade : trades) direction.append_text(trade.direction > 0 ? "long" : "short");
  reals("size", [](const Trade& trade) { return std::optional(trade.size); });
  reals("return", [](const Trade& trade) { return trade.net_return; });
  integers("bars_held", [](const Trade& trade) { return trade.bars_held; });
  reals("mae", [](const Trade& trade) { return trade.mae; });
  reals("mfe", [](const Trade& trade) { return trade.mfe; });
  TableColumn& open = table.add("is_open", ColumnType::boolean);
  for (const Trade& trade : trades) open.append_integer(trade.is_open ? 1 : 0);
  return table;
}

}  // namespace signalbook::cli
