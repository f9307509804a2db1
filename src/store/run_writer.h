#pragma once

#include <chrono>
#include <cstdint>
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
#include "format/json_value.h"
#include "format/signal_encoder.h"
#include "format/signal_matrix.h"
#include "format/strategy_identity.h"
#include "journal/journal_file.h"
#include "store/commit_run.h"
#include "store/run_journals.h"
#include "store/run_summary.h"

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
  RunLayout layout = RunLayout::automatic;  // of a run that is made; one that is there keeps its own
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

  // The end of the input is said: all traces are at their ends, and a writer that resumes behind this only has to
  // commit. commit() says it, too.
  Status end_input();
  bool input_ended() const { return input_ended_; }

  // The caller's own count of what it has handed over (rows of a stream); everything before this call is in it.
  Status set_position(int64_t position);
  int64_t position() const { return journal_->batch().position; }  // at first, how far a writer that resumes had come

  // Acknowledges: when this returns, all that was recorded is durable.
  Status sync();
  // The same when the oldest of it that is not durable is as old as this.
  Status sync_if_older_than(int64_t milliseconds);
  bool is_durable() const;           // all that was recorded
  int64_t durable_position() const;  // also after close()

  // Ends this writer durably and leaves the run unfinished, for others to write to, to resume or to recover.
  Status close();
  // Finishes every trace of this writer and makes the run visible, durably, with what its other writers recorded.
  // Invalid while another writer is at it, or died before its input ended: it may go on.
  Result<RunSummary> commit(const CommitOptions& options = {});
  // Removes the run, as long as this writer has made it and nobody else has joined; else the same as close().
  Status discard();

  // Whether anything was said of this trace, missing values included.
  bool is_observed(size_t trace) const { return last_bar(trace) >= 0; }
  BarIndex last_bar(size_t trace) const { return traces_[trace].encoder.last_bar(); }  // -1 before the first
  bool is_finished(size_t trace) const { return traces_[trace].finished; }
  const std::string& strategy_id(size_t trace) const { return strategies_[traces_[trace].strategy].id; }
  // Of input that is given again: a bar before the last one recorded is let pass, and on the last one the value must be
  // what was recorded.
  Status check_repeats(size_t trace, BarIndex bar, double value) const;
  Status check_repeats_label(size_t trace, BarIndex bar, std::string_view label) const;
  const Bars& bars(size_t feed) const { return feeds_[feed].bars; }
  size_t feed_count() const { return feeds_.size(); }
  size_t trace_count() const { return given_back_count_ + traces_.size(); }  // those of before a crash among them

 private:
  struct Feed {
    Bars bars;
    std::string data_id;
  };
  struct Trace {
    uint32_t strategy, feed;
    SignalEncoder encoder;
    uint32_t change_count = 0;
    bool finished = false;
    bool touched = false;  // since the last frame: the journal does not know yet how far it was observed
  };

  struct Strategy {
    std::string id;
    Digest digest;
  };
  static uint64_t trace_key(size_t strategy, size_t feed) { return uint64_t{strategy} << 32 | feed; }

  RunWriter(FileSystem& files, std::string run_path, RunOptions options);

  Status check_place() const;
  Status make_parents(const std::string& path);
  Status make_directories();
  Status make_journal_directory();
  Status join();
  Status begin_journal(const JournalHeader& header);
  Status check_same_header(const JournalHeader& given, const JournalHeader& before) const;
  Status resume_from(const WriterJournal& journal, JournalHeader header);
  Result<std::vector<std::string>> others_that_were_cut_off() const;
  Status rewrite_suspect(const WriterJournal& journal);
  void give_memory_back();
  void remove_what_was_made();

  Status check_feed(const Bars& bars) const;
  Status write_feed_bars(const Bars& bars, const std::string& data_id_hex);
  // The trace's encoder, made ready for a value of this kind on this bar.
  Result<SignalEncoder*> encoder_for(size_t trace, BarIndex bar, SignalKind kind);
  Status name_trace(const Trace& trace, const Status& status) const;
  // Before something is recorded: writes a frame when enough is gathered.
  Status make_room();
  void touch(size_t trace);
  // Puts the encoder's new changes into the journal's batch.
  void gather(size_t trace, std::optional<double> price = std::nullopt);
  uint32_t number_of_label(const std::string& label);
  // Tells the journal how far the touched traces were observed.
  void gather_observed();
  Status write_frame();
  // Remembers that the disk has failed.
  Status keep_failure(Status status);

  FileSystem& files_;
  std::string run_path_;
  RunOptions options_;
  std::vector<std::string> parents_;  // directories above the run that were not there
  bool created_run_ = false;

  std::unique_ptr<FileLock> writer_lock_;
  std::unique_ptr<JournalWriter> journal_;
  bool input_ended_ = false;
  int64_t durable_position_ = 0;  // when the journal was closed
  Status failure_;                // of the disk: nothing more is taken
  size_t given_back_count_ = 0;   // of traces, by a commit: nothing more is taken
  std::chrono::steady_clock::time_point last_sync_;

  std::vector<Feed> feeds_;
  std::vector<JournalFeed> resumed_feeds_;  // of before the crash: the feeds to come must be the same
  std::vector<Strategy> strategies_;
  std::unordered_map<std::string, size_t> strategy_numbers_;
  std::vector<Trace> traces_;
  std::unordered_map<uint64_t, size_t> trace_numbers_;  // strategy and feed -> trace
  std::unordered_map<std::string, uint32_t> label_numbers_;
  std::vector<size_t> touched_;
};

}  // namespace signalbook
