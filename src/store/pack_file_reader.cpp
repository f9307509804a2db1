// Packs, read page by page.
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/schema.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "format/trace_schema.h"
#include "store/arrow_source.h"
#include "store/pack_file.h"

namespace signalbook {

namespace {

// Where the bytes of a page lie, and of the dictionary it needs.
struct PageBytes {
  int64_t offset = 0, size = 0;
  int64_t dictionary_offset = 0, dictionary_size = 0;
};

struct PageGroup {
  int64_t first_row = 0;
  size_t first_page = 0;      // of the pack
  std::vector<int64_t> rows;  // the first of each page, counted from first_row on, and their number behind the last
  std::vector<PageBytes> idx, val, px;
};

int find_column(const parquet::SchemaDescriptor& schema, std::string_view name) {
  for (int place = 0; place < schema.num_columns(); ++place) {
    if (schema.Column(place)->name() == name) return place;
  }
  return -1;
}

// The file says of itself how large it is, and memory is made for that: no more than a pack of ours has.
constexpr int64_t kMostRowsOfGroup = int64_t{1} << 31, kMostRowsOfPage = 2 * PackFileEncoder::kRowsPerPage;

}  // namespace

size_t PackRows::byte_count() const {
  size_t bytes = idx.size() * sizeof(int32_t) + (values.size() + px.size()) * sizeof(double);
  for (const std::string& label : labels) bytes += sizeof(label) + label.capacity();
  return bytes;
}

struct PackFile::State {
  std::string path;
  std::shared_ptr<ArrowSource> source;
  int64_t size = 0;
  std::unique_ptr<parquet::ParquetFileReader> file;
  SignalKind kind = SignalKind::number;
  int idx = -1, val = -1, px = -1;
  std::vector<int64_t> first_rows;  // of the groups, and their number behind the last
  // The places of pages are read with the first row group that is asked for, of all of them: one read.
  mutable std::once_flag once;
  mutable std::vector<PageGroup> groups;
  mutable std::vector<size_t> first_pages;  // of the groups, and their number behind the last
  mutable Status failure;

  Status damaged(std::string_view what) const {
    return Status::damaged(fmt::format("{}: {}; restore it from a copy", path, what));
  }

  void load() {
    const parquet::FileMetaData& metadata = *file->metadata();
    const parquet::SchemaDescriptor& schema = *metadata.schema();
    idx = find_column(schema, column::kIdx);
    val = find_column(schema, column::kValue);
    px = find_column(schema, column::kPrice);
    const auto is = [&](int place, parquet::Type::type type, int16_t level) {
      return place >= 0 && schema.Column(place)->physical_type() == type &&
             schema.Column(place)->max_definition_level() == level && schema.Column(place)->max_repetition_level() == 0;
    };
    const bool has_labels = is(val, parquet::Type::BYTE_ARRAY, 0);
    if (!is(idx, parquet::Type::INT32, 0) || !(has_labels || is(val, parquet::Type::DOUBLE, 0)) ||
        !is(px, parquet::Type::DOUBLE, 1)) {
      throw parquet::ParquetException("its columns are not those of a pack");
    }
    kind = has_labels ? SignalKind::label : SignalKind::number;
    int64_t row = 0;
    for (int group = 0; group < metadata.num_row_groups(); ++group) {
      first_rows.push_back(row);
      const int64_t count = metadata.RowGroup(group)->num_rows();
      if (count < 1 || count > kMostRowsOfGroup) throw parquet::ParquetException("a row group of no size");
      row += count;
    }
    first_rows.push_back(row);
  }

  PageBytes check(const parquet::PageLocation& page, const PageBytes& dictionary) const {
    if (page.offset < 0 || page.compressed_page_size < 1 || page.offset > size - page.compressed_page_size) {
      throw parquet::ParquetException("a page outside of the file");
    }
    PageBytes bytes = dictionary;
    bytes.offset = page.offset;
    bytes.size = page.compressed_page_size;
    return bytes;
  }

