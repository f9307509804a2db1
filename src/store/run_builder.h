#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "format/file_names.h"
#include "format/signal.h"
#include "store/run_description.h"
#include "store/run_summary.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"

namespace signalbook {

// One trace as it was recorded, to become a file and a row.
struct RecordedTrace {
  std::string strategy_id;
  std::string config;  // JSON as given
  size_t feed = 0;
  SignalChanges changes;
  std::vector<std::pair<size_t, double>> prices;  // of the k-th change, where it is not the bar's close
  BarIndex last_bar = -1;                         // the last observed, missing values included
  bool complete = false;
};

// Makes the files of one run, trace by trace: each is written under a temporary name as it comes. commit() adds the
// rest and gives all of them their names, the index last, so that nothing in the directory is a run to any reader
// before. What an attempt that died has left under the same names is replaced; the same traces in the same order give
// the same bytes.
class RunBuilder {
 public:
  // `description` says what no trace does: run_id, created_at, code_version, note, tags and writers.
  RunBuilder(FileSystem& files, std::string run_path, RunDescription description);

  // Bars whose data_id is this. Returns the feed's number.
  size_t add_feed(Bars bars, std::string data_id_hex);
  Status add_trace(RecordedTrace trace);

  Result<RunSummary> commit();

  const Bars& bars(size_t feed) const { return feeds_[feed].bars; }
  RunSummary& summary() { return summary_; }

 private:
  struct Feed {
    Bars bars;
    std::string data_id;
    int64_t file_size = 0;  // of the store's file, once it is there
    std::string file_sha256;
  };

  Result<IndexRow> make_row(const RecordedTrace& trace);
  // The row of the same configuration on the same feed that says the same, under another id.
  std::optional<size_t> find_twin(const IndexRow& row, size_t feed, const Digest& prices);
  Status write_trace(const RecordedTrace& trace, IndexRow& row);
  Status write_temporary(const std::string& final_path, std::string_view bytes);
  Status write_bars(size_t feed);
  Status make_directory(const std::string& path);
  void describe_feeds();
  Status write_tables();
  Status publish();

  FileSystem& files_;
  std::string run_path_, store_path_;
  RunDescription description_;
  std::vector<Feed> feeds_;
  std::set<std::string> strategy_ids_;
  std::vector<IndexRow> rows_;
  std::vector<Digest> price_digests_;                                       // of each row's own prices
  std::multimap<std::pair<size_t, Digest>, size_t> rows_by_configuration_;  // feed and digest -> row
  std::vector<ComponentRow> components_;
  std::set<Digest> composites_;  // whose components are there
  size_t uneven_count_ = 0;      // composites whose weights do not sum to 1
  RunSummary summary_;

  TracePaths paths_;
  TraceFileEncoder file_encoder_;
  std::vector<int64_t> ts_;  // scratch: times and prices of the changes being written
  std::vector<double> px_;
  std::vector<std::pair<std::string, std::string>> in_flight_;  // temporary path and final path
  std::vector<std::string> directories_;                        // of traces, to be synced
};

}  // namespace signalbook
