#include "store/strategy_lookup.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/crc32c.h"
#include "base/digest.h"
#include "format/trace_schema.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/table_reader.h"

namespace signalbook {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "SBLOOK01";
constexpr size_t kHeaderBytes = kMagic.size() + sizeof(uint32_t);  // and the CRC-32C of what follows
constexpr size_t kKeyDigits = 16;

uint64_t key_of(std::string_view bytes) {
  uint64_t key = 0;
  for (size_t i = 0; i < sizeof(key); ++i) key = key << 8 | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0u);
  return key;
}

uint64_t key_of_id(std::string_view strategy_id) {
  const Digest digest = sha256(strategy_id);
  return key_of(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

template <typename T>
void append(std::string& bytes, const std::vector<T>& values) {
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Takes values from the front of `bytes`.
template <typename T>
bool take(std::string_view& bytes, size_t count, std::vector<T>& values) {
  if (count > bytes.size() / sizeof(T)) return false;
  values.resize(count);
  std::memcpy(values.data(), bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
  return true;
}

// Derived, and found by its checksum where it is not whole: it need not be durable.
Status keep(FileSystem& files, const std::string& path, const std::string& bytes) {
  const std::string temporary = path + std::string(kTemporarySuffix);
  SB_RETURN_IF_ERROR(create_directories(files, parent_path(path)));
  SB_RETURN_IF_ERROR(replace_file(files, temporary, bytes));
  return files.rename(temporary, path);
}

}  // namespace

StrategyLookup::Keys StrategyLookup::sorted(std::vector<std::pair<uint64_t, uint32_t>> pairs) {
  std::ranges::sort(pairs);
  Keys keys;
  for (const auto& [key, row] : pairs) {
    keys.keys.push_back(key);
    keys.rows.push_back(row);
  }
  return keys;
}

Result<StrategyLookup> StrategyLookup::make(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const CheckedIndex index, read_checked_index(files, run_path));
  constexpr size_t kRowsAtATime = 65'536;
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TableReader> reader,
                      TableReader::open(index.bytes, join_path(run_path, file::kStrategyIndex),
                                        {"trace_id", "strategy_id", "strategy_digest", "aliases"}, kRowsAtATime));
  std::vector<std::pair<uint64_t, uint32_t>> digests, ids;
  while (true) {
    SB_ASSIGN_OR_RETURN(const std::optional<Table> table, reader->next());
    if (!table) break;
    const TableColumn* const digest = table->find("strategy_digest");
    const TableColumn* const trace_id = table->find("trace_id");
    const TableColumn* const id = table->find("strategy_id");
    const TableColumn* const aliases = table->find("aliases");
    if (trace_id == nullptr || trace_id->integers.size() != table->row_count() || digest == nullptr ||
        digest->type != ColumnType::bytes || id == nullptr || id->type != ColumnType::text || aliases == nullptr ||
        aliases->type != ColumnType::text_list) {
      return Status::damaged(join_path(run_path, file::kStrategyIndex) + ": no index that Signalbook wrote");
    }
    for (size_t i = 0; i < table->row_count(); ++i) {
      const auto row = static_cast<uint32_t>(trace_id->integers[i]);
      digests.emplace_back(key_of(digest->texts[i]), row);
      ids.emplace_back(key_of_id(id->texts[i]), row);
      for (const std::string& alias : aliases->lists[i]) ids.emplace_back(key_of_id(alias), row);
    }
  }
  StrategyLookup lookup;
  lookup.digests_ = sorted(std::move(digests));
  lookup.ids_ = sorted(std::move(ids));
  return lookup;
}

std::string StrategyLookup::encode(const std::string& index_sha256) const {
  std::string body = index_sha256;
  append(body, std::vector<uint64_t>{digests_.keys.size(), ids_.keys.size()});
  for (const Keys* const keys : {&digests_, &ids_}) {
    append(body, keys->keys);
    append(body, keys->rows);
  }
  std::string bytes(kMagic);
  append(bytes, std::vector<uint32_t>{crc32c(body)});
  return bytes + body;
}

std::optional<StrategyLookup> StrategyLookup::decode(std::string_view bytes, const std::string& index_sha256) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kHeaderBytes + index_sha256.size()) return std::nullopt;
  uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + kMagic.size(), sizeof(checksum));
  bytes.remove_prefix(kHeaderBytes);
  if (!bytes.starts_with(index_sha256) || crc32c(bytes) != checksum) return std::nullopt;
  bytes.remove_prefix(index_sha256.size());
  std::vector<uint64_t> counts;
  if (!take(bytes, 2, counts)) return std::nullopt;
  StrategyLookup lookup;
  size_t i = 0;
  for (Keys* const keys : {&lookup.digests_, &lookup.ids_}) {
    if (!take(bytes, counts[i], keys->keys) || !take(bytes, counts[i], keys->rows)) return std::nullopt;
    ++i;
  }
  return lookup;
}

Result<std::optional<StrategyLookup>> StrategyLookup::open(FileSystem& files, const std::string& store_path,
                                                           const RunLocation& run) {
  const Result<RunDescription> description = read_run_description(files, run.path);
  if (description.status().code() == StatusCode::not_found) return std::optional<StrategyLookup>();
  SB_RETURN_IF_ERROR(description.status());
  const RunDescription::File* const index = find_run_file(*description, file::kStrategyIndex);
  if (index == nullptr || index->previous) return std::optional<StrategyLookup>();
  const std::string marks = join_path(store_path, file::kStoreDirectory);
  const std::string path = join_path(join_path(marks, file::kLookupDirectory), run.run_id);
  if (const Result<std::string> bytes = files.read_file(path); bytes.ok()) {
    if (std::optional<StrategyLookup> known = decode(*bytes, index->sha256)) return known;
  }
  SB_ASSIGN_OR_RETURN(StrategyLookup lookup, make(files, run.path));
  // A run that was copied out of its store has no place for it; where nobody may write, it is made each time.
  SB_ASSIGN_OR_RETURN(const bool is_store, files.directory_exists(marks));
  if (is_store) (void)keep(files, path, lookup.encode(index->sha256));
  return std::optional(std::move(lookup));
}

std::vector<uint32_t> StrategyLookup::rows_between(const Keys& keys, uint64_t first, uint64_t last) {
  const auto begin = std::ranges::lower_bound(keys.keys, first);
  const auto end = std::upper_bound(begin, keys.keys.end(), last);
  std::vector<uint32_t> rows(keys.rows.begin() + (begin - keys.keys.begin()),
                             keys.rows.begin() + (end - keys.keys.begin()));
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  return rows;
}

std::vector<uint32_t> StrategyLookup::rows_with_digits(std::string_view digits) const {
  digits = digits.substr(0, kKeyDigits);
  std::string first(digits), last(digits);
  first.resize(kKeyDigits, '0');
  last.resize(kKeyDigits, 'f');
  const auto key = [](const std::string& text) {
    uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
  };
  return rows_between(digests_, key(first), key(last));
}

std::vector<uint32_t> StrategyLookup::rows_with_id(std::string_view strategy_id) const {
  const uint64_t key = key_of_id(strategy_id);
  return rows_between(ids_, key, key);
}

}  // namespace signalbook
