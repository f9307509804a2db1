#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "base/exact_double.h"
#include "format/json_value.h"
#include "ingest/stream_input.h"

namespace signalbook {

namespace {

constexpr std::array<std::string_view, 9> kColumns = {"strategy_id", "idx",    "ts",        "val", "px",
                                                      "config",      "symbol", "timeframe", "end"};
enum Column : size_t { kStrategyId, kIdx, kTs, kVal, kPx, kConfig, kSymbol, kTimeframe, kEnd, kNoColumn };

constexpr size_t kLongestLine = size_t{1} << 24;

Column find_column_of(std::string_view key) {
  if (key == "timestamp") return kTs;
  return static_cast<Column>(std::find(kColumns.begin(), kColumns.end(), key) - kColumns.begin());
}

bool is_name(Column column) { return column == kStrategyId || column == kSymbol || column == kTimeframe; }

// One row: a cell for each column it has.
struct Cell {
  bool given = false;
  ColumnType type = ColumnType::real;
  int64_t integer = 0;
  double real = 0.0;
  std::string text;
};
using Row = std::array<Cell, kColumns.size()>;

void set_text(Cell& cell, std::string text) {
  cell.type = ColumnType::text;
  cell.text = std::move(text);
}

void set_integer(Cell& cell, Column column, int64_t integer) {
  // Ids that a tool has made numbers of; elsewhere a number is a number, whether it has a fraction or not.
  if (is_name(column)) {
    set_text(cell, std::to_string(integer));
  } else if (const auto real = to_exact_double(integer)) {
    cell.real = *real;
  } else {
    cell.type = ColumnType::int64;
    cell.integer = integer;
  }
}

Status set_cell(Cell& cell, Column column, const JsonValue& value) {
  if (value.is_null()) return Status();
  cell.given = true;
  if (column == kConfig && (value.object() != nullptr || value.array() != nullptr)) {
    set_text(cell, to_json(value));
    return Status();
  }
  if (const std::string* const text = value.text()) {
    set_text(cell, *text);
    return Status();
  }
  if (const bool* const boolean = value.boolean()) {
    cell.type = ColumnType::boolean;
    cell.integer = *boolean ? 1 : 0;
    return Status();
  }
  if (const int64_t* const integer = value.integer()) {
    set_integer(cell, column, *integer);
    return Status();
  }
  if (const double* const real = value.real()) {
    cell.real = *real;
    return Status();
  }
  if (const auto* const big = value.big_integer()) return Status::invalid(fmt::format("{} is too large", big->digits));
  return Status::invalid("this is no number and no text");
}

Result<Row> parse_row(std::string_view line) {
  SB_ASSIGN_OR_RETURN(const JsonValue value, parse_json_of_distinct_members(line));
  if (value.object() == nullptr) return Status::invalid("a line is one object, such as {\"strategy_id\": \"a\", ...}");
  Row row;
  for (const auto& [key, member] : *value.object()) {
    const Column column = find_column_of(key);
    if (column == kNoColumn) {
      return Status::invalid(fmt::format(
          "'{}' is unknown; the long form has strategy_id, idx or ts, val, px, config, symbol, timeframe, end", key));
    }
    if (row[column].given) return Status::invalid("'ts' and 'timestamp' are one too many");
    SB_RETURN_IF_ERROR(set_cell(row[column], column, member).at(fmt::format("'{}'", key)));
  }
  return row;
}

// Rows with the same columns of the same types, gathered to a table.
class RowGroup {
 public:
  bool takes(const Row& row) const {
    if (count_ == 0) return true;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].given != (places_[i] >= 0)) return false;
      if (row[i].given && row[i].type != table_.columns[static_cast<size_t>(places_[i])].type) return false;
    }
    return true;
  }

  void add(Row& row) {
    if (count_ == 0) {
      table_ = {};
      for (size_t i = 0; i < row.size(); ++i) {
        places_[i] = row[i].given ? static_cast<int>(table_.columns.size()) : -1;
        if (row[i].given) table_.add(std::string(kColumns[i]), row[i].type);
      }
    }
    for (size_t i = 0; i < row.size(); ++i) {
      if (!row[i].given) continue;
      TableColumn& column = table_.columns[static_cast<size_t>(places_[i])];
      if (column.type == ColumnType::text) {
        column.append_text(std::move(row[i].text));
      } else if (column.type == ColumnType::real) {
        column.append_real(row[i].real);
      } else {
        column.append_integer(row[i].integer);
      }
    }
    ++count_;
  }

  int64_t count() const { return count_; }
  const Table& table() const { return table_; }
  void clear() { count_ = 0; }

 private:
  Table table_;
  std::array<int, kColumns.size()> places_ = {};  // of each known column in the table, or -1
  int64_t count_ = 0;
};

