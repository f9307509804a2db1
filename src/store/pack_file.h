#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/signal.h"
#include "store/byte_sink.h"
#include "store/trace_file.h"

namespace signalbook {

// A pack: many traces of one feed and kind in one Parquet file, in the order of the index (docs/format.md). A row is a
// change; what the index or the bars tell of it is not told again. On each trace's first row stand, beside its
// configuration, the few words with which an index can be made anew.

// One trace on its way into a pack.
struct PackedTrace {
  int64_t trace_id = 0;
  std::string_view strategy_hash, strategy_config, strategy_id;
  int64_t bar_count = 0;
  const SignalChanges* changes = nullptr;
  // One a change: NaN where it is the close of that bar. Empty: all are.
  std::vector<double> px;
};

// What is the same for all traces of a pack.
struct PackDescription {
  std::string symbol, timeframe, data_id;
  SignalKind kind = SignalKind::number;
  std::string creation_time;                   // ISO 8601 UTC
  const std::vector<int64_t>* ts = nullptr;    // of the bars: with these
  const std::vector<double>* close = nullptr;  // and these the columns ts, sym, strat and px stand on every row
};

// Makes a pack. Rows are gathered into row groups that end where a trace ends; each is encoded by others while
// the next is gathered, on up to `threads` threads (0: one a core). Same traces, same bytes.
class PackFileEncoder {
 public:
  // `sink` is called from another thread, one call at a time.
  PackFileEncoder(PackDescription about, ByteSink sink, size_t threads = 0);
  ~PackFileEncoder();

  Status append(const PackedTrace& trace);
  Status finish();

  int64_t row_count() const { return row_count_; }
  // Of the row groups that are encoded; the same at the same trace each time.
  int64_t byte_count() const;

  static constexpr size_t kRowsPerGroup = 122'880;
  static constexpr int64_t kRowsPerPage = 20'000;

 private:
  struct State;
  Status flush();

  std::unique_ptr<State> state_;
  int64_t row_count_ = 0;
};

// Rows of a pack that stand together, as they are read: a page.
struct PackRows {
  int64_t first_row = 0;
  std::vector<int32_t> idx;
  std::vector<double> values;       // or
  std::vector<std::string> labels;  // of a pack of classifiers
  std::vector<double> px;           // NaN where it is the close of that bar; empty: all are
  int64_t end_row() const { return first_row + static_cast<int64_t>(idx.size()); }
  size_t byte_count() const;
};

// A pack, opened for reading: the footer stays in memory, of the rows what is asked for is read, page by page. Several
// threads may ask at once.
class PackFile {
 public:
  // Damaged, naming the path, when it is no pack.
  static Result<std::unique_ptr<PackFile>> open(FileSystem& files, const std::string& path);
  ~PackFile();

  int64_t row_count() const;
  int64_t byte_count() const;  // of the file
  SignalKind kind() const;
  bool is_full() const;  // ts, sym, strat and px stand on every row

  // The number of the page that holds a row; pages are numbered from 0 over the whole pack. Damaged when there is no
  // such row, or the page index cannot be read.
  Result<size_t> page_of(int64_t row) const;
  Result<size_t> page_count() const;
  Result<PackRows> read_page(size_t page) const;  // below page_count()

 private:
  struct State;
  explicit PackFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace signalbook