  // Pages of all three columns hold the same rows: the writer ends them by their number of rows alone.
  void load_pages() const {
    const std::shared_ptr<parquet::PageIndexReader> index = file->GetPageIndexReader();
    if (index == nullptr) throw parquet::ParquetException("no page index");
    const parquet::FileMetaData& metadata = *file->metadata();
    size_t page_count = 0;
    for (int g = 0; g < metadata.num_row_groups(); ++g) {
      PageGroup& group = groups.emplace_back();
      group.first_row = first_rows[static_cast<size_t>(g)];
      group.first_page = page_count;
      first_pages.push_back(page_count);
      const int64_t row_count = first_rows[static_cast<size_t>(g) + 1] - group.first_row;
      const auto of_group = index->RowGroup(g);
      if (of_group == nullptr) throw parquet::ParquetException("no page index");
      const auto row_group = metadata.RowGroup(g);
      for (const auto& [place, pages] : {std::pair(idx, &group.idx), {val, &group.val}, {px, &group.px}}) {
        const auto offsets = of_group->GetOffsetIndex(place);
        if (offsets == nullptr) throw parquet::ParquetException("no offset index");
        const auto chunk = row_group->ColumnChunk(place);
        PageBytes dictionary;
        if (chunk->has_dictionary_page()) {
          dictionary.dictionary_offset = chunk->dictionary_page_offset();
          dictionary.dictionary_size = chunk->data_page_offset() - dictionary.dictionary_offset;
          if (dictionary.dictionary_offset < 0 || dictionary.dictionary_size < 1 ||
              dictionary.dictionary_offset > size - dictionary.dictionary_size) {
            throw parquet::ParquetException("a dictionary outside of the file");
          }
        }
        std::vector<int64_t> rows;
        for (const parquet::PageLocation& page : offsets->page_locations()) {
          rows.push_back(page.first_row_index);
          pages->push_back(check(page, dictionary));
        }
        rows.push_back(row_count);
        const auto is_too_long = [](int64_t a, int64_t b) { return b - a > kMostRowsOfPage; };
        if (std::ranges::adjacent_find(rows, is_too_long) != rows.end()) {
          throw parquet::ParquetException("a page with too many rows");
        }
        if (rows.size() < 2 || rows.front() != 0 || !std::ranges::is_sorted(rows, std::less_equal()) ||
            (!group.rows.empty() && rows != group.rows)) {
          throw parquet::ParquetException("its pages do not hold the same rows");
        }
        group.rows = std::move(rows);
      }
      page_count += group.idx.size();
    }
    first_pages.push_back(page_count);
  }

  Status pages_are_there() const {
    std::call_once(once, [this] {
      try {
        load_pages();
      } catch (const std::exception& error) {
        failure = damaged(fmt::format("its page index cannot be read: {}", error.what()));
      }
    });
    return failure;
  }

  size_t group_of_page(size_t page) const {
    return static_cast<size_t>(std::ranges::upper_bound(first_pages, page) - first_pages.begin()) - 1;
  }

  // A reader of one page, and the dictionary in front of it.
  std::shared_ptr<parquet::ColumnReader> open_page(int place, const PageBytes& page, int64_t row_count) const {
    PARQUET_ASSIGN_OR_THROW(auto bytes, arrow::AllocateBuffer(page.dictionary_size + page.size));
    const auto read = [&](int64_t offset, int64_t count, uint8_t* into) {
      PARQUET_ASSIGN_OR_THROW(const int64_t found, source->ReadAt(offset, count, into));
      if (found != count) throw parquet::ParquetException("the file ends before its page");
    };
    if (page.dictionary_size > 0) read(page.dictionary_offset, page.dictionary_size, bytes->mutable_data());
    read(page.offset, page.size, bytes->mutable_data() + page.dictionary_size);
    const parquet::ColumnDescriptor* const column = file->metadata()->schema()->Column(place);
    // Costs nothing, because it is of the compressed bytes; of prices there is no digest elsewhere.
    static const parquet::ReaderProperties kProperties = [] {
      parquet::ReaderProperties properties;
      properties.set_page_checksum_verification(true);
      return properties;
    }();
    auto pages = parquet::PageReader::Open(
        std::make_shared<arrow::io::BufferReader>(std::shared_ptr<arrow::Buffer>(std::move(bytes))), row_count,
        file->metadata()->RowGroup(0)->ColumnChunk(place)->compression(), kProperties, *column);
    return parquet::ColumnReader::Make(column, std::move(pages));
  }

  template <typename DType, typename Value>
  void read_required(int place, const PageBytes& page, int64_t row_count, std::vector<Value>& values) const {
    const auto reader = std::static_pointer_cast<parquet::TypedColumnReader<DType>>(open_page(place, page, row_count));
    values.resize(static_cast<size_t>(row_count));
    int64_t total = 0;
    while (total < row_count && reader->HasNext()) {
      int64_t count = 0;
      reader->ReadBatch(row_count - total, nullptr, nullptr, values.data() + total, &count);
      if (count == 0) break;
      total += count;
    }
    if (total != row_count) throw parquet::ParquetException("a page with too few rows");
  }

