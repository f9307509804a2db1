#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "ingest/bar_clock.h"
#include "ingest/cell.h"
#include "ingest/signals_input.h"

namespace signalbook {

namespace {

constexpr const char* kKnownColumns[] = {"strategy_id", "idx",    "ts",     "timestamp", "val",
                                         "px",          "config", "symbol", "timeframe", "end"};

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
  const TableColumn* end;

  explicit LongColumns(const Table& table)
      : strategy_id(table.find("strategy_id")),
        idx(table.find("idx")),
        ts(table.find("ts") != nullptr ? table.find("ts") : table.find("timestamp")),
        val(table.find("val")),
        px(table.find("px")),
        config(table.find("config")),
        symbol(table.find("symbol")),
        timeframe(table.find("timeframe")),
        end(table.find("end")) {}
};

bool has_value(const TableColumn* column, size_t row) { return column != nullptr && !column->is_null(row); }

// Text as it is; a number as people write it, for ids that a tool has read as numbers.
Result<std::string> read_text(const TableColumn* column, size_t row, const char* what) {
  if (!has_value(column, row)) return Status::invalid(fmt::format("{} is missing", what));
  if (column->type == ColumnType::text) return column->texts[row];
  if (column->type == ColumnType::int64) return std::to_string(column->integers[row]);
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
    const Status scanned = input_.scan(columns, [&](int64_t first_row, const Table& table) -> Status {
      const LongColumns named(table);
      for (size_t row = 0; row < table.row_count(); ++row) {
        const int64_t number = first_row + static_cast<int64_t>(row);
        const Status status = record_row(named, row, number);
        if (!status.ok()) return status.at(fmt::format("row {}", number + 1));
        SB_RETURN_IF_ERROR(recording_.progress.after_row(number + 1));
      }
      return Status();
    });
    if (!scanned.ok()) return scanned;
    if (zone_missing_) recording_.warnings->push_back("signal times without a zone are taken for UTC");
    return Status();
  }

 private:
  Status check_columns() const {
    for (const std::string& name : input_.column_names()) {
      if (std::find(std::begin(kKnownColumns), std::end(kKnownColumns), name) == std::end(kKnownColumns)) {
        return Status::invalid(fmt::format(
            "column '{}' is unknown; the long form has strategy_id, idx or ts, val, px, config, symbol, timeframe, "
            "end",
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
    const bool several = recording_.feeds.size() > 1;
    if (columns.symbol == nullptr && columns.timeframe == nullptr && !several) return size_t{0};
    std::string symbol, timeframe;
    if (columns.symbol != nullptr || several) {
      SB_ASSIGN_OR_RETURN(symbol, read_text(columns.symbol, row, "symbol"));
    }
    if (columns.timeframe != nullptr || several) {
      SB_ASSIGN_OR_RETURN(timeframe, read_text(columns.timeframe, row, "timeframe"));
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
    if (!has_value(columns.config, row)) {
      const auto known = strategies_.find(id);
      if (known != strategies_.end()) return known->second;
      // One whose configuration came before a crash.
      if (const auto before = recording_.writer.find_strategy(id)) {
        strategies_.emplace(id, *before);
        return *before;
      }
      return Status::invalid(
          recording_.strategy_ids.empty()
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

  Status record_row(const LongColumns& columns, size_t row, int64_t number) {
    if (ended_) return Status::invalid("there is a row behind the end of the stream");
    bool ends = false;
    if (columns.end != nullptr) {
      const Result<bool> flag = read_flag(*columns.end, row);
      if (!flag.ok()) return flag.status().at("column 'end'");
      ends = *flag;
    }
    if (ends && !has_value(columns.strategy_id, row)) return end_stream(columns, row);
    SB_ASSIGN_OR_RETURN(const std::string id, read_text(columns.strategy_id, row, "strategy_id"));
    SB_ASSIGN_OR_RETURN(const size_t feed, feed_of(columns, row));
    SB_ASSIGN_OR_RETURN(const size_t strategy, strategy_of(columns, row, id));
    const size_t trace = recording_.writer.add_trace(strategy, recording_.feeds[feed]);
    if (!ends || has_value(columns.val, row)) {
      SB_RETURN_IF_ERROR(record_signal(columns, row, number, id, feed, trace));
    } else if (names_bar(columns, row)) {
      return Status::invalid(
          fmt::format("strategy {}: an end on a bar needs its 'val'; leave out the bar where it only ends", id));
    } else {
      (void)recording_.before.last_bar(trace);  // as it was before it ends here
    }
    return ends ? recording_.writer.finish_trace(trace) : Status();
  }

  static bool names_bar(const LongColumns& columns, size_t row) {
    return has_value(columns.idx, row) || has_value(columns.ts, row);
  }

  Status end_stream(const LongColumns& columns, size_t row) {
    if (names_bar(columns, row) || has_value(columns.val, row) || has_value(columns.config, row)) {
      return Status::invalid("strategy_id is missing; a row that ends the stream has nothing but 'end'");
    }
    ended_ = true;
    input_.stop();
    return recording_.writer.end_input();  // with this row, so that whoever resumes behind it knows
  }

  Status record_signal(const LongColumns& columns, size_t row, int64_t number, const std::string& id, size_t feed,
                       size_t trace) {
    if (columns.idx == nullptr && columns.ts == nullptr) {
      return Status::invalid(fmt::format("strategy {}: 'idx' and 'ts' are both missing: a row must name its bar", id));
    }
    const Result<BarIndex> bar = clocks_[feed].bar_of(columns.idx, columns.ts, row, &zone_missing_);
    if (!bar.ok()) return bar.status().at(fmt::format("strategy {}", id));
    std::optional<double> price;
    if (has_value(columns.px, row)) {
      const Result<double> px = read_number(*columns.px, row, input_.is_untyped());
      if (!px.ok()) return px.status().at(fmt::format("strategy {}, column 'px'", id));
      if (!std::isnan(*px)) price = *px;
    }
    const bool given_again = recording_.before.holds(trace, *bar, number);
    RunWriter& writer = recording_.writer;
    if (is_label(columns.val, row)) {
      const std::string& label = columns.val->texts[row];
      return given_again ? writer.check_repeats_label(trace, *bar, label)
                         : writer.record_label(trace, *bar, label, price);
    }
    double value = std::numeric_limits<double>::quiet_NaN();
    if (columns.val != nullptr) {
      const Result<double> val = read_number(*columns.val, row, input_.is_untyped());
      if (!val.ok()) return val.status().at(fmt::format("strategy {}, column 'val'", id));
      value = *val;
    }
    return given_again ? writer.check_repeats(trace, *bar, value) : writer.record(trace, *bar, value, price);
  }

  bool is_label(const TableColumn* val, size_t row) const {
    if (!has_value(val, row) || val->type != ColumnType::text) return false;
    return !input_.is_untyped() || !parse_number(val->texts[row]).has_value();
  }

  ColumnInput& input_;
  Recording& recording_;
  std::unordered_map<std::string, size_t> strategies_;
  std::vector<BarClock> clocks_;  // one a feed
  bool zone_missing_ = false;
  bool ended_ = false;
};

}  // namespace

bool is_long_form(const ColumnInput& input) {
  return input.find_column("strategy_id") >= 0 && input.find_column("val") >= 0;
}

Status record_long_form(ColumnInput& input, Recording& recording) { return LongFormRecorder(input, recording).run(); }

}  // namespace signalbook
