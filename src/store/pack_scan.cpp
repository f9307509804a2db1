#include "store/pack_scan.h"

#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "format/trace_schema.h"
#include "store/arrow_source.h"

namespace signalbook {

namespace {

constexpr int64_t kRowsAtATime = 8192;
// A file says of itself how many rows it has, and memory is made for that: no more than a pack of ours has.
constexpr int64_t kMostRowsOfGroup = int64_t{1} << 31;

std::vector<std::string> columns_of_pack(bool is_full) {
  if (is_full) {
    return {column::kTraceId,  column::kStrategyHash, column::kIdx,      column::kTs,
            column::kSymbol,   column::kValue,        column::kStrategy, column::kPrice,
            column::kMetadata, column::kStrategyId,   column::kBarCount};
  }
  return {column::kTraceId, column::kStrategyHash, column::kIdx,        column::kValue,
          column::kPrice,   column::kMetadata,     column::kStrategyId, column::kBarCount};
}

parquet::Type::type type_of(std::string_view name, bool has_labels) {
  if (name == column::kTraceId || name == column::kIdx) return parquet::Type::INT32;
  if (name == column::kTs || name == column::kBarCount) return parquet::Type::INT64;
  if (name == column::kPrice || (name == column::kValue && !has_labels)) return parquet::Type::DOUBLE;
  return parquet::Type::BYTE_ARRAY;
}

int16_t level_of(std::string_view name) {
  const bool is_sparse =
      name == column::kPrice || name == column::kMetadata || name == column::kStrategyId || name == column::kBarCount;
  return is_sparse ? 1 : 0;
}

// Calls take(row, value) for each value that is not NULL; rows count from 0.
template <typename DType, typename Take>
void read_column(parquet::RowGroupReader& group, int place, int64_t row_count, Take&& take) {
  using Value = typename DType::c_type;
  const auto reader = std::static_pointer_cast<parquet::TypedColumnReader<DType>>(group.Column(place));
  const bool is_sparse = reader->descr()->max_definition_level() > 0;
  const auto values = std::make_unique<Value[]>(kRowsAtATime);
  std::vector<int16_t> levels(kRowsAtATime, 0);
  int64_t row = 0;
  while (row < row_count && reader->HasNext()) {
    int64_t count = 0;
    const int64_t rows =
        reader->ReadBatch(std::min(kRowsAtATime, row_count - row), levels.data(), nullptr, values.get(), &count);
    const int64_t read = is_sparse ? rows : count;
    if (read == 0) break;
    int64_t next = 0;
    for (int64_t i = 0; i < read; ++i) {
      if (is_sparse && levels[static_cast<size_t>(i)] == 0) continue;
      take(static_cast<size_t>(row + i), values[next++]);
    }
    row += read;
  }
  if (row != row_count || reader->HasNext()) throw parquet::ParquetException("a column with other rows");
}

template <typename DType, typename Value>
void read_all(parquet::RowGroupReader& group, int place, int64_t row_count, std::vector<Value>& into) {
  into.reserve(static_cast<size_t>(row_count));
  read_column<DType>(group, place, row_count, [&](size_t, const auto& value) { into.emplace_back(value); });
}

void read_repeated(parquet::RowGroupReader& group, int place, int64_t row_count, RepeatedText& into) {
  into.of_row.reserve(static_cast<size_t>(row_count));
  read_column<parquet::ByteArrayType>(group, place, row_count, [&](size_t, const parquet::ByteArray& value) {
    const std::string_view text(value);
    if (into.texts.empty() || into.texts.back() != text) into.texts.emplace_back(text);
    into.of_row.push_back(static_cast<uint32_t>(into.texts.size() - 1));
  });
}

template <typename DType, typename Value, typename Make>
void read_sparse(parquet::RowGroupReader& group, int place, int64_t row_count, PackGroup::Sparse<Value>& into,
                 Make&& make) {
  read_column<DType>(group, place, row_count,
                     [&](size_t row, const auto& value) { into.emplace_back(row, make(value)); });
}

}  // namespace

std::vector<PackGroup::Part> PackGroup::parts() const {
  std::vector<Part> found;
  for (size_t row = 0; row < size(); ++row) {
    if (row == 0 || trace_id[row] != trace_id[row - 1]) found.push_back({.begin = row, .end = row});
    found.back().end = row + 1;
  }
  return found;
}

SignalChanges PackGroup::changes(SignalKind kind, const Part& part) const {
  SignalChanges changes;
  changes.kind = kind;
  const auto copy = [&](const auto& from, auto& to) {
    if (from.empty()) return;
    to.assign(from.begin() + static_cast<std::ptrdiff_t>(part.begin),
              from.begin() + static_cast<std::ptrdiff_t>(part.end));
  };
  copy(idx, changes.idx);
  copy(values, changes.values);
  copy(labels, changes.labels);
  return changes;
}

struct PackScan::State {
  std::string name;
  std::unique_ptr<parquet::ParquetFileReader> file;
  SignalKind kind = SignalKind::number;
  bool is_full = false;
  std::vector<int64_t> first_rows;  // of the groups, and their number behind the last

