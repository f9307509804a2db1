#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ingest/bar_clock.h"
#include "ingest/cell.h"
#include "ingest/signals_input.h"

namespace signalbook {

namespace {

constexpr const char* kKnownColumns[] = {"strategy_id", "idx",    "ts",     "timestamp", "val",
                                         "px",          "config", "symbol", "timeframe"};

// Where each column of the long form stands in the tables of a scan; null where the file has none.
struct LongColumns {
  const TableColumn* strategy_id;
  const TableColumn* idx;
  const TableColumn* ts;
  const TableColumn* val;
  const TableColumn* px;
  const TableColumn* config;
  const TableColumn* symbol;
  const TableColumn* timeframe;

  explicit LongColumns(const Table& table)
      : strategy_id(table.find("strategy_id")),
        idx(table.find("idx")),
        ts(table.find("ts") != nullptr ? table.find("ts") : table.find("timestamp")),
        val(table.find("val")),
        px(table.find("px")),
        config(table.find("config")),
        symbol(table.find("symbol")),
        timeframe(table.find("timeframe")) {}
};

// Text as it is; a number as people write it, for ids that a tool has read as numbers.
Result<std::string> read_text(const TableColumn& column, size_t row, const char* what) {
  if (column.is_null(row)) return Status::invalid(fmt::format("{} is missing", what));
  if (column.type == ColumnType::text) return column.texts[row];
  if (column.type == ColumnType::int64) return std::to_string(column.integers[row]);
  return Status::invalid(fmt::format("{} is no text", what));
}

class LongFormRecorder {
 public:
  LongFormRecorder(ColumnInput& input, Recording& recording) : input_(input), recording_(recording) {
    for (size_t i = 0; i < recording.strategy_ids.size(); ++i)
      strategies_[recording.strategy_ids[i]] = recording.strategies[i];
    for (const size_t feed : recording.feeds) clocks_.emplace_back(recording.writer.bars(feed));
  }

  Status run() {
    SB_RETURN_IF_ERROR(check_columns());
    std::vector<int> columns;
    for (size_t i = 0; i < input_.column_names().size(); ++i) columns.push_back(static_cast<int>(i));
    SB_RETURN_IF_ERROR(input_.scan(columns, [&](int64_t first_row, const Table& table) -> Status {
      const LongColumns named(table);
      for (size_t row = 0; row < table.row_count(); ++row) {
        const Status status = record_row(named, row);
        if (!status.ok()) return status.at(fmt::format("row {}", first_row + static_cast<int64_t>(row) + 1));
      }
      return Status();
    }));
    if (zone_missing_) recording_.warnings->push_back("signal times without a zone are taken for UTC");
    return Status();
  }

 private:
  Status check_columns() const {
    for (const std::string& name : input_.column_names()) {
      if (std::find(std::begin(kKnownColumns), std::end(kKnownColumns), name) == std::end(kKnownColumns)) {
        return Status::invalid(fmt::format(
            "column '{}' is unknown; the long form has strategy_id, idx or ts, val, px, config, symbol, timeframe",
            name));
      }
    }
    const auto has = [&](const char* name) { return input_.find_column(name) >= 0; };
    if (has("ts") && has("timestamp")) return Status::invalid("columns 'ts' and 'timestamp' are one too many");
    if (!has("idx") && !has("ts") && !has("timestamp")) {
      return Status::invalid("columns 'idx' and 'ts' are both missing: a row must name its bar");
    }
    if (recording_.feeds.size() > 1 && !(has("symbol") && has("timeframe"))) {
      return Status::invalid("there are several feeds, so the columns 'symbol' and 'timeframe' are needed");
    }
    return Status();
  }

