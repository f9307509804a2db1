#include "query/query_paths.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "format/trace_schema.h"
#include "query/sql_views.h"

namespace signalbook {

namespace {

constexpr const char* kComponents = file::kStrategyComponents;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string join_parts(const std::vector<std::string>& parts, size_t begin) {
  std::string path;
  for (size_t i = begin; i < parts.size(); ++i) path = join_path(path, parts[i]);
  return path;
}

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0;
}

// What stands beside the index in a run, so that a path that begins with it is the run's.
bool is_in_run(const std::string& first) {
  static const std::set<std::string> names = {file::kStrategyIndex, file::kTracesDirectory, file::kRunDescription,
                                              kComponents, "metrics"};
  return names.contains(first);
}

// The specification's 'traces/signals/*/*.parquet': in a store the feed stands between.
bool leaves_out_feed(const std::vector<std::string>& parts) {
  return parts.size() > 2 && parts[1] == file::kTracesDirectory && (parts[2] == "signals" || parts[2] == "classifiers");
}

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

}  // namespace

bool QueryPaths::is_run(const std::string& name, Names names) const {
  return std::ranges::any_of(place_.all_runs, [&](const RunLocation& run) {
    return names == Names::literal ? run.run_id == name : matches(name, run.run_id);
  });
}

// The path from the store. Of what is in a run, asked for from a store, a pattern begins with a * and a name lacks the
// run.
std::optional<std::string> QueryPaths::path_in_store(const std::string& path, Names names) const {
  const std::string normal = std::filesystem::path(path).lexically_normal().string();
  const std::string first = normal.substr(0, normal.find('/'));
  if (is_in_run(first)) {
    if (!place_.run_id.has_value()) return names == Names::literal ? normal : join_path("*", normal);
    return join_path(names == Names::literal ? *place_.run_id : escape_glob(*place_.run_id), normal);
  }
  if (first == file::kBarsDirectory || is_run(first, names)) return normal;
  const bool is_store = normal.starts_with("results/");
  const std::string from_here = join_path(place_.working_directory, path);
  const std::string absolute = std::filesystem::path(from_here).lexically_normal().string();
  for (const std::string& store : {place_.store_path, place_.shown_store_path}) {
    const std::string inside = store + "/";
    // Below the store its own name leads nowhere from here.
    if (is_store && (place_.working_directory + "/").starts_with(inside)) continue;
    if (absolute.starts_with(inside)) return absolute.substr(inside.size());
  }
  if (is_store) return normal.substr(std::string_view("results/").size());
  if (!place_.confined) return std::nullopt;  // the working directory is meant
  if (normal.starts_with("../") || normal == ".." || normal == "." || normal.empty()) return std::nullopt;
  return normal;
}

bool QueryPaths::has_match(const std::string& directory, const std::vector<std::string>& parts, size_t i) const {
  if (i == parts.size() || parts[i] == "**") return true;  // what ** means is DuckDB's affair
  const Result<std::vector<DirectoryEntry>> entries = files_.list_directory(directory);
  if (!entries.ok()) return false;
  return std::ranges::any_of(*entries, [&](const DirectoryEntry& entry) {
    if (!matches(parts[i], entry.name)) return false;
    const bool is_last = i + 1 == parts.size();
    return is_last ? !entry.is_directory
                   : entry.is_directory && has_match(join_path(directory, entry.name), parts, i + 1);
  });
}

bool QueryPaths::has_files(const std::string& run_id, const std::string& pattern) const {
  return has_match(join_path(place_.store_path, run_id), split(pattern), 0);
}

// What follows the store in an absolute path, by any of the names that the store may be written by in a pattern.
std::optional<std::string> QueryPaths::absolute_in_store(const std::string& path) const {
  const std::string normal = std::filesystem::path(path).lexically_normal().string();
  for (const std::string& store : {place_.store_path, place_.shown_store_path}) {
    for (const std::string& inside : {store + "/", escape_glob(store) + "/"}) {
      if (normal.size() > inside.size() && normal.starts_with(inside)) return normal.substr(inside.size());
    }
  }
  return std::nullopt;
}

