#include "store/import_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/ascii.h"
#include "base/digest.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/run_contents.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/store.h"
#include "store/strategy_index.h"
#include "store/transit.h"
#include "store/verify_run.h"

namespace signalbook {

namespace {

constexpr std::string_view kParquet = ".parquet";

class Import {
 public:
  Import(FileSystem& files, const std::string& store_path, const ImportOptions& options)
      : files_(files), store_path_(store_path), options_(options) {}

  Result<ImportedRun> run(TarSource source);

 private:
  Status bring_in(TarReader& tar);
  Status extract(TarReader& tar);
  Result<std::string> check_name(std::string_view name);
  Status take_run_name(const std::string& run_id);
  Status check_free();
  Status extract_file(TarReader& tar, const std::string& name, int64_t size);
  Status make_directory(const std::string& path);
  Status check_run();
  Status check_paths();
  Status check_bars();
  Status check_files();
  Status make_durable();
  Status bring_bars();
  Status find_missing_parents();
  Status give_name();
  std::string extracted_run() const { return join_path(transit_->path(), run_id_); }

  FileSystem& files_;
  const std::string& store_path_;
  const ImportOptions& options_;
  std::unique_ptr<TransitDirectory> transit_;
  std::string run_id_;               // in the tar
  std::set<std::string> lowercase_;  // names in the tar: two that differ in case are one on some disks
  std::set<std::string> directories_, bars_;
  std::vector<std::string> made_;
  std::vector<std::string> paths_;  // of what was extracted
  std::vector<char> block_;
  RunDescription description_;
  ImportedRun imported_;
};

Status refuse(std::string_view name, std::string_view why) {
  return Status::invalid(fmt::format("'{}' in the tar {}; nothing was imported", name, why));
}

// The name without a "./" in front, which `tar cf x.tar .` writes. Empty for the top itself.
Result<std::string> Import::check_name(std::string_view name) {
  const std::string_view given = name;
  while (name.starts_with("./")) name.remove_prefix(2);
  while (name.ends_with('/')) name.remove_suffix(1);
  if (name.empty() || name == ".") {
    if (!given.starts_with('.')) return refuse(given, "has no name that a file of a run can have");
    return std::string();
  }
  const size_t slash = name.find('/');
  const std::string top(name.substr(0, slash));
  const std::string_view rest = slash == std::string_view::npos ? "" : name.substr(slash + 1);
  if (slash != std::string_view::npos && !is_path_in_run(rest))
    return refuse(given, "has no name that a file of a run can have");
  if (top == file::kBarsDirectory) {
    const bool is_bars = rest.ends_with(kParquet) && is_data_id(rest.substr(0, rest.size() - kParquet.size()));
    if (!rest.empty() && !is_bars) return refuse(given, "is no file of bars");
    return std::string(name);
  }
  if (!is_run_name(top)) return refuse(given, "has no name that a file of a run can have");
  SB_RETURN_IF_ERROR(take_run_name(top));
  return std::string(name);
}

Status Import::take_run_name(const std::string& run_id) {
  if (run_id == run_id_) return Status();
  if (!run_id_.empty()) return refuse(run_id, fmt::format("is a second run beside {}; give one run a tar", run_id_));
  run_id_ = run_id;
  imported_.run_id = options_.name.value_or(run_id);
  imported_.run_path = join_path(store_path_ == "." ? "" : store_path_, imported_.run_id);
  return check_free();
}

Status Import::check_free() {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(store_path_));
  const bool is_taken = std::ranges::find(entries, imported_.run_id, &DirectoryEntry::name) != entries.end();
  if (!is_taken) return Status();
  return Status::invalid(
      fmt::format("{} exists already; import under another name with --as NAME", imported_.run_path));
}

Status Import::make_directory(const std::string& path) {
  if (path == transit_->path() || directories_.contains(path)) return Status();
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
  if (!exists) SB_RETURN_IF_ERROR(files_.create_directory(path));
  directories_.insert(path);
  return Status();
}

Status Import::extract_file(TarReader& tar, const std::string& name, int64_t size) {
  if (name.find('/') == std::string::npos) return refuse(name, "is no file of a run");
  if (!lowercase_.insert(to_lower_ascii(name)).second) return refuse(name, "is there twice");
  const std::string path = join_path(transit_->path(), name);
  if (directories_.contains(path)) return refuse(name, "is a file and a directory");
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, files_.create_append_file(path));
  constexpr size_t kBlock = size_t{1} << 20;
  block_.resize(kBlock);
  for (;;) {
    SB_ASSIGN_OR_RETURN(const size_t count, tar.read(block_));
    if (count == 0) break;
    SB_RETURN_IF_ERROR(file->append({block_.data(), count}));
    imported_.byte_count += static_cast<int64_t>(count);
    size -= static_cast<int64_t>(count);
  }
  if (size != 0) return Status::damaged(fmt::format("'{}' in the tar is cut off; nothing was imported", name));
  if (name.starts_with(std::string(file::kBarsDirectory) + "/")) {
    const std::string stem = file_name_of(name);
    bars_.insert(stem.substr(0, stem.size() - kParquet.size()));
  }
  ++imported_.file_count;
  paths_.push_back(path);
  return Status();
}