class JsonLinesStream : public StreamInput {
 public:
  using StreamInput::StreamInput;

  Status open() override { return set_column_names({kColumns.begin(), kColumns.end()}); }

  Status scan(const std::vector<int>&, const TableVisitor& visit) override {
    next_row_ = options_.first_row;
    std::string pending;
    while (!is_ended()) {
      const size_t searched = pending.size();
      SB_RETURN_IF_ERROR(bytes_->read(&pending));
      size_t end = pending.rfind('\n');
      const bool any = end != std::string::npos && end >= searched;
      if (bytes_->is_at_end()) {
        SB_RETURN_IF_ERROR(take_last(pending, visit));
        return Status();
      }
      if (!any && pending.size() > kLongestLine) {
        return Status::invalid(fmt::format("row {}: a line of over {} MB", next_row_ + 1, kLongestLine >> 20));
      }
      if (!any) continue;
      SB_RETURN_IF_ERROR(take_lines(std::string_view(pending).substr(0, end), visit));
      pending.erase(0, end + 1);
    }
    return refuse_rows_behind_end(std::move(pending), next_row_);
  }

 private:
  Status take_last(std::string_view rest, const TableVisitor& visit) {
    const bool blank = rest.find_first_not_of(" \t\r\n") == std::string_view::npos;
    ended_ = options_.end_of_file_ends;
    torn_ = !blank && !ended_;
    return blank || torn_ ? Status() : take_lines(rest, visit);
  }

  Status take_lines(std::string_view lines, const TableVisitor& visit) {
    while (!lines.empty()) {
      const size_t end = std::min(lines.find('\n'), lines.size());
      const std::string_view line = lines.substr(0, end);
      lines.remove_prefix(std::min(end + 1, lines.size()));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      Result<Row> row = parse_row(line);
      if (!row.ok()) {
        SB_RETURN_IF_ERROR(hand_over(visit));
        return row.status().at(fmt::format("row {}", next_row_ + 1));
      }
      if (std::none_of(row->begin(), row->end(), [](const Cell& cell) { return cell.given; })) {
        SB_RETURN_IF_ERROR(hand_over(visit));
        return Status::invalid(fmt::format("row {}: the object is empty", next_row_ + 1));
      }
      constexpr int64_t kMostRows = 4096;
      if (!group_.takes(*row) || group_.count() >= kMostRows) SB_RETURN_IF_ERROR(hand_over(visit));
      group_.add(*row);
    }
    return hand_over(visit);
  }

  Status hand_over(const TableVisitor& visit) {
    if (group_.count() == 0) return Status();
    const int64_t first_row = next_row_;
    next_row_ += group_.count();
    group_.clear();
    return visit(first_row, group_.table());
  }

  RowGroup group_;
  int64_t next_row_ = 0;
};

}  // namespace

std::unique_ptr<StreamInput> make_json_lines_stream(std::unique_ptr<ByteStream> bytes,
                                                    const StreamInput::Options& options) {
  return std::make_unique<JsonLinesStream>(std::move(bytes), options);
}

}  // namespace signalbook
