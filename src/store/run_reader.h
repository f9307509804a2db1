#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/run_description.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"
#include "store/trace_storage.h"

namespace signalbook {

// The description of a finished run and the bytes of its index, which are those that the description vouches for.
// NotFound when the run is not finished, Damaged when either is not what was written, Invalid when it is newer.
struct CheckedIndex {
  RunDescription description;
  std::string bytes;
};
Result<CheckedIndex> read_checked_index(FileSystem& files, const std::string& run_path);

// A finished run, opened for reading.
class RunReader {
 public:
  static Result<std::unique_ptr<RunReader>> open(FileSystem& files, const std::string& run_path);

  const RunDescription& description() const { return description_; }
  const std::vector<IndexRow>& rows() const { return rows_; }

  // The rows of a strategy, one a feed: by its strategy_id or an alias, else by a prefix of 4 or more digits of its
  // hash. NotFound, or Invalid with the candidates when a prefix fits several strategies. The first call prepares
  // tables of both, so that each call looks at few rows.
  Result<std::vector<const IndexRow*>> find(std::string_view name) const;

  // The strategies inside the run's strategies; none where an earlier version recorded it without this file. Damaged
  // when the bytes are not those that run.json vouches for.
  Result<std::vector<ComponentRow>> read_components() const;

  Result<Trace> read_trace(const IndexRow& row) { return traces_->read(row); }
  Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices = false) {
    return traces_->read_changes(row, with_prices);
  }
  Result<Bars> read_bars(const std::string& data_id) { return read_stored_bars(files_, run_path_, data_id); }

 private:
  RunReader(FileSystem& files, std::string run_path) : files_(files), run_path_(std::move(run_path)) {}

  void prepare_find() const;

  FileSystem& files_;
  std::string run_path_;
  RunDescription description_;
  std::vector<IndexRow> rows_;
  mutable std::once_flag find_is_prepared_;
  mutable std::vector<const IndexRow*> by_digest_;  // sorted
  mutable std::unordered_multimap<std::string_view, const IndexRow*> by_id_;
  std::unique_ptr<TraceStorage> traces_;
};

}  // namespace signalbook