Status Import::extract(TarReader& tar) {
  for (;;) {
    SB_ASSIGN_OR_RETURN(const std::optional<TarEntry> entry, tar.next());
    if (!entry) break;
    SB_ASSIGN_OR_RETURN(const std::string name, check_name(entry->name));
    if (entry->kind == TarEntry::Kind::other) {
      return refuse(entry->name, "is no plain file (a link, a device, or one with holes)");
    }
    if (entry->kind == TarEntry::Kind::directory || name.empty()) continue;
    SB_RETURN_IF_ERROR(extract_file(tar, name, entry->size));
  }
  if (run_id_.empty()) return Status::invalid("there is no run in this tar; nothing was imported");
  return Status();
}

// What run.json and the index name lies in the run, and nothing else does.
Status Import::check_paths() {
  for (const char* const name : {file::kRunDescription, file::kStrategyIndex}) {
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(join_path(extracted_run(), name)));
    if (!exists) {
      return Status::damaged(
          fmt::format("there is no {}/{} in the tar: it is cut off, or no run; nothing was imported", run_id_, name));
    }
  }
  SB_ASSIGN_OR_RETURN(const std::string index, files_.read_file(join_path(extracted_run(), file::kStrategyIndex)));
  SB_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows, decode_index(index, join_path(run_id_, file::kStrategyIndex)));
  for (const IndexRow& row : rows) {
    for (const std::string& path : {row.trace_path, row.is_packed() ? row.pack : row.trace_path}) {
      if (!is_path_in_run(path)) return refuse(path, "(in its index) is no place in a run");
    }
  }
  SB_ASSIGN_OR_RETURN(const RunContents contents, list_run_contents(files_, extracted_run()));
  for (const RunDescription::File& file : contents.description.files) {
    if (!is_path_in_run(file.path)) return refuse(file.path, "(in its run.json) is no place in a run");
  }
  if (!contents.missing.empty()) {
    return Status::damaged(
        fmt::format("{}/{} is missing in the tar; nothing was imported", run_id_, contents.missing.front()));
  }
  if (!contents.foreign.empty()) {
    return refuse(join_path(run_id_, contents.foreign.front()), "belongs to nothing in the run's index or run.json");
  }
  description_ = contents.description;
  return Status();
}

// Bars are shared with other runs by the digest of what they say, so they have to be what their name says.
Status Import::check_bars() {
  std::map<std::string, const RunDescription::Feed*> named;
  for (const RunDescription::Feed& feed : description_.feeds) named.emplace(feed.data_id, &feed);
  for (const std::string& id : bars_) {
    const std::string name = bars_path(id), path = join_path(transit_->path(), name);
    const auto feed = named.find(id);
    if (feed == named.end()) return refuse(name, "belongs to no feed of the run");
    SB_ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(path));
    SB_ASSIGN_OR_RETURN(const Bars bars, decode_bars_file(bytes, name));
    if (to_hex(data_id(bars)) != id) return Status::damaged(name + ": these are other bars");
    if (version_of(bytes).sha256 == feed->second->bars_sha256) continue;
    // Nobody vouches for these bytes, but for what they say: so they are written as this program does.
    SB_ASSIGN_OR_RETURN(const std::string ours, encode_bars_file(bars, id));
    SB_RETURN_IF_ERROR(replace_file(files_, path, ours));
  }
  return Status();
}

Status Import::check_files() {
  std::string first;
  SB_ASSIGN_OR_RETURN(
      const VerifySummary summary,
      verify_scope(files_, {.store_path = transit_->path(), .run_path = extracted_run()}, [&](const Finding& finding) {
        if (finding.kind == Finding::Kind::damage && first.empty()) first = finding.what;
        if (finding.kind != Finding::Kind::damage) imported_.notes.push_back(finding.what);
      }));
  if (summary.damage_count == 0) return Status();
  return Status::damaged(
      fmt::format("{}: {} ({} of damage in the tar); nothing was imported", run_id_, first,
                  summary.damage_count == 1 ? "1 case" : fmt::format("{} cases", summary.damage_count)));
}