std::optional<QueryPaths::Meaning> QueryPaths::resolve(const std::string& path) const {
  if (path.empty() || path.starts_with('~') || path.find("://") != std::string::npos) return std::nullopt;
  const std::optional<std::string> in_store =
      path.starts_with('/') ? absolute_in_store(path) : path_in_store(path, Names::patterns);
  if (!in_store.has_value()) return std::nullopt;
  std::vector<std::string> parts = split(*in_store);
  if (leaves_out_feed(parts)) parts.insert(parts.begin() + 2, "*");
  Meaning meaning;
  const bool is_index = parts.size() == 2 && parts[1] == file::kStrategyIndex;
  const bool is_components = parts.size() == 2 && parts[1] == kComponents;
  if (is_index) meaning.kind = Kind::index;
  if (is_components) meaning.kind = Kind::components;
  for (const RunLocation& run : place_.all_runs) {
    if (parts.size() < 2 || !matches(parts[0], run.run_id)) continue;
    const std::string directory = join_path(place_.store_path, run.run_id);
    const bool may_be_trace =
        !is_index && !is_components && (parts[1] == "**" || matches(parts[1], file::kTracesDirectory));
    if (may_be_trace) meaning.in_runs.push_back({.run_id = run.run_id, .pattern = join_parts(parts, 1)});
    if (is_index) {
      meaning.run_ids.push_back(run.run_id);
    } else if (has_match(directory, parts, 1)) {  // DuckDB refuses a list in which one pattern finds nothing
      meaning.patterns.push_back(join_path(escape_glob(directory), join_parts(parts, 1)));
      meaning.pattern_run_ids.push_back(run.run_id);
      if (is_components) meaning.run_ids.push_back(run.run_id);
    }
  }
  // No run of that name, or nothing in it: DuckDB looks, and says what it did not find.
  if (meaning.run_ids.empty() && meaning.patterns.empty()) {
    meaning.kind = Kind::files;
    meaning.covers_runs = !parts.empty() && parts[0] == "**";
    meaning.patterns.push_back(join_path(escape_glob(place_.store_path), join_parts(parts, 0)));
  }
  return meaning;
}

// Where a path in a column may lead, absolute: to one place, or to several runs or feeds.
Result<std::vector<std::string>> QueryPaths::candidates(const std::string& path) const {
  if (path.find('\0') != std::string::npos) return Status::invalid("a path holds no NUL character");
  if (path.starts_with('/')) return std::vector<std::string>{path};
  const std::optional<std::string> in_store = path_in_store(path, Names::literal);
  if (!in_store.has_value()) return std::vector<std::string>{join_path(place_.working_directory, path)};
  const std::vector<std::string> parts = split(*in_store);
  if (parts.empty()) return std::vector<std::string>{place_.store_path};
  std::vector<std::string> found;
  const auto add = [&](const std::string& candidate) -> Status {
    SB_ASSIGN_OR_RETURN(const bool is_file, files_.file_exists(candidate));
    SB_ASSIGN_OR_RETURN(const bool is_directory, files_.directory_exists(candidate));
    SB_ASSIGN_OR_RETURN(const std::optional<File> packed, find_packed(candidate));
    if (is_file || is_directory || packed.has_value()) found.push_back(candidate);
    return Status();
  };
  const auto add_of_run = [&](std::vector<std::string> in_run) -> Status {
    SB_RETURN_IF_ERROR(add(join_path(place_.store_path, join_parts(in_run, 0))));
    if (!leaves_out_feed(in_run)) return Status();
    const std::string traces = join_path(join_path(place_.store_path, in_run[0]), file::kTracesDirectory);
    const Result<std::vector<DirectoryEntry>> feeds = files_.list_directory(traces);
    if (!feeds.ok()) return Status();
    for (const DirectoryEntry& feed : *feeds) {
      SB_RETURN_IF_ERROR(add(join_path(join_path(traces, feed.name), join_parts(in_run, 2))));
    }
    return Status();
  };
  if (is_in_run(parts[0])) {  // asked for from a store: any run may be meant
    for (const RunLocation& run : place_.all_runs) {
      std::vector<std::string> in_run = parts;
      in_run.insert(in_run.begin(), run.run_id);
      SB_RETURN_IF_ERROR(add_of_run(std::move(in_run)));
    }
  } else {
    SB_RETURN_IF_ERROR(add_of_run(parts));
  }
  // What is not there is missed where one would look for it.
  if (found.empty()) found.push_back(join_path(place_.store_path, join_parts(parts, 0)));
  return found;
}

