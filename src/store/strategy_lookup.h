#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/store.h"

namespace signalbook {

// Finds the rows of a run's index by hash or strategy_id without a look at the index: a small file beside the store's
// catalogue, sorted by both. It is derived: missing, stale or damaged, it is made anew.
class StrategyLookup {
 public:
  // Nothing where run.json does not vouch for one index, as while that is replaced. Damaged when the index is.
  static Result<std::optional<StrategyLookup>> open(FileSystem& files, const std::string& store_path,
                                                    const RunLocation& run);

  // The trace_ids of the rows whose strategy_digest begins with these hexadecimal digits; where there are more than 16,
  // of those that begin with the first 16.
  std::vector<uint32_t> rows_with_digits(std::string_view digits) const;
  // The trace_ids of all rows that have this strategy_id or alias, and hardly any others.
  std::vector<uint32_t> rows_with_id(std::string_view strategy_id) const;

 private:
  struct Keys {  // both sorted by key, then row
    std::vector<uint64_t> keys;
    std::vector<uint32_t> rows;
  };

  static Result<StrategyLookup> make(FileSystem& files, const std::string& run_path);
  static Keys sorted(std::vector<std::pair<uint64_t, uint32_t>> pairs);
  static std::vector<uint32_t> rows_between(const Keys& keys, uint64_t first, uint64_t last);
  std::string encode(const std::string& index_sha256) const;
  static std::optional<StrategyLookup> decode(std::string_view bytes, const std::string& index_sha256);

  Keys digests_, ids_;
};

}  // namespace signalbook
