#include "store/table_file.h"

#include <arrow/array/array_dict.h>
#include <arrow/array/util.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "store/arrow_sink.h"
#include "store/table_reader.h"

namespace signalbook {

namespace {

// Arrow's failures inside this file travel as exceptions, as Parquet's do, and end at its two functions.
void check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

Status convert(const Table& table, std::shared_ptr<arrow::Table>* converted) {
  ArrowArray c_batch;
  ArrowSchema c_schema;
  SB_RETURN_IF_ERROR(table_to_arrow(table, &c_batch, &c_schema));
  PARQUET_ASSIGN_OR_THROW(const auto batch, arrow::ImportRecordBatch(&c_batch, &c_schema));
  PARQUET_ASSIGN_OR_THROW(*converted, arrow::Table::FromRecordBatches({batch}));
  return Status();
}

Result<Table> convert(const arrow::RecordBatch& batch, const std::string& file_name) {
  ArrowArray c_batch;
  ArrowSchema c_schema;
  check(arrow::ExportRecordBatch(batch, &c_batch, &c_schema));
  Result<Table> converted = table_from_arrow(&c_batch, &c_schema);
  if (!converted.ok()) return Status::damaged(file_name + ": " + converted.status().message());
  return converted;
}

Status not_readable(const std::string& file_name, const std::exception& error) {
  return Status::damaged(fmt::format("{}: not a readable Parquet file: {}", file_name, error.what()));
}

std::shared_ptr<arrow::io::BufferReader> reader_of(std::string_view bytes) {
  return std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()), std::ssize(bytes)));
}

// A table file on its way.
struct TableWriter {
  TableFileOptions options;
  ByteSink sink;
  std::string bytes;  // where there is no sink
  std::shared_ptr<ArrowSink> stream;
  std::unique_ptr<parquet::arrow::FileWriter> writer;  // opened by the first table, which tells the columns
  bool is_in_group = false;

  void write(std::shared_ptr<arrow::Table> table) {
    table = with_constants(std::move(table));
    if (writer == nullptr) open(*table->schema());
    check(writer->WriteTable(*table, options.rows_per_group));
  }

  void write_part(std::shared_ptr<arrow::Table> table) {
    table = with_constants(std::move(table));
    if (writer == nullptr) open(*table->schema());
    if (!is_in_group) check(writer->NewBufferedRowGroup());
    is_in_group = true;
    PARQUET_ASSIGN_OR_THROW(const auto batch, table->CombineChunksToBatch());
    check(writer->WriteRecordBatch(*batch));
  }

  // As dictionaries of one text each, which are not made to be compared row by row.
  std::shared_ptr<arrow::Table> with_constants(std::shared_ptr<arrow::Table> table) const {
    int place = 0;
    for (const auto& [name, text] : options.constants) {
      const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
      PARQUET_ASSIGN_OR_THROW(const auto texts, arrow::MakeArrayFromScalar(arrow::StringScalar(text), 1));
      PARQUET_ASSIGN_OR_THROW(const auto zeros, arrow::MakeArrayFromScalar(arrow::Int32Scalar(0), table->num_rows()));
      PARQUET_ASSIGN_OR_THROW(const auto array, arrow::DictionaryArray::FromArrays(type, zeros, texts));
      PARQUET_ASSIGN_OR_THROW(
          table, table->AddColumn(place++, arrow::field(name, type), std::make_shared<arrow::ChunkedArray>(array)));
    }
    return table;
  }

  Status failure(const std::exception& error) const {
    if (stream != nullptr && !stream->status().ok()) return stream->status();
    return Status::io_error(fmt::format("cannot encode a Parquet file: {}", error.what()));
  }

  void open(const arrow::Schema& columns) {
    parquet::WriterProperties::Builder builder;
    builder.compression(parquet::Compression::ZSTD)->compression_level(3);
    builder.max_row_group_length(options.rows_per_group);
    builder.enable_page_checksum()->enable_write_page_index();
    for (const std::string& name : options.delta_columns) {
      builder.disable_dictionary(name)->encoding(name, parquet::Encoding::DELTA_BINARY_PACKED);
    }
    for (const std::string& name : options.plain_columns) builder.disable_dictionary(name);
    for (const std::string& name : options.opaque_columns) builder.disable_dictionary(name)->disable_statistics(name);
    for (const std::string& name : options.lookup_columns) {
      // Made for a whole row group, and folded where there are fewer rows. One answer in 20 is a group read in vain.
      builder.enable_bloom_filter(name, {.ndv = options.rows_per_group, .fpp = 0.05, .fold = true});
    }
    if (sink == nullptr) {
      sink = [this](std::string_view piece) {
        bytes += piece;
        return Status();
      };
    }
    stream = std::make_shared<ArrowSink>(sink);
    PARQUET_ASSIGN_OR_THROW(
        writer, parquet::arrow::FileWriter::Open(columns, arrow::default_memory_pool(), stream, builder.build()));
    auto metadata = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : options.metadata) metadata->Append(key, value);
    check(writer->AddKeyValueMetadata(metadata));
  }
};

}  // namespace

