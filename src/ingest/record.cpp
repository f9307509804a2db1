#include "ingest/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <memory>
#include <set>

#include "format/trace_schema.h"
#include "ingest/bars_input.h"
#include "ingest/finished_before.h"
#include "ingest/progress.h"
#include "ingest/signals_input.h"
#include "ingest/strategy_file.h"
#include "ingest/stream_input.h"
#include "store/commit_run.h"
#include "store/recover_run.h"
#include "store/run_journals.h"

namespace signalbook {

namespace {

using namespace std::chrono_literals;

constexpr const char* kStreamName = "standard input";

// Strategies of the file that no signal spoke of are kept, as traces without a change, and reported.
std::optional<std::string> warn_of_silent(RunWriter& writer, const Recording& recording) {
  std::vector<std::string> silent;
  for (const size_t feed : recording.feeds) {
    for (size_t i = 0; i < recording.strategies.size(); ++i) {
      const size_t trace = writer.add_trace(recording.strategies[i], feed);
      if (!writer.is_observed(trace)) silent.push_back(recording.strategy_ids[i]);
    }
  }
  if (silent.empty()) return std::nullopt;
  constexpr size_t kMostNamed = 5;
  const size_t count = silent.size();
  if (count > kMostNamed) silent.resize(kMostNamed);
  return fmt::format("{} of {} strategies have no signals ({}{}); they are recorded without a change, and not complete",
                     count, recording.strategies.size() * recording.feeds.size(), fmt::join(silent, ", "),
                     count > kMostNamed ? ", ..." : "");
}

std::string count_rows(int64_t count) { return count == 1 ? "1 row is" : fmt::format("{} rows are", count); }

// One recording, from the files of a request to a run.
class Recorder {
 public:
  Recorder(FileSystem& files, const RecordRequest& request) : files_(files), request_(request) {}

  Result<RecordOutcome> run() {
    SB_ASSIGN_OR_RETURN(const bool finished, is_finished());
    SB_RETURN_IF_ERROR(read_files());
    if (finished) return was_finished();
    SB_ASSIGN_OR_RETURN(writer_, RunWriter::create(files_, request_.run_path, request_.options));
    begin_ = writer_->position();
    progress_.emplace(*writer_, progress_options());

    const Status recorded = record();
    outcome_.row_count = request_.stream ? writer_->position() : progress_->row_count();
    if (progress_->was_interrupted()) {
      SB_RETURN_IF_ERROR(progress_->close());
      outcome_.end = RecordOutcome::End::interrupted;
    } else if (!recorded.ok()) {
      return give_up(recorded);
    } else if (request_.is_one_of_several) {
      SB_RETURN_IF_ERROR(progress_->close());
      outcome_.end = RecordOutcome::End::closed;
    } else {
      if (writer_->trace_count() == 0) {
        return give_up(Status::invalid("there is no trace to record").at(signals_name()));
      }
      Result<RunSummary> summary = writer_->commit(request_.commit);
      if (summary.status().code() == StatusCode::io_error) return give_up(summary.status());
      if (!summary.ok()) return summary.status();  // which says what to do
      outcome_.summary = *std::move(summary);
      outcome_.warnings.insert(outcome_.warnings.end(), outcome_.summary.warnings.begin(),
                               outcome_.summary.warnings.end());
    }
    return std::move(outcome_);
  }

 private:
  Result<RecordOutcome> was_finished() {
    SB_ASSIGN_OR_RETURN(const int64_t position, check_finished_before(files_, request_, bars_, entries_));
    if (request_.stream && request_.stream->resume) SB_RETURN_IF_ERROR(request_.stream->resume(position));
    outcome_.end = RecordOutcome::End::was_finished;
    return std::move(outcome_);
  }

  Result<bool> is_finished() const {
    if (request_.options.opening != RunOpening::resume) return false;
    SB_ASSIGN_OR_RETURN(const bool finished, files_.file_exists(join_path(request_.run_path, file::kStrategyIndex)));
    if (!finished) return false;
    // A commit that died behind its last rename has left its journals, or its lock alone.
    SB_ASSIGN_OR_RETURN(const bool has_journals, files_.directory_exists(journal_directory(request_.run_path)));
    if (!has_journals) {
      SB_RETURN_IF_ERROR(remove_done_journals());
      return true;
    }
    SB_ASSIGN_OR_RETURN(const RecoveryReport report,
                        recover_run(files_, request_.run_path, {.now = request_.options.created_at}));
    if (report.is_whole()) return true;
    return Status::damaged(
        fmt::format("{}: {}; see: signalbook recover {}", request_.run_path, report.why, request_.run_path));
  }

