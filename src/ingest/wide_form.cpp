#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>

#include "ingest/bar_clock.h"
#include "ingest/cell.h"
#include "ingest/signals_input.h"

namespace signalbook {

namespace {

constexpr int64_t kNotCounted = -1;
constexpr BarIndex kNoBar = -1;  // this feed has no bar at the time of that row

class WideFormRecorder {
 public:
  WideFormRecorder(ColumnInput& input, Recording& recording) : input_(input), recording_(recording) {
    for (const size_t feed : recording.feeds) clocks_.emplace_back(recording.writer.bars(feed));
    bars_.resize(recording.feeds.size());
  }

  Status run() {
    SB_RETURN_IF_ERROR(assign_columns());
    warn_of_bar_numbers();
    SB_RETURN_IF_ERROR(input_.is_stream()             ? record_stream()
                       : input_.reads_columns_alone() ? record_by_column()
                                                      : record_by_row());
    if (!names_bars() && !end_was_said_ && input_.is_ended()) SB_RETURN_IF_ERROR(check_row_count());
    if (zone_missing_) recording_.warnings->push_back("signal times without a zone are taken for UTC");
    return Status();
  }

 private:
  struct SignalColumn {
    int column;
    size_t feed;      // place in recording.feeds
    size_t strategy;  // place in recording.strategies
    size_t trace;
  };

  bool names_bars() const { return idx_ >= 0 || ts_ >= 0; }
  std::vector<int> bar_columns() const {
    std::vector<int> columns;
    if (idx_ >= 0) columns.push_back(idx_);
    if (ts_ >= 0) columns.push_back(ts_);
    return columns;
  }

  // Which column holds which strategy on which feed; the traces stand in the order of the strategies file.
  Status assign_columns() {
    if (recording_.strategies.empty()) {
      return Status::invalid("a wide file names its strategies only by id; name their file with --strategies");
    }
    idx_ = input_.find_column("idx");
    ts_ = input_.find_column("ts");
    if (const int timestamp = input_.find_column("timestamp"); timestamp >= 0) {
      if (ts_ >= 0) return Status::invalid("columns 'ts' and 'timestamp' are one too many");
      ts_ = timestamp;
    }
    std::set<std::string> ambiguous;
    std::unordered_map<std::string, std::pair<size_t, size_t>> wanted;  // column name -> feed and strategy
    for (size_t feed = 0; feed < recording_.feeds.size(); ++feed) {
      const Bars& bars = recording_.writer.bars(recording_.feeds[feed]);
      for (size_t s = 0; s < recording_.strategies.size(); ++s) {
        const std::string& id = recording_.strategy_ids[s];
        std::vector<std::string> names = {fmt::format("{}_{}/{}", bars.symbol, bars.timeframe, id)};
        if (recording_.feeds.size() == 1) names.push_back(id);
        for (const std::string& name : names) {
          if (!wanted.emplace(name, std::pair(feed, s)).second) ambiguous.insert(name);
        }
      }
    }
    std::vector<std::pair<std::pair<size_t, size_t>, int>> assigned;
    for (size_t i = 0; i < input_.column_names().size(); ++i) {
      const int column = static_cast<int>(i);
      if (column == idx_ || column == ts_) continue;
      const std::string& name = input_.column_names()[i];
      const auto place = wanted.find(name);
      if (place == wanted.end() && name == "end" && input_.is_stream()) {
        end_ = column;
        continue;
      }
      if (place == wanted.end()) {
        return Status::invalid(recording_.feeds.size() == 1
                                   ? fmt::format("column '{}' is no strategy of the strategies file", name)
                                   : fmt::format("column '{}' is no FEED/strategy_id, such as {}_{}/{}", name,
                                                 recording_.writer.bars(recording_.feeds[0]).symbol,
                                                 recording_.writer.bars(recording_.feeds[0]).timeframe,
                                                 recording_.strategy_ids[0]));
      }
      if (ambiguous.contains(name)) {
        return Status::invalid(
            fmt::format("column '{}' may mean two strategies; use the long form, or other ids", name));
      }
      assigned.emplace_back(place->second, column);
    }
    std::sort(assigned.begin(), assigned.end());
    for (size_t i = 0; i < assigned.size(); ++i) {
      const auto [feed, strategy] = assigned[i].first;
      if (i > 0 && assigned[i - 1].first == assigned[i].first) {
        return Status::invalid(fmt::format("strategy '{}' has two columns", recording_.strategy_ids[strategy]));
      }
      signals_.push_back(
          {.column = assigned[i].second,
           .feed = feed,
           .strategy = strategy,
           .trace = recording_.writer.add_trace(recording_.strategies[strategy], recording_.feeds[feed])});
    }
    if (signals_.empty()) return Status::invalid("there is no column of a strategy");
    return Status();
  }

