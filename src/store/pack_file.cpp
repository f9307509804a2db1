#include "store/pack_file.h"

#include <arrow/array/array_dict.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/memory.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/column_writer.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <future>
#include <span>
#include <system_error>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "base/parallel_for.h"
#include "format/trace_schema.h"
#include "store/arrow_sink.h"

namespace signalbook {

namespace {

using parquet::LogicalType;
using parquet::Repetition;
using parquet::Type;
using parquet::schema::GroupNode;
using parquet::schema::NodePtr;
using parquet::schema::PrimitiveNode;

NodePtr text_node(const char* name, Repetition::type repetition) {
  return PrimitiveNode::Make(name, repetition, LogicalType::String(), Type::BYTE_ARRAY);
}

std::shared_ptr<GroupNode> make_schema(const PackDescription& about) {
  const bool is_full = about.ts != nullptr;
  parquet::schema::NodeVector fields = {
      PrimitiveNode::Make(column::kTraceId, Repetition::REQUIRED, Type::INT32),
      text_node(column::kStrategyHash, Repetition::REQUIRED),
      PrimitiveNode::Make(column::kIdx, Repetition::REQUIRED, Type::INT32),
  };
  if (is_full) {
    const auto utc = LogicalType::Timestamp(true, LogicalType::TimeUnit::MICROS);
    fields.push_back(PrimitiveNode::Make(column::kTs, Repetition::REQUIRED, utc, Type::INT64));
    fields.push_back(text_node(column::kSymbol, Repetition::REQUIRED));
  }
  fields.push_back(about.kind == SignalKind::label
                       ? text_node(column::kValue, Repetition::REQUIRED)
                       : PrimitiveNode::Make(column::kValue, Repetition::REQUIRED, Type::DOUBLE));
  if (is_full) fields.push_back(text_node(column::kStrategy, Repetition::REQUIRED));
  fields.push_back(PrimitiveNode::Make(column::kPrice, Repetition::OPTIONAL, Type::DOUBLE));
  fields.push_back(text_node(column::kMetadata, Repetition::OPTIONAL));
  fields.push_back(text_node(column::kStrategyId, Repetition::OPTIONAL));
  fields.push_back(PrimitiveNode::Make(column::kBarCount, Repetition::OPTIONAL, Type::INT64));
  return std::static_pointer_cast<GroupNode>(GroupNode::Make("schema", Repetition::REQUIRED, fields));
}

// zstd 6: of a sweep idx takes an eighth less than at 3 and 4, in about the same time; beyond that nothing is gained.
std::shared_ptr<parquet::WriterProperties> make_properties(parquet::Encoding::type idx_encoding) {
  constexpr int kZstdLevel = 6;
  parquet::WriterProperties::Builder builder;
  builder.compression(parquet::Compression::ZSTD)
      ->compression_level(kZstdLevel)
      ->max_rows_per_page(PackFileEncoder::kRowsPerPage)
      ->enable_page_checksum()
      ->enable_write_page_index()
      ->disable_statistics()
      ->set_size_statistics_level(parquet::SizeStatisticsLevel::None)
      ->enable_statistics(column::kTraceId)
      ->enable_statistics(column::kStrategyHash)
      ->disable_dictionary(column::kIdx)
      ->encoding(column::kIdx, idx_encoding)
      ->disable_dictionary(column::kTs)
      ->encoding(column::kTs, parquet::Encoding::DELTA_BINARY_PACKED);
  for (const char* name : {column::kPrice, column::kMetadata, column::kStrategyId}) {
    builder.disable_dictionary(name)->encoding(name, parquet::Encoding::PLAIN);
  }
  // For engines that look for single hashes without the index: one group in 20 is read in vain.
  builder.enable_bloom_filter(column::kStrategyHash,
                              {.ndv = static_cast<int32_t>(PackFileEncoder::kRowsPerGroup), .fpp = 0.05, .fold = true});
  return builder.build();
}

// How many bytes these bars take in such an encoding.
int64_t measure(std::span<const int32_t> idx, parquet::Encoding::type encoding) {
  const NodePtr node = PrimitiveNode::Make(column::kIdx, Repetition::REQUIRED, Type::INT32);
  PARQUET_ASSIGN_OR_THROW(auto sink, arrow::io::BufferOutputStream::Create());
  auto file = parquet::ParquetFileWriter::Open(
      sink, std::static_pointer_cast<GroupNode>(GroupNode::Make("schema", Repetition::REQUIRED, {node})),
      make_properties(encoding));
  auto* const writer = static_cast<parquet::Int32Writer*>(file->AppendRowGroup()->NextColumn());
  writer->WriteBatch(static_cast<int64_t>(idx.size()), nullptr, nullptr, idx.data());
  writer->Close();
  file->Close();
  PARQUET_ASSIGN_OR_THROW(const auto bytes, sink->Finish());
  return bytes->size();
}

// The rows of a row group, gathered.
struct RowGroup {
  struct Part {  // a trace's
    size_t rows = 0;
    int32_t trace_id = 0;
    int64_t bar_count = 0;
    std::string hash, config, strategy_id;
  };
  std::vector<Part> parts;
  std::vector<int32_t> idx;
  std::vector<double> values;
  std::vector<std::string> labels;
  std::vector<double> px;  // NaN: NULL
  bool has_px = false;

