#include "store/bars_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
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

// Rows [begin, end) as a table.
Table bars_table(const Bars& bars, size_t begin, size_t end) {
  Table table;
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
  TableFileEncoder encoder(
      {.metadata = {{metadata_key::kFormatVersion, std::to_string(kFormatVersion)},
                    {metadata_key::kDataId, data_id_hex},
                    {metadata_key::kSymbol, bars.symbol},
                    {metadata_key::kTimeframe, bars.timeframe}},
       .constants = {{"data_id", data_id_hex}, {"symbol", bars.symbol}, {"timeframe", bars.timeframe}},
       .delta_columns = {"idx", "ts"}});
  constexpr size_t kRowsPerTable = 65'536;
  for (size_t begin = 0; begin < bars.size(); begin += kRowsPerTable) {
    SB_RETURN_IF_ERROR(encoder.append(bars_table(bars, begin, std::min(bars.size(), begin + kRowsPerTable))));
  }
  return encoder.finish();
}

namespace {

std::string what_of(const TableColumn* column) { return column == nullptr ? "missing" : "of another type"; }

constexpr std::array<std::pair<const char*, const char*>, 3> kNames = {
    {{"data_id", metadata_key::kDataId}, {"symbol", metadata_key::kSymbol}, {"timeframe", metadata_key::kTimeframe}}};

using Names = std::array<std::string, kNames.size()>;

std::optional<Names> names_in_metadata(const std::vector<std::pair<std::string, std::string>>& metadata) {
  Names names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto found = std::ranges::find(metadata, kNames[i].second, &std::pair<std::string, std::string>::first);
    if (found == metadata.end()) return std::nullopt;
    names[i] = found->second;
  }
  return names;
}

// data_id, symbol and timeframe from the columns, which must say the same on every row, beside an idx that counts them.
// Who wrote the file anew with another program may have lost the metadata, and kept the columns.
Result<Names> names_in_columns(std::string_view bytes, const std::string& file_name) {
  SB_ASSIGN_OR_RETURN(const Table table,
                      decode_table_file(bytes, file_name, {"idx", "data_id", "symbol", "timeframe"}));
  const auto damaged = [&](const std::string& what) { return Status::damaged(file_name + ": " + what); };
  const TableColumn* const idx = table.find("idx");
  if (idx == nullptr || idx->type != ColumnType::int64) {
    return damaged(fmt::format("column 'idx' is {}", what_of(idx)));
  }
  for (size_t row = 0; row < idx->integers.size(); ++row) {
    if (idx->is_null(row) || idx->integers[row] != static_cast<int64_t>(row)) {
      return damaged(fmt::format("row {}: idx is not {}", row + 1, row));
    }
  }
  Names names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    const char* const name = kNames[i].first;
    const TableColumn* const column = table.find(name);
    if (column == nullptr || column->type != ColumnType::text) {
      return damaged(fmt::format("column '{}' is {}", name, what_of(column)));
    }
    for (size_t row = 0; row < column->texts.size(); ++row) {
      if (column->is_null(row) || column->texts[row] != column->texts.front()) {
        return damaged(fmt::format("row {}: {} is not {}", row + 1, name, column->texts.front()));
      }
    }
    names[i] = column->texts.front();
  }
  return names;
}

}  // namespace

Result<Bars> decode_bars_file(std::string_view bytes, const std::string& file_name, BarsColumns columns) {
  std::vector<std::pair<std::string, std::string>> metadata;
  SB_ASSIGN_OR_RETURN(Table table,
                      decode_table_file(bytes, file_name, {"ts", "open", "high", "low", "close", "volume"}, &metadata));
  const auto damaged = [&](const std::string& what) { return Status::damaged(file_name + ": " + what); };
  constexpr std::pair<const char*, ColumnType> kColumns[] = {
      {"ts", ColumnType::timestamp}, {"open", ColumnType::real},  {"high", ColumnType::real},
      {"low", ColumnType::real},     {"close", ColumnType::real}, {"volume", ColumnType::real}};
  for (const auto& [name, type] : kColumns) {
    const TableColumn* const column = table.find(name);
    if (column == nullptr || column->type != type) {
      return damaged(fmt::format("column '{}' is {}", name, what_of(column)));
    }
  }
  if (table.row_count() == 0) return damaged("there are no bars");
  std::optional<Names> names;
  if (columns == BarsColumns::needed) names = names_in_metadata(metadata);
  if (!names) {
    SB_ASSIGN_OR_RETURN(names, names_in_columns(bytes, file_name));
  }
  auto& [id, symbol, timeframe] = *names;
  TableColumn& volume = *table.find("volume");
  const bool has_volume = !volume.is_null(0);
  Bars bars = {.symbol = std::move(symbol),
               .timeframe = std::move(timeframe),
               .ts = std::move(table.find("ts")->integers),
               .open = std::move(table.find("open")->reals),
               .high = std::move(table.find("high")->reals),
               .low = std::move(table.find("low")->reals),
               .close = std::move(table.find("close")->reals),
               .volume = has_volume ? std::move(volume.reals) : std::vector<double>()};
  if (to_hex(data_id(bars)) != id) return damaged("the bars do not have the data_id that the file says");
  return bars;
}

Status check_bars_file_metadata(std::string_view bytes, const std::string& file_name, const Bars& bars) {
  std::vector<std::pair<std::string, std::string>> metadata;
  SB_RETURN_IF_ERROR(decode_table_file(bytes, file_name, {"idx"}, &metadata).status());
  const std::string values[] = {to_hex(data_id(bars)), bars.symbol, bars.timeframe};
  for (size_t i = 0; i < kNames.size(); ++i) {
    const std::pair<std::string, std::string> expected(kNames[i].second, values[i]);
    if (std::ranges::find(metadata, expected) != metadata.end()) continue;
    return Status::damaged(
        fmt::format("{}: the metadata do not say {} {}", file_name, expected.first, expected.second));
  }
  return Status();
}

}  // namespace signalbook