  // Parquet: a column at a time, written and forgotten before the next one is read.
  Status record_by_column() {
    if (names_bars()) {
      SB_RETURN_IF_ERROR(input_.scan(bar_columns(), [&](int64_t, const Table& table) { return append_bars(table); }));
    }
    for (const SignalColumn& signal : signals_) {
      if (recording_.before.last_bar(signal.trace) >= static_cast<BarIndex>(bar_count(signal.feed))) continue;
      bool handled = false;
      row_count_ = 0;
      SB_RETURN_IF_ERROR(input_
                             .scan_numbers(
                                 signal.column,
                                 [&](int64_t first_row, const NumberSlice& slice) {
                                   row_count_ = first_row + slice.count;
                                   return record_numbers(signal, first_row, slice);
                                 },
                                 &handled)
                             .at(column_place(signal)));
      if (!handled) {
        SB_RETURN_IF_ERROR(input_.scan({signal.column}, [&](int64_t first_row, const Table& table) {
          row_count_ = first_row + static_cast<int64_t>(table.row_count());
          return record_column(signal, first_row, table.columns[0]);
        }));
      }
      SB_RETURN_IF_ERROR(recording_.writer.finish_trace(signal.trace));
      SB_RETURN_IF_ERROR(recording_.progress.check());
      recording_.progress.tell("strategies", &signal - signals_.data() + 1, static_cast<int64_t>(signals_.size()));
    }
    return Status();
  }

  // CSV and Arrow: all columns of some rows at a time.
  Status record_by_row() {
    row_count_ = 0;
    std::vector<int> columns = bar_columns();
    const size_t first_signal = columns.size();
    for (const SignalColumn& signal : signals_) columns.push_back(signal.column);
    return input_.scan(columns, [&](int64_t first_row, const Table& table) -> Status {
      row_count_ = first_row + static_cast<int64_t>(table.row_count());
      if (names_bars()) {
        for (auto& bars : bars_) bars.clear();
        first_known_row_ = first_row;
        SB_RETURN_IF_ERROR(append_bars(table));
      }
      for (size_t i = 0; i < signals_.size(); ++i) {
        SB_RETURN_IF_ERROR(record_column(signals_[i], first_row, table.columns[first_signal + i]));
      }
      recording_.progress.tell("rows", row_count_, 0);
      return recording_.progress.check();
    });
  }

  // A row is handed over whole before the next one, so that its number says what is recorded.
  Status record_stream() {
    row_count_ = 0;
    std::vector<int> columns = bar_columns();
    const size_t first_signal = columns.size();
    for (const SignalColumn& signal : signals_) columns.push_back(signal.column);
    if (end_ >= 0) columns.push_back(end_);
    return input_.scan(columns, [&](int64_t first_row, const Table& table) -> Status {
      for (size_t row = 0; row < table.row_count(); ++row) {
        first_known_row_ = first_row + static_cast<int64_t>(row);
        SB_RETURN_IF_ERROR(record_row(table, row, first_signal).at(fmt::format("row {}", first_known_row_ + 1)));
        row_count_ = first_known_row_ + 1;
        SB_RETURN_IF_ERROR(recording_.progress.after_row(row_count_));
      }
      return Status();
    });
  }

