#include "store/verify_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/time_text.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/run_description.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"
#include "store/table_file.h"
#include "store/verify_conflicts.h"
#include "store/verify_index.h"
#include "store/verify_journals.h"
#include "store/verify_trace.h"
#include "store/verify_transits.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;
using Rows = std::vector<IndexRow>;

constexpr const char* kSealFault =
    ": does not vouch for itself; another program wrote it, or its member sha256 is damaged";

// A bars file of the store, read once for all runs that share it.
struct BarsFile {
  std::string fault;  // empty while it is there and nothing is known to be wrong with it
  int64_t size = 0;
  std::string sha256;
  bool is_decoded = false;
  std::optional<Bars> bars;  // kept for the run that is looked at, when its traces are held against them
};

// run.json and the files that it vouches for, read while nobody replaced one of them.
struct DescribedFiles {
  std::optional<RunDescription> description;
  std::map<std::string, std::string> whole;  // the bytes of index and components, by name
};

class Verification {
 public:
  Verification(FileSystem& files, std::string store_path, const std::function<void(const Finding&)>& report,
               VerifyDepth depth)
      : files_(files), store_path_(std::move(store_path)), report_(report), is_deep_(depth == VerifyDepth::contents) {}

  Status check_run(const RunLocation& run);
  Status check_store_mark();
  Status check_store_directory(const std::vector<RunLocation>& runs);
  void compare_traces() {
    run_id_.clear();
    conflicts_.report([this](Kind kind, const std::string& what) { tell(kind, what); });
  }
  const VerifySummary& summary() const { return summary_; }

 private:
  void tell(Kind kind, const std::string& what) {
    if (held_ != nullptr) return held_->emplace_back(kind, what), void();
    (kind == Kind::damage    ? summary_.damage_count
     : kind == Kind::problem ? summary_.problem_count
                             : summary_.remark_count) += 1;
    report_({.kind = kind, .run_id = run_id_, .what = what});
  }
  void tell_all(const std::string& name, const std::vector<std::string>& faults) {
    for (const std::string& fault : faults) tell(Kind::damage, name + ": " + fault);
  }

  std::optional<std::string> read(const std::string& path, const std::string& name);
  void tell_other_bytes(const std::string& name, const std::string& bytes, int64_t size);

  std::optional<RunDescription> read_description(const RunLocation& run);
  Status read_described_files(const RunLocation& run, DescribedFiles& found);
  void read_files(const RunLocation& run, DescribedFiles& found);
  std::optional<Rows> check_described_files(const DescribedFiles& found);
  std::optional<Rows> read_index_alone(const RunLocation& run);
  void check_counts(const DescribedFiles& found, const Rows& rows);
  void check_traces(const RunLocation& run, const Rows& rows);
  void check_bars(const RunDescription& description, const Rows& rows);
  void check_feed(const RunDescription::Feed& feed);
  BarsFile& read_bars(const std::string& data_id_hex);
  void decode_bars(const std::string& data_id_hex, BarsFile& file, const std::string& bytes);
  Status check_unfinished(const std::string& path);
  Status find_orphans(const std::string& directory, const std::string& name, const std::set<std::string>& known);
  Status tell_orphan(const std::string& name);
  Result<bool> is_run_locked();

  FileSystem& files_;
  std::string store_path_;
  const std::function<void(const Finding&)>& report_;
  bool is_deep_;
  VerifySummary summary_;
  std::string run_id_, run_path_;
  std::vector<std::pair<Kind, std::string>>* held_ = nullptr;  // takes what is told, where that may not count
  std::map<std::string, BarsFile> bars_;                       // by data_id
  bool knows_all_bars_ = true;                                 // that some run refers to: every run.json could be read
  TraceConflicts conflicts_;
};

