// Trace files of this and older layouts, read through the store's tables; and of this one alone, what most read of it.
#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>

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

// ---- Changes alone, without Arrow's tables
// ---------------------------------------------------------------------------

// The place of a required column of this type; -1 where the file has none.
template <typename DType>
int find_required(const parquet::SchemaDescriptor& schema, std::string_view name) {
  for (int place = 0; place < schema.num_columns(); ++place) {
    const parquet::ColumnDescriptor& column = *schema.Column(place);
    if (column.name() != name) continue;
    const bool is_plain = column.max_definition_level() == 0 && column.max_repetition_level() == 0;
    return is_plain && column.physical_type() == DType::type_num ? place : -1;
  }
  return -1;
}

// Calls take(values) for all values of such a column of a row group, some at a time. The number of rows that the file
// claims is not believed, only compared.
template <typename DType, typename Take>
void read_column(parquet::RowGroupReader& rows, int place, Take&& take) {
  std::array<typename DType::c_type, 1024> values;
  const auto reader = std::static_pointer_cast<parquet::TypedColumnReader<DType>>(rows.Column(place));
  int64_t total = 0, count = 0;
  for (; reader->HasNext(); total += count) {
    reader->ReadBatch(std::ssize(values), nullptr, nullptr, values.data(), &count);
    if (count == 0) break;
    take(std::span(values).first(static_cast<size_t>(count)));
  }
  if (total != rows.metadata()->num_rows()) throw parquet::ParquetException("a column of another length");
}

template <typename DType>
void read_column(parquet::RowGroupReader& rows, int place, std::vector<typename DType::c_type>& into) {
  read_column<DType>(rows, place, [&](auto values) { into.insert(into.end(), values.begin(), values.end()); });
}

// Nothing where the columns are not those of this layout.
std::optional<TraceChanges> read_changes(std::string_view bytes, bool with_prices) {
  auto file = parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()), std::ssize(bytes))));
  const parquet::SchemaDescriptor& schema = *file->metadata()->schema();
  const int idx = find_required<parquet::Int64Type>(schema, column::kIdx);
  const int number = find_required<parquet::DoubleType>(schema, column::kValue);
  const int label = find_required<parquet::ByteArrayType>(schema, column::kValue);
  const int px = find_required<parquet::DoubleType>(schema, column::kPrice);
  if (idx < 0 || (number < 0 && label < 0) || (with_prices && px < 0)) return std::nullopt;
  TraceChanges trace;
  SignalChanges& changes = trace.changes;
  changes.kind = label >= 0 ? SignalKind::label : SignalKind::number;
  for (int group = 0; group < file->metadata()->num_row_groups(); ++group) {
    const std::shared_ptr<parquet::RowGroupReader> reader = file->RowGroup(group);
    parquet::RowGroupReader& rows = *reader;
    read_column<parquet::Int64Type>(rows, idx, changes.idx);
    if (number >= 0) {
      read_column<parquet::DoubleType>(rows, number, changes.values);
    } else {
      read_column<parquet::ByteArrayType>(rows, label, [&](std::span<const parquet::ByteArray> values) {
        for (const parquet::ByteArray& value : values) changes.labels.emplace_back(std::string_view(value));
      });
    }
    if (with_prices) read_column<parquet::DoubleType>(rows, px, trace.px);
  }
  return trace;
}

}  // namespace

Result<Trace> decode_trace_file(std::string_view bytes, const std::string& file_name) {
  Metadata metadata;
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, {}, &metadata));
  Result<Trace> trace = to_trace(table, metadata);
  return trace.ok() ? trace : trace.status().at(file_name);
}

Result<TraceChanges> decode_trace_changes(std::string_view bytes, const std::string& file_name, bool with_prices) {
  try {
    if (std::optional<TraceChanges> trace = read_changes(bytes, with_prices)) {
      SB_RETURN_IF_ERROR(check_changes(trace->changes, std::numeric_limits<int64_t>::max()).at(file_name));
      return std::move(*trace);
    }
  } catch (const std::exception& error) {
    return Status::damaged(fmt::format("{}: not a readable Parquet file: {}", file_name, error.what()));
  }
  SB_ASSIGN_OR_RETURN(Trace trace, decode_trace_file(bytes, file_name));
  if (!with_prices) trace.px.clear();
  return TraceChanges{.changes = std::move(trace.changes), .px = std::move(trace.px)};
}

}  // namespace signalbook
