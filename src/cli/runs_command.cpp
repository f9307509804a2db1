#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "cli/run_filter.h"
#include "cli/sort_table.h"
#include "format/trace_schema.h"
#include "query/sql_engine.h"
#include "store/run_contents.h"
#include "store/run_files.h"
#include "store/run_inspection.h"

namespace signalbook::cli {

namespace {

struct ListedRun {
  RunLocation run;
  std::string state;
  std::optional<RunDescription> description;
  std::optional<int64_t> byte_count;  // of its directory, without bars
};

// The bytes of the traces of each run, where its index says them of every trace. From the catalogue of a large store,
// where to look at each file would take seconds.
std::map<std::string, int64_t> sum_trace_bytes(const Scope& scope, const CommonOptions& options) {
  std::map<std::string, int64_t> bytes;
  CommonOptions quiet = options;
  quiet.quiet = true;
  const Result<std::unique_ptr<SqlEngine>> engine = open_engine(scope, quiet);
  if (!engine.ok()) return bytes;
  const Result<Table> sums = ask(**engine,
                                 "SELECT run_id, sum(file_size)::BIGINT FROM strategies GROUP BY run_id HAVING "
                                 "count(*) = count(file_size)");
  if (!sums.ok()) return bytes;
  for (size_t row = 0; row < sums->row_count(); ++row) {
    bytes.emplace(sums->columns[0].texts[row], sums->columns[1].integers[row]);
  }
  return bytes;
}

Result<std::optional<int64_t>> measure_run(const ListedRun& listed, const std::map<std::string, int64_t>& trace_bytes) {
  FileSystem& files = posix_file_system();
  const auto traces = trace_bytes.find(listed.run.run_id);
  if (listed.description && listed.description->layout == layout::kFiles && traces != trace_bytes.end()) {
    int64_t bytes = traces->second;
    for (const RunDescription::File& file : listed.description->files) bytes += file.size;
    SB_ASSIGN_OR_RETURN(const auto stamp, files.stamp(join_path(listed.run.path, file::kRunDescription)));
    return std::optional(bytes + (stamp ? stamp->size : 0));
  }
  const Result<TreeSize> size = measure_tree(files, listed.run.path);
  return size.ok() ? std::optional(size->byte_count) : std::nullopt;
}

Result<std::vector<ListedRun>> find_runs(const Scope& scope) {
  FileSystem& files = posix_file_system();
  std::vector<ListedRun> found;
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> finished, runs_in_scope(files, scope));
  std::set<std::string> names;
  for (const RunLocation& run : finished) {
    ListedRun listed = {.run = run, .state = "finished", .description = {}, .byte_count = {}};
    Result<RunDescription> description = read_run_description(files, run.path);
    if (description.ok()) {
      listed.description = std::move(description).value();
    } else {
      SB_ASSIGN_OR_RETURN(const bool is_there, files.directory_exists(run.path));
      if (!is_there) continue;  // removed meanwhile
      listed.state = "damaged";
    }
    names.insert(run.run_id);
    found.push_back(std::move(listed));
  }
  if (scope.run_path) return found;
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(scope.store_path));
  for (const DirectoryEntry& entry : entries) {
    const bool is_ours = entry.name == file::kStoreDirectory || entry.name == file::kBarsDirectory;
    if (!entry.is_directory || is_ours || names.contains(entry.name)) continue;
    const std::string path = join_path(scope.store_path == "." ? "" : scope.store_path, entry.name);
    const Result<bool> is_run = looks_like_run(files, path);
    if (!is_run.ok() || !*is_run) continue;
    SB_ASSIGN_OR_RETURN(const std::vector<std::string> alive, find_alive_writers(files, path));
    found.push_back({.run = {.run_id = entry.name, .path = path},
                     .state = alive.empty() ? "unfinished" : "being written",
                     .description = {},
                     .byte_count = {}});
  }
  std::ranges::sort(found, {}, [](const ListedRun& listed) { return listed.run.run_id; });
  return found;
}

Status keep_named(const RunsOptions& options, const Scope& scope, std::vector<ListedRun>& runs) {
  if (options.runs.empty()) return Status();
  std::set<std::string> chosen;
  for (const std::string& given : options.runs) {
    const std::string name = file_name_of(given);
    bool is_found = false;
    for (const ListedRun& listed : runs) {
      const std::string& run_id = listed.run.run_id;
      if (run_id != name && ::fnmatch(name.c_str(), run_id.c_str(), 0) != 0) continue;
      chosen.insert(run_id);
      is_found = true;
    }
    if (!is_found) return find_chosen_runs({given}, scope).status();  // which says what there is
  }
  std::erase_if(runs, [&](const ListedRun& listed) { return !chosen.contains(listed.run.run_id); });
  return Status();
}

