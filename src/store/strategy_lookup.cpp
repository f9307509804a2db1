#include "store/strategy_lookup.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <span>

#include "base/crc32c.h"
#include "base/digest.h"
#include "format/trace_schema.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/table_reader.h"

namespace signalbook {

namespace {

static_assert(std::endian::native == std::endian::little);

// The file: this and the CRC-32C of the rest of the head; the SHA-256 of the index, as text; how many rows each list
// has; the first key and the CRC-32C of each block of each list. Then the blocks, each its keys and then its rows.
constexpr std::string_view kMagic = "SBLOOK02";
constexpr size_t kDigestDigits = 64;
constexpr size_t kRowsOfBlock = 4'096;
constexpr size_t kBytesOfRow = sizeof(uint64_t) + sizeof(uint32_t);
constexpr size_t kKeyDigits = 16;

uint64_t key_of(std::string_view bytes) {
  uint64_t key = 0;
  for (size_t i = 0; i < sizeof(key); ++i) key = key << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u);
  return key;
}

uint64_t key_of(const Digest& digest) {
  return key_of(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

uint64_t key_of_id(std::string_view strategy_id) { return key_of(sha256(strategy_id)); }

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T value_at(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

using KeyedRow = std::pair<uint64_t, uint32_t>;

// Lists in their order, each sorted by key, then row.
std::string encode(const std::string& index_sha256, std::span<std::vector<KeyedRow>> lists) {
  std::string head = index_sha256, blocks;
  for (const std::vector<KeyedRow>& list : lists) append(head, uint64_t{list.size()});
  for (const std::vector<KeyedRow>& list : lists) {
    for (size_t begin = 0; begin < list.size(); begin += kRowsOfBlock) {
      const auto rows = std::span(list).subspan(begin, std::min(kRowsOfBlock, list.size() - begin));
      const size_t offset = blocks.size();
      for (const KeyedRow& row : rows) append(blocks, row.first);
      for (const KeyedRow& row : rows) append(blocks, row.second);
      append(head, rows.front().first);
      append(head, crc32c(std::string_view(blocks).substr(offset)));
    }
  }
  std::string bytes(kMagic);
  append(bytes, crc32c(head));
  return bytes + head + blocks;
}

}  // namespace

// ---- Making one -----------------------------------------------------------------------------------------------------

Status StrategyLookup::make(const std::string& index_sha256) {
  SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(*files_, run_.path));
  const std::string name = join_path(run_.path, file::kStrategyIndex);
  constexpr size_t kRowsAtATime = 65'536;
  SB_ASSIGN_OR_RETURN(
      const std::unique_ptr<TableReader> reader,
      TableReader::open(index.bytes, name, {"trace_id", "strategy_id", "strategy_digest", "value_digest", "aliases"},
                        kRowsAtATime));
  std::array<std::vector<KeyedRow>, kListCount> lists;
  while (true) {
    SB_ASSIGN_OR_RETURN(const std::optional<Table> table, reader->next());
    if (!table) break;
    const auto find = [&](const char* column_name, ColumnType type) {
      const TableColumn* const column = table->find(column_name);
      return column != nullptr && column->type == type ? column : nullptr;
    };
    const TableColumn* const trace_id = table->find("trace_id");
    const TableColumn* const digest = find("strategy_digest", ColumnType::bytes);
    const TableColumn* const values = find("value_digest", ColumnType::bytes);
    const TableColumn* const id = find("strategy_id", ColumnType::text);
    const TableColumn* const aliases = find("aliases", ColumnType::text_list);
    if (trace_id == nullptr || trace_id->integers.size() != table->row_count() || digest == nullptr ||
        values == nullptr || id == nullptr || aliases == nullptr) {
      return Status::damaged(name + ": no index that Signalbook wrote");
    }
    for (size_t i = 0; i < table->row_count(); ++i) {
      const auto row = static_cast<uint32_t>(trace_id->integers[i]);
      lists[kByDigest].emplace_back(key_of(digest->texts[i]), row);
      lists[kByValues].emplace_back(key_of(values->texts[i]), row);
      lists[kById].emplace_back(key_of_id(id->texts[i]), row);
      for (const std::string& alias : aliases->lists[i]) lists[kById].emplace_back(key_of_id(alias), row);
    }
  }
  for (std::vector<KeyedRow>& list : lists) std::ranges::sort(list);
  bytes_ = encode(index_sha256, lists);
  file_.reset();
  if (!read_head(index_sha256, std::ssize(bytes_))) return Status::io_error(path_ + ": cannot be made");
  return Status();
}

// Found by its checksums where it is not whole: it need not be durable.
Status StrategyLookup::keep() const {
  const std::string temporary = path_ + std::string(kTemporarySuffix);
  SB_RETURN_IF_ERROR(create_directories(*files_, parent_path(path_)));
  SB_RETURN_IF_ERROR(replace_file(*files_, temporary, bytes_));
  return files_->rename(temporary, path_);
}

// ---- Opening one ----------------------------------------------------------------------------------------------------

bool StrategyLookup::read(int64_t offset, size_t count, std::string& bytes) const {
  if (file_ == nullptr) {
    bytes = bytes_.substr(static_cast<size_t>(offset), count);
    return bytes.size() == count;
  }
  bytes.resize(count);
  const Result<size_t> got = file_->read(offset, bytes);
  return got.ok() && *got == count;
}

bool StrategyLookup::read_head(const std::string& index_sha256, int64_t size) {
  constexpr size_t kFixed = kMagic.size() + sizeof(uint32_t) + kDigestDigits + kListCount * sizeof(uint64_t);
  constexpr size_t kBytesOfBlock = sizeof(uint64_t) + sizeof(uint32_t);
  std::string fixed, head;
  if (!read(0, kFixed, fixed) || !fixed.starts_with(kMagic)) return false;
  const size_t after_checksum = kMagic.size() + sizeof(uint32_t);
  if (std::string_view(fixed).substr(after_checksum, kDigestDigits) != index_sha256) return false;
  std::array<uint64_t, kListCount> counts;
  size_t block_count = 0, row_count = 0;
  for (size_t list = 0; list < kListCount; ++list) {
    counts[list] = value_at<uint64_t>(fixed, after_checksum + kDigestDigits + list * sizeof(uint64_t));
    if (counts[list] > static_cast<uint64_t>(size)) return false;
    block_count += (counts[list] + kRowsOfBlock - 1) / kRowsOfBlock;
    row_count += counts[list];
  }
  const size_t head_bytes = kFixed + block_count * kBytesOfBlock;
  if (head_bytes + row_count * kBytesOfRow != static_cast<size_t>(size)) return false;
  if (!read(0, head_bytes, head)) return false;
  if (crc32c(std::string_view(head).substr(after_checksum)) != value_at<uint32_t>(head, kMagic.size())) return false;
  size_t place = kFixed;
  auto offset = static_cast<int64_t>(head_bytes);
  for (size_t list = 0; list < kListCount; ++list) {
    blocks_[list].clear();
    for (size_t begin = 0; begin < counts[list]; begin += kRowsOfBlock) {
      const size_t count = std::min<size_t>(kRowsOfBlock, counts[list] - begin);
      blocks_[list].push_back({.first_key = value_at<uint64_t>(head, place),
                               .checksum = value_at<uint32_t>(head, place + sizeof(uint64_t)),
                               .offset = offset,
                               .count = count});
      place += kBytesOfBlock;
      offset += static_cast<int64_t>(count * kBytesOfRow);
    }
  }
  index_sha256_ = index_sha256;
  return true;
}

bool StrategyLookup::open_file(const std::string& index_sha256) {
  Result<std::unique_ptr<ReadableFile>> opened = files_->open_file(path_);
  if (!opened.ok()) return false;
  file_ = std::move(*opened);
  return read_head(index_sha256, file_->size());
}

Result<std::optional<StrategyLookup>> StrategyLookup::open(FileSystem& files, const std::string& store_path,
                                                           const RunLocation& run) {
  const Result<RunDescription> description = read_run_description(files, run.path);
  if (description.status().code() == StatusCode::not_found) return std::optional<StrategyLookup>();
  SB_RETURN_IF_ERROR(description.status());
  const RunDescription::File* const index = find_run_file(*description, file::kStrategyIndex);
  if (index == nullptr || index->previous) return std::optional<StrategyLookup>();
  const std::string marks = join_path(store_path, file::kStoreDirectory);
  StrategyLookup lookup(files, run, join_path(join_path(marks, file::kLookupDirectory), run.run_id));
  if (lookup.open_file(index->sha256)) return std::optional(std::move(lookup));
  SB_RETURN_IF_ERROR(lookup.make(index->sha256));
  // A run that was copied out of its store has no place for it; where nobody may write, it is made each time.
  SB_ASSIGN_OR_RETURN(const bool is_store, files.directory_exists(marks));
  if (is_store) (void)lookup.keep();
  return std::optional(std::move(lookup));
}

// ---- Asking it ------------------------------------------------------------------------------------------------------

// Nothing where a block is damaged.
std::optional<std::vector<uint32_t>> StrategyLookup::search(List list, uint64_t first, uint64_t last) const {
  const std::vector<Block>& blocks = blocks_[list];
  // Rows of one key may begin at the end of the block before the first that begins with it.
  auto block = std::ranges::lower_bound(blocks, first, {}, &Block::first_key);
  if (block != blocks.begin()) --block;
  std::vector<uint32_t> found;
  std::string bytes;
  for (; block != blocks.end() && block->first_key <= last; ++block) {
    if (!read(block->offset, block->count * kBytesOfRow, bytes) || crc32c(bytes) != block->checksum) {
      return std::nullopt;
    }
    for (size_t i = 0; i < block->count; ++i) {
      const auto key = value_at<uint64_t>(bytes, i * sizeof(uint64_t));
      if (key < first) continue;
      if (key > last) break;
      found.push_back(value_at<uint32_t>(bytes, block->count * sizeof(uint64_t) + i * sizeof(uint32_t)));
    }
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

Result<std::vector<uint32_t>> StrategyLookup::rows_between(List list, uint64_t first, uint64_t last) {
  if (std::optional<std::vector<uint32_t>> rows = search(list, first, last)) return std::move(*rows);
  SB_RETURN_IF_ERROR(make(index_sha256_));
  (void)keep();
  if (std::optional<std::vector<uint32_t>> rows = search(list, first, last)) return std::move(*rows);
  return Status::io_error(path_ + ": cannot be made");
}

Result<std::vector<uint32_t>> StrategyLookup::rows_with_digits(std::string_view digits) {
  digits = digits.substr(0, kKeyDigits);
  std::string first(digits), last(digits);
  first.resize(kKeyDigits, '0');
  last.resize(kKeyDigits, 'f');
  const auto key = [](const std::string& text) {
    uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
  };
  return rows_between(kByDigest, key(first), key(last));
}

Result<std::vector<uint32_t>> StrategyLookup::rows_with_id(std::string_view strategy_id) {
  const uint64_t key = key_of_id(strategy_id);
  return rows_between(kById, key, key);
}

Result<std::vector<uint32_t>> StrategyLookup::rows_with_values(std::string_view value_digest) {
  const uint64_t key = key_of(value_digest);
  return rows_between(kByValues, key, key);
}

}  // namespace signalbook
