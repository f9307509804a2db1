#include "store/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "format/json_value.h"
#include "format/trace_schema.h"
#include "store/run_journals.h"
#include "store/sealed_json.h"

namespace signalbook {

namespace {

Result<bool> is_store(FileSystem& files, const std::string& directory) {
  return files.file_exists(join_path(join_path(directory, file::kStoreDirectory), file::kStoreMarker));
}

// The index is renamed into place last: where it is, the run is whole.
Result<bool> is_run(FileSystem& files, const std::string& directory) {
  return files.file_exists(join_path(directory, file::kStrategyIndex));
}

// What its writers have said so far lies in it: where it is no run yet, they are at work or have died.
Result<bool> has_journals(FileSystem& files, const std::string& directory) {
  return files.directory_exists(journal_directory(directory));
}

// A store that a newer program wrote may hold what this one would misread.
Status check_version(FileSystem& files, const std::string& store_path) {
  const std::string marker = join_path(join_path(store_path, file::kStoreDirectory), file::kStoreMarker);
  SB_ASSIGN_OR_RETURN(const std::string text, files.read_file(marker));
  SB_ASSIGN_OR_RETURN(const StoreMark mark, decode_store_mark(text, marker));
  if (mark.format_version <= kFormatVersion) return Status();
  return Status::invalid(fmt::format("{} is a store of format {}, this program knows up to {}; take a newer Signalbook",
                                     store_path, mark.format_version, kFormatVersion));
}

// A directory of runs that others wrote: nothing marks it.
Result<bool> holds_runs(FileSystem& files, const std::string& directory) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(directory);
  if (!entries.ok()) return false;  // one that may not be read is none of ours
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.is_directory) continue;
    const std::string path = join_path(directory, entry.name);
    SB_ASSIGN_OR_RETURN(const bool is_finished, is_run(files, path));
    if (is_finished) return true;
    SB_ASSIGN_OR_RETURN(const bool is_begun, has_journals(files, path));
    if (is_begun) return true;
  }
  return false;
}

Result<Scope> checked(FileSystem& files, Scope scope, StoreCheck check) {
  SB_ASSIGN_OR_RETURN(const bool is_marked, is_store(files, scope.store_path));
  if (is_marked && check == StoreCheck::version) SB_RETURN_IF_ERROR(check_version(files, scope.store_path));
  return scope;
}

// The names of the directories right below that are stores; where none is marked, those that hold runs.
Result<std::vector<std::string>> stores_below(FileSystem& files, const std::string& directory) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(directory));
  for (const auto& test : {is_store, holds_runs}) {
    std::vector<std::string> stores;
    for (const DirectoryEntry& entry : entries) {
      if (!entry.is_directory) continue;
      SB_ASSIGN_OR_RETURN(const bool store, test(files, join_path(directory, entry.name)));
      if (store) stores.push_back(entry.name);
    }
    if (!stores.empty()) return stores;
  }
  return std::vector<std::string>();
}

// The way up from a directory, itself first. A relative one is followed by "..", so that paths in answers stay
// as short as the question was.
std::string directory_above(const std::string& directory) {
  if (directory == ".") return "..";
  const std::string name = file_name_of(directory);
  if (name == "..") return join_path(directory, "..");
  return parent_path(directory);
}

}  // namespace

Result<StoreMark> decode_store_mark(std::string_view text, const std::string& file_name) {
  const Result<JsonValue> json = parse_json(text);
  if (!json.ok()) return Status::damaged(file_name + ": " + json.status().message());
  const Seal seal = check_seal(*json, text);
  if (seal == Seal::wrong) {
    return Status::damaged(file_name + ": its own SHA-256 does not agree; restore it from a copy");
  }
  const JsonValue* version = json->find("format_version");
  if (version == nullptr || version->integer() == nullptr) return Status::damaged(file_name + ": no format_version");
  return StoreMark{.format_version = *version->integer(), .is_sealed = seal == Seal::good};
}

