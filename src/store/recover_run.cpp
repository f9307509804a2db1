#include "store/recover_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/digest.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/commit_run.h"
#include "store/pack_rows.h"
#include "store/rebuild_index.h"
#include "store/repack_run.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_inspection.h"
#include "store/run_journals.h"
#include "store/strategy_index.h"
#include "store/trace_row.h"

namespace signalbook {

namespace {

// The traces that an index names, by what they say.
class TwiceThere {
 public:
  explicit TwiceThere(const std::vector<IndexRow>& rows) {
    for (const IndexRow& row : rows) known_.insert(key_of(row));
  }
  bool has(const IndexRow& row) const { return known_.contains(key_of(row)); }

 private:
  using Key = std::tuple<std::string, std::string, Digest, TraceHash>;
  static Key key_of(const IndexRow& row) {
    return {to_valid_utf8(row.strategy_id), row.data_id, row.strategy_digest, row.trace_hash};
  }
  std::set<Key> known_;
};

class Recovery {
 public:
  Recovery(FileSystem& files, const std::string& run_path, const RecoverOptions& options, RunInspection found)
      : files_(files),
        run_path_(run_path),
        options_(options),
        found_(std::move(found)),
        rule_(find_recovery_rule(found_.facts)),
        lost_(files, run_path, options.now, options.is_dry) {}

  Result<RecoveryReport> run() {
    report_.facts = found_.facts;
    report_.action = rule_.action;
    report_.why = rule_.why;
    report_.alive_writers = found_.alive_writers;
    report_.torn_bytes = found_.torn_bytes;
    report_.damage = found_.damage;
    report_.remarks = found_.remarks;
    SB_RETURN_IF_ERROR(act());
    const std::vector<MovedFile>& moved = lost_.moved();
    report_.moved.insert(report_.moved.end(), moved.begin(), moved.end());
    return std::move(report_);
  }

 private:
  CommitOptions commit_options() const {
    CommitOptions how = options_.commit;
    how.threads = options_.threads;
    if (options_.progress) {
      how.progress = [this](int64_t done, int64_t total) {
        const std::string what = "finish " + file_name_of(run_path_);
        options_.progress({.what = what, .unit = "traces", .done = done, .total = total});
      };
    }
    return how;
  }
  Status act();
  Status finish();
  Status rebuild();
  Status settle();
  Status dispose_of_journals();
  Status take_leftovers();
  Status find_unnamed_metric_sets(std::vector<LostFile>& found);
  Status find_temporaries(const std::string& directory, std::vector<std::string>& found);
  Result<bool> is_left_behind(const std::string& path, const std::map<std::string, const IndexRow*>& packed,
                              const TwiceThere& twice);
  Status remove_left_behind(const std::vector<LostFile>& taken);

