#include "cli/run_filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "query/sql_text.h"

namespace signalbook::cli {

namespace {

// As a shell completes it: results/run_1/ is the run_1 of results.
std::string run_name(std::string name, const Scope& scope) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  const std::string directory = scope.store_path + "/";
  return name.starts_with(directory) ? name.substr(directory.size()) : name;
}

}  // namespace

Result<std::vector<RunLocation>> find_chosen_runs(const std::vector<std::string>& names, const Scope& scope) {
  if (names.empty()) return runs_in_scope(posix_file_system(), scope);
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(posix_file_system(), scope.store_path));
  std::set<std::string> chosen;
  for (const std::string& given : names) {
    const std::string name = run_name(given, scope);
    bool is_found = false;
    for (const RunLocation& run : runs) {
      if (run.run_id != name && ::fnmatch(name.c_str(), run.run_id.c_str(), 0) != 0) continue;
      chosen.insert(run.run_id);
      is_found = true;
    }
    if (is_found) continue;
    constexpr size_t kMostNamed = 12;
    std::vector<std::string> known;
    for (size_t i = 0; i < runs.size() && i < kMostNamed; ++i) known.push_back(runs[i].run_id);
    return Status::not_found(
        fmt::format("no run of {} fits --run {}; there are {}{}", scope.store_path, given, fmt::join(known, ", "),
                    runs.size() > kMostNamed ? fmt::format(" and {} more", runs.size() - kMostNamed) : ""));
  }
  std::vector<RunLocation> found;
  std::ranges::copy_if(runs, std::back_inserter(found),
                       [&](const RunLocation& run) { return chosen.contains(run.run_id); });
  return found;
}

Result<std::string> choose_runs(const std::vector<std::string>& names, Scope& scope) {
  if (names.empty()) return std::string();
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> chosen, find_chosen_runs(names, scope));
  scope.run_path.reset();
  if (chosen.size() == 1) {
    scope.run_path = chosen.front().path;
    return std::string();
  }
  std::vector<std::string> quoted;
  for (const RunLocation& run : chosen) quoted.push_back(quote_sql_text(run.run_id));
  return fmt::format("run_id IN ({})", fmt::join(quoted, ", "));
}

}  // namespace signalbook::cli