// The bytes of a file; nothing, and a finding, when it is missing. What the disk refuses is damage as well, because
// the rest can still be looked at.
std::optional<std::string> Verification::read(const std::string& path, const std::string& name) {
  Result<std::string> bytes = files_.read_file(path);
  if (bytes.ok()) {
    summary_.byte_count += static_cast<int64_t>(bytes->size());
    return std::move(bytes).value();
  }
  tell(Kind::damage,
       bytes.status().code() == StatusCode::not_found ? name + ": missing" : name + ": " + bytes.status().message());
  return std::nullopt;
}

void Verification::tell_other_bytes(const std::string& name, const std::string& bytes, int64_t size) {
  const auto found = static_cast<int64_t>(bytes.size());
  tell(Kind::damage, found != size ? fmt::format("{}: {} bytes, {} were recorded", name, found, size)
                                   : name + ": not the bytes that were recorded");
}

// ---- One run --------------------------------------------------------------------------------------------------------

Status Verification::check_run(const RunLocation& run) {
  run_id_ = run.run_id;
  SB_ASSIGN_OR_RETURN(const bool is_finished, files_.file_exists(join_path(run.path, file::kStrategyIndex)));
  if (!is_finished) {
    const int64_t told = summary_.damage_count + summary_.problem_count;
    SB_RETURN_IF_ERROR(check_unfinished(run.path));
    if (summary_.damage_count + summary_.problem_count > told) return Status();
    // Nothing to be told of an unfinished run: it may be finished by now.
    SB_ASSIGN_OR_RETURN(const bool is_finished_now, files_.file_exists(join_path(run.path, file::kStrategyIndex)));
    return is_finished_now ? check_run(run) : Status();
  }
  ++summary_.run_count;
  run_path_ = run.path;
  DescribedFiles found;
  SB_RETURN_IF_ERROR(read_described_files(run, found));
  const std::optional<RunDescription>& description = found.description;
  knows_all_bars_ = knows_all_bars_ && description;
  const std::optional<Rows> rows = description ? check_described_files(found) : read_index_alone(run);
  if (description) check_bars(*description, rows.value_or(Rows()));
  if (!rows) return Status();
  if (description) {
    check_counts(found, *rows);
    conflicts_.keep(run_id_, *description, *rows);
    if (const Status status = check_layout(*description, run.path); !status.ok()) {
      tell(Kind::problem, status.message() + "; its traces were not checked");
      return Status();
    }
  }
  check_traces(run, *rows);
  std::set<std::string> known = {file::kRunDescription, file::kStrategyIndex, file::kStrategyComponents,
                                 run_lock_path("")};
  if (description) {
    for (const RunDescription::File& entry : description->files) known.insert(entry.path);
  }
  for (const IndexRow& row : *rows) known.insert(row.trace_path);
  return find_orphans(run.path, "", known);
}

std::optional<RunDescription> Verification::read_description(const RunLocation& run) {
  const std::optional<std::string> text = read(join_path(run.path, file::kRunDescription), file::kRunDescription);
  if (text) {
    Result<RunDescription> description = decode_run_description(*text, file::kRunDescription);
    if (description.ok()) {
      if (!description->is_sealed) tell(Kind::problem, file::kRunDescription + std::string(kSealFault));
      return std::move(description).value();
    }
    const bool is_newer = description.status().code() == StatusCode::invalid;
    tell(is_newer ? Kind::problem : Kind::damage, description.status().message());
  }
  return std::nullopt;
}

Status Verification::read_described_files(const RunLocation& run, DescribedFiles& found) {
  const int64_t byte_count = summary_.byte_count;
  std::vector<std::pair<Kind, std::string>> told;
  held_ = &told;
  const std::vector<std::string> names = {file::kStrategyIndex, file::kStrategyComponents};
  const Status looked = look_at_run_files(files_, run.path, names, [&]() -> Status {
    found = {};
    told.clear();
    summary_.byte_count = byte_count;
    found.description = read_description(run);
    if (found.description) read_files(run, found);
    const bool is_damaged = std::ranges::find(told, Kind::damage, &std::pair<Kind, std::string>::first) != told.end();
    return is_damaged ? Status::damaged(told.front().second) : Status();
  });
  held_ = nullptr;
  for (const auto& [kind, what] : told) tell(kind, what);
  return looked.code() == StatusCode::damaged ? Status() : looked;
}

