#include "query/catalog_refresh.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/digest.h"
#include "format/json_value.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

constexpr const char* kLockName = "refresh.lock";

// Files of new runs. One beyond them that is replaced while it is read makes the refresh begin again.
constexpr size_t kMostPinned = 256;

std::string text_list(std::span<const std::string> texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + quote_sql_text(text);
  return "(" + list + ")";
}

// The one number of an answer.
Result<int64_t> fetch_number(Connection& connection, const std::string& value, const std::string& source) {
  SB_ASSIGN_OR_RETURN(const TextRows rows, connection.fetch("SELECT CAST(" + value + " AS VARCHAR) FROM " + source));
  int64_t number = 0;
  const std::string& text = rows.at(0).at(0);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::set<std::string> names_of(const CatalogManifest& manifest) {
  std::set<std::string> names;
  for (const CatalogManifest::File& file : files_of(manifest)) names.insert(file.name);
  return names;
}

Result<std::string> digest_of(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path));
  return to_hex(sha256(bytes));
}

}  // namespace

bool is_as_written(FileSystem& files, const std::string& directory, const CatalogManifest::File& file) {
  const Result<std::string> digest = digest_of(files, join_path(directory, file.name));
  return digest.ok() && *digest == file.sha256;
}

CatalogManifest read_manifest(FileSystem& files, const std::string& directory, int64_t most_checked) {
  const Result<std::string> text = files.read_file(join_path(directory, kManifestName));
  if (!text.ok()) return {};
  std::optional<CatalogManifest> manifest = decode_manifest(*text);
  if (!manifest.has_value()) return {};
  int64_t bytes = 0;
  for (const CatalogManifest::File& file : files_of(*manifest)) bytes += file.size;
  for (const CatalogManifest::File& file : files_of(*manifest)) {
    const std::string path = join_path(directory, file.name);
    const auto stamp = files.stamp(path);
    bool is_same = stamp.ok() && stamp->has_value() && (*stamp)->size == file.size;
    if (is_same && bytes <= most_checked) is_same = is_as_written(files, directory, file);
    // The generation goes on, so that no name is used twice.
    if (!is_same) return {.generation = manifest->generation};
  }
  return std::move(*manifest);
}

CatalogRefresh::CatalogRefresh(FileSystem& files, std::string store_path, std::string directory, CatalogManifest before)
    : files_(files),
      store_path_(std::move(store_path)),
      directory_(std::move(directory)),
      before_(std::move(before)),
      now_(before_),
      pinned_(std::make_shared<PinnedPaths>(files_, kMostPinned)),
      tables_(files_, store_path_, pinned_) {
  ++now_.generation;
}

