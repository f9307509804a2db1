#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/store.h"

namespace signalbook {

// Finds the rows of a run's index by hash, strategy_id or value_digest without a look at the index: a small file beside
// the store's catalogue, sorted by each, of which a question reads a block or two. It is derived: missing, stale or
// damaged, it is made anew. One thread at a time.
class StrategyLookup {
 public:
  // Nothing where run.json does not vouch for one index, as while that is replaced. Damaged when the index is.
  static Result<std::optional<StrategyLookup>> open(FileSystem& files, const std::string& store_path,
                                                    const RunLocation& run);

  // The trace_ids of rows, sorted. Fails where the file is damaged and cannot be made anew.

  // Whose strategy_digest begins with these hexadecimal digits; where there are more than 16, with the first 16.
  Result<std::vector<uint32_t>> rows_with_digits(std::string_view digits);
  // All that have this strategy_id or alias, and hardly any others.
  Result<std::vector<uint32_t>> rows_with_id(std::string_view strategy_id);
  // All that have this value_digest (its bytes).
  Result<std::vector<uint32_t>> rows_with_values(std::string_view value_digest);

 private:
  // By what the rows are sorted, each a list of its own in the file.
  enum List : size_t { kByDigest, kById, kByValues, kListCount };

  struct Block {
    uint64_t first_key = 0;
    uint32_t checksum = 0;
    int64_t offset = 0;
    size_t count = 0;
  };

  StrategyLookup(FileSystem& files, RunLocation run, std::string path)
      : files_(&files), run_(std::move(run)), path_(std::move(path)) {}

  Status make(const std::string& index_sha256);
  Status keep() const;
  bool open_file(const std::string& index_sha256);
  // From the front of a file of this size; false where it is no whole head of this version.
  bool read_head(const std::string& index_sha256, int64_t size);
  bool read(int64_t offset, size_t count, std::string& bytes) const;
  Result<std::vector<uint32_t>> rows_between(List list, uint64_t first, uint64_t last);
  std::optional<std::vector<uint32_t>> search(List list, uint64_t first, uint64_t last) const;

  FileSystem* files_;
  RunLocation run_;
  std::string path_;
  std::string index_sha256_;
  std::unique_ptr<ReadableFile> file_;
  std::string bytes_;  // of the whole file, where it was made just now
  std::array<std::vector<Block>, kListCount> blocks_;
};

}  // namespace signalbook