Status Import::check_run() {
  SB_RETURN_IF_ERROR(check_paths());
  SB_RETURN_IF_ERROR(check_bars());
  return check_files();
}

Status Import::make_durable() {
  SB_RETURN_IF_ERROR(files_.sync_files(paths_));
  for (const std::string& directory : directories_) SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  return files_.sync_directory(transit_->path());
}

// Named by what they say, so those that are there are the same, unless they are damaged: then ours take their place.
Status Import::bring_bars() {
  const std::string directory = join_path(store_path_, file::kBarsDirectory);
  SB_RETURN_IF_ERROR(create_directories(files_, directory));
  for (const std::string& id : bars_) {
    const std::string path = join_path(store_path_, bars_path(id));
    const Result<std::string> there = files_.read_file(path);
    if (there.ok()) {
      const Result<Bars> bars = decode_bars_file(*there, path);
      if (bars.ok() && to_hex(data_id(*bars)) == id) {
        ++imported_.known_bars;
        continue;
      }
      imported_.notes.push_back(fmt::format("{} was damaged and is written anew", path));
    } else if (there.status().code() != StatusCode::not_found) {
      return there.status();
    }
    SB_RETURN_IF_ERROR(files_.rename(join_path(transit_->path(), bars_path(id)), path));
    ++imported_.new_bars;
  }
  // Also of those that were there: whoever brought them may have died before their name was durable.
  SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  return files_.sync_directory(store_path_);
}

// Of the store, lowest first: they are made, and nothing of them is left when nothing is imported.
Status Import::find_missing_parents() {
  for (std::string path = store_path_;; path = parent_path(path)) {
    SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
    if (exists || parent_path(path) == path) return Status();
    made_.push_back(path);
  }
}

Status Import::give_name() {
  SB_RETURN_IF_ERROR(check_free());
  for (const std::string& made : made_) SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(made)));
  SB_RETURN_IF_ERROR(files_.rename(extracted_run(), join_path(store_path_, imported_.run_id)));
  return files_.sync_directory(store_path_);
}

Status Import::bring_in(TarReader& tar) {
  SB_RETURN_IF_ERROR(extract(tar));
  SB_RETURN_IF_ERROR(check_run());
  SB_RETURN_IF_ERROR(make_durable());
  SB_RETURN_IF_ERROR(ensure_store(files_, store_path_, options_.created_at,
                                  join_path(transit_->path(), "store.json" + std::string(kTemporarySuffix))));
  SB_RETURN_IF_ERROR(bring_bars());
  return give_name();
}

Result<ImportedRun> Import::run(TarSource source) {
  if (options_.name && !is_run_name(*options_.name)) {
    return Status::invalid(fmt::format("'{}' is no name for a run; choose another", *options_.name));
  }
  SB_RETURN_IF_ERROR(check_store_version(files_, store_path_));
  SB_ASSIGN_OR_RETURN(const bool is_in_run, files_.file_exists(join_path(store_path_, file::kStrategyIndex)));
  if (is_in_run) return Status::invalid(fmt::format("{} is a run, not a store", store_path_));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TarReader> tar, TarReader::open(std::move(source)));
  SB_RETURN_IF_ERROR(find_missing_parents());
  SB_ASSIGN_OR_RETURN(const bool was_marked, files_.directory_exists(join_path(store_path_, file::kStoreDirectory)));
  SB_ASSIGN_OR_RETURN(transit_, TransitDirectory::create(files_, store_path_, TransitPurpose::import));
  const Status status = bring_in(*tar);
  const Status removed = transit_->remove();
  const std::string above = parent_path(transit_->path());
  transit_.reset();
  if (status.ok()) {
    imported_.trace_count = description_.trace_count;
    imported_.change_count = description_.change_count;
    // The run is there, and gc takes away what could not be removed.
    if (!removed.ok()) imported_.notes.push_back(removed.message());
    return std::move(imported_);
  }
  // Of a store that was made for this run alone nothing is left either; what is not empty stays.
  if (!was_marked && files_.remove_directory(above).ok() && files_.remove_directory(parent_path(above)).ok()) {
    for (const std::string& made : made_) {
      if (!files_.remove_directory(made).ok()) break;
    }
  }
  return status;
}

}  // namespace

Result<ImportedRun> import_run(FileSystem& files, const std::string& store_path, TarSource source,
                               const ImportOptions& options) {
  return Import(files, store_path, options).run(std::move(source));
}

}  // namespace signalbook
