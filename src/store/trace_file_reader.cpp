// Trace files of this and older layouts, read through the store's tables: slow to write twice, quick to read once.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "format/signal_encoder.h"
#include "format/trace_schema.h"
#include "store/parse_time.h"
#include "store/table_file.h"
#include "store/trace_file.h"

namespace signalbook {

namespace {

using Metadata = std::vector<std::pair<std::string, std::string>>;

std::string find_metadata(const Metadata& metadata, std::string_view key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return value;
  }
  return "";
}

std::optional<int64_t> find_integer(const Metadata& metadata, std::string_view key) {
  const std::string text = find_metadata(metadata, key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The first text of a column that is there and not NULL on its first row.
std::string first_text(const Table& table, std::string_view name) {
  const TableColumn* column = table.find(name);
  if (column == nullptr || column->texts.empty() || column->is_null(0)) return "";
  return column->texts.front();
}

Status no_nulls(const TableColumn& column) {
  for (size_t row = 0; row < column.valid.size(); ++row) {
    if (column.valid[row] == 0)
      return Status::damaged(fmt::format("column '{}': row {} is NULL", column.name, row + 1));
  }
  return Status();
}

Status read_idx(const TableColumn& column, SignalChanges& changes) {
  if (column.type != ColumnType::int64) return Status::damaged("column 'idx' holds no integers");
  changes.idx = column.integers;
  return no_nulls(column);
}

Status read_values(const TableColumn& column, SignalChanges& changes) {
  SB_RETURN_IF_ERROR(no_nulls(column));
  switch (column.type) {
    case ColumnType::text:
      changes.kind = SignalKind::label;
      changes.labels = column.texts;
      return Status();
    case ColumnType::real:
      changes.values = column.reals;
      return Status();
    case ColumnType::boolean:
    case ColumnType::int32:
    case ColumnType::int64:
      changes.values.assign(column.integers.begin(), column.integers.end());
      return Status();
    default:
      return Status::damaged("column 'val' holds neither numbers nor text");
  }
}

Status read_times(const TableColumn& column, std::vector<int64_t>& ts) {
  SB_RETURN_IF_ERROR(no_nulls(column));
  if (column.type == ColumnType::timestamp) {
    ts = column.integers;
    return Status();
  }
  if (column.type != ColumnType::text) return Status::damaged("column 'ts' holds no times");
  for (size_t row = 0; row < column.texts.size(); ++row) {
    bool zone_given = false;
    SB_ASSIGN_OR_RETURN(const int64_t time, parse_time(column.texts[row], &zone_given));
    ts.push_back(time);
  }
  return Status();
}

Status read_prices(const TableColumn& column, std::vector<double>& px) {
  if (column.type == ColumnType::int64) {
    px.assign(column.integers.begin(), column.integers.end());
  } else if (column.type == ColumnType::real) {
    px = column.reals;
  } else {
    return Status::damaged("column 'px' holds no numbers");
  }
  for (size_t row = 0; row < px.size(); ++row) {
    if (column.is_null(row)) px[row] = std::numeric_limits<double>::quiet_NaN();
  }
  return Status();
}

Result<Trace> to_trace(const Table& table, const Metadata& metadata) {
  Trace trace;
  const TableColumn* idx = table.find(column::kIdx);
  const TableColumn* val = table.find(column::kValue);
  if (idx == nullptr || val == nullptr) return Status::damaged("no trace: columns 'idx' and 'val' are not both there");
  SB_RETURN_IF_ERROR(read_idx(*idx, trace.changes));
  SB_RETURN_IF_ERROR(read_values(*val, trace.changes));
  if (const TableColumn* ts = table.find(column::kTs)) SB_RETURN_IF_ERROR(read_times(*ts, trace.ts));
  trace.px.assign(table.row_count(), std::numeric_limits<double>::quiet_NaN());
  if (const TableColumn* px = table.find(column::kPrice)) SB_RETURN_IF_ERROR(read_prices(*px, trace.px));
  SB_RETURN_IF_ERROR(check_changes(trace.changes, std::numeric_limits<int64_t>::max()));

  const auto either = [&](const char* key, const char* column_name) {
    const std::string value = find_metadata(metadata, key);
    return value.empty() ? first_text(table, column_name) : value;
  };
  trace.about = {
      .strategy_id = either(metadata_key::kStrategyId, column::kStrategy),
      .strategy_hash = either(metadata_key::kStrategyHash, column::kStrategyHash),
      .strategy_digest = find_metadata(metadata, metadata_key::kStrategyDigest),
      .strategy_config = either(metadata_key::kStrategyConfig, column::kMetadata),
      .symbol = either(metadata_key::kSymbol, column::kSymbol),
      .timeframe = find_metadata(metadata, metadata_key::kTimeframe),
      .data_id = find_metadata(metadata, metadata_key::kDataId),
      .trace_hash = find_metadata(metadata, metadata_key::kTraceHash),
      .bar_count = find_integer(metadata, metadata_key::kBarCount),
      .creation_time = find_metadata(metadata, metadata_key::kCreationTime),
  };
  return trace;
}

}  // namespace

Result<Trace> decode_trace_file(const std::string& bytes, const std::string& file_name) {
  Metadata metadata;
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, {}, &metadata));
  Result<Trace> trace = to_trace(table, metadata);
  return trace.ok() ? trace : trace.status().at(file_name);
}

}  // namespace signalbook
