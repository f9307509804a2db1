// How a writer comes to its run, and how it leaves it.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "format/trace_schema.h"
#include "store/commit_run.h"
#include "store/run_writer.h"
#include "store/store.h"
#include "store/writer_record.h"

namespace signalbook {

namespace {

std::string how_to_go_on(const std::string& run_path) {
  return fmt::format("go on with --resume, or finish it with signalbook recover {}", run_path);
}

}  // namespace

RunWriter::RunWriter(FileSystem& files, std::string run_path, RunOptions options)
    : files_(files),
      run_path_(std::move(run_path)),
      options_(std::move(options)),
      last_sync_(std::chrono::steady_clock::now()) {}

RunWriter::~RunWriter() = default;

Result<std::unique_ptr<RunWriter>> RunWriter::create(FileSystem& files, const std::string& run_path,
                                                     RunOptions options) {
  if (!is_writer_name(options.writer)) {
    return Status::invalid(fmt::format(
        "'{}' is no name for a writer: up to 64 of A-Z a-z 0-9 _ . -, the first none of _ and .", options.writer));
  }
  std::unique_ptr<RunWriter> writer(new RunWriter(files, run_path, std::move(options)));
  SB_RETURN_IF_ERROR(writer->check_place());
  SB_RETURN_IF_ERROR(check_store_version(files, parent_path(run_path)));
  SB_RETURN_IF_ERROR(writer->make_directories());
  const Status status = writer->join();
  if (!status.ok()) {
    writer->writer_lock_ = nullptr;
    if (writer->created_run_) writer->remove_what_was_made();
    return status;
  }
  return writer;
}

// Where a run may lie: right below a directory that is, or will be, a store.
Status RunWriter::check_place() const {
  const std::string name = file_name_of(run_path_), store_path = parent_path(run_path_);
  if (name == file::kBarsDirectory || name == file::kStoreDirectory || name == "." || name == "..") {
    return Status::invalid(fmt::format("{}: '{}' is no name for a run; choose another", run_path_, name));
  }
  // Not in a run, and not among the bars or the marks of a store, however deep.
  std::string inner = run_path_;
  for (std::string above = store_path; above != inner; inner = above, above = parent_path(above)) {
    SB_ASSIGN_OR_RETURN(const bool in_run, files_.file_exists(join_path(above, file::kStrategyIndex)));
    const std::string above_name = file_name_of(above);
    SB_ASSIGN_OR_RETURN(
        const bool in_store,
        files_.file_exists(join_path(join_path(parent_path(above), file::kStoreDirectory), file::kStoreMarker)));
    if (in_run || (in_store && (above_name == file::kBarsDirectory || above_name == file::kStoreDirectory))) {
      return Status::invalid(fmt::format("{} lies in {}, which is {}; a run lies beside others, in their store",
                                         run_path_, above, in_run ? "a run" : "the store's own"));
    }
    if (above_name == "." || above_name == ".." || above == "/") break;  // what is above is not told by the text
  }
  return Status();
}

// Creates the missing directories above the run, and remembers them.
Status RunWriter::make_parents(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
  if (exists) return Status();
  if (parent_path(path) != path) SB_RETURN_IF_ERROR(make_parents(parent_path(path)));
  SB_RETURN_IF_ERROR(create_directories(files_, path));
  parents_.push_back(path);
  return Status();
}

// The run's directory. Several writers may make it at the same time.
Status RunWriter::make_directories() {
  SB_RETURN_IF_ERROR(make_parents(parent_path(run_path_)));
  const Status created = files_.create_directory(run_path_);
  created_run_ = created.ok();
  if (!created.ok()) {
    SB_ASSIGN_OR_RETURN(const bool is_directory, files_.directory_exists(run_path_));
    if (!is_directory) return created;
    SB_ASSIGN_OR_RETURN(const bool is_finished, files_.file_exists(join_path(run_path_, file::kStrategyIndex)));
    if (is_finished) {
      return Status::invalid(fmt::format(
          "{} exists already, and is finished; a run is written once: choose another name, or remove it first",
          run_path_));
    }
    SB_ASSIGN_OR_RETURN(const bool has_journal, files_.directory_exists(journal_directory(run_path_)));
    if (options_.opening == RunOpening::create) {
      return Status::invalid(has_journal ? fmt::format("{} exists already: a run that was not finished, or is being "
                                                       "written; {}",
                                                       run_path_, how_to_go_on(run_path_))
                                         : fmt::format("{} exists already; a run is written once: choose another name, "
                                                       "or remove that directory first",
                                                       run_path_));
    }
    SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(run_path_));
    if (!has_journal && !entries.empty() && entries.front().name != ".lock" && entries.front().name != ".journal") {
      return Status::invalid(fmt::format(
          "{} exists already, and was not begun by a recording; choose another name, or remove that directory first",
          run_path_));
    }
  }
  return Status();
}