struct TableFileEncoder::State : TableWriter {};

TableFileEncoder::TableFileEncoder(TableFileOptions options, ByteSink sink) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->sink = std::move(sink);
}
TableFileEncoder::~TableFileEncoder() = default;

Status TableFileEncoder::append(const Table& table) {
  try {
    std::shared_ptr<arrow::Table> converted;
    SB_RETURN_IF_ERROR(convert(table, &converted));
    state_->write(converted);
    return Status();
  } catch (const std::exception& error) {
    return state_->failure(error);
  }
}

Status TableFileEncoder::append_part(const Table& table) {
  try {
    std::shared_ptr<arrow::Table> converted;
    SB_RETURN_IF_ERROR(convert(table, &converted));
    state_->write_part(converted);
    return Status();
  } catch (const std::exception& error) {
    return state_->failure(error);
  }
}

Status TableFileEncoder::end_row_group() {
  state_->is_in_group = false;  // the next one ends it
  return Status();
}

Result<std::string> TableFileEncoder::finish() {
  try {
    check(state_->writer->Close());
    return std::move(state_->bytes);
  } catch (const std::exception& error) {
    return state_->failure(error);
  }
}

Result<std::string> encode_table_file(const Table& table, const TableFileOptions& options) {
  TableFileEncoder encoder(options);
  SB_RETURN_IF_ERROR(encoder.append(table));
  return encoder.finish();
}

namespace {

std::unique_ptr<parquet::arrow::FileReader> open_reader(std::string_view bytes,
                                                        size_t rows_at_a_time = TableFileEncoder::kRowsOfPart) {
  parquet::ReaderProperties properties;
  properties.set_page_checksum_verification(true);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_batch_size(static_cast<int64_t>(rows_at_a_time));
  parquet::arrow::FileReaderBuilder builder;
  check(builder.Open(reader_of(bytes), properties));
  builder.properties(arrow_properties);
  PARQUET_ASSIGN_OR_THROW(auto reader, builder.Build());
  return reader;
}

// `table` with these columns in it.
std::shared_ptr<arrow::Table> put_columns(std::shared_ptr<arrow::Table> table, const arrow::Table& columns) {
  int behind = table->num_columns();
  for (int i = 0; i < columns.num_columns(); ++i) {
    const auto& field = columns.field(i);
    const int place = table->schema()->GetFieldIndex(field->name());
    if (place >= 0) {
      PARQUET_ASSIGN_OR_THROW(table, table->SetColumn(place, field, columns.column(i)));
      behind = place + 1;
    } else {
      PARQUET_ASSIGN_OR_THROW(table, table->AddColumn(behind++, field, columns.column(i)));
    }
  }
  return table;
}

}  // namespace

Status replace_columns(std::string_view bytes, const std::string& file_name, const ColumnsOfRows& columns,
                       const TableFileOptions& options, const ByteSink& sink) {
  TableWriter encoder;
  encoder.options = options;
  encoder.sink = sink;
  try {
    const std::unique_ptr<parquet::arrow::FileReader> reader = open_reader(bytes);
    size_t first_row = 0;
    for (int group = 0; group < reader->num_row_groups(); ++group) {
      PARQUET_ASSIGN_OR_THROW(const auto batches, reader->GetRecordBatchReader({group}));
      for (std::shared_ptr<arrow::RecordBatch> batch;;) {
        check(batches->ReadNext(&batch));
        if (batch == nullptr) break;
        const auto count = static_cast<size_t>(batch->num_rows());
        SB_ASSIGN_OR_RETURN(const Table given, columns(first_row, count));
        if (given.row_count() != count) {
          return Status::damaged(fmt::format("{}: rows from {} on: {} are there, not {}", file_name, first_row + 1,
                                             count, given.row_count()));
        }
        std::shared_ptr<arrow::Table> converted;
        SB_RETURN_IF_ERROR(convert(given, &converted));
        PARQUET_ASSIGN_OR_THROW(auto table, arrow::Table::FromRecordBatches({batch}));
        encoder.write_part(put_columns(std::move(table), *converted));
        first_row += count;
      }
      encoder.is_in_group = false;
    }
    if (encoder.writer == nullptr) return Status::damaged(file_name + ": it has no rows");
    check(encoder.writer->Close());
    return Status();
  } catch (const std::exception& error) {
    if (encoder.stream != nullptr && !encoder.stream->status().ok()) return encoder.stream->status();
    return not_readable(file_name, error);
  }
}

