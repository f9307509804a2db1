#include "store/verify_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/run_description.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"
#include "store/table_file.h"
#include "store/verify_bars.h"
#include "store/verify_conflicts.h"
#include "store/verify_index.h"
#include "store/verify_journals.h"
#include "store/verify_log.h"
#include "store/verify_orphans.h"
#include "store/verify_traces.h"
#include "store/verify_transits.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;
using Rows = std::vector<IndexRow>;

constexpr const char* kSealFault =
    ": does not vouch for itself; another program wrote it, or its member sha256 is damaged";

// run.json and the files that it vouches for, read while nobody replaced one of them.
struct DescribedFiles {
  std::optional<RunDescription> description;
  std::map<std::string, std::string> whole;  // the bytes of index and components, by name
};

class Verification {
 public:
  Verification(FileSystem& files, std::string store_path, const std::function<void(const Finding&)>& report,
               const VerifyOptions& options)
      : files_(files),
        store_path_(std::move(store_path)),
        options_(options),
        is_deep_(options.depth == VerifyDepth::contents),
        log_(report),
        bars_(files, store_path_, is_deep_, log_) {}

  Status check_run(const RunLocation& run);
  Status check_store_mark();
  Status check_store_directory(const std::vector<RunLocation>& runs);
  void compare_traces() {
    log_.set_run("");
    conflicts_.report([this](Kind kind, const std::string& what) { log_.tell(kind, what); });
  }
  const VerifySummary& summary() const { return log_.summary; }

 private:
  std::optional<std::string> read(const std::string& path, const std::string& name);

  Status check_finished(const RunLocation& run);
  Status look_at_run(const RunLocation& run, DescribedFiles& found, std::optional<Rows>& rows);
  std::optional<RunDescription> read_description(const RunLocation& run);
  Status read_described_files(const RunLocation& run, DescribedFiles& found);
  Status read_files(const RunLocation& run, DescribedFiles& found);
  std::optional<Rows> check_described_files(const DescribedFiles& found);
  std::optional<Rows> read_index_alone(const RunLocation& run);
  void check_counts(const DescribedFiles& found, const Rows& rows);
  Status check_unfinished(const std::string& path);

  FileSystem& files_;
  std::string store_path_;
  const VerifyOptions& options_;
  bool is_deep_;
  VerifyLog log_;
  BarsCheck bars_;
  bool knows_all_bars_ = true;  // that some run refers to: every run.json could be read
  TraceConflicts conflicts_;
};

// The bytes of a file; nothing, and a finding, when it is missing. What the disk refuses is damage as well, because
// the rest can still be looked at.
std::optional<std::string> Verification::read(const std::string& path, const std::string& name) {
  Result<std::string> bytes = files_.read_file(path);
  if (bytes.ok()) {
    log_.summary.byte_count += static_cast<int64_t>(bytes->size());
    return std::move(bytes).value();
  }
  log_.tell(Kind::damage, bytes.status().code() == StatusCode::not_found ? name + ": missing"
                                                                         : name + ": " + bytes.status().message());
  return std::nullopt;
}

// ---- One run --------------------------------------------------------------------------------------------------------

Status Verification::check_run(const RunLocation& run) {
  log_.set_run(run.run_id);
  SB_ASSIGN_OR_RETURN(const bool is_finished, files_.file_exists(join_path(run.path, file::kStrategyIndex)));
  if (is_finished) return check_finished(run);
  const VerifySummary& summary = log_.summary;
  const int64_t told = summary.damage_count + summary.problem_count;
  SB_RETURN_IF_ERROR(check_unfinished(run.path));
  if (summary.damage_count + summary.problem_count > told) return Status();
  // Nothing to be told of an unfinished run: it may be finished by now.
  SB_ASSIGN_OR_RETURN(const bool is_finished_now, files_.file_exists(join_path(run.path, file::kStrategyIndex)));
  return is_finished_now ? check_run(run) : Status();
}

// Its traces may be laid out the other way while they are read, by whoever holds the run's lock: then files are missing
// that were named, and others are there. So nothing is told of what was found while run.json was replaced.
Status Verification::check_finished(const RunLocation& run) {
  ++log_.summary.run_count;
  const VerifySummary before = log_.summary;
  const std::string described = join_path(run.path, file::kRunDescription);
  constexpr int kLooks = 3;
  for (int look = 1;; ++look) {
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(described));
    DescribedFiles found;
    std::optional<Rows> rows;
    VerifyLog::Lines told;
    bool is_whole = false;
    {
      VerifyLog::Hold held(log_);
      SB_RETURN_IF_ERROR(look_at_run(run, found, rows));
      is_whole = !held.has(Kind::damage) && !held.has(Kind::problem);
      told = std::move(held.lines());
    }
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp_now, files_.stamp(described));
    if (!is_whole && stamp != stamp_now && look < kLooks) {
      const int64_t bars_count = log_.summary.bars_count;
      log_.summary = before;
      log_.summary.bars_count = bars_count;
      continue;
    }
    log_.tell_lines(told);
    knows_all_bars_ = knows_all_bars_ && found.description;
    if (rows && found.description) conflicts_.keep(run.run_id, *found.description, *rows);
    return Status();
  }
}