  Status remove_done_journals() const {
    SB_ASSIGN_OR_RETURN(const bool has_lock, files_.file_exists(run_lock_path(request_.run_path)));
    SB_ASSIGN_OR_RETURN(const bool has_done, files_.directory_exists(done_journal_directory(request_.run_path)));
    if (!has_lock && !has_done) return Status();
    SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, RunLock::take(files_, request_.run_path, /*wait=*/false));
    return lock == nullptr ? Status() : remove_journals(files_, request_.run_path);
  }

  Status read_files() {
    for (const RecordRequest::Feed& feed : request_.feeds) {
      SB_ASSIGN_OR_RETURN(Bars bars, read_bars_input(feed.bars_path, feed.symbol, feed.timeframe, &outcome_.warnings));
      bars_.push_back(std::move(bars));
    }
    if (request_.strategies_path) {
      SB_ASSIGN_OR_RETURN(entries_, read_strategy_file(*request_.strategies_path));
    }
    if (!request_.stream) {
      SB_ASSIGN_OR_RETURN(signals_, open_column_input(request_.signals_path));
    }
    return Status();
  }

  Progress::Options progress_options() const {
    Progress::Options options = {.sync_after = {},
                                 .acknowledge = {},
                                 .interrupt = request_.interrupt,
                                 .sets_position = request_.stream.has_value(),
                                 .watch = request_.progress};
    if (!request_.stream) return options;
    // Acknowledged rows may be 100 ms old at the most, and the disk needs a part of that.
    options.sync_after = request_.stream->acknowledge ? 50ms : 1000ms;
    options.acknowledge = request_.stream->acknowledge;
    return options;
  }

  RecordedBefore recorded_before() const {
    using Given = RecordedBefore::Given;
    if (request_.options.opening != RunOpening::resume) return {*writer_, Given::nothing, 0};
    // A stream that begins with its first row is as good as a file.
    return {*writer_, request_.stream && begin_ > 0 ? Given::first_row : Given::all, begin_};
  }

  Status record() {
    Recording recording = {.writer = *writer_,
                           .progress = *progress_,
                           .before = recorded_before(),
                           .feeds = {},
                           .strategy_ids = {},
                           .strategies = {},
                           .warnings = &outcome_.warnings};
    SB_RETURN_IF_ERROR(add_feeds_and_strategies(recording));
    if (request_.stream && request_.stream->resume) SB_RETURN_IF_ERROR(request_.stream->resume(begin_));
    // What died behind the end of its input lacks nothing but the commit.
    if (!writer_->input_ended()) {
      is_reading_ = true;
      SB_RETURN_IF_ERROR(record_signals(recording));
      is_reading_ = false;
      SB_RETURN_IF_ERROR(check_all_given(recording));
    }
    // A file is given whole each time, so there is no row to go on from, whatever was there before.
    if (!request_.stream) SB_RETURN_IF_ERROR(writer_->set_position(0));
    if (!request_.is_one_of_several) {
      if (const auto warning = warn_of_silent(*writer_, recording)) outcome_.warnings.push_back(*warning);
    }
    SB_RETURN_IF_ERROR(writer_->end_input());
    return request_.stream ? progress_->finish() : Status();
  }

  Status record_signals(Recording& recording) {
    if (request_.stream) SB_RETURN_IF_ERROR(open_stream());
    const Status recorded =
        is_long_form(*signals_) ? record_long_form(*signals_, recording) : record_wide_form(*signals_, recording);
    if (!recorded.ok()) return recorded.at(signals_name());
    return signals_->is_ended() ? Status() : closed_without_end();
  }