void Verification::read_files(const RunLocation& run, DescribedFiles& found) {
  for (const RunDescription::File& entry : found.description->files) {
    std::optional<std::string> bytes = read(join_path(run.path, entry.path), entry.path);
    if (!bytes) continue;
    if (!is_run_file(entry, *bytes)) {
      tell_other_bytes(entry.path, *bytes, entry.size);
      continue;
    }
    if (entry.previous) {
      tell(Kind::remark, entry.path +
                             ": run.json names what it was before as well: it is being replaced, or that died; "
                             "recover settles it");
    }
    if (entry.path == file::kStrategyIndex || entry.path == file::kStrategyComponents) {
      found.whole.emplace(entry.path, std::move(*bytes));
    } else if (is_deep_ && metric_set_name(entry.path)) {
      const Result<Table> table = decode_table_file(*bytes, entry.path);
      if (!table.ok()) tell(Kind::damage, table.status().message());
    }
  }
}

// What run.json vouches for. The rows of the index, when it is whole.
std::optional<Rows> Verification::check_described_files(const DescribedFiles& found) {
  const auto& [description, whole] = found;
  if (find_run_file(*description, file::kStrategyIndex) == nullptr) {
    tell(Kind::damage, fmt::format("{}: does not say what {} is", file::kRunDescription, file::kStrategyIndex));
  }
  const auto components = whole.find(file::kStrategyComponents);
  if (components != whole.end()) {
    const Result<std::vector<Digest>> digests = decode_component_digests(components->second, components->first);
    if (digests.ok()) conflicts_.keep_components(*digests);
    if (!digests.ok()) tell(Kind::damage, digests.status().message());
  }
  const auto index = whole.find(file::kStrategyIndex);
  if (index == whole.end()) return std::nullopt;
  Result<Rows> rows = decode_index(index->second, file::kStrategyIndex);
  if (!rows.ok()) {
    tell(Kind::damage, rows.status().message());
    return std::nullopt;
  }
  if (is_deep_) {
    tell_all(index->first, check_index(index->second, *rows));
    if (components != whole.end()) tell_all(components->first, check_components(components->second, *rows));
  }
  return std::move(rows).value();
}

// Without a run.json nothing vouches for the index; where it can be read, it vouches for the traces all the same.
std::optional<Rows> Verification::read_index_alone(const RunLocation& run) {
  const std::optional<std::string> bytes = read(join_path(run.path, file::kStrategyIndex), file::kStrategyIndex);
  if (!bytes) return std::nullopt;
  Result<Rows> rows = decode_index(*bytes, file::kStrategyIndex);
  if (rows.ok()) return std::move(rows).value();
  tell(Kind::damage, rows.status().message());
  return std::nullopt;
}

void Verification::check_counts(const DescribedFiles& found, const Rows& rows) {
  const RunDescription& description = *found.description;
  const RunDescription::File* const index = find_run_file(description, file::kStrategyIndex);
  // While it is replaced the counts are those of the one to come.
  if (index->previous && version_of(found.whole.at(file::kStrategyIndex)) == *index->previous) return;
  int64_t changes = 0;
  for (const IndexRow& row : rows) changes += row.change_count;
  if (static_cast<int64_t>(rows.size()) == description.trace_count && changes == description.change_count) return;
  tell(Kind::damage,
       fmt::format("{}: counts {} traces with {} changes, the index has {} with {}", file::kRunDescription,
                   description.trace_count, description.change_count, rows.size(), changes));
}