  Status record_row(const Table& table, size_t row, size_t first_signal) {
    if (ended_) return Status::invalid("there is a row behind the end of the stream");
    const auto is_empty = [&](const TableColumn& column) { return column.is_null(row); };
    if (end_ >= 0) {
      const Result<bool> flag = read_flag(table.columns.back(), row);
      if (!flag.ok()) return flag.status().at("column 'end'");
      end_was_said_ = *flag;
    }
    if (end_was_said_) {
      ended_ = true;
      input_.stop();
      if (std::all_of(table.columns.begin(), table.columns.end() - 1, is_empty)) return Status();
    }
    for (auto& bars : bars_) bars.clear();
    if (names_bars()) SB_RETURN_IF_ERROR(append_bar(table, row));
    SB_RETURN_IF_ERROR(record_cells_of_row(table, row, first_signal));
    // With the last bar of every feed all is said.
    bool last = true;
    for (size_t feed = 0; feed < bars_.size(); ++feed) {
      const BarIndex bar = names_bars() ? last_bars_[feed] : first_known_row_;
      last &= bar + 1 >= static_cast<BarIndex>(bar_count(feed));
    }
    if (last && !ended_) {
      ended_ = true;
      input_.stop();
    }
    return Status();
  }

  // Every cell is looked at before the first is recorded: a row that cannot be read leaves nothing behind.
  Status record_cells_of_row(const Table& table, size_t row, size_t first_signal) {
    row_traces_.clear();
    numbers_.clear();
    row_labels_.clear();
    for (size_t i = 0; i < signals_.size(); ++i) {
      const SignalColumn& signal = signals_[i];
      const TableColumn& column = table.columns[first_signal + i];
      const BarIndex bar = bar_at(signal, first_known_row_);
      const bool given_again = bar != kNoBar && recording_.before.holds(signal.trace, bar, first_known_row_);
      const Result<double> number = read_number(column, row, input_.is_untyped());
      if (!number.ok() && !is_label(column, row)) return number.status().at(column_place(signal));
      if (bar == kNoBar) {
        if (number.ok() && std::isnan(*number)) continue;
        return Status::invalid("the feed has no bar there, so it can have no signal").at(column_place(signal));
      }
      if (given_again) {
        SB_RETURN_IF_ERROR(number.ok() ? recording_.writer.check_repeats(signal.trace, bar, *number)
                                       : recording_.writer.check_repeats_label(signal.trace, bar, column.texts[row]));
      } else if (number.ok()) {
        row_traces_.push_back({i, bar});
        numbers_.push_back(*number);
      } else {
        row_labels_.push_back({i, bar});
      }
    }
    for (size_t i = 0; i < row_traces_.size(); ++i) {
      const auto [signal, bar] = row_traces_[i];
      SB_RETURN_IF_ERROR(recording_.writer.record(signals_[signal].trace, bar, numbers_[i]));
    }
    for (const auto& [signal, bar] : row_labels_) {
      const std::string& label = table.columns[first_signal + signal].texts[row];
      SB_RETURN_IF_ERROR(recording_.writer.record_label(signals_[signal].trace, bar, label));
    }
    return Status();
  }

  bool is_label(const TableColumn& column, size_t row) const {
    if (column.type != ColumnType::text || column.is_null(row)) return false;
    return !input_.is_untyped() || !parse_number(column.texts[row]).has_value();
  }

  // Learns the bars of some more rows from their idx and ts.
  Status append_bars(const Table& table) {
    for (size_t row = 0; row < table.row_count(); ++row) {
      SB_RETURN_IF_ERROR(append_bar(table, row).at(fmt::format("row {}", rows_with_bars_ + 1)));
      ++rows_with_bars_;
    }
    return Status();
  }