  void clear() {
    parts.clear();
    idx.clear();
    values.clear();
    labels.clear();
    px.clear();
    has_px = false;
  }
};

}  // namespace

struct PackFileEncoder::State {
  PackDescription about;
  std::shared_ptr<ArrowSink> sink;
  std::unique_ptr<parquet::ParquetFileWriter> file;  // opened with the first row group, which tells how idx is encoded
  RowGroup gathered, encoding;                       // the next, and the one that other threads have
  std::future<Status> encoded;
  int64_t byte_count = 0;
  Status failure;
  size_t threads = 0;

  void open(std::span<const int32_t> idx) {
    // Random traces favour deltas. Of a sweep the first strategies, which change most, may do so by a little, and those
    // behind them do not.
    const auto delta = parquet::Encoding::DELTA_BINARY_PACKED, plain = parquet::Encoding::PLAIN;
    const bool delta_is_smaller = 10 * measure(idx, delta) < 9 * measure(idx, plain);
    auto metadata = std::make_shared<arrow::KeyValueMetadata>();
    metadata->Append(metadata_key::kFormatVersion, std::to_string(kFormatVersion));
    metadata->Append(metadata_key::kSymbol, about.symbol);
    metadata->Append(metadata_key::kTimeframe, about.timeframe);
    metadata->Append(metadata_key::kDataId, about.data_id);
    metadata->Append(metadata_key::kCreationTime, about.creation_time);
    file = parquet::ParquetFileWriter::Open(sink, make_schema(about), make_properties(delta_is_smaller ? delta : plain),
                                            metadata);
  }

  // Of one row group, a column each, in the order of the schema. They do not know of each other, so that several
  // threads may write at once.
  using ColumnToWrite = std::function<void(parquet::ColumnWriter&)>;

  Status encode() {
    try {
      if (file == nullptr) open(encoding.idx);
      // A buffered row group: its columns may be written in any order, and come out in that of the schema.
      parquet::RowGroupWriter& rows = *file->AppendBufferedRowGroup();
      const std::vector<ColumnToWrite> columns = columns_to_write();
      SB_RETURN_IF_ERROR(parallel_for(columns.size(), threads, [&](size_t i) -> Status {
        try {
          columns[i](*rows.column(static_cast<int>(i)));
          return Status();
        } catch (const std::exception& error) {
          return failed(error);
        }
      }));
      rows.Close();
      return Status();
    } catch (const std::exception& error) {
      return failed(error);
    }
  }

  Status failed(const std::exception& error) const {
    if (!sink->status().ok()) return sink->status();
    return Status::io_error(fmt::format("cannot encode a pack: {}", error.what()));
  }