Status keep_tagged(const RunsOptions& options, std::vector<ListedRun>& runs) {
  for (const std::string& text : options.tags) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::invalid(fmt::format("--tag {} is not of the form key=value", text));
    }
    const std::pair<std::string, std::string> wanted(text.substr(0, equals), text.substr(equals + 1));
    std::erase_if(runs, [&](const ListedRun& listed) {
      return !listed.description ||
             std::ranges::find(listed.description->tags, wanted) == listed.description->tags.end();
    });
  }
  return Status();
}

std::optional<int64_t> bars_bytes(const RunDescription& description) {
  std::map<std::string, int64_t> bytes;  // two feeds may have the same bars
  for (const RunDescription::Feed& feed : description.feeds) {
    if (!feed.bars_size) return std::nullopt;
    bytes[feed.data_id] = *feed.bars_size;
  }
  int64_t sum = 0;
  for (const auto& [data_id, size] : bytes) sum += size;
  return sum;
}

Table make_table(const std::vector<ListedRun>& runs) {
  Table table;
  for (const char* const name : {"run_id", "state"}) table.add(name, ColumnType::text);
  table.add("created_at", ColumnType::timestamp);
  for (const char* const name : {"strategies", "traces", "changes"}) table.add(name, ColumnType::int64);
  table.add("layout", ColumnType::text);
  for (const char* const name : {"bytes", "bars_bytes"}) table.add(name, ColumnType::int64);
  for (const char* const name : {"code_version", "tags", "note"}) table.add(name, ColumnType::text);
  for (const ListedRun& listed : runs) {
    const std::optional<RunDescription>& run = listed.description;
    size_t column = 0;
    const auto text = [&](const std::optional<std::string>& value) {
      TableColumn& into = table.columns[column++];
      value ? into.append_text(*value) : into.append_null();
    };
    const auto number = [&](const std::optional<int64_t>& value) { table.columns[column++].append_integer(value); };
    const auto of_run = [&](auto member) { return run ? std::optional((*run).*member) : std::nullopt; };
    text(listed.run.run_id);
    text(listed.state);
    number(of_run(&RunDescription::created_at));
    number(of_run(&RunDescription::strategy_count));
    number(of_run(&RunDescription::trace_count));
    number(of_run(&RunDescription::change_count));
    text(of_run(&RunDescription::layout));
    number(listed.byte_count);
    number(run ? bars_bytes(*run) : std::nullopt);
    text(run ? run->code_version : std::nullopt);
    std::vector<std::string> tags;
    if (run) {
      for (const auto& [key, value] : run->tags) tags.push_back(key + "=" + value);
    }
    text(tags.empty() ? std::nullopt : std::optional(fmt::format("{}", fmt::join(tags, ", "))));
    text(run ? run->note : std::nullopt);
  }
  return table;
}

}  // namespace

Status run_runs(const RunsOptions& options) {
  SB_ASSIGN_OR_RETURN(Scope scope, find_scope(options.common));
  if (!options.runs.empty()) scope.run_path.reset();
  SB_ASSIGN_OR_RETURN(std::vector<ListedRun> runs, find_runs(scope));
  SB_RETURN_IF_ERROR(keep_named(options, scope, runs));
  SB_RETURN_IF_ERROR(keep_tagged(options, runs));
  const std::map<std::string, int64_t> trace_bytes = sum_trace_bytes(scope, options.common);
  int64_t sum = 0;
  for (ListedRun& listed : runs) {
    SB_ASSIGN_OR_RETURN(listed.byte_count, measure_run(listed, trace_bytes));
    sum += listed.byte_count.value_or(0);
  }
  Table table = make_table(runs);
  if (!options.common.sort_by.empty()) SB_RETURN_IF_ERROR(sort_table(table, options.common.sort_by));
  SB_RETURN_IF_ERROR(print_table(table, options.common));
  print_note(options.common,
             fmt::format("{}, {} bytes without their bars", count_of(std::ssize(runs), "run"), with_separators(sum)));
  return Status();
}

}  // namespace signalbook::cli