  Result<size_t> feed_of(const LongColumns& columns, size_t row) {
    if (columns.symbol == nullptr && columns.timeframe == nullptr) return size_t{0};
    std::string symbol, timeframe;
    if (columns.symbol != nullptr) {
      SB_ASSIGN_OR_RETURN(symbol, read_text(*columns.symbol, row, "symbol"));
    }
    if (columns.timeframe != nullptr) {
      SB_ASSIGN_OR_RETURN(timeframe, read_text(*columns.timeframe, row, "timeframe"));
    }
    for (size_t feed = 0; feed < recording_.feeds.size(); ++feed) {
      const Bars& bars = recording_.writer.bars(recording_.feeds[feed]);
      const bool fits = (columns.symbol == nullptr || bars.symbol == symbol) &&
                        (columns.timeframe == nullptr || bars.timeframe == timeframe);
      if (fits) return feed;
    }
    return Status::invalid(fmt::format("there are no bars for symbol '{}' and timeframe '{}'", symbol, timeframe));
  }

  // The strategy of a row; one that is new is registered by its configuration.
  Result<size_t> strategy_of(const LongColumns& columns, size_t row, const std::string& id) {
    const bool configured = columns.config != nullptr && !columns.config->is_null(row);
    const auto known = strategies_.find(id);
    if (!configured) {
      if (known != strategies_.end()) return known->second;
      return Status::invalid(
          recording_.strategies.empty()
              ? fmt::format("strategy '{}' has no configuration; name a file with --strategies, or give the column "
                            "'config' on its first row",
                            id)
              : fmt::format("strategy '{}' is not in the strategies file", id));
    }
    if (columns.config->type != ColumnType::text) return Status::invalid("column 'config' is no JSON text");
    const Result<JsonValue> config = parse_json(columns.config->texts[row]);
    if (!config.ok()) return config.status().at(fmt::format("strategy {}, column 'config'", id));
    SB_ASSIGN_OR_RETURN(const size_t strategy, recording_.writer.add_strategy(id, *config));
    strategies_.emplace(id, strategy);
    return strategy;
  }

  Status record_row(const LongColumns& columns, size_t row) {
    SB_ASSIGN_OR_RETURN(const std::string id, read_text(*columns.strategy_id, row, "strategy_id"));
    SB_ASSIGN_OR_RETURN(const size_t feed, feed_of(columns, row));
    SB_ASSIGN_OR_RETURN(const size_t strategy, strategy_of(columns, row, id));
    const Result<BarIndex> bar = clocks_[feed].bar_of(columns.idx, columns.ts, row, &zone_missing_);
    if (!bar.ok()) return bar.status().at(fmt::format("strategy {}", id));
    std::optional<double> price;
    if (columns.px != nullptr && !columns.px->is_null(row)) {
      const Result<double> number = read_number(*columns.px, row, input_.is_untyped());
      if (!number.ok()) return number.status().at(fmt::format("strategy {}, column 'px'", id));
      if (!std::isnan(*number)) price = *number;
    }
    const size_t trace = recording_.writer.add_trace(strategy, recording_.feeds[feed]);
    const TableColumn& val = *columns.val;
    if (val.type == ColumnType::text && !val.is_null(row)) {
      const auto number = input_.is_untyped() ? parse_number(val.texts[row]) : std::nullopt;
      if (!number) return recording_.writer.record_label(trace, *bar, val.texts[row], price);
    }
    const Result<double> number = read_number(val, row, input_.is_untyped());
    if (!number.ok()) return number.status().at(fmt::format("strategy {}, column 'val'", id));
    return recording_.writer.record(trace, *bar, *number, price);
  }

  ColumnInput& input_;
  Recording& recording_;
  std::unordered_map<std::string, size_t> strategies_;
  std::vector<BarClock> clocks_;  // one a feed
  bool zone_missing_ = false;
};

}  // namespace

bool is_long_form(const ColumnInput& input) {
  return input.find_column("strategy_id") >= 0 && input.find_column("val") >= 0;
}

Status record_long_form(ColumnInput& input, Recording& recording) { return LongFormRecorder(input, recording).run(); }

}  // namespace signalbook