template <typename Predicate>
std::vector<TableGroup> CatalogRefresh::segment_groups(const CatalogManifest& manifest, RunTable table,
                                                       Predicate counts) const {
  std::vector<TableGroup> groups;
  for (const CatalogManifest::Segment& segment : manifest.segments) {
    const CatalogManifest::File& file = table == RunTable::strategies ? segment.strategies : segment.components;
    TableGroup group = {.runs = {}, .columns = file.columns, .segment = join_path(directory_, file.name), .hidden = {}};
    for (const auto& [run_id, stamp] : segment.runs) {
      if (counts(segment, run_id)) {
        group.runs.push_back({.run_id = run_id, .path = run_id});
      } else {
        group.hidden.push_back(run_id);
      }
    }
    if (!group.runs.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<TableGroup> CatalogRefresh::history_groups() const {
  return segment_groups(now_, RunTable::strategies,
                        [](const auto& segment, const std::string& run_id) { return !segment.gone.contains(run_id); });
}

// Which runs are new, which are gone, and which segments are written anew with the new runs.
Status CatalogRefresh::find_changes() {
  SB_ASSIGN_OR_RETURN(std::vector<RunLocation> runs, list_runs(files_, store_path_));
  for (RunLocation& run : runs) run.path = join_path(store_path_, run.run_id);
  SB_ASSIGN_OR_RETURN(stamps_, stamp_runs(files_, runs));

  std::set<std::string> covered;
  for (CatalogManifest::Segment& segment : now_.segments) {
    for (const auto& [run_id, stamp] : segment.runs) {
      if (segment.gone.contains(run_id)) continue;
      const auto now = stamps_.find(run_id);
      if (now != stamps_.end() && now->second == stamp) {
        covered.insert(run_id);
      } else {
        segment.gone.insert(run_id);
        lost_.emplace_back(segment.strategies.name, run_id);
      }
    }
  }
  std::erase_if(now_.left_out, [&](const auto& left_out) {
    const auto stamp = stamps_.find(left_out.first);
    return stamp == stamps_.end() || !(stamp->second == left_out.second.stamp);
  });
  for (const RunLocation& run : runs) {
    if (stamps_.contains(run.run_id) && !covered.contains(run.run_id) && !now_.left_out.contains(run.run_id)) {
      added_.push_back(run);
    }
  }

  // A segment is written anew when most of its rows count no more, or together with runs that are about as many as
  // its own: so there are few segments, and each row is written a few times only (log n).
  size_t run_count = added_.size();
  std::ranges::sort(now_.segments, {}, [](const auto& segment) { return segment.runs.size() - segment.gone.size(); });
  std::erase_if(now_.segments, [&](const CatalogManifest::Segment& segment) {
    const size_t living = segment.runs.size() - segment.gone.size();
    const bool is_hollow = living * 2 < segment.runs.size();
    const bool is_small = run_count > 0 && living <= 2 * run_count;
    if (!is_hollow && !is_small) return false;
    run_count += living;
    const CatalogManifest only = {.segments = {segment}};
    const auto counts = [](const auto& s, const std::string& run_id) { return !s.gone.contains(run_id); };
    for (TableGroup& group : segment_groups(only, RunTable::strategies, counts)) absorbed_.push_back(std::move(group));
    for (TableGroup& group : segment_groups(only, RunTable::components, counts)) {
      absorbed_components_.push_back(std::move(group));
    }
    return true;
  });
  return Status();
}

Result<CatalogManifest::File> CatalogRefresh::write_table(const std::string& kind, const std::string& select) {
  CatalogManifest::File file = {.name = fmt::format("{}-{:08}.parquet", kind, now_.generation),
                                .size = 0,
                                .sha256 = "",
                                .row_count = 0,
                                .columns = {}};
  const std::string path = join_path(directory_, file.name);
  const std::string temporary = path + std::string(kTemporarySuffix);
  if (const Status removed = files_.remove_file(temporary); !removed.ok() && removed.code() != StatusCode::not_found) {
    return removed;
  }
  SB_RETURN_IF_ERROR(connection_->run("COPY (" + select + ") TO " + quote_sql_text(temporary) +
                                      " (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE 61440)"));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(path));
  if (!stamp.has_value()) return Status::io_error(path + " is gone as soon as it was written");
  file.size = stamp->size;
  SB_ASSIGN_OR_RETURN(file.sha256, digest_of(files_, path));
  const std::string quoted = quote_sql_text(escape_glob(path));
  SB_ASSIGN_OR_RETURN(file.row_count, fetch_number(*connection_, "num_rows", "parquet_file_metadata(" + quoted + ")"));
  SB_ASSIGN_OR_RETURN(const TextRows columns,
                      connection_->fetch("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(" +
                                         quoted + ", hive_partitioning = false))"));
  for (const std::vector<std::string>& column : columns) {
    if (column[0] == kSegmentRunColumn || column[0] == kSegmentCodeVersionColumn) continue;
    file.columns.push_back({column[0], column[1]});
  }
  return file;
}

// One segment of the new runs and the absorbed segments. What cannot be read is left out and named.
Status CatalogRefresh::write_segment() {
  // Twice: what is torn where nothing vouches for it shows only when it is read.
  for (int attempt = 0;; ++attempt) {
    std::vector<TableGroup> groups = absorbed_, component_groups = absorbed_components_;
    // Components first, so that a run without good ones is in neither.
    SB_ASSIGN_OR_RETURN(const auto new_components,
                        tables_.group(*connection_, RunTable::components, added_, FileCheck::digest));
    SB_ASSIGN_OR_RETURN(const auto new_groups,
                        tables_.group(*connection_, RunTable::strategies, added_, FileCheck::digest));
    groups.insert(groups.end(), new_groups.begin(), new_groups.end());
    for (TableGroup group : new_components) {
      std::erase_if(group.runs, [&](const ViewRun& run) { return tables_.left_out().contains(run.run_id); });
      if (!group.runs.empty()) component_groups.push_back(std::move(group));
    }
    const std::vector<RunLocation> usable = tables_.usable(added_);
    if (groups.empty()) break;

    const std::vector<RunFact> facts = tables_.facts(usable);
    CatalogManifest::Segment segment;
    auto strategies = write_table("strategies", segment_sql(RunTable::strategies, store_path_, groups, facts));
    auto components =
        strategies.ok()
            ? write_table("components", segment_sql(RunTable::components, store_path_, component_groups, facts))
            : strategies;
    if (!components.ok()) {
      if (attempt > 0) return components.status();
      tables_.read_through(*connection_, added_);
      continue;
    }
    segment.strategies = std::move(strategies).value();
    segment.components = std::move(components).value();
    for (const RunLocation& run : usable) segment.runs.emplace(run.run_id, stamps_.at(run.run_id));
    for (const TableGroup& group : absorbed_) {
      for (const ViewRun& run : group.runs) segment.runs.emplace(run.run_id, stamps_.at(run.run_id));
    }
    now_.segments.push_back(std::move(segment));
    break;
  }
  for (const auto& [run_id, why] : tables_.left_out()) {
    now_.left_out.emplace(run_id, CatalogManifest::LeftOut{.stamp = stamps_.at(run_id), .why = why.message()});
  }
  return Status();
}

Status CatalogRefresh::rewrite_history() {
  SB_ASSIGN_OR_RETURN(now_.history, write_table("history", history_sql(store_path_, history_groups(), {}, "") +
                                                               " ORDER BY runs DESC, b.strategy_hash"));
  now_.history_changes.reset();
  return Status();
}

// The history is aggregated over all rows of a strategy, so a run more or less changes it for that run's strategies
// only: these are counted again and stand in a file of changes until it has grown.
Status CatalogRefresh::write_history() {
  if (!before_.history.has_value()) return rewrite_history();
  std::string affected;
  const auto add = [&](const std::string& file, std::span<const std::string> run_ids) {
    affected += (affected.empty() ? "" : " UNION ALL ") + std::string("SELECT strategy_hash FROM ") +
                read_parquet_sql(std::vector{escape_glob(join_path(directory_, file))}, "") + " WHERE run_id IN " +
                text_list(run_ids);
  };
  std::map<std::string, std::vector<std::string>> lost;
  for (const auto& [file, run_id] : lost_) lost[file].push_back(run_id);
  for (const auto& [file, run_ids] : lost) add(file, run_ids);
  std::vector<std::string> added;
  for (const RunLocation& run : tables_.usable(added_)) added.push_back(run.run_id);
  if (!added.empty()) add(now_.segments.back().strategies.name, added);
  if (affected.empty()) return Status();
  SB_RETURN_IF_ERROR(
      connection_->run("CREATE TEMP TABLE affected AS SELECT DISTINCT strategy_hash FROM (" + affected + ")"));
  SB_ASSIGN_OR_RETURN(int64_t count, fetch_number(*connection_, "count(*)", "affected"));
  if (before_.history_changes.has_value()) count += before_.history_changes->row_count;
  // Below that a full count is as quick, and above it readers pay for two files.
  constexpr int64_t kFewRows = 1'000, kSmallestShare = 10;
  if (before_.history->row_count <= kFewRows || count * kSmallestShare > before_.history->row_count) {
    return rewrite_history();
  }
  const std::string again =
      history_sql(store_path_, history_groups(), {}, "strategy_hash IN (SELECT strategy_hash FROM affected)");
  // A strategy that no run has any more leaves a row with no runs, which hides the one in the history.
  std::string select =
      "SELECT a.strategy_hash, h.* EXCLUDE (strategy_hash, runs), coalesce(h.runs, 0) AS runs FROM "
      "affected a LEFT JOIN (" +
      again +
      ") h ON a.strategy_hash = h.strategy_hash "
      "WHERE a.strategy_hash IS NOT NULL";
  if (before_.history_changes.has_value()) {
    select += " UNION ALL BY NAME SELECT * FROM " +
              read_parquet_sql(std::vector{escape_glob(join_path(directory_, before_.history_changes->name))}, "") +
              " WHERE strategy_hash NOT IN (SELECT strategy_hash FROM affected WHERE strategy_hash IS NOT NULL)";
  }
  // The columns in the order of the history, so that both are read as one.
  std::string columns;
  for (const ViewColumn& column : before_.history->columns) {
    columns += (columns.empty() ? "" : ", ") + quote_sql_name(column.name);
  }
  SB_ASSIGN_OR_RETURN(now_.history_changes, write_table("changes", "SELECT " + columns + " FROM (" + select + ")"));
  return Status();
}

Status CatalogRefresh::commit() {
  const std::string path = join_path(directory_, kManifestName);
  const std::string temporary = path + std::string(kTemporarySuffix);
  if (const Status removed = files_.remove_file(temporary); !removed.ok() && removed.code() != StatusCode::not_found) {
    return removed;
  }
  SB_RETURN_IF_ERROR(files_.write_new_file(temporary, encode_manifest(now_)));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files_.sync_directory(directory_));
  SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  return files_.sync_directory(directory_);
}

// What neither this manifest nor the one before names, once no reader of an older one can be at it any more. A file
// that cannot be removed is removed another time.
void CatalogRefresh::remove_old_files() {
  const std::set<std::string> now = names_of(now_), before = names_of(before_);
  const auto entries = files_.list_directory(directory_);
  const auto manifest = files_.stamp(join_path(directory_, kManifestName));
  if (!entries.ok() || !manifest.ok() || !manifest->has_value()) return;
  for (const DirectoryEntry& entry : *entries) {
    const bool is_ours = entry.name.ends_with(".parquet") || entry.name.ends_with(kTemporarySuffix);
    if (!is_ours || entry.is_directory || now.contains(entry.name) || before.contains(entry.name)) continue;
    const auto file = files_.stamp(join_path(directory_, entry.name));
    if (!file.ok() || !file->has_value()) continue;
    if ((*file)->modified_ns > (*manifest)->modified_ns - kLongestReading) continue;
    const Status ignored = files_.remove_file(join_path(directory_, entry.name));
    static_cast<void>(ignored);
  }
}

Result<Catalog::Refreshed> CatalogRefresh::run() {
  SB_RETURN_IF_ERROR(find_changes());
  Catalog::Refreshed refreshed;
  const bool changed = !added_.empty() || !lost_.empty() || now_.left_out.size() != before_.left_out.size() ||
                       !before_.history.has_value();
  if (changed) {
    SB_ASSIGN_OR_RETURN(database_, Database::open({.allowed_directories = std::nullopt, .pinned = pinned_}));
    SB_ASSIGN_OR_RETURN(connection_, database_->connect());
    if (!added_.empty() || !absorbed_.empty()) SB_RETURN_IF_ERROR(write_segment());
    SB_RETURN_IF_ERROR(write_history());
    SB_RETURN_IF_ERROR(commit());
    remove_old_files();
    refreshed.added = static_cast<int64_t>(tables_.usable(added_).size());
    refreshed.removed = static_cast<int64_t>(lost_.size());
  } else {
    now_ = before_;
  }
  for (const CatalogManifest::Segment& segment : now_.segments) {
    refreshed.run_count += static_cast<int64_t>(segment.runs.size() - segment.gone.size());
  }
  return refreshed;
}

bool CatalogRefresh::have_runs_changed() const {
  const auto runs = list_runs(files_, store_path_);
  if (!runs.ok()) return false;
  const auto stamps = stamp_runs(files_, *runs);
  return stamps.ok() && *stamps != stamps_;
}

Result<std::vector<Catalog::StaleFile>> Catalog::stale_files(FileSystem& files, const std::string& store_path,
                                                             int64_t now_ns, bool removes) {
  std::vector<StaleFile> stale;
  const std::string directory = Catalog(files, store_path).directory_;
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(directory);
  if (entries.status().code() == StatusCode::not_found) return stale;
  if (!entries.ok()) return entries.status();
  std::unique_ptr<FileLock> lock;
  if (removes) {
    SB_ASSIGN_OR_RETURN(lock, files.lock_file(join_path(directory, kLockName), /*wait=*/false));
    if (lock == nullptr) return stale;
  }
  // Who has read the manifest before this one may be at its files. One that cannot be read names nothing, and nobody
  // reads what it named.
  const std::string path = join_path(directory, kManifestName);
  SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> manifest, files.stamp(path));
  if (manifest && manifest->modified_ns > now_ns - kLongestReading) return stale;
  const Result<std::string> text = files.read_file(path);
  if (!text.ok() && text.status().code() != StatusCode::not_found) return text.status();
  const std::optional<CatalogManifest> named = text.ok() ? decode_manifest(*text) : std::nullopt;
  const std::set<std::string> names = named ? names_of(*named) : std::set<std::string>();
  for (const DirectoryEntry& entry : *entries) {
    const bool is_ours = entry.name.ends_with(".parquet") || entry.name.ends_with(kTemporarySuffix);
    if (!is_ours || entry.is_directory || entry.is_link || names.contains(entry.name)) continue;
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(join_path(directory, entry.name)));
    if (!stamp || stamp->modified_ns > now_ns - kLongestReading) continue;
    if (removes) SB_RETURN_IF_ERROR(files.remove_file(join_path(directory, entry.name)));
    stale.push_back({.path = join_path(join_path(file::kStoreDirectory, file::kCatalogDirectory), entry.name),
                     .byte_count = stamp->size});
  }
  return stale;
}

Result<Catalog::Refreshed> Catalog::refresh(bool from_scratch, bool wait) {
  SB_RETURN_IF_ERROR(create_directories(files_, directory_));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, files_.lock_file(join_path(directory_, kLockName), wait));
  if (lock == nullptr) return Refreshed{.is_busy = true};
  // Runs may be removed or replaced while their files are read: then it is looked again.
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    CatalogManifest before = read_manifest(files_, directory_, kMostChecked);
    if (from_scratch) before = {.generation = before.generation};
    CatalogRefresh refresh(files_, store_path_, directory_, std::move(before));
    Result<Refreshed> refreshed = refresh.run();
    if (refreshed.ok()) {
      manifest_ = refresh.take_manifest();
      return refreshed;
    }
    if (attempt == kAttempts || !refresh.have_runs_changed()) return refreshed.status();
  }
}

}  // namespace signalbook