Status Verification::look_at_run(const RunLocation& run, DescribedFiles& found, std::optional<Rows>& rows) {
  SB_RETURN_IF_ERROR(read_described_files(run, found));
  const std::optional<RunDescription>& description = found.description;
  rows = description ? check_described_files(found) : read_index_alone(run);
  if (description) bars_.check_run(*description, rows.value_or(Rows()));
  if (!rows) return Status();
  if (description) {
    check_counts(found, *rows);
    if (const Status status = check_layout(*description, run.path); !status.ok()) {
      log_.tell(Kind::problem, status.message() + "; its traces were not checked");
      return Status();
    }
  }
  const RunDescription* const vouching = description ? &*description : nullptr;
  SB_RETURN_IF_ERROR(check_traces(
      files_, run.path, vouching, *rows, [this](const std::string& data_id) { return bars_.find(data_id); },
      {.is_deep = is_deep_, .threads = options_.threads, .progress = options_.progress, .what = "verify " + run.run_id},
      log_));
  return find_orphans(files_, run.path, vouching, *rows, log_);
}

std::optional<RunDescription> Verification::read_description(const RunLocation& run) {
  const std::optional<std::string> text = read(join_path(run.path, file::kRunDescription), file::kRunDescription);
  if (text) {
    Result<RunDescription> description = decode_run_description(*text, file::kRunDescription);
    if (description.ok()) {
      if (!description->is_sealed) log_.tell(Kind::problem, file::kRunDescription + std::string(kSealFault));
      return std::move(description).value();
    }
    const bool is_newer = description.status().code() == StatusCode::invalid;
    log_.tell(is_newer ? Kind::problem : Kind::damage, description.status().message());
  }
  return std::nullopt;
}

Status Verification::read_described_files(const RunLocation& run, DescribedFiles& found) {
  const int64_t byte_count = log_.summary.byte_count;
  VerifyLog::Lines told;
  const std::vector<std::string> names = {file::kStrategyIndex, file::kStrategyComponents};
  const Status looked = look_at_run_files(files_, run.path, names, [&]() -> Status {
    found = {};
    log_.summary.byte_count = byte_count;
    VerifyLog::Hold held(log_);
    found.description = read_description(run);
    if (found.description) SB_RETURN_IF_ERROR(read_files(run, found));
    told = std::move(held.lines());
    const auto is_damage = [](const auto& line) { return line.first == Kind::damage; };
    return std::ranges::any_of(told, is_damage) ? Status::damaged(told.front().second) : Status();
  });
  log_.tell_lines(told);
  return looked.code() == StatusCode::damaged ? Status() : looked;
}

// But for packs: they are many bytes, and no file that is replaced.
Status Verification::read_files(const RunLocation& run, DescribedFiles& found) {
  for (const RunDescription::File& entry : found.description->files) {
    if (pack_kind(entry.path)) continue;
    std::optional<std::string> bytes = read(join_path(run.path, entry.path), entry.path);
    if (!bytes) continue;
    if (!is_run_file(entry, *bytes)) {
      log_.tell(Kind::damage, describe_other_bytes(entry.path, static_cast<int64_t>(bytes->size()), entry.size));
      continue;
    }
    if (entry.previous) {
      log_.tell(Kind::remark, entry.path +
                                  ": run.json names what it was before as well: it is being replaced, or that died; "
                                  "recover settles it");
    }
    if (entry.path == file::kStrategyIndex || entry.path == file::kStrategyComponents) {
      found.whole.emplace(entry.path, std::move(*bytes));
    } else if (is_deep_ && metric_set_name(entry.path)) {
      const Result<Table> table = decode_table_file(*bytes, entry.path);
      if (!table.ok()) log_.tell(Kind::damage, table.status().message());
    }
  }
  return Status();
}

// What run.json vouches for. The rows of the index, when it is whole.
std::optional<Rows> Verification::check_described_files(const DescribedFiles& found) {
  const auto& [description, whole] = found;
  if (find_run_file(*description, file::kStrategyIndex) == nullptr) {
    log_.tell(Kind::damage, fmt::format("{}: does not say what {} is", file::kRunDescription, file::kStrategyIndex));
  }
  const auto components = whole.find(file::kStrategyComponents);
  if (components != whole.end()) {
    const Result<std::vector<Digest>> digests = decode_component_digests(components->second, components->first);
    if (digests.ok()) conflicts_.keep_components(*digests);
    if (!digests.ok()) log_.tell(Kind::damage, digests.status().message());
  }
  const auto index = whole.find(file::kStrategyIndex);
  if (index == whole.end()) return std::nullopt;
  Result<Rows> rows = decode_index(index->second, file::kStrategyIndex);
  if (!rows.ok()) {
    log_.tell(Kind::damage, rows.status().message());
    return std::nullopt;
  }
  if (is_deep_) {
    log_.tell_all(index->first, check_index(index->second, *rows));
    if (components != whole.end()) log_.tell_all(components->first, check_components(components->second, *rows));
  }
  return std::move(rows).value();
}

