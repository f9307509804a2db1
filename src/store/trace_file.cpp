#include "store/trace_file.h"

#include <arrow/io/memory.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/column_writer.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <cassert>

#include "format/trace_schema.h"

namespace signalbook {

namespace {

using parquet::LogicalType;
using parquet::Repetition;
using parquet::Type;
using parquet::schema::GroupNode;
using parquet::schema::PrimitiveNode;

std::shared_ptr<GroupNode> make_schema(SignalKind kind) {
  const auto text = [](const char* name, Repetition::type repetition) {
    return PrimitiveNode::Make(name, repetition, LogicalType::String(), Type::BYTE_ARRAY);
  };
  const auto utc = LogicalType::Timestamp(true, LogicalType::TimeUnit::MICROS);
  const auto value = kind == SignalKind::label
                         ? text(column::kValue, Repetition::REQUIRED)
                         : PrimitiveNode::Make(column::kValue, Repetition::REQUIRED, Type::DOUBLE);
  const parquet::schema::NodePtr fields[] = {
      PrimitiveNode::Make(column::kIdx, Repetition::REQUIRED, Type::INT64),
      PrimitiveNode::Make(column::kTs, Repetition::REQUIRED, utc, Type::INT64),
      text(column::kSymbol, Repetition::REQUIRED),
      value,
      text(column::kStrategy, Repetition::REQUIRED),
      PrimitiveNode::Make(column::kPrice, Repetition::REQUIRED, Type::DOUBLE),
      text(column::kStrategyHash, Repetition::REQUIRED),
      text(column::kMetadata, Repetition::OPTIONAL),
  };
  return std::static_pointer_cast<GroupNode>(
      GroupNode::Make("schema", Repetition::REQUIRED, {std::begin(fields), std::end(fields)}));
}

// Times and bar numbers grow in even steps: deltas. What repeats: a dictionary. Statistics only where a reader
// skips by them, because each costs bytes in every one of a thousand small files.
std::shared_ptr<parquet::WriterProperties> make_properties() {
  parquet::WriterProperties::Builder builder;
  builder.compression(parquet::Compression::SNAPPY)
      ->enable_page_checksum()
      ->disable_statistics()
      ->disable_write_page_index()
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None);
  for (const char* name : {column::kIdx, column::kTs}) {
    builder.disable_dictionary(name)->encoding(name, parquet::Encoding::DELTA_BINARY_PACKED)->enable_statistics(name);
  }
  builder.enable_statistics(column::kStrategyHash);
  for (const char* name : {column::kPrice, column::kMetadata}) {
    builder.disable_dictionary(name)->encoding(name, parquet::Encoding::PLAIN);
  }
  return builder.build();
}

std::shared_ptr<arrow::KeyValueMetadata> make_metadata(const TraceDescription& about) {
  auto metadata = std::make_shared<arrow::KeyValueMetadata>();
  metadata->Append(metadata_key::kStrategyId, about.strategy_id);
  metadata->Append(metadata_key::kStrategyHash, about.strategy_hash);
  metadata->Append(metadata_key::kStrategyDigest, about.strategy_digest);
  metadata->Append(metadata_key::kStrategyConfig, about.strategy_config);
  metadata->Append(metadata_key::kCreationTime, about.creation_time);
  metadata->Append(metadata_key::kFormatVersion, std::to_string(kFormatVersion));
  metadata->Append(metadata_key::kTraceHash, about.trace_hash);
  if (about.bar_count) metadata->Append(metadata_key::kBarCount, std::to_string(*about.bar_count));
  metadata->Append(metadata_key::kDataId, about.data_id);
  metadata->Append(metadata_key::kSymbol, about.symbol);
  metadata->Append(metadata_key::kTimeframe, about.timeframe);
  return metadata;
}

parquet::ByteArray as_byte_array(std::string_view text) { return parquet::ByteArray(text); }

}  // namespace