  // A whole input that lacks a strategy which was recorded before is another input. That strategy's trace must not end
  // with it.
  Status check_all_given(Recording& recording) const {
    const std::optional<size_t> trace = recording.before.first_not_given();
    if (!trace) return Status();
    return Status::invalid(fmt::format("strategy {} was recorded before, and is not in it; give the whole input again",
                                       writer_->strategy_id(*trace)))
        .at(signals_name());
  }

  Status add_feeds_and_strategies(Recording& recording) {
    for (Bars& bars : bars_) {
      SB_ASSIGN_OR_RETURN(const size_t feed, writer_->add_feed(std::move(bars)));
      recording.feeds.push_back(feed);
    }
    std::set<size_t> known;
    for (const StrategyEntry& entry : entries_) {
      const Result<size_t> strategy = writer_->add_strategy(entry.strategy_id, entry.config);
      if (!strategy.ok()) return strategy.status().at(entry.origin);
      // The same id and configuration once more is the same strategy.
      if (!known.insert(*strategy).second) continue;
      recording.strategy_ids.push_back(entry.strategy_id);
      recording.strategies.push_back(*strategy);
    }
    entries_.clear();
    return Status();
  }

  Status open_stream() {
    const SignalStream& stream = *request_.stream;
    auto bytes = std::make_unique<ByteStream>(stream.descriptor, request_.interrupt_descriptor,
                                              [this] { return progress_->idle(); });
    auto opened =
        open_stream_input(std::move(bytes), {.end_of_file_ends = stream.end_of_file_ends, .first_row = begin_});
    if (!opened.ok()) return opened.status().at(kStreamName);
    stream_ = opened->get();
    signals_ = std::move(*opened);
    return Status();
  }

  std::string signals_name() const { return request_.stream ? kStreamName : request_.signals_path; }

  Status closed_without_end() const {
    const std::string torn =
        stream_->was_torn() ? fmt::format(" in the middle of row {}, which is dropped,", writer_->position() + 1) : "";
    return Status::not_found(fmt::format("{}: it closed{} before the end of the stream was said", kStreamName, torn));
  }

  // A file that is wrong leaves nothing of a run that was begun for it. What came out of a stream cannot be had again,
  // and what others have recorded is not ours to remove.
  Status give_up(const Status& error) {
    const bool anew = request_.options.opening == RunOpening::create;
    const int64_t rows = writer_->position();
    const bool is_worth_keeping = request_.stream && rows > 0 && writer_->trace_count() > 0;
    if (anew && !is_worth_keeping) {
      const Status discarded = writer_->discard();
      return discarded.ok() ? error : error.with(fmt::format("; the run stays: {}", discarded.message()));
    }
    const Status closed = progress_->close();  // what is durable is told, and `error` is the reason to close
    const int64_t durable = closed.ok() ? rows : writer_->durable_position();
    if (!request_.stream) {
      return error.with(
          fmt::format("; what was recorded before is kept: mend it and go on with --resume, or finish with: "
                      "signalbook recover {}",
                      request_.run_path));
    }
    if (closed.ok() && writer_->input_ended()) {
      return error.with(
          fmt::format("; {} durable, and the end of the stream was said: finish it with signalbook "
                      "recover {}",
                      count_rows(durable), request_.run_path));
    }
    if (error.code() == StatusCode::invalid && is_reading_) {
      return error.with(
          fmt::format("; {} durable: mend row {} and go on with --resume", count_rows(durable), durable + 1));
    }
    return error.with(fmt::format("; {} durable: go on with --resume, or finish with: signalbook recover {}",
                                  count_rows(durable), request_.run_path));
  }

  FileSystem& files_;
  const RecordRequest& request_;
  std::vector<Bars> bars_;
  std::vector<StrategyEntry> entries_;
  std::unique_ptr<RunWriter> writer_;
  std::optional<Progress> progress_;
  std::unique_ptr<ColumnInput> signals_;
  StreamInput* stream_ = nullptr;  // signals_, where it is one
  bool is_reading_ = false;        // what is wrong then is a row
  int64_t begin_ = 0;              // rows that were durable when this began
  RecordOutcome outcome_;
};

}  // namespace

Result<RecordOutcome> record_run(FileSystem& files, const RecordRequest& request) {
  return Recorder(files, request).run();
}

}  // namespace signalbook