// Without a run.json nothing vouches for the index; where it can be read, it vouches for the traces all the same.
std::optional<Rows> Verification::read_index_alone(const RunLocation& run) {
  const std::optional<std::string> bytes = read(join_path(run.path, file::kStrategyIndex), file::kStrategyIndex);
  if (!bytes) return std::nullopt;
  Result<Rows> rows = decode_index(*bytes, file::kStrategyIndex);
  if (rows.ok()) return std::move(rows).value();
  log_.tell(Kind::damage, rows.status().message());
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
  log_.tell(Kind::damage,
            fmt::format("{}: counts {} traces with {} changes, the index has {} with {}", file::kRunDescription,
                        description.trace_count, description.change_count, rows.size(), changes));
}

// ---- What is no finished run ----------------------------------------------------------------------------------------

// A directory without an index. Nothing is told where it is none of ours.
Status Verification::check_unfinished(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool is_described, files_.file_exists(join_path(path, file::kRunDescription)));
  SB_ASSIGN_OR_RETURN(const bool has_traces, files_.directory_exists(join_path(path, file::kTracesDirectory)));
  SB_ASSIGN_OR_RETURN(const bool has_journal, files_.directory_exists(journal_directory(path)));
  knows_all_bars_ = knows_all_bars_ && !is_described && !has_journal;
  if (has_journal) {
    const Status status =
        check_journals(files_, path, [this](Kind kind, const std::string& what) { log_.tell(kind, what); });
    // A run that is committed meanwhile has no journal any more.
    return status.code() == StatusCode::not_found ? Status() : status;
  }
  if (is_described) {
    // The description is renamed into place last but one.
    log_.tell(Kind::damage, fmt::format("{}: missing; the recording died at its very end, or somebody removed it",
                                        file::kStrategyIndex));
  } else if (has_traces) {
    log_.tell(Kind::problem, "no finished run: a recording that died, or is still going on");
  }
  return Status();
}

// ---- The store around -----------------------------------------------------------------------------------------------

// A store that others have made needs no mark.
Status Verification::check_store_mark() {
  log_.set_run("");
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
    log_.tell(Kind::damage, mark.status().message());
  } else if (!mark->is_sealed) {
    log_.tell(Kind::problem, name + kSealFault);
  } else if (mark->format_version > kFormatVersion) {
    log_.tell(Kind::problem,
              fmt::format("{}: a store of format {}, this program knows up to {}; take a newer Signalbook", name,
                          mark->format_version, kFormatVersion));
  }
  return Status();
}

Status Verification::check_store_directory(const std::vector<RunLocation>& runs) {
  log_.set_run("");
  SB_RETURN_IF_ERROR(
      check_transits(files_, store_path_, [this](Kind kind, const std::string& what) { log_.tell(kind, what); }));
  std::set<std::string> known = {file::kStoreDirectory, file::kBarsDirectory};
  for (const RunLocation& run : runs) known.insert(run.run_id);
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(store_path_));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || known.contains(entry.name)) continue;
    log_.set_run(entry.name);
    SB_RETURN_IF_ERROR(check_unfinished(join_path(store_path_, entry.name)));
  }
  log_.set_run("");
  if (!knows_all_bars_) return Status();
  const std::string bars_directory = join_path(store_path_, file::kBarsDirectory);
  const Result<std::vector<DirectoryEntry>> bars = files_.list_directory(bars_directory);
  if (!bars.ok()) return bars.status().code() == StatusCode::not_found ? Status() : bars.status();
  for (const DirectoryEntry& entry : *bars) {
    const std::string stem = entry.name.substr(0, entry.name.find('.'));
    if (bars_.is_known(stem) && file_name_of(bars_path(stem)) == entry.name) continue;
    log_.tell(Kind::problem, join_path(file::kBarsDirectory, entry.name) + ": no run of this store refers to it");
  }
  return Status();
}

}  // namespace

Result<VerifySummary> verify_scope(FileSystem& files, const Scope& scope,
                                   const std::function<void(const Finding&)>& report, const VerifyOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, runs_in_scope(files, scope));
  Verification verification(files, scope.store_path, report, options);
  SB_RETURN_IF_ERROR(verification.check_store_mark());
  for (const RunLocation& run : runs) SB_RETURN_IF_ERROR(verification.check_run(run));
  verification.compare_traces();
  if (!scope.run_path) SB_RETURN_IF_ERROR(verification.check_store_directory(runs));
  return verification.summary();
}

}  // namespace signalbook