  Status append_bar(const Table& table, size_t row) {
    size_t next = 0;
    const TableColumn* idx = idx_ >= 0 ? &table.columns[next++] : nullptr;
    const TableColumn* ts = ts_ >= 0 ? &table.columns[next] : nullptr;
    Status status;
    bool known = false;
    last_bars_.resize(bars_.size(), kNoBar);
    for (size_t feed = 0; feed < bars_.size(); ++feed) {
      const Result<BarIndex> bar = clocks_[feed].bar_of(idx, ts, row, &zone_missing_);
      if (!bar.ok()) status = bar.status();
      bars_[feed].push_back(bar.ok() ? *bar : kNoBar);
      known |= bar.ok();
      if (!bar.ok()) continue;
      if (*bar <= last_bars_[feed]) {
        return Status::invalid(fmt::format(
            "bar {} {}", *bar,
            *bar == last_bars_[feed] ? "is there twice"
                                     : fmt::format("comes after bar {}: bars must go forward", last_bars_[feed])));
      }
      last_bars_[feed] = *bar;
    }
    return known ? Status() : status;
  }

  BarIndex bar_at(const SignalColumn& signal, int64_t row) const {
    if (names_bars()) return bars_[signal.feed][static_cast<size_t>(row - first_known_row_)];
    return row < static_cast<int64_t>(bar_count(signal.feed)) ? row : kNoBar;
  }
  size_t bar_count(size_t feed) const { return recording_.writer.bars(recording_.feeds[feed]).size(); }

  const std::string& strategy_id(const SignalColumn& signal) const { return recording_.strategy_ids[signal.strategy]; }

  std::string column_place(const SignalColumn& signal) const {
    return fmt::format("column '{}'", input_.column_names()[static_cast<size_t>(signal.column)]);
  }

  // Rows on consecutive bars go to the encoder as they lie in memory, others one by one.
  Status record_numbers(const SignalColumn& signal, int64_t first_row, NumberSlice slice) {
    SB_RETURN_IF_ERROR(recording_.progress.check());
    SB_RETURN_IF_ERROR(pass_over_repeats(signal, &first_row, &slice));
    if (slice.count == 0) return Status();
    const BarIndex first = bar_at(signal, first_row), last = bar_at(signal, first_row + slice.count - 1);
    if (first != kNoBar && last != kNoBar && last - first == slice.count - 1) {
      const SignalMatrix matrix = {.data = slice.values,
                                   .type = slice.type,
                                   .bar_count = slice.count,
                                   .strategy_count = 1,
                                   .bar_stride = element_size(slice.type),
                                   .strategy_stride = 0};
      return recording_.writer.record_matrix(std::span(&signal.trace, 1), first, matrix);
    }
    for (int64_t i = 0; i < slice.count; ++i) {
      SB_RETURN_IF_ERROR(record_number(signal, first_row + i, element_at(slice.type, slice.values, i)));
    }
    return Status();
  }

  // The beginning of the slice that was recorded before.
  Status pass_over_repeats(const SignalColumn& signal, int64_t* first_row, NumberSlice* slice) {
    const BarIndex before = recording_.before.last_bar(signal.trace);
    int64_t count = 0;
    for (; before >= 0 && count < slice->count; ++count) {
      const BarIndex bar = bar_at(signal, *first_row + count);
      if (bar > before) break;
      if (bar == kNoBar) continue;
      const double value = element_at(slice->type, slice->values, count);
      SB_RETURN_IF_ERROR(recording_.writer.check_repeats(signal.trace, bar, value));
    }
    *first_row += count;
    slice->values = static_cast<const char*>(slice->values) + count * element_size(slice->type);
    slice->count -= count;
    return Status();
  }

  Status record_number(const SignalColumn& signal, int64_t row, double value) {
    const BarIndex bar = bar_at(signal, row);
    if (bar != kNoBar) return recording_.writer.record(signal.trace, bar, value);
    if (std::isnan(value)) return Status();
    return Status::invalid(fmt::format("row {}: the feed has no bar there, so it can have no signal", row + 1));
  }

  Status record_column(const SignalColumn& signal, int64_t first_row, const TableColumn& column) {
    return record_cells(signal, first_row, column).at(column_place(signal));
  }