// The trace in a pack that a path means.
Result<std::optional<QueryPaths::File>> QueryPaths::find_packed(const std::string& absolute) const {
  const std::string normal = std::filesystem::path(absolute).lexically_normal().string();
  for (const std::string& store : {place_.store_path, place_.shown_store_path}) {
    if (!normal.starts_with(store + "/")) continue;
    const std::string in_store = normal.substr(store.size() + 1);
    const size_t end = in_store.find('/');
    if (end == std::string::npos || !is_run(in_store.substr(0, end), Names::literal)) continue;
    File file = {.path = normal, .run_id = in_store.substr(0, end), .trace_path = in_store.substr(end + 1)};
    SB_ASSIGN_OR_RETURN(const bool is_packed, place_.is_packed(file.run_id, *file.trace_path));
    if (is_packed) return std::optional(std::move(file));
  }
  return std::optional<File>();
}

// That a file is there, and inside the store.
Result<QueryPaths::File> QueryPaths::check_file(const std::string& path, const std::string& found) const {
  const std::string inside = place_.store_path + "/";
  const std::string normal = std::filesystem::path(found).lexically_normal().string();
  const bool may_be_outside = !place_.confined;
  const Status outside = Status::invalid("leads out of the store " + place_.shown_store_path);
  if (!may_be_outside && !normal.starts_with(inside) && !normal.starts_with(place_.shown_store_path + "/")) {
    return outside;  // whether it is there or not
  }
  SB_ASSIGN_OR_RETURN(std::optional<File> packed, find_packed(found));
  if (packed.has_value()) return *std::move(packed);
  SB_ASSIGN_OR_RETURN(const bool is_directory, files_.directory_exists(found));
  if (is_directory) return Status::invalid("is a directory; a column names files, one by one");
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(found));
  if (!exists) {
    if (is_pattern(path)) return Status::invalid("is a pattern; a column names files, one by one");
    const std::vector<std::string> parts = split(path_in_store(path, Names::literal).value_or(path));
    const bool is_trace = std::ranges::count(parts, file::kTracesDirectory) > 0;
    if (is_trace) return Status::damaged("the trace is missing; restore it from a copy");
    return Status::not_found("there is no such file in " + place_.shown_store_path);
  }
  SB_ASSIGN_OR_RETURN(const std::string real, files_.absolute_path(found));
  if (!real.starts_with(inside)) {
    if (!may_be_outside) return outside;
    return File{.path = real, .run_id = "", .trace_path = std::nullopt};
  }
  const std::string first = real.substr(inside.size(), real.find('/', inside.size()) - inside.size());
  return File{
      .path = real, .run_id = is_run(first, Names::literal) ? first : std::string(), .trace_path = std::nullopt};
}

Result<QueryPaths::File> QueryPaths::find_file(const std::string& path) const {
  const auto find = [&]() -> Result<File> {
    if (path.empty()) return Status::invalid("is no path");
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> found, candidates(path));
    if (found.size() > 1) {
      return Status::invalid(
          fmt::format("is in {} places, such as {} and {}: begin it with the run, as trace_path does", found.size(),
                      found[0], found[1]));
    }
    return check_file(path, found[0]);
  };
  Result<File> file = find();
  if (file.ok()) return file;
  return file.status().at(fmt::format("read_parquet('{}')", path));
}

}  // namespace signalbook