  FileSystem& files_;
  const std::string& run_path_;
  const RecoverOptions& options_;
  RunInspection found_;
  const RecoveryRule& rule_;
  LostAndFound lost_;
  RecoveryReport report_;
};

Status Recovery::act() {
  switch (rule_.action) {
    case RecoveryAction::refuse:
      return Status();
    case RecoveryAction::set_aside:
      return lost_.take({{.path = "", .why = std::string(rule_.why)}});
    case RecoveryAction::finish:
      SB_RETURN_IF_ERROR(finish());
      break;
    case RecoveryAction::rebuild:
      SB_RETURN_IF_ERROR(rebuild());
      break;
    case RecoveryAction::keep:
    case RecoveryAction::clean:
      report_.summary.trace_count = found_.whole_trace_count;
      SB_RETURN_IF_ERROR(settle());
      break;
  }
  SB_RETURN_IF_ERROR(dispose_of_journals());
  return take_leftovers();
}

Status Recovery::finish() {
  std::vector<LostFile> in_the_way = found_.in_the_way;
  const bool journal_is_damaged = found_.facts.journal == JournalFact::damaged;
  const bool takes_all_traces = journal_is_damaged && found_.facts.traces != TracesFact::none;
  for (LostFile file : found_.damaged_files) {
    const bool is_trace = file.path.starts_with(std::string(file::kTracesDirectory) + "/");
    if (is_trace && takes_all_traces) continue;
    file.is_copied = !is_trace;  // the commit replaces it
    in_the_way.push_back(std::move(file));
  }
  if (journal_is_damaged) {
    // What an earlier commit has written may say what the journals have lost.
    const std::string why = "written by an earlier commit, and made anew from journals that are damaged";
    if (takes_all_traces) in_the_way.push_back({.path = file::kTracesDirectory, .why = why});
    for (const char* name : {file::kStrategyIndex, file::kStrategyComponents, file::kRunDescription}) {
      SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(join_path(run_path_, name)));
      const bool is_listed = std::ranges::find(in_the_way, name, &LostFile::path) != in_the_way.end();
      if (exists && !is_listed) in_the_way.push_back({.path = name, .why = why, .is_copied = true});
    }
  }
  SB_RETURN_IF_ERROR(lost_.take(in_the_way));
  if (options_.is_dry) {
    report_.summary.trace_count = found_.recorded_trace_count;
    return Status();
  }
  SB_ASSIGN_OR_RETURN(CommittedRun committed, commit_run(files_, run_path_, commit_options()));
  report_.summary = std::move(committed.summary);
  report_.torn_bytes = committed.torn_bytes;
  for (std::string& line : committed.damage) {
    if (std::find(report_.damage.begin(), report_.damage.end(), line) == report_.damage.end())
      report_.damage.push_back(std::move(line));
  }
  return Status();
}

Status Recovery::rebuild() {
  SB_RETURN_IF_ERROR(lost_.take(found_.in_the_way));
  SB_ASSIGN_OR_RETURN(RebuildReport rebuilt,
                      rebuild_tables(files_, run_path_, found_.recorded ? &*found_.recorded : nullptr,
                                     {.is_dry = options_.is_dry,
                                      .now = options_.now,
                                      .threads = options_.threads,
                                      .progress = options_.progress}));
  report_.summary = std::move(rebuilt.summary);
  report_.damage.insert(report_.damage.end(), rebuilt.missing.begin(), rebuilt.missing.end());
  report_.remarks.insert(report_.remarks.end(), rebuilt.remarks.begin(), rebuilt.remarks.end());
  report_.moved = std::move(rebuilt.moved);
  return Status();
}

Status Recovery::settle() {
  if (!found_.has_two_versions) return Status();
  report_.remarks.push_back(
      "run.json: somebody died replacing a file of this run, which is whole; run.json named two versions of it, and "
      "names the one that is there");
  return options_.is_dry ? Status() : settle_run_files(files_, run_path_);
}

// The run is whole now. What is not in it, or cannot be read, is kept for whoever wants to look at it.
Status Recovery::dispose_of_journals() {
  if (found_.facts.journal == JournalFact::none) return Status();
  const std::vector<LostFile>& kept = found_.kept_journals;
  const bool is_all_kept = !kept.empty() && kept.front().path == file_name_of(journal_directory(run_path_));
  SB_RETURN_IF_ERROR(lost_.take(found_.kept_done_journals));
  if (is_all_kept || options_.is_dry) SB_RETURN_IF_ERROR(lost_.take(kept));
  if (options_.is_dry) return Status();
  return remove_journals(files_, run_path_, lost_, is_all_kept ? std::vector<LostFile>() : kept);
}

Status Recovery::find_temporaries(const std::string& directory, std::vector<std::string>& found) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries,
                      files_.list_directory(join_path(run_path_, directory)));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_link || path == file_name_of(journal_directory(run_path_))) continue;
    if (entry.is_directory) {
      SB_RETURN_IF_ERROR(find_temporaries(path, found));
    } else if (entry.name.ends_with(kTemporarySuffix)) {
      found.push_back(path);
    }
  }
  return Status();
}

// Whoever made one died before run.json named it, or removing it.
Status Recovery::find_unnamed_metric_sets(std::vector<LostFile>& found) {
  const Result<std::vector<DirectoryEntry>> entries =
      files_.list_directory(join_path(run_path_, file::kMetricsDirectory));
  if (!entries.ok()) return entries.status().code() == StatusCode::not_found ? Status() : entries.status();
  SB_ASSIGN_OR_RETURN(const RunDescription description, read_run_description(files_, run_path_));
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(file::kMetricsDirectory, entry.name);
    const bool is_unnamed = metric_set_name(path).has_value() && find_run_file(description, path) == nullptr;
    if (!entry.is_directory && is_unnamed) found.push_back({.path = path, .why = "run.json names no such metric set"});
  }
  return Status();
}

// What an earlier attempt has left and the run does not need. Before a dry run's end it cannot be told what the attempt
// that is not made would have used.
Status Recovery::take_leftovers() {
  const bool writes = rule_.action == RecoveryAction::finish || rule_.action == RecoveryAction::rebuild;
  if (options_.is_dry && writes) return Status();
  const std::string index_path = join_path(run_path_, file::kStrategyIndex);
  SB_ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(index_path));
  SB_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows, decode_index(bytes, index_path));
  std::set<std::string> named;
  std::map<std::string, const IndexRow*> packed;
  for (const IndexRow& row : rows) {
    named.insert(row.is_packed() ? row.pack : row.trace_path);
    if (row.is_packed()) packed.emplace(row.trace_path, &row);
  }
  std::vector<LostFile> leftovers;
  std::vector<std::string> temporaries;
  SB_RETURN_IF_ERROR(find_temporaries("", temporaries));
  std::optional<TwiceThere> twice;
  const auto take_unless_left_behind = [&](const std::string& path, const char* why) -> Status {
    if (!twice) twice.emplace(rows);
    SB_ASSIGN_OR_RETURN(const bool is_ours, is_left_behind(path, packed, *twice));
    if (!is_ours) leftovers.push_back({.path = path, .why = why});
    return Status();
  };
  for (const std::string& path : temporaries)
    SB_RETURN_IF_ERROR(take_unless_left_behind(path, "left behind by a recording that died before its name was given"));
  SB_RETURN_IF_ERROR(find_unnamed_metric_sets(leftovers));
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> paths, list_trace_files(files_, run_path_));
  for (const std::string& path : paths) {
    if (!named.contains(path)) SB_RETURN_IF_ERROR(take_unless_left_behind(path, "no row of the index speaks of it"));
  }
  // What made them leftovers, a rename of run.json or of the index, is durable before they go.
  if (!options_.is_dry && (!leftovers.empty() || twice)) SB_RETURN_IF_ERROR(files_.sync_directory(run_path_));
  SB_RETURN_IF_ERROR(lost_.take(leftovers));
  return remove_left_behind(leftovers);
}