  Status record_cells(const SignalColumn& signal, int64_t first_row, const TableColumn& column) {
    numbers_.clear();
    for (size_t row = 0; row < column.size(); ++row) {
      Result<double> number = read_number(column, row, input_.is_untyped());
      if (!number.ok()) return record_labels(signal, first_row, column);
      numbers_.push_back(*number);
    }
    // Nothing but missing values says neither number nor label, so the trace stays what it is.
    if (std::all_of(numbers_.begin(), numbers_.end(), [](double number) { return std::isnan(number); })) {
      return record_labels(signal, first_row, column);
    }
    return record_numbers(
        signal, first_row,
        {.type = ElementType::float64, .values = numbers_.data(), .count = static_cast<int64_t>(numbers_.size())});
  }

  Status record_labels(const SignalColumn& signal, int64_t first_row, const TableColumn& column) {
    const BarIndex before = recording_.before.last_bar(signal.trace);
    for (size_t i = 0; i < column.size(); ++i) {
      const int64_t row = first_row + static_cast<int64_t>(i);
      const Result<double> number = read_number(column, i, input_.is_untyped());
      const BarIndex bar = bar_at(signal, row);
      const bool given_again = bar != kNoBar && bar <= before;
      if (number.ok()) {
        SB_RETURN_IF_ERROR(given_again ? recording_.writer.check_repeats(signal.trace, bar, *number)
                                       : record_number(signal, row, *number));
        continue;
      }
      if (!is_label(column, i)) {
        return number.status().at(fmt::format("strategy {}, row {}", strategy_id(signal), row + 1));
      }
      if (bar == kNoBar) {
        return Status::invalid(fmt::format("row {}: the feed has no bar there, so it can have no signal", row + 1));
      }
      SB_RETURN_IF_ERROR(given_again ? recording_.writer.check_repeats_label(signal.trace, bar, column.texts[i])
                                     : recording_.writer.record_label(signal.trace, bar, column.texts[i]));
    }
    return Status();
  }

  // A bar number counts within its feed, so on feeds with different bars one row says different times.
  void warn_of_bar_numbers() const {
    if (ts_ >= 0) return;
    const std::vector<int64_t>& times = recording_.writer.bars(recording_.feeds[0]).ts;
    for (const size_t feed : recording_.feeds) {
      if (recording_.writer.bars(feed).ts == times) continue;
      recording_.warnings->push_back(
          "the feeds have different bars: each row is taken as that bar number of every feed; a column 'ts' would say "
          "the time");
      return;
    }
  }

  // Without idx and ts the rows are the bars, so there must be as many.
  Status check_row_count() const {
    size_t most_bars = 0;
    for (size_t feed = 0; feed < bars_.size(); ++feed) most_bars = std::max(most_bars, bar_count(feed));
    // None was counted where nothing was left to record.
    if (row_count_ == kNotCounted || row_count_ == static_cast<int64_t>(most_bars)) return Status();
    return Status::invalid(fmt::format(
        "there are {} rows of signals but {} bars; add a column 'idx' or 'ts' that says which bar each row is",
        row_count_, most_bars));
  }

  ColumnInput& input_;
  Recording& recording_;
  int idx_ = -1, ts_ = -1, end_ = -1;
  std::vector<SignalColumn> signals_;
  std::vector<BarClock> clocks_;             // one a feed
  std::vector<std::vector<BarIndex>> bars_;  // of each feed: the bar of each known row
  std::vector<BarIndex> last_bars_;
  int64_t first_known_row_ = 0;
  int64_t rows_with_bars_ = 0;
  int64_t row_count_ = kNotCounted;
  bool ended_ = false;         // nothing may follow
  bool end_was_said_ = false;  // by a row
  std::vector<double> numbers_;
  std::vector<std::pair<size_t, BarIndex>> row_traces_, row_labels_;  // of a row: place in signals_, bar
  bool zone_missing_ = false;
};

}  // namespace

Status record_wide_form(ColumnInput& input, Recording& recording) { return WideFormRecorder(input, recording).run(); }

}  // namespace signalbook