void Verification::check_traces(const RunLocation& run, const Rows& rows) {
  for (const IndexRow& row : rows) {
    ++summary_.trace_count;
    const std::optional<std::string> bytes = read(join_path(run.path, row.trace_path), row.trace_path);
    if (!bytes) continue;
    if (static_cast<int64_t>(bytes->size()) != row.file_size || sha256(*bytes) != row.file_sha256) {
      tell_other_bytes(row.trace_path, *bytes, row.file_size);
      continue;
    }
    if (!is_deep_) continue;
    const auto bars = bars_.find(row.data_id);
    const bool has_bars = bars != bars_.end() && bars->second.bars.has_value();
    tell_all(row.trace_path, check_trace_file(*bytes, row, has_bars ? &*bars->second.bars : nullptr));
  }
}

// ---- Bars -----------------------------------------------------------------------------------------------------------

// The bars of each feed are there and are those that the run was recorded on. A file that several runs share is read
// once, and named by each of them.
void Verification::check_bars(const RunDescription& description, const Rows& rows) {
  std::map<std::string, RunDescription::Feed> feeds;
  for (const RunDescription::Feed& feed : description.feeds) feeds.emplace(feed.data_id, feed);
  for (auto& [data_id_hex, file] : bars_) {
    if (!feeds.contains(data_id_hex)) file.bars.reset();
  }
  for (const IndexRow& row : rows) {
    if (feeds.contains(row.data_id)) continue;
    tell(Kind::damage, fmt::format("{}: no feed has the data_id {} of strategy {}", file::kRunDescription, row.data_id,
                                   row.strategy_id));
    RunDescription::Feed unknown;
    unknown.data_id = row.data_id;
    feeds.emplace(row.data_id, unknown);
  }
  for (const auto& [data_id_hex, feed] : feeds) check_feed(feed);
}

void Verification::check_feed(const RunDescription::Feed& feed) {
  BarsFile& file = read_bars(feed.data_id);
  const bool is_recorded = feed.bars_size.has_value() && feed.bars_sha256.has_value();
  const bool is_same = is_recorded && file.size == *feed.bars_size && file.sha256 == *feed.bars_sha256;
  if (file.fault.empty() && ((!is_same && !file.is_decoded) || (is_deep_ && !file.bars))) {
    const Result<std::string> bytes = files_.read_file(join_path(store_path_, bars_path(feed.data_id)));
    if (bytes.ok()) decode_bars(feed.data_id, file, *bytes);
    if (!bytes.ok()) file.fault = bytes.status().message();
  }
  if (!file.fault.empty()) return tell(Kind::damage, file.fault);
  if (is_recorded && !is_same) {
    tell(Kind::problem, bars_path(feed.data_id) + ": other bytes than this run recorded, but the same bars");
  }
  if (!is_deep_ || feed.symbol.empty()) return;
  const Bars& bars = *file.bars;
  const auto size = static_cast<int64_t>(bars.size());
  if (feed.symbol != bars.symbol || feed.timeframe != bars.timeframe || feed.bar_count != size ||
      feed.first_ts != bars.ts.front() || feed.last_ts != bars.ts.back()) {
    tell(Kind::damage,
         fmt::format("{}: has a feed {} {} with {} bars from {} to {}, {} is {} {} with {} from {} to {}",
                     file::kRunDescription, feed.symbol, feed.timeframe, feed.bar_count, format_time(feed.first_ts),
                     format_time(feed.last_ts), bars_path(feed.data_id), bars.symbol, bars.timeframe, size,
                     format_time(bars.ts.front()), format_time(bars.ts.back())));
  }
}

BarsFile& Verification::read_bars(const std::string& data_id_hex) {
  const auto [place, is_new] = bars_.try_emplace(data_id_hex);
  BarsFile& file = place->second;
  if (!is_new) return file;
  ++summary_.bars_count;
  const std::string name = bars_path(data_id_hex);
  const Result<std::string> bytes = files_.read_file(join_path(store_path_, name));
  if (!bytes.ok()) {
    file.fault = bytes.status().code() == StatusCode::not_found ? name + ": missing" : bytes.status().message();
    return file;
  }
  summary_.byte_count += static_cast<int64_t>(bytes->size());
  file.size = static_cast<int64_t>(bytes->size());
  file.sha256 = to_hex(sha256(*bytes));
  if (is_deep_) decode_bars(data_id_hex, file, *bytes);
  return file;
}