  std::vector<ColumnToWrite> columns_to_write() {
    const bool is_full = about.ts != nullptr;
    std::vector<ColumnToWrite> columns = {
        [this](parquet::ColumnWriter& column) { write_trace_ids(column); },
        [this](parquet::ColumnWriter& column) {
          write_repeated(column, [](const RowGroup::Part& part) -> const std::string& { return part.hash; });
        },
        [this](parquet::ColumnWriter& column) { write<parquet::Int32Writer>(column, encoding.idx); }};
    if (is_full) {
      columns.emplace_back([this](parquet::ColumnWriter& column) { write_times(column); });
      columns.emplace_back([this](parquet::ColumnWriter& column) {
        write_repeated(column, [&](const RowGroup::Part&) -> const std::string& { return about.symbol; });
      });
    }
    columns.emplace_back([this](parquet::ColumnWriter& column) { write_values(column); });
    if (is_full) {
      columns.emplace_back([this](parquet::ColumnWriter& column) {
        write_repeated(column, [](const RowGroup::Part& part) -> const std::string& { return part.strategy_id; });
      });
    }
    columns.emplace_back([this](parquet::ColumnWriter& column) { write_prices(column); });
    for (const auto text : {&RowGroup::Part::config, &RowGroup::Part::strategy_id}) {
      columns.emplace_back([this, text](parquet::ColumnWriter& column) {
        write_first_rows<parquet::ByteArrayWriter>(
            column, [text](const RowGroup::Part& part) { return parquet::ByteArray(std::string_view(part.*text)); });
      });
    }
    columns.emplace_back([this](parquet::ColumnWriter& column) {
      write_first_rows<parquet::Int64Writer>(column, [](const RowGroup::Part& part) { return part.bar_count; });
    });
    return columns;
  }

  template <typename Writer, typename Value>
  static void write(parquet::ColumnWriter& column, const std::vector<Value>& values) {
    static_cast<Writer&>(column).WriteBatch(static_cast<int64_t>(values.size()), nullptr, nullptr, values.data());
  }

  void write_trace_ids(parquet::ColumnWriter& column) const {
    std::vector<int32_t> trace_ids;
    trace_ids.reserve(encoding.idx.size());
    for (const RowGroup::Part& part : encoding.parts) trace_ids.insert(trace_ids.end(), part.rows, part.trace_id);
    write<parquet::Int32Writer>(column, trace_ids);
  }

  // A text on every row of a trace, as places in a dictionary: no row is compared with those before it.
  template <typename TextOf>
  void write_repeated(parquet::ColumnWriter& column, TextOf&& text_of) const {
    arrow::StringBuilder texts;
    arrow::Int32Builder places;
    PARQUET_THROW_NOT_OK(places.Reserve(static_cast<int64_t>(encoding.idx.size())));
    std::unordered_map<std::string_view, int32_t> known;
    for (const RowGroup::Part& part : encoding.parts) {
      const std::string_view text = text_of(part);
      const auto [place, is_new] = known.try_emplace(text, static_cast<int32_t>(known.size()));
      if (is_new) PARQUET_THROW_NOT_OK(texts.Append(text));
      for (size_t row = 0; row < part.rows; ++row) places.UnsafeAppend(place->second);
    }
    PARQUET_ASSIGN_OR_THROW(const auto dictionary, texts.Finish());
    PARQUET_ASSIGN_OR_THROW(const auto indices, places.Finish());
    PARQUET_ASSIGN_OR_THROW(
        const auto array,
        arrow::DictionaryArray::FromArrays(arrow::dictionary(arrow::int32(), arrow::utf8()), indices, dictionary));
    const auto properties = parquet::default_arrow_writer_properties();
    parquet::ArrowWriteContext context(arrow::default_memory_pool(), properties.get());
    PARQUET_THROW_NOT_OK(column.WriteArrow(nullptr, nullptr, array->length(), *array, &context,
                                           /*leaf_field_nullable=*/false));
  }

  void write_times(parquet::ColumnWriter& column) const {
    std::vector<int64_t> times;
    times.reserve(encoding.idx.size());
    for (const int32_t bar : encoding.idx) times.push_back((*about.ts)[static_cast<size_t>(bar)]);
    write<parquet::Int64Writer>(column, times);
  }

  void write_values(parquet::ColumnWriter& column) const {
    if (about.kind == SignalKind::number) return write<parquet::DoubleWriter>(column, encoding.values);
    std::vector<parquet::ByteArray> labels;
    for (const std::string& label : encoding.labels) labels.emplace_back(std::string_view(label));
    write<parquet::ByteArrayWriter>(column, labels);
  }

