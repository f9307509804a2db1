#include "cli/run_filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

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

Result<std::string> choose_runs(const std::vector<std::string>& names, Scope& scope) {
  if (names.empty()) return std::string();
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
  scope.run_path.reset();
  for (const RunLocation& run : runs) {
    if (chosen.size() == 1 && chosen.contains(run.run_id)) scope.run_path = run.path;
  }
  if (chosen.size() == 1) return std::string();
  std::vector<std::string> quoted;
  for (const std::string& run_id : chosen) quoted.push_back(quote_sql_text(run_id));
  return fmt::format("run_id IN ({})", fmt::join(quoted, ", "));
}

}  // namespace signalbook::cli
