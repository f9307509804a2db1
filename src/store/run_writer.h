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
#include "journal/journal_file.h"
#include "store/run_summary.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"

namespace signalbook {

// How a writer comes to its run.
enum class RunOpening : uint8_t {
  create,  // the run must not be there
  join,    // one of several writers: the run is made where it is none yet
  resume,  // goes on where this writer stopped, or begins where it never did; the run is made where it is none yet
};

struct RunOptions {
  std::optional<std::string> code_version, note;
  std::vector<std::pair<std::string, std::string>> tags;
  int64_t created_at = 0;  // microseconds since 1970 UTC; no clock is read here. A run that is there keeps its own
  MissingSignal missing = MissingSignal::refuse;
  RunOpening opening = RunOpening::create;
  std::string writer = "main";  // no two of a name at a time; names its journal
  JournalOptions journal;
};

// Writes to one run: takes signals bar by bar, as one bar of all strategies or as a dense matrix. Changes go to the
// writer's journal in .journal/; in memory stay the last value of each trace and one buffer. commit() makes the run
// visible at once. What sync() has covered survives any crash: the writer that resumes finds it, and so does
// recover_run(), which finishes a run whose writers are gone.
//
// Several processes may write to one run, each as a writer of another name. All but the one that commits end with
// close().
//
// A writer that is destroyed without commit(), close() or discard() leaves a run to be resumed, without what was not
// yet synced. Errors name strategy and bar. After an error of record*() what was recorded before still counts, and
// close() keeps it; after one of the disk only destruction is useful.
class RunWriter {
 public:
  // Invalid when the run is there (create), is finished, or has a writer of this name at it.
  static Result<std::unique_ptr<RunWriter>> create(FileSystem& files, const std::string& run_path, RunOptions options);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  // The bars that signals speak of. Returns the feed's number. Invalid when a feed of that symbol and timeframe is
  // there; a writer that resumes gives its feeds again, with the same bars.
  Result<size_t> add_feed(Bars bars);
  // Returns the strategy's number. An id may be added again with the same configuration, not with another.
  Result<size_t> add_strategy(std::string_view strategy_id, const JsonValue& config);
  // The number of a strategy that was added, before a crash too.
  std::optional<size_t> find_strategy(std::string_view strategy_id) const;
  // The trace of a strategy on a feed. Whether it holds numbers or labels is told by its first value.
  size_t add_trace(size_t strategy, size_t feed);

  // One bar. `price` is kept where it is not the close of that bar.
  Status record(size_t trace, BarIndex bar, double value, std::optional<double> price = std::nullopt);
  Status record_label(size_t trace, BarIndex bar, std::string_view label, std::optional<double> price = std::nullopt);
  // One bar of these traces, a value each.
  Status record_bar(std::span<const size_t> traces, BarIndex bar, std::span<const double> values);
  // Consecutive bars of these traces of one feed, from `first_bar` on; a column a trace.
  Status record_matrix(std::span<const size_t> traces, BarIndex first_bar, const SignalMatrix& matrix);

  // The end is said: the signal holds until the last bar of the feed.
  Status finish_trace(size_t trace);

  // The caller's own count of what it has handed over (rows of a stream); everything before this call is in it.
  Status set_position(int64_t position);
  int64_t position() const;  // of a writer that resumes: how far it is durable

  // Acknowledges: when this returns, all that was recorded is durable.
  Status sync();
  // The same when the oldest of it that is not durable is as old as this.
  Status sync_if_older_than(int64_t milliseconds);
  bool is_durable() const;             // all that was recorded
  int64_t durable_position() const;

  // Ends this writer durably and leaves the run unfinished, for others to write to, to resume or to recover.
  Status close();
  // Finishes every trace of this writer and makes the run visible, durably, with what its other writers recorded.
  // Invalid while another writer is at it.
  Result<RunSummary> commit();
  // Removes the run, as long as this writer has made it and nobody else has joined; else the same as close().
  Status discard();

  // Whether anything was said of this trace, missing values included.
  bool is_observed(size_t trace) const { return last_bar(trace) >= 0; }
  BarIndex last_bar(size_t trace) const;  // -1 before the first
  bool is_finished(size_t trace) const;
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