// .journal/ in it, durable before anything is acknowledged there.
Status RunWriter::make_journal_directory() {
  SB_ASSIGN_OR_RETURN(const bool has_journal, files_.directory_exists(journal_directory(run_path_)));
  if (!has_journal) SB_RETURN_IF_ERROR(files_.create_directory(journal_directory(run_path_)));
  SB_RETURN_IF_ERROR(files_.sync_directory(run_path_));
  SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(run_path_)));
  for (const std::string& parent : parents_) SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(parent)));
  return Status();
}

// Under the run's lock, so that nobody commits the run while a writer comes to it, or takes its beginning for what a
// recording has left that died.
Status RunWriter::join() {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> run_lock, RunLock::take(files_, run_path_, /*wait=*/true));
  SB_ASSIGN_OR_RETURN(const bool is_finished, files_.file_exists(join_path(run_path_, file::kStrategyIndex)));
  if (is_finished) {
    return Status::invalid(fmt::format("{} was finished by another process while this one came to it", run_path_));
  }
  SB_RETURN_IF_ERROR(make_journal_directory());
  SB_ASSIGN_OR_RETURN(writer_lock_, files_.lock_file(writer_lock_path(run_path_, options_.writer), /*wait=*/false));
  if (writer_lock_ == nullptr) {
    return Status::invalid(
        fmt::format("{}: writer {} is at it already, in another process; each writer needs a name "
                    "of its own (--writer)",
                    run_path_, options_.writer));
  }
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
  JournalHeader header = {.writer = options_.writer,
                          .created_at = options_.created_at,
                          .code_version = options_.code_version,
                          .note = options_.note,
                          .tags = options_.tags,
                          .missing = options_.missing,
                          .layout = options_.layout};
  for (const WriterJournal& journal : journals) {
    if (journal.writer == options_.writer) {
      if (options_.opening != RunOpening::resume) {
        return Status::invalid(
            fmt::format("{}: writer {} was at it before; {}", run_path_, options_.writer, how_to_go_on(run_path_)));
      }
      return resume_from(journal, std::move(header));
    }
  }
  return begin_journal(header);
}

Status RunWriter::begin_journal(const JournalHeader& header) {
  SB_ASSIGN_OR_RETURN(journal_, JournalWriter::create(files_, segment_path(run_path_, header.writer, header.segment),
                                                      header, options_.journal));
  return Status();
}

// A sync of this journal has failed: what is read of it may stand in memory only, and another sync would not write it
// again. So its whole frames are written anew, and take its place when they are durable.
Status RunWriter::rewrite_suspect(const WriterJournal& journal) {
  for (const std::string& path : journal.segments) {
    SB_ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(path));
    const std::string temporary = path + std::string(kTemporarySuffix);
    SB_RETURN_IF_ERROR(replace_file(files_, temporary, bytes));
    SB_RETURN_IF_ERROR(files_.sync_files(std::span(&temporary, 1)));
    SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  }
  SB_RETURN_IF_ERROR(files_.sync_directory(journal_directory(run_path_)));
  return files_.remove_file(suspect_path(run_path_, journal.writer));
}