  void load() {
    const parquet::FileMetaData& metadata = *file->metadata();
    const parquet::SchemaDescriptor& schema = *metadata.schema();
    is_full = schema.num_columns() > 8;
    const std::vector<std::string> expected = columns_of_pack(is_full);
    if (static_cast<size_t>(schema.num_columns()) != expected.size()) {
      throw parquet::ParquetException("its columns are not those of a pack");
    }
    for (int place = 0; place < schema.num_columns(); ++place) {
      const parquet::ColumnDescriptor& column = *schema.Column(place);
      const std::string& wanted = expected[static_cast<size_t>(place)];
      if (wanted == column::kValue && column.physical_type() == parquet::Type::BYTE_ARRAY) kind = SignalKind::label;
      if (column.name() != wanted || column.physical_type() != type_of(wanted, kind == SignalKind::label) ||
          column.max_definition_level() != level_of(wanted) || column.max_repetition_level() != 0) {
        throw parquet::ParquetException(fmt::format("column '{}' is not the '{}' of a pack", column.name(), wanted));
      }
    }
    int64_t row = 0;
    for (int group = 0; group < metadata.num_row_groups(); ++group) {
      first_rows.push_back(row);
      const int64_t count = metadata.RowGroup(group)->num_rows();
      if (count < 1 || count > kMostRowsOfGroup) throw parquet::ParquetException("a row group of no size");
      row += count;
    }
    first_rows.push_back(row);
  }

  PackGroup read(size_t number) const {
    const std::shared_ptr<parquet::RowGroupReader> rows = file->RowGroup(static_cast<int>(number));
    PackGroup group;
    group.first_row = first_rows[number];
    const int64_t count = first_rows[number + 1] - group.first_row;
    int place = 0;
    read_all<parquet::Int32Type>(*rows, place++, count, group.trace_id);
    read_repeated(*rows, place++, count, group.strategy_hash);
    read_all<parquet::Int32Type>(*rows, place++, count, group.idx);
    if (is_full) {
      read_all<parquet::Int64Type>(*rows, place++, count, group.ts);
      read_repeated(*rows, place++, count, group.sym);
    }
    const auto text_of = [](const parquet::ByteArray& value) { return std::string(std::string_view(value)); };
    if (kind == SignalKind::label) {
      group.labels.reserve(static_cast<size_t>(count));
      read_column<parquet::ByteArrayType>(*rows, place++, count, [&](size_t, const parquet::ByteArray& value) {
        group.labels.push_back(text_of(value));
      });
    } else {
      read_all<parquet::DoubleType>(*rows, place++, count, group.values);
    }
    if (is_full) read_repeated(*rows, place++, count, group.strat);
    read_column<parquet::DoubleType>(*rows, place++, count, [&](size_t row, double px) {
      group.px.resize(static_cast<size_t>(count), std::numeric_limits<double>::quiet_NaN());
      group.px[row] = px;
      if (!std::isfinite(px)) group.broken_px.push_back(row);
    });
    read_sparse<parquet::ByteArrayType>(*rows, place++, count, group.metadata, text_of);
    read_sparse<parquet::ByteArrayType>(*rows, place++, count, group.strategy_id, text_of);
    read_sparse<parquet::Int64Type>(*rows, place++, count, group.bar_count, [](int64_t value) { return value; });
    return group;
  }
};

PackScan::PackScan(std::unique_ptr<State> state) : state_(std::move(state)) {}
PackScan::~PackScan() = default;

Result<std::unique_ptr<PackScan>> PackScan::open(FileSystem& files, const std::string& path, const std::string& name) {
  auto state = std::make_unique<State>();
  state->name = name;
  SB_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files.open_file(path));
  try {
    parquet::ReaderProperties properties;
    properties.set_page_checksum_verification(true);
    state->file = parquet::ParquetFileReader::Open(std::make_shared<ArrowSource>(std::move(file)), properties);
    state->load();
  } catch (const std::exception& error) {
    return Status::damaged(fmt::format("{}: not a pack that can be read: {}", name, error.what()));
  }
  return std::unique_ptr<PackScan>(new PackScan(std::move(state)));
}

SignalKind PackScan::kind() const { return state_->kind; }
bool PackScan::is_full() const { return state_->is_full; }
int64_t PackScan::row_count() const { return state_->first_rows.back(); }
size_t PackScan::group_count() const { return state_->first_rows.size() - 1; }
int64_t PackScan::first_row(size_t group) const { return state_->first_rows[group]; }

std::optional<std::string> PackScan::metadata(std::string_view key) const {
  const auto& metadata = state_->file->metadata()->key_value_metadata();
  if (metadata == nullptr) return std::nullopt;
  const int place = metadata->FindKey(key);
  return place < 0 ? std::nullopt : std::optional(metadata->value(place));
}

Result<PackGroup> PackScan::read_group(size_t group) const {
  try {
    return state_->read(group);
  } catch (const std::exception& error) {
    return Status::damaged(
        fmt::format("rows {} to {} cannot be read: {}", first_row(group) + 1, first_row(group + 1), error.what()));
  }
}

}  // namespace signalbook