void Verification::decode_bars(const std::string& data_id_hex, BarsFile& file, const std::string& bytes) {
  const std::string name = bars_path(data_id_hex);
  Result<Bars> bars = decode_bars_file(bytes, name);
  file.is_decoded = true;
  if (!bars.ok()) {
    file.fault = bars.status().message();
  } else if (to_hex(data_id(*bars)) != data_id_hex) {
    file.fault = name + ": these are other bars";
  } else if (is_deep_) {
    file.fault = check_bars_file_rows(bytes, name, *bars).message();
    file.bars = std::move(bars).value();
  }
}

// ---- What belongs to nothing ----------------------------------------------------------------------------------------

// Files of a run that neither run.json nor the index knows. They do no harm, and somebody may miss them elsewhere.
Status Verification::find_orphans(const std::string& directory, const std::string& name,
                                  const std::set<std::string>& known) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(name, entry.name);
    if (path == done_journal_directory("")) {
      tell(Kind::problem, path + ": left behind; recover removes it");
    } else if (path == journal_directory("")) {
      tell(Kind::problem, path + ": left behind by the commit of this run; recover removes it");
    } else if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(find_orphans(join_path(directory, entry.name), path, known));
    } else if (!known.contains(path)) {
      SB_RETURN_IF_ERROR(tell_orphan(path));
    }
  }
  return Status();
}

// Only a lock that is there is tried, so that nothing is made; one that is left behind is given.
Result<bool> Verification::is_run_locked() {
  const std::string path = run_lock_path(run_path_);
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path));
  if (!exists) return false;
  const Result<std::unique_ptr<FileLock>> lock = files_.lock_file(path, /*wait=*/false);
  return !lock.ok() || *lock == nullptr;  // where nobody may write, nobody can tell
}

Status Verification::tell_orphan(const std::string& name) {
  const bool is_temporary = name.ends_with(kTemporarySuffix), is_metrics = metric_set_name(name).has_value();
  if (!is_temporary && !is_metrics) {
    tell(Kind::problem, name + ": belongs to nothing in the index or run.json");
    return Status();
  }
  // Somebody may replace files of this run: he holds its lock, and in the end the file has another name, or run.json
  // names it.
  bool is_locked = false;
  constexpr int kLooks = 3;
  for (int look = 0; look < kLooks && !is_locked; ++look) {
    SB_ASSIGN_OR_RETURN(is_locked, is_run_locked());
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(join_path(run_path_, name)));
    if (!exists) return Status();
    const Result<RunDescription> description = read_run_description(files_, run_path_);
    if (description.ok() && find_run_file(*description, name) != nullptr) return Status();
  }
  if (is_locked) {
    tell(Kind::remark, name + ": is being written or removed");
  } else if (is_metrics) {
    tell(Kind::problem, name +
                            ": run.json names no such metric set: whoever wrote or removed it died, or it was copied "
                            "here; compute it again, or let recover take it away");
  } else {
    tell(Kind::problem, name + ": left behind by a recording that did not finish; it can be removed");
  }
  return Status();
}

