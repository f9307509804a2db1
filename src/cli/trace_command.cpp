#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "format/signal_encoder.h"
#include "query/sql_views.h"
#include "store/strategy_index.h"
#include "store/trace_storage.h"
#include "store/trade_table.h"

namespace signalbook::cli {

namespace {

// The trace that is meant.
struct Place {
  std::string run_id;
  IndexRow row;
};

// The one trace that is meant, or an error that lists those that could be.
Result<Place> find_trace(SqlEngine& engine, const TraceOptions& options) {
  SB_ASSIGN_OR_RETURN(std::string condition, strategy_condition(engine, options.strategy));
  SB_RETURN_IF_ERROR(print_prefix_note(engine, options.strategy, condition, "", options.common));
  if (!options.symbol.empty()) condition += " AND symbol = " + quote_sql_text(options.symbol);
  if (!options.timeframe.empty()) condition += " AND timeframe = " + quote_sql_text(options.timeframe);
  std::vector<std::string> columns;
  for (const std::string& name : index_row_columns())
    columns.push_back(name == "trace_path" ? "run_trace_path AS trace_path" : name);
  SB_ASSIGN_OR_RETURN(const Table found,
                      ask(engine, fmt::format("SELECT {}, run_id FROM strategies WHERE {} ORDER BY run_id, symbol, "
                                              "timeframe, strategy_id",
                                              fmt::join(columns, ", "), condition)));
  if (found.row_count() == 0) {
    return Status::not_found(fmt::format("strategy {} has no trace on that symbol and timeframe", options.strategy));
  }
  const std::vector<std::string>& run_ids = found.columns.back().texts;
  if (found.row_count() == 1) {
    SB_ASSIGN_OR_RETURN(std::vector<IndexRow> rows, index_rows(found, run_ids.front() + "/strategy_index.parquet", 0));
    return Place{.run_id = run_ids.front(), .row = std::move(rows.front())};
  }
  std::string message =
      fmt::format("strategy {} has {} traces; name one with --store RUN, --symbol and --timeframe:", options.strategy,
                  found.row_count());
  constexpr size_t kMostNamed = 20;
  const auto text = [&](const char* name, size_t i) { return cell_text(*found.find(name), i); };
  for (size_t i = 0; i < std::min(found.row_count(), kMostNamed); ++i) {
    message +=
        fmt::format("\n  {}  {} {}  {}", run_ids[i], text("symbol", i), text("timeframe", i), text("strategy_id", i));
  }
  return Status::invalid(message);
}

TableColumn& add_values(Table& table, const SignalChanges& changes) {
  return table.add("val", changes.kind == SignalKind::label ? ColumnType::text : ColumnType::real);
}

Table changes_table(const Trace& trace) {
  Table table;
  table.add("idx", ColumnType::int64).integers = trace.changes.idx;
  if (!trace.ts.empty()) table.add("ts", ColumnType::timestamp).integers = trace.ts;
  TableColumn& val = add_values(table, trace.changes);
  val.reals = trace.changes.values;
  val.texts = trace.changes.labels;
  TableColumn& px = table.add("px", ColumnType::real);
  for (const double price : trace.px) price == price ? px.append_real(price) : px.append_null();
  return table;
}

Result<Table> dense_table(const Trace& trace, const Bars& bars, int64_t bar_count) {
  const auto count = static_cast<size_t>(bar_count);
  if (count > bars.size()) return Status::damaged("the trace is longer than its bars");
  Table table;
  TableColumn& idx = table.add("idx", ColumnType::int64);
  for (int64_t bar = 0; bar < bar_count; ++bar) idx.append_integer(bar);
  table.add("ts", ColumnType::timestamp).integers.assign(bars.ts.begin(), bars.ts.begin() + bar_count);
  TableColumn& val = add_values(table, trace.changes);
  if (trace.changes.kind == SignalKind::label) {
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> labels, decode_labels(trace.changes, bar_count));
    for (const std::string& label : labels) label.empty() ? val.append_null() : val.append_text(label);
  } else {
    SB_ASSIGN_OR_RETURN(const std::vector<double> values, decode(trace.changes, bar_count));
    for (const double value : values) value == value ? val.append_real(value) : val.append_null();
  }
  table.add("close", ColumnType::real).reals.assign(bars.close.begin(), bars.close.begin() + bar_count);
  return table;
}

Result<Table> trades_table(const Trace& trace, const Bars& bars, int64_t bar_count, double cost) {
  SB_ASSIGN_OR_RETURN(const TradePrices prices, TradePrices::make(bars, bar_count));
  SB_ASSIGN_OR_RETURN(const std::vector<Trade> trades, trades_of_trace(trace, prices, cost));
  return trade_table(trades, prices.ts());
}

// A trace file by its path, whoever wrote it.
Status print_file(const TraceOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::string bytes, posix_file_system().read_file(options.strategy));
  SB_ASSIGN_OR_RETURN(const Trace trace, decode_trace_file(bytes, options.strategy));
  if (options.dense || options.trades) {
    return Status::invalid(fmt::format("{} needs the bars: name the strategy in its store, not the file",
                                       options.dense ? "--dense" : "--trades"));
  }
  return print_table(changes_table(trace), options.common);
}

// The trace of a strategy in a store.
Status print_trace(const TraceOptions& options) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options.common));
  SB_ASSIGN_OR_RETURN(const Place place, find_trace(*engine, options));
  const std::string run_path = scope.run_path ? *scope.run_path : join_path(scope.store_path, place.run_id);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TraceStorage> traces, open_traces(files, run_path));
  const IndexRow& row = place.row;
  SB_ASSIGN_OR_RETURN(const Trace trace, traces->read(row));
  if (!options.dense && !options.trades) return print_table(changes_table(trace), options.common);
  SB_ASSIGN_OR_RETURN(const Bars bars, read_stored_bars(files, run_path, row.data_id));
  constexpr double kBasisPoint = 1e-4;
  const Result<Table> table = options.dense ? dense_table(trace, bars, row.bar_count)
                                            : trades_table(trace, bars, row.bar_count, options.cost_bps * kBasisPoint);
  if (!table.ok()) return table.status().at(fmt::format("strategy {}", row.strategy_id));
  return print_table(*table, options.common);
}

}  // namespace

Status run_trace(const TraceOptions& options) {
  if (options.dense && options.trades) return Status::invalid("give --dense or --trades, not both");
  if (options.cost_bps != 0.0 && !options.trades) return Status::invalid("--cost-bps is for --trades");
  SB_ASSIGN_OR_RETURN(const bool is_file, posix_file_system().file_exists(options.strategy));
  if (is_file && options.strategy.ends_with(".parquet")) return print_file(options);
  const Status status = print_trace(options);
  // A strategy may be called as a file is, so a file of another ending comes second.
  return status.code() == StatusCode::not_found && is_file ? print_file(options) : status;
}

}  // namespace signalbook::cli