Result<Scope> locate_scope(FileSystem& files, const std::string& directory, StoreCheck check) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(directory));
  if (!exists) return Status::not_found(fmt::format("{} is no directory", directory));

  constexpr int kLevelsUp = 4;  // traces/SPY_5m/signals/<type> lies this deep in a run
  std::string candidate = directory;
  std::optional<std::string> run;
  for (int level = 0; level <= kLevelsUp + 1; ++level) {
    SB_ASSIGN_OR_RETURN(const bool store, is_store(files, candidate));
    if (store) return checked(files, {.store_path = candidate, .run_path = run}, check);
    SB_ASSIGN_OR_RETURN(const bool is_a_run, is_run(files, candidate));
    if (is_a_run && !run) run = candidate;
    SB_ASSIGN_OR_RETURN(const bool is_begun, has_journals(files, candidate));
    if (is_begun && !is_a_run) {
      return Status::not_found(fmt::format(
          "{} is no finished run: it is being recorded, or its recording died; signalbook recover finishes it, record "
          "--resume goes on with it",
          candidate == "." ? "the current directory" : candidate));
    }
    // Its neighbours must not answer for a run that has lost its index.
    SB_ASSIGN_OR_RETURN(const bool is_described, files.file_exists(join_path(candidate, file::kRunDescription)));
    if (is_described && !is_a_run && !run) {
      return Status::damaged(fmt::format("{} has no {}; make it anew with signalbook recover",
                                         candidate == "." ? "the run in the current directory" : candidate,
                                         file::kStrategyIndex));
    }
    if (candidate == "/") break;
    candidate = directory_above(candidate);
  }
  if (run) return Scope{.store_path = directory_above(*run), .run_path = run};  // a run copied out of its store

  SB_ASSIGN_OR_RETURN(const bool is_unmarked_store, holds_runs(files, directory));
  if (is_unmarked_store) return Scope{.store_path = directory, .run_path = {}};

  SB_ASSIGN_OR_RETURN(const std::vector<std::string> below, stores_below(files, directory));
  for (const std::string& name : below) {
    if (name == "results")
      return checked(files, {.store_path = join_path(directory == "." ? "" : directory, name), .run_path = {}}, check);
  }
  if (below.size() == 1) {
    return checked(files, {.store_path = join_path(directory == "." ? "" : directory, below.front()), .run_path = {}},
                   check);
  }
  if (below.empty()) {
    return Status::not_found(fmt::format(
        "{} is in no store or run, and above none; name one with --store DIR, or record a run with signalbook record",
        directory == "." ? "the current directory" : directory));
  }
  return Status::not_found(fmt::format("there are several stores below {}: {}; name one with --store DIR", directory,
                                       fmt::join(below, ", ")));
}

Result<std::vector<RunLocation>> list_runs(FileSystem& files, const std::string& store_path) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(store_path));
  std::vector<RunLocation> runs;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || entry.name == file::kStoreDirectory || entry.name == file::kBarsDirectory) continue;
    const std::string path = store_path == "." ? entry.name : join_path(store_path, entry.name);
    SB_ASSIGN_OR_RETURN(const bool finished, is_run(files, path));
    if (finished) runs.push_back({.run_id = entry.name, .path = path});
  }
  return runs;
}

Result<std::vector<RunLocation>> runs_in_scope(FileSystem& files, const Scope& scope) {
  if (!scope.run_path) return list_runs(files, scope.store_path);
  std::string run_id = file_name_of(*scope.run_path);
  if (run_id == "." || run_id == "..") {
    // The run's own name is told by the directory above it, which knows its entries by number only.
    SB_ASSIGN_OR_RETURN(const std::string absolute, files.absolute_path(*scope.run_path));
    run_id = file_name_of(absolute);
  }
  return std::vector<RunLocation>{{.run_id = run_id, .path = *scope.run_path}};
}

Status no_finished_run(FileSystem& files, const std::string& store_path) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(store_path));
  std::vector<std::string> names;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory) continue;
    SB_ASSIGN_OR_RETURN(const bool is_begun, has_journals(files, join_path(store_path, entry.name)));
    if (is_begun) names.push_back(entry.name);
  }
  if (names.empty()) {
    return Status::not_found(fmt::format("no finished run in {}: write one with signalbook record", store_path));
  }
  return Status::not_found(
      fmt::format("no finished run in {}: {} being recorded, or the recording died; signalbook recover finishes it, "
                  "record --resume goes on with it",
                  store_path, fmt::format("{} {}", fmt::join(names, ", "), names.size() == 1 ? "is" : "are")));
}

Status check_store_version(FileSystem& files, const std::string& store_path) {
  SB_ASSIGN_OR_RETURN(const bool is_marked, is_store(files, store_path));
  return is_marked ? check_version(files, store_path) : Status();
}

Status ensure_store(FileSystem& files, const std::string& store_path, const std::string& created_at,
                    const std::string& temporary) {
  const std::string directory = join_path(store_path, file::kStoreDirectory);
  const std::string marker = join_path(directory, file::kStoreMarker);
  SB_ASSIGN_OR_RETURN(const bool exists, files.file_exists(marker));
  if (exists) {
    // Whoever marked the store may have died before the mark's name was durable.
    SB_RETURN_IF_ERROR(check_version(files, store_path));
    SB_RETURN_IF_ERROR(files.sync_directory(directory));
    return files.sync_directory(store_path);
  }
  SB_RETURN_IF_ERROR(create_directories(files, directory));
  const std::string mark =
      seal_json({{"format_version", JsonValue(int64_t{kFormatVersion})}, {"created_at", JsonValue(created_at)}});
  SB_RETURN_IF_ERROR(replace_file(files, temporary, mark));
  SB_RETURN_IF_ERROR(files.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files.rename(temporary, marker));
  SB_RETURN_IF_ERROR(files.sync_directory(directory));
  return files.sync_directory(store_path);
}

}  // namespace signalbook
