#include "query/query_paths.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "format/trace_schema.h"
#include "query/sql_views.h"

namespace signalbook {

namespace {

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
                                              "strategy_components.parquet", "metrics"};
  return names.contains(first);
}

}  // namespace

std::optional<std::string> QueryPaths::path_in_store(const std::string& path) const {
  const std::string normal = std::filesystem::path(path).lexically_normal().string();
  const std::string first = normal.substr(0, normal.find('/'));
  if (is_in_run(first)) {
    return join_path(place_.run_id.has_value() ? escape_glob(*place_.run_id) : std::string("*"), normal);
  }
  const auto is_run = [&](const RunLocation& run) { return matches(first, run.run_id); };
  if (first == file::kBarsDirectory || std::ranges::any_of(place_.all_runs, is_run)) return normal;
  const std::string inside = place_.store_path + "/";
  const bool is_store = normal.starts_with("results/");
  // Below the store its own name leads nowhere from here.
  if (!is_store || !(place_.working_directory + "/").starts_with(inside)) {
    const std::string from_here = join_path(place_.working_directory, path);
    const std::string absolute = std::filesystem::path(from_here).lexically_normal().string();
    if (absolute.starts_with(inside)) return absolute.substr(inside.size());
  }
  if (is_store) return normal.substr(std::string_view("results/").size());
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

std::optional<QueryPaths::Meaning> QueryPaths::resolve(const std::string& path) const {
  if (path.empty() || path.starts_with('/') || path.starts_with('~') || path.find("://") != std::string::npos) {
    return std::nullopt;
  }
  const std::optional<std::string> in_store = path_in_store(path);
  if (!in_store.has_value()) return std::nullopt;
  std::vector<std::string> parts = split(*in_store);
  // The specification's 'traces/signals/*/*.parquet': the feed stands between in a store.
  if (parts.size() > 2 && parts[1] == file::kTracesDirectory && (parts[2] == "signals" || parts[2] == "classifiers")) {
    parts.insert(parts.begin() + 2, "*");
  }
  Meaning meaning;
  const bool is_index = parts.size() == 2 && parts[1] == file::kStrategyIndex;
  for (const RunLocation& run : place_.all_runs) {
    if (parts.size() < 2 || !matches(parts[0], run.run_id)) continue;
    const std::string directory = join_path(place_.store_path, run.run_id);
    if (is_index) {
      meaning.run_ids.push_back(run.run_id);
    } else if (has_match(directory, parts, 1)) {  // DuckDB refuses a list in which one pattern finds nothing
      meaning.patterns.push_back(join_path(escape_glob(directory), join_parts(parts, 1)));
      meaning.pattern_run_ids.push_back(run.run_id);
    }
  }
  // No run of that name, or nothing in it: DuckDB looks, and says what it did not find.
  if (meaning.run_ids.empty() && meaning.patterns.empty()) {
    meaning.patterns.push_back(join_path(escape_glob(place_.store_path), join_parts(parts, 0)));
  }
  return meaning;
}

}  // namespace signalbook
