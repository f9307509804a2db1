#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "format/file_names.h"
#include "format/json_value.h"
#include "format/signal_encoder.h"
#include "format/signal_matrix.h"
#include "format/strategy_identity.h"
#include "format/strategy_tree.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"

namespace signalbook {

struct RunOptions {
  std::optional<std::string> code_version, note;
  std::vector<std::pair<std::string, std::string>> tags;
  int64_t created_at = 0;  // microseconds since 1970 UTC; no clock is read here
  MissingSignal missing = MissingSignal::refuse;
};

// What a commit has to tell beside "done".
struct RunSummary {
  int64_t strategy_count = 0;
  int64_t trace_count = 0;
  int64_t change_count = 0;
  int64_t signal_count = 0;           // bars observed, over all traces
  int64_t file_bytes = 0;             // of the trace files
  std::vector<std::string> warnings;  // what a researcher should look at
};

// Writes one run: takes signals bar by bar, as one bar of all strategies or as a dense matrix, keeps the changes in
// memory until a trace is finished, and makes the run visible at once by commit().
//
// The run directory is created at the beginning and must not exist. Files in flight end in ".tmp"; nothing in it is a
// run to any reader before strategy_index.parquet is renamed into place as the last step. A writer that is destroyed
// without a commit removes what it made.
//
// Errors name strategy and bar. After an error only destruction is useful.
class RunWriter {
 public:
  static Result<std::unique_ptr<RunWriter>> create(FileSystem& files, const std::string& run_path, RunOptions options);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // The bars that signals speak of. Returns the feed's number. Invalid when a feed of that symbol and timeframe is
  // there.
  Result<size_t> add_feed(Bars bars);
  // Returns the strategy's number. An id may be added again with the same configuration, not with another.
  Result<size_t> add_strategy(std::string_view strategy_id, const JsonValue& config);
  // The trace of a strategy on a feed. Whether it holds numbers or labels is told by its first value.
  size_t add_trace(size_t strategy, size_t feed);

  // One bar. `price` is kept where it is not the close of that bar.
  Status record(size_t trace, BarIndex bar, double value, std::optional<double> price = std::nullopt);
  Status record_label(size_t trace, BarIndex bar, std::string_view label, std::optional<double> price = std::nullopt);
  // One bar of these traces, a value each.
  Status record_bar(std::span<const size_t> traces, BarIndex bar, std::span<const double> values);
  // Consecutive bars of these traces of one feed, from `first_bar` on; a column a trace.
  Status record_matrix(std::span<const size_t> traces, BarIndex first_bar, const SignalMatrix& matrix);

  // The end is said: the signal holds until the last bar of the feed. The trace is written and its memory given back.
  Status finish_trace(size_t trace);

  // Finishes what is not finished and makes the run visible, durably.
  Result<RunSummary> commit();

  // Whether anything was said of this trace, missing values included.
  bool is_observed(size_t trace) const { return traces_[trace].encoder.last_bar() >= 0; }
  const Bars& bars(size_t feed) const { return feeds_[feed].bars; }
  size_t feed_count() const { return feeds_.size(); }

 private:
  struct Feed {
    Bars bars;
    std::string data_id;
  };
  struct Strategy {
    std::string id;
    std::string config;  // JSON as given
    JsonValue::Object parameters;
    std::string type;
    std::optional<std::string> constraints, threshold;
    StrategyIdentity identity;
    std::vector<StrategyComponent> components;
  };
  struct TraceState {
    size_t strategy, feed;
    SignalEncoder encoder;
    std::vector<std::pair<size_t, double>> prices;  // of the k-th change, where it is not the close
    bool finished = false;
  };

  RunWriter(FileSystem& files, std::string run_path, RunOptions options);

  Status check_place() const;
  Status make_parents(const std::string& path);
  // The trace's encoder, made ready for a value of this kind on this bar.
  Result<SignalEncoder*> encoder_for(size_t trace, BarIndex bar, SignalKind kind);
  void keep_price(TraceState& state, size_t changes_before, std::optional<double> price);
  Status name_trace(const TraceState& state, const Status& status) const;
  Status write_trace(TraceState& state, IndexRow& row, const SignalChanges& changes);
  Status write_temporary(const std::string& final_path, std::string_view bytes);
  Status make_directory(const std::string& path);
  // strategy_components.parquet of the finished traces; adds warnings.
  Result<std::string> encode_strategy_components();
  Status commit_files(const std::string& components, const std::string& index, const std::string& description);

  FileSystem& files_;
  std::string run_path_;
  RunOptions options_;
  std::vector<Feed> feeds_;
  std::vector<Strategy> strategies_;
  std::unordered_map<std::string, size_t> strategy_numbers_;
  std::vector<TraceState> traces_;
  std::map<std::pair<size_t, size_t>, size_t> trace_numbers_;               // strategy and feed -> trace
  std::vector<IndexRow> rows_;                                              // of the finished traces
  std::multimap<std::pair<size_t, Digest>, size_t> rows_by_configuration_;  // feed and digest -> row
  std::vector<std::vector<std::pair<size_t, double>>> prices_;              // of each row, where they are not the close
  RunSummary summary_;

  TracePaths paths_;
  TraceFileEncoder file_encoder_;
  std::vector<int64_t> ts_;  // scratch: times and prices of the changes being written
  std::vector<double> px_;
  std::vector<std::pair<std::string, std::string>> in_flight_;  // temporary path and final path
  std::vector<std::string> directories_;                        // made for traces, to be synced
  std::vector<std::string> parents_;                            // directories above the run that were not there
  bool created_directory_ = false;
  bool committed_ = false;
};

}  // namespace signalbook