  void write_prices(parquet::ColumnWriter& column) const {
    const size_t count = encoding.idx.size();
    std::vector<int16_t> present(count, 0);
    std::vector<double> prices;
    for (size_t row = 0; row < count && (encoding.has_px || about.close != nullptr); ++row) {
      double px = encoding.px[row];
      if (std::isnan(px) && about.close != nullptr) px = (*about.close)[static_cast<size_t>(encoding.idx[row])];
      if (std::isnan(px)) continue;
      present[row] = 1;
      prices.push_back(px);
    }
    static_cast<parquet::DoubleWriter&>(column).WriteBatch(static_cast<int64_t>(count), present.data(), nullptr,
                                                           prices.data());
  }

  // What stands on each trace's first row alone.
  template <typename Writer, typename ValueOf>
  void write_first_rows(parquet::ColumnWriter& column, ValueOf&& value_of) const {
    std::vector<int16_t> present(encoding.idx.size(), 0);
    std::vector<std::decay_t<decltype(value_of(encoding.parts.front()))>> values;
    size_t row = 0;
    for (const RowGroup::Part& part : encoding.parts) {
      present[row] = 1;
      row += part.rows;
      values.push_back(value_of(part));
    }
    static_cast<Writer&>(column).WriteBatch(static_cast<int64_t>(present.size()), present.data(), nullptr,
                                            values.data());
  }

  Status wait() {
    if (encoded.valid()) {
      failure = encoded.get();
      byte_count = sink->Tell().ValueOr(0);
    }
    return failure;
  }
};

PackFileEncoder::PackFileEncoder(PackDescription about, ByteSink sink, size_t threads)
    : state_(std::make_unique<State>()) {
  state_->about = std::move(about);
  state_->threads = threads;
  state_->sink = std::make_shared<ArrowSink>(std::move(sink));
}

PackFileEncoder::~PackFileEncoder() {
  if (state_->encoded.valid()) state_->encoded.wait();
}

int64_t PackFileEncoder::byte_count() const { return state_->byte_count; }

Status PackFileEncoder::append(const PackedTrace& trace) {
  const size_t count = trace.changes->size();
  if (count == 0) return Status();
  RowGroup& group = state_->gathered;
  if (!group.idx.empty() && group.idx.size() + count > kRowsPerGroup) SB_RETURN_IF_ERROR(flush());
  group.parts.push_back({.rows = count,
                         .trace_id = static_cast<int32_t>(trace.trace_id),
                         .bar_count = trace.bar_count,
                         .hash = std::string(trace.strategy_hash),
                         .config = std::string(trace.strategy_config),
                         .strategy_id = std::string(trace.strategy_id)});
  for (const BarIndex bar : trace.changes->idx) group.idx.push_back(static_cast<int32_t>(bar));
  group.values.insert(group.values.end(), trace.changes->values.begin(), trace.changes->values.end());
  group.labels.insert(group.labels.end(), trace.changes->labels.begin(), trace.changes->labels.end());
  if (trace.px.empty()) {
    group.px.resize(group.idx.size(), std::nan(""));
  } else {
    group.px.insert(group.px.end(), trace.px.begin(), trace.px.end());
    group.has_px = true;
  }
  row_count_ += static_cast<int64_t>(count);
  return Status();
}

Status PackFileEncoder::flush() {
  SB_RETURN_IF_ERROR(state_->wait());
  std::swap(state_->gathered, state_->encoding);
  state_->gathered.clear();
  const auto encode = [state = state_.get()] { return state->encode(); };
  try {
    state_->encoded = std::async(std::launch::async, encode);
  } catch (const std::system_error&) {  // no thread to be had
    state_->encoded = std::async(std::launch::deferred, encode);
  }
  return Status();
}

Status PackFileEncoder::finish() {
  if (!state_->gathered.idx.empty()) SB_RETURN_IF_ERROR(flush());
  SB_RETURN_IF_ERROR(state_->wait());
  try {
    if (state_->file == nullptr) state_->open({});
    state_->file->Close();
    state_->byte_count = state_->sink->Tell().ValueOr(0);
    return Status();
  } catch (const std::exception& error) {
    return state_->failed(error);
  }
}

}  // namespace signalbook