namespace {

FileColumn describe(const parquet::SchemaDescriptor& schema, int place) {
  const parquet::ColumnDescriptor& column = *schema.Column(place);
  std::string type = parquet::TypeToString(column.physical_type());
  const parquet::LogicalType& meaning = *column.logical_type();
  if (meaning.is_string()) {
    type += " STRING";
  } else if (meaning.is_timestamp()) {
    const auto& timestamp = static_cast<const parquet::TimestampLogicalType&>(meaning);
    const bool micros = timestamp.time_unit() == parquet::LogicalType::TimeUnit::MICROS;
    type += micros && timestamp.is_adjusted_to_utc() ? " TIMESTAMP(MICROS, UTC)" : " " + meaning.ToString();
  } else if (!meaning.is_none()) {
    type += " " + meaning.ToString();
  }
  return {.name = schema.GetColumnRoot(place)->name(),
          .type = std::move(type),
          .is_nullable = !column.schema_node()->is_required()};
}

}  // namespace

struct TableReader::State {
  std::string file_name;
  std::unique_ptr<parquet::arrow::FileReader> file;
  std::shared_ptr<arrow::RecordBatchReader> batches;
};

TableReader::TableReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TableReader::~TableReader() = default;

Result<std::unique_ptr<TableReader>> TableReader::open(std::string_view bytes, const std::string& file_name,
                                                       const std::vector<std::string>& columns, size_t rows_at_a_time) {
  auto state = std::make_unique<State>();
  state->file_name = file_name;
  try {
    state->file = open_reader(bytes, rows_at_a_time);
    const parquet::SchemaDescriptor& schema = *state->file->parquet_reader()->metadata()->schema();
    std::vector<int> groups(static_cast<size_t>(state->file->num_row_groups())), places;
    std::iota(groups.begin(), groups.end(), 0);
    for (int i = 0; i < schema.num_columns(); ++i) {
      const std::string& name = schema.GetColumnRoot(i)->name();
      if (columns.empty() || std::ranges::find(columns, name) != columns.end()) places.push_back(i);
    }
    PARQUET_ASSIGN_OR_THROW(state->batches, state->file->GetRecordBatchReader(groups, places));
  } catch (const std::exception& error) {
    return not_readable(file_name, error);
  }
  return std::unique_ptr<TableReader>(new TableReader(std::move(state)));
}

Result<std::optional<Table>> TableReader::next() {
  try {
    std::shared_ptr<arrow::RecordBatch> batch;
    check(state_->batches->ReadNext(&batch));
    if (batch == nullptr) return std::optional<Table>();
    SB_ASSIGN_OR_RETURN(Table table, convert(*batch, state_->file_name));
    return std::optional(std::move(table));
  } catch (const std::exception& error) {
    return not_readable(state_->file_name, error);
  }
}

Result<Table> decode_table_file(std::string_view bytes, const std::string& file_name,
                                const std::vector<std::string>& columns,
                                std::vector<std::pair<std::string, std::string>>* metadata,
                                std::vector<FileColumn>* declared) {
  try {
    const std::unique_ptr<parquet::arrow::FileReader> reader = open_reader(bytes);
    const auto file_metadata = reader->parquet_reader()->metadata();
    const parquet::SchemaDescriptor& schema = *file_metadata->schema();
    std::vector<int> places;
    for (int i = 0; i < schema.num_columns(); ++i) {
      const std::string& name = schema.GetColumnRoot(i)->name();
      if (declared != nullptr) declared->push_back(describe(schema, i));
      if (columns.empty() || std::find(columns.begin(), columns.end(), name) != columns.end()) places.push_back(i);
    }
    if (metadata != nullptr && file_metadata->key_value_metadata() != nullptr) {
      const auto& pairs = *file_metadata->key_value_metadata();
      for (int64_t i = 0; i < pairs.size(); ++i) metadata->emplace_back(pairs.key(i), pairs.value(i));
    }
    PARQUET_ASSIGN_OR_THROW(const auto table, reader->ReadTable(places));
    PARQUET_ASSIGN_OR_THROW(const auto batch, table->CombineChunksToBatch());
    return convert(*batch, file_name);
  } catch (const std::exception& error) {
    return not_readable(file_name, error);
  }
}

}  // namespace signalbook