// What is given once more with a run that goes on is what it was begun with; what is not given stays.
Status RunWriter::check_same_header(const JournalHeader& given, const JournalHeader& before) const {
  if (given.code_version && given.code_version != before.code_version) {
    return Status::invalid(
        fmt::format("{} was begun with code_version {}, and this is {}: signals of two versions are two runs; finish "
                    "that one with signalbook recover {}",
                    run_path_, before.code_version.value_or("(none)"), *given.code_version, run_path_));
  }
  const auto differs = [&](const char* what) {
    return Status::invalid(
        fmt::format("{} was begun with another {}; leave it out, or give the same", run_path_, what));
  };
  if (given.note && given.note != before.note) return differs("note");
  if (!given.tags.empty() && given.tags != before.tags) return differs("set of tags");
  const bool is_other_missing = given.missing != MissingSignal::refuse && before.missing != MissingSignal::refuse &&
                                given.missing != before.missing;
  return is_other_missing ? differs("--na") : Status();
}

Status RunWriter::resume_from(const WriterJournal& journal, JournalHeader header) {
  if (journal.is_suspect) SB_RETURN_IF_ERROR(rewrite_suspect(journal));
  SB_ASSIGN_OR_RETURN(const WriterRecord record, read_writer_record(files_, journal));
  if (!record.damage.empty()) {
    return Status::damaged(
        fmt::format("{}; recording cannot go on behind damage: save what is whole with signalbook "
                    "recover {}, and record the rest into a new run",
                    record.damage.front(), run_path_));
  }
  if (record.header) {
    SB_RETURN_IF_ERROR(check_same_header(header, *record.header));
    // Where nothing was missing yet, what is missing may be given a meaning now.
    const MissingSignal given = options_.missing;
    header = *record.header;
    if (header.missing == MissingSignal::refuse) header.missing = given;
    options_.missing = header.missing;
  }
  // What was read is what will be acknowledged, so it must be durable, too.
  SB_RETURN_IF_ERROR(files_.sync_files(journal.segments));
  SB_RETURN_IF_ERROR(files_.sync_directory(journal_directory(run_path_)));

  resumed_feeds_ = record.feeds;
  input_ended_ = record.input_ended;
  for (const JournalStrategy& strategy : record.strategies) {
    SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(strategy.config));
    SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(config));
    strategy_numbers_.emplace(strategy.id, strategies_.size());
    strategies_.push_back({.id = strategy.id, .digest = identify_normalized(node).digest});
  }
  for (const std::string& label : record.labels)
    label_numbers_.emplace(label, static_cast<uint32_t>(label_numbers_.size()));
  for (const TraceRecord& before : record.traces) {
    Trace trace = {.strategy = before.strategy,
                   .feed = before.feed,
                   .encoder = SignalEncoder(before.kind, options_.missing),
                   .change_count = before.change_count,
                   .finished = before.ended};
    if (before.change_count == 0) {
      trace.encoder.observe_held_until(before.last_bar);
    } else if (before.kind == SignalKind::number) {
      trace.encoder.resume_number(before.last_value, before.last_bar);
    } else {
      trace.encoder.resume_label(record.labels.at(before.last_label), before.last_bar);
    }
    trace_numbers_.emplace(trace_key(trace.strategy, trace.feed), traces_.size());
    traces_.push_back(std::move(trace));
  }
  header.segment = static_cast<int>(journal.segments.size()) + 1;
  header.continues_at = record.whole_bytes;
  SB_RETURN_IF_ERROR(begin_journal(header));
  JournalBatch& batch = journal_->batch();
  batch.first_feed = static_cast<uint32_t>(record.feeds.size());
  batch.first_strategy = static_cast<uint32_t>(record.strategies.size());
  batch.first_trace = static_cast<uint32_t>(record.traces.size());
  batch.first_label = static_cast<uint32_t>(record.labels.size());
  batch.position = record.position;
  return sync();
}