struct TraceFileEncoder::Buffers {
  std::shared_ptr<GroupNode> number_schema = make_schema(SignalKind::number);
  std::shared_ptr<GroupNode> label_schema = make_schema(SignalKind::label);
  std::shared_ptr<parquet::WriterProperties> properties = make_properties();
  std::shared_ptr<arrow::Buffer> file;
  std::vector<parquet::ByteArray> texts;

  void write_int64(parquet::RowGroupWriter& rows, const std::vector<int64_t>& values) {
    auto* writer = static_cast<parquet::Int64Writer*>(rows.NextColumn());
    writer->WriteBatch(static_cast<int64_t>(values.size()), nullptr, nullptr, values.data());
    writer->Close();
  }
  void write_double(parquet::RowGroupWriter& rows, const std::vector<double>& values) {
    auto* writer = static_cast<parquet::DoubleWriter*>(rows.NextColumn());
    writer->WriteBatch(static_cast<int64_t>(values.size()), nullptr, nullptr, values.data());
    writer->Close();
  }
  void write_texts(parquet::RowGroupWriter& rows) {
    auto* writer = static_cast<parquet::ByteArrayWriter*>(rows.NextColumn());
    writer->WriteBatch(static_cast<int64_t>(texts.size()), nullptr, nullptr, texts.data());
    writer->Close();
  }
  void write_repeated(parquet::RowGroupWriter& rows, std::string_view text, size_t count) {
    texts.assign(count, as_byte_array(text));
    write_texts(rows);
  }
  void write_on_first_row(parquet::RowGroupWriter& rows, std::string_view text, size_t count) {
    std::vector<int16_t> present(count, 0);
    if (count > 0) present[0] = 1;
    const parquet::ByteArray value = as_byte_array(text);
    auto* writer = static_cast<parquet::ByteArrayWriter*>(rows.NextColumn());
    writer->WriteBatch(static_cast<int64_t>(count), present.data(), nullptr, &value);
    writer->Close();
  }
};

TraceFileEncoder::TraceFileEncoder() : buffers_(std::make_unique<Buffers>()) {}
TraceFileEncoder::~TraceFileEncoder() = default;

Result<std::string_view> TraceFileEncoder::encode(const TraceDescription& about, const SignalChanges& changes,
                                                  const std::vector<int64_t>& ts, const std::vector<double>& px) {
  assert(ts.size() == changes.size() && px.size() == changes.size());
  Buffers& b = *buffers_;
  try {
    PARQUET_ASSIGN_OR_THROW(auto sink,
                            arrow::io::BufferOutputStream::Create(4096 + 16 * static_cast<int64_t>(changes.size())));
    const bool labels = changes.kind == SignalKind::label;
    auto file = parquet::ParquetFileWriter::Open(sink, labels ? b.label_schema : b.number_schema, b.properties,
                                                 make_metadata(about));
    const size_t count = changes.size();
    parquet::RowGroupWriter& rows = *file->AppendRowGroup();
    b.write_int64(rows, changes.idx);
    b.write_int64(rows, ts);
    b.write_repeated(rows, about.symbol, count);
    if (labels) {
      b.texts.clear();
      for (const std::string& label : changes.labels) b.texts.push_back(as_byte_array(label));
      b.write_texts(rows);
    } else {
      b.write_double(rows, changes.values);
    }
    b.write_repeated(rows, about.strategy_id, count);
    b.write_double(rows, px);
    b.write_repeated(rows, about.strategy_hash, count);
    b.write_on_first_row(rows, about.strategy_config, count);
    file->Close();
    PARQUET_ASSIGN_OR_THROW(b.file, sink->Finish());
  } catch (const std::exception& error) {
    return Status::io_error(fmt::format("cannot encode the trace of strategy {}: {}", about.strategy_id, error.what()));
  }
  return std::string_view(reinterpret_cast<const char*>(b.file->data()), static_cast<size_t>(b.file->size()));
}

}  // namespace signalbook
