#include "ingest/bars_input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "base/ascii.h"
#include "ingest/cell.h"
#include "ingest/column_input.h"
#include "store/bars_file.h"

namespace signalbook {

namespace {

// The column of one of these names, or -1. Two of them are an error: who knows which one is meant.
Result<int> find_one_of(const ColumnInput& input, std::initializer_list<const char*> names) {
  int found = -1;
  for (size_t i = 0; i < input.column_names().size(); ++i) {
    const std::string name = to_lower_ascii(input.column_names()[i]);
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    if (found >= 0) {
      return Status::invalid(fmt::format("columns '{}' and '{}' both could be '{}'",
                                         input.column_names()[static_cast<size_t>(found)], input.column_names()[i],
                                         *names.begin()));
    }
    found = static_cast<int>(i);
  }
  return found;
}

Result<Bars> read(ColumnInput& input, const std::string& symbol, const std::string& timeframe, bool* zone_missing) {
  SB_ASSIGN_OR_RETURN(const int time, find_one_of(input, {"timestamp", "ts", "time", "date", "datetime"}));
  SB_ASSIGN_OR_RETURN(const int open, find_one_of(input, {"open"}));
  SB_ASSIGN_OR_RETURN(const int high, find_one_of(input, {"high"}));
  SB_ASSIGN_OR_RETURN(const int low, find_one_of(input, {"low"}));
  SB_ASSIGN_OR_RETURN(const int close, find_one_of(input, {"close"}));
  SB_ASSIGN_OR_RETURN(const int volume, find_one_of(input, {"volume"}));
  const std::pair<int, const char*> needed[] = {
      {time, "timestamp"}, {open, "open"}, {high, "high"}, {low, "low"}, {close, "close"}};
  std::vector<int> columns;
  for (const auto& [column, name] : needed) {
    if (column < 0) {
      return Status::invalid(
          fmt::format("column '{}' is missing; there are: {}", name, fmt::join(input.column_names(), ", ")));
    }
    columns.push_back(column);
  }
  if (volume >= 0) columns.push_back(volume);

  Bars bars;
  bars.symbol = symbol;
  bars.timeframe = timeframe;
  std::vector<double>* const numbers[] = {&bars.open, &bars.high, &bars.low, &bars.close, &bars.volume};
  SB_RETURN_IF_ERROR(input.scan(columns, [&](int64_t first_row, const Table& table) -> Status {
    for (size_t row = 0; row < table.row_count(); ++row) {
      const auto place = [&](size_t column) {
        return fmt::format("row {}, column '{}'", first_row + static_cast<int64_t>(row) + 1,
                           table.columns[column].name);
      };
      const Result<int64_t> ts = read_time(table.columns[0], row, zone_missing);
      if (!ts.ok()) return ts.status().at(place(0));
      bars.ts.push_back(*ts);
      for (size_t column = 1; column < table.columns.size(); ++column) {
        const Result<double> number = read_number(table.columns[column], row, input.is_untyped());
        if (!number.ok()) return number.status().at(place(column));
        numbers[column - 1]->push_back(*number);
      }
    }
    return Status();
  }));
  // A column that is there but says nothing, as data vendors write for indices.
  const auto is_missing = [](double number) { return std::isnan(number); };
  if (std::all_of(bars.volume.begin(), bars.volume.end(), is_missing)) bars.volume.clear();
  for (std::vector<double>* const column : numbers) column->shrink_to_fit();  // what growing left over is a lot
  bars.ts.shrink_to_fit();
  SB_RETURN_IF_ERROR(check_bars(bars));
  return bars;
}

}  // namespace

Result<Bars> read_bars_input(const std::string& path, const std::string& symbol, const std::string& timeframe,
                             std::vector<std::string>* warnings) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ColumnInput> input, open_column_input(path));
  bool zone_missing = false;
  Result<Bars> bars = read(*input, symbol, timeframe, &zone_missing);
  if (!bars.ok()) return bars.status().at(path);
  if (zone_missing) warnings->push_back(fmt::format("{}: times without a zone are taken for UTC", path));
  return bars;
}

}  // namespace signalbook