Status RunWriter::close() {
  const Status status = failure_.ok() ? sync() : failure_;
  durable_position_ = durable_position();
  journal_ = nullptr;
  writer_lock_ = nullptr;
  return status;
}

// The other writers, all of them gone, that may still have something to say.
Result<std::vector<std::string>> RunWriter::others_that_were_cut_off() const {
  std::vector<std::string> names;
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
  for (const WriterJournal& journal : journals) {
    if (journal.writer == options_.writer) continue;
    SB_ASSIGN_OR_RETURN(const WriterRecord record, read_writer_record(files_, journal));
    if (!record.input_ended) names.push_back(journal.writer);
  }
  return names;
}

// All is in the journal, and a commit that fails is done again from there.
void RunWriter::give_memory_back() {
  given_back_count_ += traces_.size();
  std::vector<Strategy>().swap(strategies_);
  std::vector<Trace>().swap(traces_);
  std::vector<size_t>().swap(touched_);
  decltype(strategy_numbers_)().swap(strategy_numbers_);
  decltype(trace_numbers_)().swap(trace_numbers_);
}

Result<RunSummary> RunWriter::commit(const CommitOptions& options) {
  SB_RETURN_IF_ERROR(failure_);
  if (trace_count() == 0) return Status::invalid("there is no trace to record");
  SB_RETURN_IF_ERROR(end_input());
  SB_RETURN_IF_ERROR(write_frame());
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> run_lock, RunLock::take(files_, run_path_, /*wait=*/true));
  SB_ASSIGN_OR_RETURN(const WriterLocks others, lock_writers(files_, run_path_, options_.writer));
  if (!others.alive.empty()) {
    SB_RETURN_IF_ERROR(sync());
    return Status::invalid(fmt::format("{}: {} still {} to it; when {} ended, finish it with signalbook recover {}",
                                       run_path_, fmt::join(others.alive, ", "),
                                       others.alive.size() == 1 ? "writes" : "write",
                                       others.alive.size() == 1 ? "it has" : "they have", run_path_));
  }
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> cut_off, others_that_were_cut_off());
  if (!cut_off.empty()) {
    SB_RETURN_IF_ERROR(sync());
    return Status::invalid(fmt::format(
        "{}: {} died before the end of {} input: go on with --writer {} --resume, or finish the run as it "
        "is with signalbook recover {}",
        run_path_, fmt::join(cut_off, ", "), cut_off.size() == 1 ? "its" : "their", cut_off.front(), run_path_));
  }
  give_memory_back();
  SB_ASSIGN_OR_RETURN(CommittedRun committed, commit_run(files_, run_path_, options));
  if (!committed.damage.empty()) {
    return Status::damaged(fmt::format("{}; what is whole was saved in {}, and its journals were left there",
                                       committed.damage.front(), run_path_));
  }
  journal_ = nullptr;
  LostAndFound lost(files_, run_path_, std::nullopt);
  const Status removed = remove_journals(files_, run_path_, lost, journals_cut_off(committed.torn_paths));
  for (const MovedFile& file : lost.moved())
    committed.summary.warnings.push_back(fmt::format("{} was moved to {}: {}", file.from, file.to, file.why));
  if (!removed.ok()) {
    committed.summary.warnings.push_back(
        fmt::format("the run is finished, but its journals could not be removed: {}; signalbook recover does it",
                    removed.message()));
  }
  return std::move(committed.summary);
}

void RunWriter::remove_what_was_made() {
  // Best effort: what stays has no index and is a run to nobody.
  (void)remove_tree(files_, run_path_);
  // A directory in which somebody else has begun something is not empty, and stays.
  for (auto path = parents_.rbegin(); path != parents_.rend(); ++path) (void)files_.remove_directory(*path);
}

Status RunWriter::discard() {
  if (!created_run_) return close();
  {
    SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> run_lock, RunLock::take(files_, run_path_, /*wait=*/true));
    SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
    if (journals.size() > 1) return close();
    journal_ = nullptr;
    writer_lock_ = nullptr;
    remove_what_was_made();
  }
  return Status();
}

}  // namespace signalbook
