#include "store/bars_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/time_text.h"
#include "format/content_hash.h"
#include "format/trace_schema.h"
#include "store/table_file.h"

namespace signalbook {

namespace {

// 0001-01-01 and the end of 9999 in microseconds: what ISO 8601 can write with four digits, and every reader read.
constexpr int64_t kFirstTime = -62'135'596'800'000'000, kLastTime = 253'402'300'799'999'999;

constexpr const char* kPrices[] = {"open", "high", "low", "close"};

TableColumn& add_constant(Table& table, const char* name, const std::string& text, size_t rows) {
  TableColumn& column = table.add(name, ColumnType::text);
  column.texts.assign(rows, text);
  return column;
}

}  // namespace

Status check_bars(const Bars& bars) {
  if (bars.size() == 0) return Status::invalid("there are no bars");
  const std::vector<double>* prices[] = {&bars.open, &bars.high, &bars.low, &bars.close};
  for (size_t row = 0; row < bars.size(); ++row) {
    if (row > 0 && bars.ts[row] <= bars.ts[row - 1]) {
      return Status::invalid(fmt::format(
          "row {}: the bar of {} {}; bars must be sorted by time, each given once", row + 1, format_time(bars.ts[row]),
          bars.ts[row] == bars.ts[row - 1] ? "is there twice"
                                           : "comes after the one of " + format_time(bars.ts[row - 1])));
    }
    if (bars.ts[row] < kFirstTime || bars.ts[row] > kLastTime) {
      return Status::invalid(fmt::format("row {}: the time lies outside the years 1 to 9999", row + 1));
    }
    for (size_t i = 0; i < std::size(prices); ++i) {
      if (!std::isfinite((*prices[i])[row])) {
        return Status::invalid(fmt::format("row {}: column '{}' is no finite number", row + 1, kPrices[i]));
      }
    }
    if (bars.has_volume() && !std::isfinite(bars.volume[row])) {
      return Status::invalid(fmt::format("row {}: column 'volume' is no finite number", row + 1));
    }
  }
  return Status();
}

namespace {

// Rows [begin, end) as a table. The constant columns make it many times larger than the bars themselves, so it is
// made a stretch at a time.
Table bars_table(const Bars& bars, const std::string& data_id_hex, size_t begin, size_t end) {
  Table table;
  add_constant(table, "data_id", data_id_hex, end - begin);
  add_constant(table, "symbol", bars.symbol, end - begin);
  add_constant(table, "timeframe", bars.timeframe, end - begin);
  TableColumn& idx = table.add("idx", ColumnType::int64);
  for (size_t row = begin; row < end; ++row) idx.append_integer(static_cast<int64_t>(row));
  const auto cut = [&](const auto& column) {
    return std::vector(column.begin() + static_cast<std::ptrdiff_t>(begin),
                       column.begin() + static_cast<std::ptrdiff_t>(end));
  };
  table.add("ts", ColumnType::timestamp).integers = cut(bars.ts);
  const std::vector<double>* prices[] = {&bars.open, &bars.high, &bars.low, &bars.close};
  for (size_t i = 0; i < std::size(prices); ++i) table.add(kPrices[i], ColumnType::real).reals = cut(*prices[i]);
  TableColumn& volume = table.add("volume", ColumnType::real);
  if (bars.has_volume()) {
    volume.reals = cut(bars.volume);
  } else {
    volume.reals.assign(end - begin, 0.0);
    volume.valid.assign(end - begin, 0);
  }
  return table;
}

}  // namespace

Result<std::string> encode_bars_file(const Bars& bars, const std::string& data_id_hex) {
  TableFileEncoder encoder({.metadata = {{metadata_key::kFormatVersion, std::to_string(kFormatVersion)},
                                         {metadata_key::kDataId, data_id_hex},
                                         {metadata_key::kSymbol, bars.symbol},
                                         {metadata_key::kTimeframe, bars.timeframe}},
                            .delta_columns = {"idx", "ts"}});
  constexpr size_t kRowsPerTable = 65'536;
  for (size_t begin = 0; begin < bars.size(); begin += kRowsPerTable) {
    SB_RETURN_IF_ERROR(
        encoder.append(bars_table(bars, data_id_hex, begin, std::min(bars.size(), begin + kRowsPerTable))));
  }
  return encoder.finish();
}

Result<Bars> decode_bars_file(std::string_view bytes, const std::string& file_name) {
  SB_ASSIGN_OR_RETURN(Table table, decode_table_file(bytes, file_name));
  const auto damaged = [&](const std::string& what) { return Status::damaged(file_name + ": " + what); };
  constexpr std::pair<const char*, ColumnType> kColumns[] = {
      {"data_id", ColumnType::text}, {"symbol", ColumnType::text}, {"timeframe", ColumnType::text},
      {"ts", ColumnType::timestamp}, {"open", ColumnType::real},   {"high", ColumnType::real},
      {"low", ColumnType::real},     {"close", ColumnType::real},  {"volume", ColumnType::real}};
  for (const auto& [name, type] : kColumns) {
    const TableColumn* const column = table.find(name);
    if (column == nullptr || column->type != type) {
      return damaged(fmt::format("column '{}' is {}", name, column == nullptr ? "missing" : "of another type"));
    }
  }
  if (table.row_count() == 0) return damaged("there are no bars");
  Bars bars = {.symbol = table.find("symbol")->texts.front(),
               .timeframe = table.find("timeframe")->texts.front(),
               .ts = table.find("ts")->integers,
               .open = table.find("open")->reals,
               .high = table.find("high")->reals,
               .low = table.find("low")->reals,
               .close = table.find("close")->reals,
               .volume = {}};
  const TableColumn& volume = *table.find("volume");
  if (!volume.is_null(0)) bars.volume = volume.reals;
  if (to_hex(data_id(bars)) != table.find("data_id")->texts.front()) {
    return damaged("the bars do not have the data_id that the file says");
  }
  return bars;
}

Status check_bars_file_rows(std::string_view bytes, const std::string& file_name, const Bars& bars) {
  std::vector<std::pair<std::string, std::string>> metadata;
  SB_ASSIGN_OR_RETURN(const Table table,
                      decode_table_file(bytes, file_name, {"idx", "data_id", "symbol", "timeframe"}, &metadata));
  const auto damaged = [&](const std::string& what) { return Status::damaged(file_name + ": " + what); };
  const TableColumn* const idx = table.find("idx");
  if (idx == nullptr || idx->type != ColumnType::int64) return damaged("column 'idx' is missing or of another type");
  for (size_t row = 0; row < idx->integers.size(); ++row) {
    if (idx->is_null(row) || idx->integers[row] != static_cast<int64_t>(row)) {
      return damaged(fmt::format("row {}: idx is not {}", row + 1, row));
    }
  }
  const std::tuple<const char*, const char*, std::string> constants[] = {
      {"data_id", metadata_key::kDataId, to_hex(data_id(bars))},
      {"symbol", metadata_key::kSymbol, bars.symbol},
      {"timeframe", metadata_key::kTimeframe, bars.timeframe}};
  for (const auto& [name, key, value] : constants) {
    const TableColumn& column = *table.find(name);
    for (size_t row = 0; row < column.texts.size(); ++row) {
      if (column.is_null(row) || column.texts[row] != value) {
        return damaged(fmt::format("row {}: {} is not {}", row + 1, name, value));
      }
    }
    if (std::ranges::find(metadata, std::pair<std::string, std::string>(key, value)) == metadata.end()) {
      return damaged(fmt::format("the metadata do not say {} {}", key, value));
    }
  }
  return Status();
}

}  // namespace signalbook