  void read_labels(const PageBytes& page, int64_t row_count, std::vector<std::string>& labels) const {
    const auto reader = std::static_pointer_cast<parquet::ByteArrayReader>(open_page(val, page, row_count));
    std::vector<parquet::ByteArray> texts(static_cast<size_t>(row_count));
    int64_t total = 0;
    while (total < row_count && reader->HasNext()) {
      int64_t count = 0;
      reader->ReadBatch(row_count - total, nullptr, nullptr, texts.data(), &count);
      if (count == 0) break;
      for (int64_t i = 0; i < count; ++i) labels.emplace_back(std::string_view(texts[static_cast<size_t>(i)]));
      total += count;
    }
    if (total != row_count) throw parquet::ParquetException("a page with too few rows");
  }

  // Empty where every one is NULL.
  void read_prices(const PageBytes& page, int64_t row_count, std::vector<double>& prices) const {
    const auto reader = std::static_pointer_cast<parquet::DoubleReader>(open_page(px, page, row_count));
    std::vector<int16_t> levels(static_cast<size_t>(row_count));
    std::vector<double> values(static_cast<size_t>(row_count));
    int64_t total = 0;
    while (total < row_count && reader->HasNext()) {
      int64_t count = 0;
      const int64_t rows = reader->ReadBatch(row_count - total, levels.data(), nullptr, values.data(), &count);
      if (rows == 0) break;
      if (count > 0) prices.resize(static_cast<size_t>(row_count), std::numeric_limits<double>::quiet_NaN());
      int64_t next = 0;
      for (int64_t i = 0; i < rows && count > 0; ++i) {
        if (levels[static_cast<size_t>(i)] == 0) continue;
        prices[static_cast<size_t>(total + i)] = values[static_cast<size_t>(next++)];
      }
      total += rows;
    }
    if (total != row_count) throw parquet::ParquetException("a page with too few rows");
  }
};

PackFile::PackFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
PackFile::~PackFile() = default;

Result<std::unique_ptr<PackFile>> PackFile::open(FileSystem& files, const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  Result<std::unique_ptr<ReadableFile>> file = files.open_file(path);
  if (file.status().code() == StatusCode::not_found) {
    return Status::damaged(fmt::format("{}: the pack is missing; restore it from a copy", path));
  }
  SB_RETURN_IF_ERROR(file.status());
  state->size = (*file)->size();
  state->source = std::make_shared<ArrowSource>(std::move(file).value());
  try {
    state->file = parquet::ParquetFileReader::Open(state->source);
    state->load();
  } catch (const std::exception& error) {
    return state->damaged(fmt::format("not a pack that can be read: {}", error.what()));
  }
  return std::unique_ptr<PackFile>(new PackFile(std::move(state)));
}

int64_t PackFile::row_count() const { return state_->first_rows.back(); }
int64_t PackFile::byte_count() const { return state_->size; }
SignalKind PackFile::kind() const { return state_->kind; }
bool PackFile::is_full() const { return find_column(*state_->file->metadata()->schema(), column::kTs) >= 0; }

Result<size_t> PackFile::page_of(int64_t row) const {
  SB_RETURN_IF_ERROR(state_->pages_are_there());
  if (row < 0 || row >= row_count()) return state_->damaged(fmt::format("it has no row {}", row));
  const auto& first_rows = state_->first_rows;
  const auto g = static_cast<size_t>(std::ranges::upper_bound(first_rows, row) - first_rows.begin()) - 1;
  const PageGroup& group = state_->groups[g];
  const auto page = std::ranges::upper_bound(group.rows, row - group.first_row) - group.rows.begin() - 1;
  return group.first_page + static_cast<size_t>(page);
}

Result<size_t> PackFile::page_count() const {
  SB_RETURN_IF_ERROR(state_->pages_are_there());
  return state_->first_pages.back();
}

Result<PackRows> PackFile::read_page(size_t page) const {
  SB_RETURN_IF_ERROR(state_->pages_are_there());
  const PageGroup& group = state_->groups[state_->group_of_page(page)];
  const size_t place = page - group.first_page;
  const int64_t row_count = group.rows[place + 1] - group.rows[place];
  PackRows rows;
  rows.first_row = group.first_row + group.rows[place];
  try {
    state_->read_required<parquet::Int32Type>(state_->idx, group.idx[place], row_count, rows.idx);
    if (state_->kind == SignalKind::number) {
      state_->read_required<parquet::DoubleType>(state_->val, group.val[place], row_count, rows.values);
    } else {
      state_->read_labels(group.val[place], row_count, rows.labels);
    }
    state_->read_prices(group.px[place], row_count, rows.px);
  } catch (const std::exception& error) {
    return state_->damaged(
        fmt::format("rows {} to {} cannot be read: {}", rows.first_row + 1, rows.first_row + row_count, error.what()));
  }
  return rows;
}

}  // namespace signalbook
