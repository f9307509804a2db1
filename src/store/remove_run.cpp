#include "store/remove_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "format/trace_schema.h"
#include "store/run_contents.h"
#include "store/run_inspection.h"
#include "store/run_journals.h"
#include "store/transit.h"

namespace signalbook {

namespace {

// Where the run lies, by the way to it and not by what a link leads to.
Result<std::string> find_place(FileSystem& files, const std::string& run_path) {
  const std::string name = file_name_of(run_path);
  if (name == "." || name == "..") return files.absolute_path(run_path);
  SB_ASSIGN_OR_RETURN(const std::string store_path, files.absolute_path(parent_path(run_path)));
  return join_path(store_path, name);
}

Status check_place(FileSystem& files, const std::string& path, const std::string& given) {
  const std::string store_path = parent_path(path);
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(store_path);
  if (!entries.ok()) return entries.status();
  const auto entry = std::ranges::find(*entries, file_name_of(path), &DirectoryEntry::name);
  if (entry == entries->end() || !entry->is_directory) return Status::not_found(given + " is no directory");
  if (entry->is_link) {
    return Status::invalid(fmt::format("{} is a link: remove the link, or the run where it lies", given));
  }
  SB_ASSIGN_OR_RETURN(const bool is_run, looks_like_run(files, path));
  if (!is_run || !is_run_name(file_name_of(path))) {
    return Status::not_found(fmt::format("{} is no run, nor what is left of one; nothing was removed", given));
  }
  const std::string mark = join_path(join_path(store_path, file::kStoreDirectory), file::kStoreMarker);
  SB_ASSIGN_OR_RETURN(const bool is_store, files.file_exists(mark));
  if (is_store) return Status();
  return Status::invalid(
      fmt::format("{} lies in no store (there is no {}); remove its directory yourself", given, mark));
}

Status refuse_unfinished(const std::string& given) {
  return Status::invalid(
      fmt::format("{} is not finished, and what its writers were told is safe would be lost: finish it with signalbook "
                  "recover {}, or remove it with --unfinished",
                  given, given));
}

Status refuse_written(const std::string& given, const std::vector<std::string>& writers) {
  return Status::invalid(
      fmt::format("{} is being written by {}: wait until it ends, or end it", given, fmt::join(writers, ", ")));
}

Status find_foreign(FileSystem& files, const std::string& run_path, const std::string& directory,
                    std::vector<LostFile>& found) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(join_path(run_path, directory)));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(find_foreign(files, run_path, path, found));
    } else if (!is_known_path_in_run(path)) {
      found.push_back({.path = path, .why = "lay in a run that was removed, and is no file of a run"});
    }
  }
  return Status();
}

Status take_away(FileSystem& files, const std::string& path, RemovedRun& removed) {
  const std::string store_path = parent_path(path);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TransitDirectory> transit,
                      TransitDirectory::create(files, store_path, TransitPurpose::removal));
  Status renamed = transit->sync_name();
  if (renamed.ok()) renamed = files.rename(path, join_path(transit->path(), file_name_of(path)));
  if (!renamed.ok()) {
    (void)transit->remove();
    return renamed;
  }
  SB_RETURN_IF_ERROR(files.sync_directory(transit->path()));
  SB_RETURN_IF_ERROR(files.sync_directory(store_path));
  const Status taken = transit->remove();
  if (!taken.ok()) removed.notes.push_back(taken.with("; signalbook gc takes away what is left").message());
  return Status();
}

}  // namespace

Result<RemovedRun> remove_run(FileSystem& files, const std::string& run_path, const RemoveOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::string path, find_place(files, run_path));
  SB_RETURN_IF_ERROR(check_place(files, path, run_path));
  const auto look = [&]() -> Result<RemovedRun> {
    RemovedRun found;
    SB_ASSIGN_OR_RETURN(found.was_finished, files.file_exists(join_path(path, file::kStrategyIndex)));
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> alive, find_alive_writers(files, path));
    if (!alive.empty()) return refuse_written(run_path, alive);
    if (!found.was_finished && !options.takes_unfinished) return refuse_unfinished(run_path);
    return found;
  };
  SB_RETURN_IF_ERROR(look().status());  // before anything is made in it
  SB_ASSIGN_OR_RETURN(const TreeSize size, measure_tree(files, path));

  std::unique_ptr<FileLock> lock;
  const auto remove = [&]() -> Result<RemovedRun> {
    WriterLocks writers;
    if (!options.is_dry) {
      SB_ASSIGN_OR_RETURN(lock, files.lock_file(run_lock_path(path), /*wait=*/false));
      if (lock == nullptr) {
        return Status::invalid(
            fmt::format("{} is being changed by another process; try again when it is done", run_path));
      }
      SB_ASSIGN_OR_RETURN(writers, lock_writers(files, path));
      if (!writers.alive.empty()) return refuse_written(run_path, writers.alive);
    }
    RemovedRun removed;
    if (options.is_dry) {
      SB_ASSIGN_OR_RETURN(removed, look());
    } else {
      SB_ASSIGN_OR_RETURN(removed.was_finished, files.file_exists(join_path(path, file::kStrategyIndex)));
      if (!removed.was_finished && !options.takes_unfinished) return refuse_unfinished(run_path);
    }
    std::vector<LostFile> foreign;
    SB_RETURN_IF_ERROR(find_foreign(files, path, "", foreign));
    LostAndFound lost(files, path, options.now, options.is_dry);
    SB_RETURN_IF_ERROR(lost.take(foreign));
    removed.moved = lost.moved();
    removed.file_count = size.file_count;
    removed.byte_count = size.byte_count;
    if (!options.is_dry) SB_RETURN_IF_ERROR(take_away(files, path, removed));
    return removed;
  };
  Result<RemovedRun> removed = remove();
  // Where the run was renamed its lock went with it, and another of that name may have one of its own by now.
  if (lock != nullptr && !removed.ok()) (void)files.remove_file(run_lock_path(path));
  return removed;
}

}  // namespace signalbook