// A directory without an index. Nothing is told where it is none of ours.
Status Verification::check_unfinished(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool is_described, files_.file_exists(join_path(path, file::kRunDescription)));
  SB_ASSIGN_OR_RETURN(const bool has_traces, files_.directory_exists(join_path(path, file::kTracesDirectory)));
  SB_ASSIGN_OR_RETURN(const bool has_journal, files_.directory_exists(journal_directory(path)));
  knows_all_bars_ = knows_all_bars_ && !is_described && !has_journal;
  if (has_journal) {
    const Status status =
        check_journals(files_, path, [this](Kind kind, const std::string& what) { tell(kind, what); });
    // A run that is committed meanwhile has no journal any more.
    return status.code() == StatusCode::not_found ? Status() : status;
  }
  if (is_described) {
    // The description is renamed into place last but one.
    tell(Kind::damage,
         fmt::format("{}: missing; the recording died at its very end, or somebody removed it", file::kStrategyIndex));
  } else if (has_traces) {
    tell(Kind::problem, "no finished run: a recording that died, or is still going on");
  }
  return Status();
}

// ---- The store around -----------------------------------------------------------------------------------------------

// A store that others have made needs no mark.
Status Verification::check_store_mark() {
  run_id_.clear();
  const std::string name = join_path(file::kStoreDirectory, file::kStoreMarker);
  SB_ASSIGN_OR_RETURN(const bool is_marked, files_.directory_exists(join_path(store_path_, file::kStoreDirectory)));
  if (!is_marked) return Status();
  SB_ASSIGN_OR_RETURN(const bool has_mark, files_.file_exists(join_path(store_path_, name)));
  if (!has_mark) {
    // The first run that is finished marks the store, before it is one.
    SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(files_, store_path_));
    if (runs.empty()) return Status();
  }
  const std::optional<std::string> text = read(join_path(store_path_, name), name);
  if (!text) return Status();
  const Result<StoreMark> mark = decode_store_mark(*text, name);
  if (!mark.ok()) {
    tell(Kind::damage, mark.status().message());
  } else if (!mark->is_sealed) {
    tell(Kind::problem, name + kSealFault);
  } else if (mark->format_version > kFormatVersion) {
    tell(Kind::problem, fmt::format("{}: a store of format {}, this program knows up to {}; take a newer Signalbook",
                                    name, mark->format_version, kFormatVersion));
  }
  return Status();
}

Status Verification::check_store_directory(const std::vector<RunLocation>& runs) {
  run_id_.clear();
  SB_RETURN_IF_ERROR(
      check_transits(files_, store_path_, [this](Kind kind, const std::string& what) { tell(kind, what); }));
  std::set<std::string> known = {file::kStoreDirectory, file::kBarsDirectory};
  for (const RunLocation& run : runs) known.insert(run.run_id);
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(store_path_));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || known.contains(entry.name)) continue;
    run_id_ = entry.name;
    SB_RETURN_IF_ERROR(check_unfinished(join_path(store_path_, entry.name)));
  }
  run_id_.clear();
  if (!knows_all_bars_) return Status();
  const std::string bars_directory = join_path(store_path_, file::kBarsDirectory);
  const Result<std::vector<DirectoryEntry>> bars = files_.list_directory(bars_directory);
  if (!bars.ok()) return bars.status().code() == StatusCode::not_found ? Status() : bars.status();
  for (const DirectoryEntry& entry : *bars) {
    const std::string stem = entry.name.substr(0, entry.name.find('.'));
    if (bars_.contains(stem) && file_name_of(bars_path(stem)) == entry.name) continue;
    tell(Kind::problem, join_path(file::kBarsDirectory, entry.name) + ": no run of this store refers to it");
  }
  return Status();
}

}  // namespace

Result<VerifySummary> verify_scope(FileSystem& files, const Scope& scope,
                                   const std::function<void(const Finding&)>& report, VerifyDepth depth) {
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, runs_in_scope(files, scope));
  Verification verification(files, scope.store_path, report, depth);
  SB_RETURN_IF_ERROR(verification.check_store_mark());
  for (const RunLocation& run : runs) SB_RETURN_IF_ERROR(verification.check_run(run));
  verification.compare_traces();
  if (!scope.run_path) SB_RETURN_IF_ERROR(verification.check_store_directory(runs));
  return verification.summary();
}

}  // namespace signalbook
