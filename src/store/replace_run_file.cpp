#include "store/replace_run_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/run_files.h"
#include "store/strategy_index.h"

namespace signalbook {

namespace {

using FileVersion = RunDescription::FileVersion;

std::string temporary_of(const std::string& path) { return path + std::string(kTemporarySuffix); }

Status remove_if_there(FileSystem& files, const std::string& path) {
  const Status status = files.remove_file(path);
  return status.code() == StatusCode::not_found ? Status() : status;
}

void set_version(RunDescription::File& file, const FileVersion& version) {
  file.size = version.size;
  file.sha256 = version.sha256;
  file.previous.reset();
}

bool has_two_versions(const RunDescription& description) {
  return std::ranges::any_of(description.files, [](const auto& file) { return file.previous.has_value(); });
}

// What is there, where run.json vouches for it.
Result<std::optional<FileVersion>> find_version(FileSystem& files, const std::string& run_path,
                                                const RunDescription& description, const std::string& name) {
  if (find_run_file(description, name) == nullptr) return std::optional<FileVersion>();
  const Result<std::string> bytes = read_run_file(files, run_path, description, name);
  if (bytes.ok()) return std::optional(version_of(*bytes));
  if (bytes.status().code() == StatusCode::damaged) return std::optional<FileVersion>();
  return bytes.status();
}

Status sync_places(FileSystem& files, const std::string& run_path, const RunDescription& description) {
  std::set<std::string> directories = {run_path};
  for (const RunDescription::File& file : description.files)
    directories.insert(parent_path(join_path(run_path, file.path)));
  for (const std::string& directory : directories) {
    SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(directory));
    if (exists) SB_RETURN_IF_ERROR(files.sync_directory(directory));
  }
  return Status();
}

Status replace_description(FileSystem& files, const std::string& run_path, const std::string& text) {
  const std::string path = join_path(run_path, file::kRunDescription), temporary = temporary_of(path);
  SB_RETURN_IF_ERROR(replace_file(files, temporary, text));
  SB_RETURN_IF_ERROR(files.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files.rename(temporary, path));
  return files.sync_directory(run_path);
}

Status give_name(FileSystem& files, const std::string& path) {
  SB_RETURN_IF_ERROR(files.rename(temporary_of(path), path));
  return files.sync_directory(parent_path(path));
}

// A run.json that is there to be changed.
struct OpenDescription {
  std::string path, text;
  RunDescription description;
};

Result<OpenDescription> open_description(FileSystem& files, const std::string& run_path) {
  OpenDescription open;
  open.path = join_path(run_path, file::kRunDescription);
  SB_ASSIGN_OR_RETURN(open.text, files.read_file(open.path));
  SB_ASSIGN_OR_RETURN(open.description, decode_run_description(open.text, open.path));
  return open;
}

Result<std::string> encode_changed(const OpenDescription& open, const RunDescription& description) {
  Result<std::string> text = change_run_files(open.text, description);
  return text.ok() ? text : text.status().at(open.path);
}

}  // namespace

void count_rows(const std::vector<IndexRow>& rows, RunDescription& description) {
  std::set<std::string> ids;
  description.change_count = 0;
  for (const IndexRow& row : rows) {
    ids.insert(row.strategy_id);
    ids.insert(row.aliases.begin(), row.aliases.end());
    description.change_count += row.change_count;
  }
  description.strategy_count = static_cast<int64_t>(ids.size());
  description.trace_count = static_cast<int64_t>(rows.size());
}

Status replace_run_files(FileSystem& files, const std::string& run_path, RunDescription next,
                         const std::vector<NewRunFile>& changed,
                         const std::function<Result<std::string>(const RunDescription&)>& encode) {
  RunDescription before;
  Result<OpenDescription> old = open_description(files, run_path);
  if (old.ok()) before = std::move(old->description);
  // What a replacement that died has renamed is there, and need not be after a power cut.
  if (has_two_versions(before)) SB_RETURN_IF_ERROR(sync_places(files, run_path, before));

  // Files that nobody can read as they are take their names before run.json speaks of them, but for the index, which
  // makes a run of what was none.
  std::vector<std::string> first, last, temporaries;
  for (const NewRunFile& file : changed) {
    const std::string path = join_path(run_path, file.name);
    const auto entry = std::ranges::find(next.files, file.name, &RunDescription::File::path);
    if (entry == next.files.end()) return Status::invalid(fmt::format("{} is to be replaced and not named", path));
    set_version(*entry, version_of(file.bytes));
    SB_ASSIGN_OR_RETURN(entry->previous, find_version(files, run_path, before, file.name));
    (entry->previous || file.name == file::kStrategyIndex ? last : first).push_back(path);
    if (const std::string directory = parent_path(path); directory != run_path) {
      SB_RETURN_IF_ERROR(create_directories(files, directory));
      SB_RETURN_IF_ERROR(files.sync_directory(run_path));
    }
    SB_RETURN_IF_ERROR(replace_file(files, temporary_of(path), file.bytes));
    temporaries.push_back(temporary_of(path));
  }
  std::ranges::stable_partition(last, [](const auto& path) { return file_name_of(path) != file::kStrategyIndex; });
  if (!temporaries.empty()) SB_RETURN_IF_ERROR(files.sync_files(temporaries));

  for (const std::string& path : first) SB_RETURN_IF_ERROR(give_name(files, path));
  SB_ASSIGN_OR_RETURN(const std::string text, encode(next));
  if (!old.ok() || old->text != text) SB_RETURN_IF_ERROR(replace_description(files, run_path, text));
  for (const std::string& path : last) SB_RETURN_IF_ERROR(give_name(files, path));
  if (!has_two_versions(next)) return Status();
  for (RunDescription::File& file : next.files) file.previous.reset();
  SB_ASSIGN_OR_RETURN(const std::string settled, encode(next));
  return replace_description(files, run_path, settled);
}