// Whether somebody who laid the traces out the other way has died and left it, and the run has all that is in it. What
// had no name yet need not be whole; but where something is damaged or missing it may be what is looked for.
Result<bool> Recovery::is_left_behind(const std::string& path, const std::map<std::string, const IndexRow*>& packed,
                                      const TwiceThere& twice) {
  const bool is_in_flight = path.ends_with(kTemporarySuffix);
  const std::string name = is_in_flight ? path.substr(0, path.size() - kTemporarySuffix.size()) : path;
  const auto row = packed.find(name);
  if (!pack_kind(name) && row == packed.end()) return false;
  if (is_in_flight && !report_.damage.empty()) return false;
  if (!pack_kind(name)) {
    const Result<IndexRow> found = read_index_row(files_, run_path_, path);
    if (found.status().code() == StatusCode::io_error) return found.status();
    return found.ok() ? found->trace_hash == row->second->trace_hash : is_in_flight;
  }
  const auto no_bars = [](const std::string&) -> const Bars* { return nullptr; };
  const Result<PackContents> contents = read_pack_rows(files_, run_path_, path, no_bars, options_.threads);
  if (contents.status().code() == StatusCode::io_error) return contents.status();
  if (!contents.ok()) return is_in_flight;
  if (!contents->damage.empty() && !is_in_flight) return false;
  return std::ranges::all_of(contents->rows, [&](const IndexRow& found) { return twice.has(found); });
}

Status Recovery::remove_left_behind(const std::vector<LostFile>& taken) {
  SB_ASSIGN_OR_RETURN(std::vector<std::string> removed, remove_unused_traces(files_, run_path_, options_.is_dry));
  std::erase_if(
      removed, [&](const std::string& path) { return std::ranges::find(taken, path, &LostFile::path) != taken.end(); });
  if (removed.empty()) return Status();
  const std::string more = removed.size() == 1 ? "" : fmt::format(" and {} more", removed.size() - 1);
  report_.remarks.push_back(fmt::format("{}{}: left behind by pack or unpack, and the run has what is in them: {}",
                                        removed.front(), more, options_.is_dry ? "would be removed" : "removed"));
  return Status();
}

}  // namespace

Result<RecoveryReport> recover_run(FileSystem& files, const std::string& given_path, const RecoverOptions& options) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(given_path));
  if (!exists) return Status::not_found(fmt::format("{} is no directory", given_path));
  std::string run_path = given_path;
  if (const std::string name = file_name_of(given_path); name == "." || name == "..") {
    SB_ASSIGN_OR_RETURN(run_path, files.absolute_path(given_path));  // its own name is in the notes
  }
  SB_ASSIGN_OR_RETURN(const bool is_run, looks_like_run(files, run_path));
  if (!is_run) return Status::not_found(fmt::format("{} is no run, nor what is left of one", given_path));
  const InspectOptions watched = {.threads = options.threads, .progress = options.progress};
  if (options.is_dry) {
    SB_ASSIGN_OR_RETURN(RunInspection found, inspect_run(files, run_path, /*writers_are_locked=*/false, watched));
    return Recovery(files, run_path, options, std::move(found)).run();
  }
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, RunLock::take(files, run_path, /*wait=*/false));
  if (lock == nullptr) {
    return Status::invalid(fmt::format("{} is being committed or recovered by another process; wait for it", run_path));
  }
  // A writer that comes to it makes what is looked for under this lock.
  SB_ASSIGN_OR_RETURN(const bool is_still_run, looks_like_run(files, run_path));
  if (!is_still_run) return Status::not_found(fmt::format("{} is no run, nor what is left of one", given_path));
  SB_ASSIGN_OR_RETURN(const WriterLocks writers, lock_writers(files, run_path));
  RunInspection found;
  if (writers.alive.empty()) {
    SB_ASSIGN_OR_RETURN(found, inspect_run(files, run_path, /*writers_are_locked=*/true, watched));
  } else {
    found.facts.writers = WritersFact::alive;
    found.alive_writers = writers.alive;
  }
  return Recovery(files, run_path, options, std::move(found)).run();
}

}  // namespace signalbook
