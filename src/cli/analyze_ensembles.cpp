#include "cli/analyze_ensembles.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/study_scope.h"
#include "study/ensembles.h"

namespace signalbook::cli {

namespace {

const char* to_string(EnsembleVerdict verdict) {
  switch (verdict) {
    case EnsembleVerdict::equal:
      return "equal";
    case EnsembleVerdict::differs:
      return "differs";
    case EnsembleVerdict::unknown:
      return "unknown";
  }
  return "";
}

Table ensembles_table(const std::vector<EnsembleCheck>& checks, const StudyRuns& study) {
  Table table;
  const auto texts = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::text);
    for (const EnsembleCheck& check : checks) {
      const std::string text = value(check);
      text.empty() ? column.append_null() : column.append_text(text);
    }
  };
  const auto integers = [&](const char* name, ColumnType type, auto&& value) {
    TableColumn& column = table.add(name, type);
    for (const EnsembleCheck& check : checks) {
      const std::optional<int64_t> number = value(check);
      column.append_integer(number);
    }
  };
  using Difference = EnsembleCheck::Comparison::Difference;
  const auto difference = [](const EnsembleCheck& check) {
    return check.comparison ? check.comparison->first_difference : std::optional<Difference>();
  };
  const auto reals = [&](const char* name, double Difference::*value) {
    TableColumn& column = table.add(name, ColumnType::real);
    for (const EnsembleCheck& check : checks) {
      const std::optional<Difference> first = difference(check);
      first ? column.append_real((*first).*value) : column.append_null();
    }
  };
  texts("run_id", [&](const EnsembleCheck& check) { return study.run_ids.at(check.run); });
  texts("strategy_id", [](const EnsembleCheck& check) { return check.row->strategy_id; });
  texts("strategy_hash", [](const EnsembleCheck& check) { return check.row->strategy_hash(); });
  texts("symbol", [](const EnsembleCheck& check) { return check.row->symbol; });
  texts("timeframe", [](const EnsembleCheck& check) { return check.row->timeframe; });
  texts("verdict", [](const EnsembleCheck& check) { return std::string(to_string(check.verdict)); });
  texts("reason", [](const EnsembleCheck& check) { return check.reason; });
  texts("rule", [](const EnsembleCheck& check) { return check.comparison ? check.comparison->rule : ""; });
  const auto count = [&](const char* name, auto&& value) { integers(name, ColumnType::int64, value); };
  count("leaves", [](const EnsembleCheck& check) { return std::optional(check.leaf_count); });
  count("leaves_found", [](const EnsembleCheck& check) { return std::optional(check.leaves_found); });
  count("bars", [](const EnsembleCheck& check) {
    return check.comparison ? std::optional(check.comparison->bar_count) : std::nullopt;
  });
  count("equal_bars", [](const EnsembleCheck& check) {
    return check.comparison ? std::optional(check.comparison->equal_bars) : std::nullopt;
  });
  count("first_difference_idx", [&](const EnsembleCheck& check) {
    const std::optional<Difference> first = difference(check);
    return first ? std::optional(first->idx) : std::nullopt;
  });
  integers("first_difference_ts", ColumnType::timestamp, [&](const EnsembleCheck& check) {
    const std::optional<Difference> first = difference(check);
    return first ? first->ts : std::nullopt;
  });
  reals("stored", &Difference::stored);
  reals("recomputed", &Difference::recomputed);
  return table;
}

}  // namespace

Status analyze_ensembles(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_RETURN_IF_ERROR(parse_format(options.common.format).status());  // before anything is read
  SB_ASSIGN_OR_RETURN(const StudyRuns study, open_study_runs(options));
  std::vector<std::unique_ptr<RunReader>> others;  // that hold leaves of the chosen runs
  const auto open_others = [&]() -> Result<std::vector<RunReader*>> {
    FileSystem& files = posix_file_system();
    std::set<std::string> known;
    for (const auto& [run, name] : study.run_ids) known.insert(name);
    SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(files, study.store_path));
    std::vector<RunReader*> readers;
    for (const RunLocation& run : runs) {
      if (known.contains(run.run_id)) continue;
      Result<std::unique_ptr<RunReader>> reader = RunReader::open(files, run.path);
      if (!reader.ok()) {
        print_note(options.common, "no leaves are looked for in a run: " + reader.status().message());
        continue;
      }
      others.push_back(std::move(reader).value());
      readers.push_back(others.back().get());
    }
    return readers;
  };
  SB_ASSIGN_OR_RETURN(
      const std::vector<EnsembleCheck> checks,
      check_ensembles(study.readers(), {options.symbol, options.timeframe}, control, open_others, study.wanted));
  if (checks.empty()) print_note(options.common, "no strategy here has others inside it");
  SB_RETURN_IF_ERROR(print_table(ensembles_table(checks, study), options.common));

  const auto count = [&](EnsembleVerdict verdict) {
    return static_cast<int64_t>(std::ranges::count(checks, verdict, &EnsembleCheck::verdict));
  };
  const int64_t differing = count(EnsembleVerdict::differs), unknown = count(EnsembleVerdict::unknown);
  if (unknown > 0) print_note(options.common, fmt::format("of {} it cannot be told", count_of(unknown, "composite")));
  if (differing == 0) return Status();
  return Status::not_found(with_separators(differing) + " of " +
                           count_of(static_cast<int64_t>(checks.size()), "composite") +
                           (differing == 1 ? " says what its leaves do not" : " say what their leaves do not"));
}

}  // namespace signalbook::cli