Status settle_run_files(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(OpenDescription open, open_description(files, run_path));
  RunDescription& description = open.description;
  if (!has_two_versions(description)) return Status();
  SB_RETURN_IF_ERROR(sync_places(files, run_path, description));
  for (RunDescription::File& file : description.files) {
    if (!file.previous) continue;
    SB_ASSIGN_OR_RETURN(const std::optional<FileVersion> found, find_version(files, run_path, description, file.path));
    if (!found) continue;
    if (file.path == file::kStrategyIndex && found == file.previous) {
      // The counts are those of the index that did not come.
      const std::string path = join_path(run_path, file.path);
      SB_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path));
      SB_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows, decode_index(bytes, path));
      count_rows(rows, description);
    }
    set_version(file, *found);
    SB_RETURN_IF_ERROR(remove_if_there(files, temporary_of(join_path(run_path, file.path))));
  }
  SB_ASSIGN_OR_RETURN(const std::string text, encode_changed(open, description));
  return text == open.text ? Status() : replace_description(files, run_path, text);
}

Status replace_run_file(FileSystem& files, const std::string& run_path, const std::string& name,
                        std::string_view bytes) {
  const std::string path = join_path(run_path, name);
  if (name != file::kStrategyIndex && !metric_set_name(name)) {
    return Status::invalid(fmt::format("{} is no file that may be replaced; name a metric set {}/<name>.parquet", path,
                                       file::kMetricsDirectory));
  }
  SB_RETURN_IF_ERROR(settle_run_files(files, run_path));
  SB_ASSIGN_OR_RETURN(OpenDescription open, open_description(files, run_path));
  RunDescription next = open.description;
  SB_ASSIGN_OR_RETURN(const std::optional<FileVersion> found, find_version(files, run_path, next, name));
  if (name == file::kStrategyIndex && !found) {
    return Status::damaged(
        fmt::format("{}: not the bytes that were recorded; mend the run with signalbook recover {}", path, run_path));
  }
  if (found == version_of(bytes)) {
    SB_RETURN_IF_ERROR(remove_if_there(files, temporary_of(path)));
    SB_RETURN_IF_ERROR(remove_if_there(files, temporary_of(open.path)));
    return sync_places(files, run_path, next);  // whoever wrote them may have died before that
  }
  if (find_run_file(next, name) == nullptr) next.files.push_back({.path = name});
  const Status replaced =
      replace_run_files(files, run_path, next, {{.name = name, .bytes = bytes}},
                        [&](const RunDescription& description) { return encode_changed(open, description); });
  if (!replaced.ok()) {  // of no use to anybody
    (void)remove_if_there(files, temporary_of(path));
    (void)remove_if_there(files, temporary_of(open.path));
  }
  return replaced;
}

Status remove_run_file(FileSystem& files, const std::string& run_path, const std::string& name) {
  const std::string path = join_path(run_path, name);
  if (!metric_set_name(name)) {
    return Status::invalid(fmt::format("{} is no metric set ({}/<name>.parquet)", path, file::kMetricsDirectory));
  }
  SB_ASSIGN_OR_RETURN(const OpenDescription open, open_description(files, run_path));
  RunDescription next = open.description;
  const bool is_named = std::erase_if(next.files, [&](const auto& file) { return file.path == name; }) > 0;
  SB_ASSIGN_OR_RETURN(const bool exists, files.file_exists(path));
  if (is_named) {
    SB_ASSIGN_OR_RETURN(const std::string text, encode_changed(open, next));
    SB_RETURN_IF_ERROR(replace_description(files, run_path, text));
  } else {
    SB_RETURN_IF_ERROR(files.sync_directory(run_path));  // by a removal that died before that
  }
  SB_RETURN_IF_ERROR(remove_if_there(files, temporary_of(path)));
  SB_RETURN_IF_ERROR(remove_if_there(files, path));
  SB_ASSIGN_OR_RETURN(const bool has_directory, files.directory_exists(parent_path(path)));
  if (has_directory) SB_RETURN_IF_ERROR(files.sync_directory(parent_path(path)));
  return is_named || exists ? Status() : Status::not_found(fmt::format("{} has no metric set {}", run_path, name));
}

}  // namespace signalbook
