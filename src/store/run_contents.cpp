#include "store/run_contents.h"

#include <algorithm>
#include <set>

#include "format/trace_schema.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/strategy_index.h"

namespace signalbook {

namespace {

bool is_among_journals(std::string_view path) {
  const std::string_view directory = path.substr(0, path.find('/'));
  return directory == journal_directory("") || directory == done_journal_directory("");
}

bool is_in_flight(std::string_view path) {
  return path == run_lock_path("") || path.ends_with(kTemporarySuffix) || is_among_journals(path);
}

class Walk {
 public:
  Walk(FileSystem& files, const std::string& run_path, std::set<std::string> named, RunContents& found)
      : files_(files), run_path_(run_path), named_(std::move(named)), found_(found) {}

  Status look(const std::string& directory) {
    SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries,
                        files_.list_directory(join_path(run_path_, directory)));
    for (const DirectoryEntry& entry : entries) {
      const std::string path = join_path(directory, entry.name);
      if (is_in_flight(path)) continue;
      if (entry.is_directory && !entry.is_link) {
        SB_RETURN_IF_ERROR(look(path));
        continue;
      }
      SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files_.stamp(join_path(run_path_, path)));
      if (stamp && named_.erase(path) > 0) {
        found_.belonging.push_back({.path = path, .size = stamp->size});
      } else {
        found_.foreign.push_back(path);
      }
    }
    return Status();
  }
  std::set<std::string> take_rest() { return std::move(named_); }

 private:
  FileSystem& files_;
  const std::string& run_path_;
  std::set<std::string> named_;
  RunContents& found_;
};

}  // namespace

Result<RunContents> list_run_contents(FileSystem& files, const std::string& run_path) {
  RunContents found;
  SB_ASSIGN_OR_RETURN(DescribedFile index, read_described_file(files, run_path, file::kStrategyIndex));
  found.description = std::move(index.description);
  SB_RETURN_IF_ERROR(check_layout(found.description, run_path));
  SB_ASSIGN_OR_RETURN(const std::vector<IndexRow> rows,
                      decode_index(index.bytes, join_path(run_path, file::kStrategyIndex)));
  std::set<std::string> named = {file::kRunDescription, file::kStrategyIndex};
  for (const RunDescription::File& file : found.description.files) named.insert(file.path);
  // The path of a trace in a pack is its name alone, and no file has it.
  for (const IndexRow& row : rows) named.insert(row.is_packed() ? row.pack : row.trace_path);
  Walk walk(files, run_path, std::move(named), found);
  SB_RETURN_IF_ERROR(walk.look(""));
  for (const std::string& path : walk.take_rest()) found.missing.push_back(path);
  std::ranges::sort(found.belonging, {}, &RunContents::File::path);
  return found;
}

bool is_run_name(std::string_view name) {
  constexpr size_t kLongest = 255;
  const bool has_odd = std::ranges::any_of(
      name, [](char c) { return c == '/' || c == '\\' || static_cast<unsigned char>(c) < ' ' || c == '\x7F'; });
  return !name.empty() && name.size() <= kLongest && !has_odd && name.front() != '.' && name != file::kBarsDirectory &&
         !name.ends_with(kTemporarySuffix);
}

bool is_path_in_run(std::string_view path) {
  constexpr size_t kLongestPath = 1'000;
  constexpr int64_t kMostSlashes = 7;
  if (path.ends_with(kTemporarySuffix) || path.size() > kLongestPath) return false;
  if (std::ranges::count(path, '/') > kMostSlashes) return false;
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-";
  for (;;) {
    const size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    constexpr size_t kLongest = 255;
    if (part.empty() || part.front() == '.' || part.size() > kLongest) return false;
    if (part.find_first_not_of(kAllowed) != std::string_view::npos) return false;
    if (end == std::string_view::npos) return true;
    path.remove_prefix(end + 1);
  }
}

bool is_known_path_in_run(std::string_view path) {
  if (is_in_flight(path)) return true;
  for (const char* const name : {file::kRunDescription, file::kStrategyIndex, file::kStrategyComponents}) {
    if (path == name) return true;
  }
  for (const char* const directory : {file::kTracesDirectory, file::kMetricsDirectory}) {
    if (path.starts_with(std::string(directory) + "/") && path.ends_with(".parquet")) return true;
  }
  return false;
}

Result<TreeSize> measure_tree(FileSystem& files, const std::string& path) {
  TreeSize size;
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(path);
  if (entries.status().code() == StatusCode::not_found) return size;  // removed meanwhile
  if (!entries.ok()) return entries.status();
  for (const DirectoryEntry& entry : *entries) {
    const std::string child = join_path(path, entry.name);
    if (entry.is_link) continue;
    if (entry.is_directory) {
      SB_ASSIGN_OR_RETURN(const TreeSize below, measure_tree(files, child));
      size.file_count += below.file_count;
      size.byte_count += below.byte_count;
      continue;
    }
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(child));
    if (!stamp) continue;
    ++size.file_count;
    size.byte_count += stamp->size;
  }
  return size;
}

}  // namespace signalbook
