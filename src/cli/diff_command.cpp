#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/find_strategy.h"
#include "cli/run_diff.h"
#include "format/config_diff.h"
#include "format/short_digest.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"
#include "ingest/strategy_file.h"
#include "query/arrow_c_stream.h"

namespace signalbook::cli {

namespace {

// ---- What is meant --------------------------------------------------------------------------------------------------

// The directory of a run: a path, or the name of one in the store. Nothing when it is none.
Result<std::optional<std::string>> find_run(const CommonOptions& options, const std::string& name) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(const bool is_directory, files.directory_exists(name));
  if (is_directory) {
    SB_ASSIGN_OR_RETURN(const bool is_run, files.file_exists(join_path(name, file::kStrategyIndex)));
    if (is_run) return std::optional(name);
  }
  // Directories and files are compared where there is no store, too.
  const Result<Scope> scope = find_scope(options);
  if (!scope.ok()) return std::optional<std::string>();
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(files, scope->store_path));
  for (const RunLocation& run : runs) {
    if (run.run_id == name) return std::optional(run.path);
  }
  return std::optional<std::string>();
}

struct Strategy {
  JsonValue node;  // normalised
  std::string digest;
};

Result<Strategy> make_strategy(const JsonValue& config) {
  SB_ASSIGN_OR_RETURN(JsonValue node, normalize_strategy(config));
  std::string digest = to_hex(identify_normalized(node).digest);
  return Strategy{std::move(node), std::move(digest)};
}

Result<Strategy> read_strategy(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const std::vector<StrategyEntry> entries, read_strategy_file(path == "-" ? "/dev/stdin" : path));
  if (entries.size() != 1) {
    return Status::invalid(fmt::format("{}: {} configurations, diff compares one with another; give a file of one",
                                       path == "-" ? "standard input" : path, entries.size()));
  }
  Result<Strategy> strategy = make_strategy(entries.front().config);
  return strategy.ok() ? strategy : strategy.status().at(entries.front().origin);
}

Result<Strategy> find_strategy(const CommonOptions& options, const std::string& name) {
  SB_ASSIGN_OR_RETURN(const bool is_file, posix_file_system().file_exists(name));
  if (name == "-" || is_file) return read_strategy(name);
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options));
  SB_ASSIGN_OR_RETURN(const std::string condition, strategy_condition(*engine, name));
  SB_RETURN_IF_ERROR(print_prefix_note(*engine, name, condition, "", options));
  SB_ASSIGN_OR_RETURN(const std::vector<Candidate> found, find_candidates(*engine, condition));
  if (found.size() > 1) {
    return Status::invalid(
        fmt::format("{} names {} strategies in several runs; give digits of a hash:", name, found.size()) +
        list_candidates(found));
  }
  SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(found.front().config));
  return make_strategy(config);
}

// ---- Two strategies -------------------------------------------------------------------------------------------------

Table changes_table(const std::vector<ConfigChange>& changes) {
  Table table;
  for (const char* name : {"change", "path", "a", "b"}) table.add(name, ColumnType::text);
  for (const ConfigChange& change : changes) {
    table.columns[0].append_text(to_string(change.kind));
    table.columns[1].append_text(path_text(path_of(change)));
    const bool is_added = change.kind == ConfigChange::Kind::added,
               is_removed = change.kind == ConfigChange::Kind::removed;
    is_added ? table.columns[2].append_null() : table.columns[2].append_text(to_json(change.a));
    is_removed ? table.columns[3].append_null() : table.columns[3].append_text(to_json(change.b));
  }
  return table;
}

Status diff_strategies(const DiffOptions& options) {
  if (options.a == "-" && options.b == "-") return Status::invalid("standard input can be one of the two, not both");
  SB_ASSIGN_OR_RETURN(const Strategy a, find_strategy(options.common, options.a));
  SB_ASSIGN_OR_RETURN(const Strategy b, find_strategy(options.common, options.b));
  const std::vector<ConfigChange> changes = diff_configs(a.node, b.node);
  SB_RETURN_IF_ERROR(print_table(changes_table(changes), options.common));
  if (a.digest == b.digest) return Status();
  std::vector<std::string> digests = {a.digest, b.digest};
  std::ranges::sort(digests);
  size_t digits = digits_to_tell_apart(digests, kStrategyHashLength);
  if (digits > kStrategyHashLength) digits = std::max(digits, kCollisionDigits);
  const bool is_spelling = std::ranges::all_of(
      changes, [](const ConfigChange& change) { return change.kind == ConfigChange::Kind::spelling; });
  return Status::not_found(
      fmt::format("{} and {} differ: {}", a.digest.substr(0, digits), b.digest.substr(0, digits),
                  is_spelling ? "same values, other spelling (2 and 2.0)"
                              : fmt::format("{} change{}", changes.size(), changes.size() == 1 ? "" : "s")));
}

// ---- Two runs -------------------------------------------------------------------------------------------------------

Status diff_runs(const DiffOptions& options, const std::string& run_a, const std::string& run_b) {
  SB_RETURN_IF_ERROR(parse_format(options.common.format).status());  // before anything is read
  const bool is_for_people = options.common.format == "table" || options.common.format == "md";
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunDiff> diff,
                      RunDiff::open(run_a, run_b, {.all = options.all, .all_digits = !is_for_people}));
  ArrowArrayStream stream;
  diff->stream(&stream);
  const Status printed = print_result(&stream, options.common);
  SB_ASSIGN_OR_RETURN(const RunDiffCounts counts, diff->finish());
  SB_RETURN_IF_ERROR(printed);
  const std::string text = fmt::format(
      "{} only in {}, {} only in {}; in both {} with the same trace, {} with another trace on the same bars, {} on "
      "other bars",
      with_separators(counts.only_a), run_a, with_separators(counts.only_b), run_b, with_separators(counts.same),
      with_separators(counts.other_trace), with_separators(counts.other_data));
  if (counts.is_different()) return Status::not_found("these runs differ: " + text);
  print_note(options.common, "these runs say the same: " + text);
  return Status();
}

}  // namespace

Status run_diff(const DiffOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> run_a, find_run(options.common, options.a));
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> run_b, find_run(options.common, options.b));
  if (run_a && run_b) return diff_runs(options, *run_a, *run_b);
  if (run_a || run_b) {
    return Status::invalid(fmt::format("{} is a run and {} is none; diff compares two runs or two strategies",
                                       run_a ? options.a : options.b, run_a ? options.b : options.a));
  }
  return diff_strategies(options);
}

}  // namespace signalbook::cli
