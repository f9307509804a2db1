#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// A pack read from end to end, with all that stands in it, one row group at a time: for whoever checks it, or makes an
// index of it. Checksums of pages are compared.

// A text that stands on every row, and seldom changes.
struct RepeatedText {
  std::vector<std::string> texts;
  std::vector<uint32_t> of_row;  // which of them
  const std::string& at(size_t row) const { return texts[of_row[row]]; }
};

// The rows of a row group.
struct PackGroup {
  // The rows of one trace: [begin, end) of this group.
  struct Part {
    size_t begin = 0, end = 0;
  };
  // Values of a column that is NULL on most rows, with their rows.
  template <typename Value>
  using Sparse = std::vector<std::pair<size_t, Value>>;

  int64_t first_row = 0;  // in the pack
  std::vector<int32_t> trace_id;
  RepeatedText strategy_hash;
  std::vector<int32_t> idx;
  std::vector<double> values;  // or
  std::vector<std::string> labels;
  std::vector<double> px;         // NaN where it is NULL; empty: it is on every row
  std::vector<size_t> broken_px;  // rows whose px is there and no finite number
  Sparse<std::string> metadata, strategy_id;
  Sparse<int64_t> bar_count;
  std::vector<int64_t> ts;  // of a full pack, as the two below
  RepeatedText sym, strat;

  size_t size() const { return idx.size(); }
  // Rows that stand together and have one trace_id.
  std::vector<Part> parts() const;
  SignalChanges changes(SignalKind kind, const Part& part) const;
};

class PackScan {
 public:
  // `name` stands in messages. Damaged when it is no pack: its columns are looked at, too. NotFound when there is none.
  static Result<std::unique_ptr<PackScan>> open(FileSystem& files, const std::string& path, const std::string& name);
  ~PackScan();

  SignalKind kind() const;
  bool is_full() const;
  int64_t row_count() const;
  size_t group_count() const;
  int64_t first_row(size_t group) const;  // group_count(): row_count()
  // Of the file; nothing when it is not there.
  std::optional<std::string> metadata(std::string_view key) const;

  // Several threads may read at once. Damaged, without the name, when it cannot be read.
  Result<PackGroup> read_group(size_t group) const;

 private:
  struct State;
  explicit PackScan(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace signalbook
