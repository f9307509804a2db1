#include "cli/analyze_regimes.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/metric_terms_input.h"
#include "cli/strategy_columns.h"
#include "cli/study_scope.h"
#include "study/regimes.h"
#include "study/study_window.h"

namespace signalbook::cli {

namespace {

// Runs that were opened to look for a classifier.
struct OtherRuns {
  std::vector<std::unique_ptr<RunReader>> readers;
  std::vector<NamedRun> names;
};

// The runs of the store around the strategies, as far as they can be read and are not among these.
Result<OtherRuns> open_other_runs(const AnalyzeCommandOptions& options, const StudyScope& study) {
  CommonOptions common = options.common;
  if (!options.path.empty()) {
    SB_ASSIGN_OR_RETURN(common.store, find_run_directory(options.path, options.common));
  }
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(common));
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(posix_file_system(), scope.store_path));
  OtherRuns others;
  for (const RunLocation& run : runs) {
    const bool is_known =
        std::ranges::any_of(study.run_ids, [&](const auto& known) { return known.second == run.run_id; });
    if (is_known) continue;
    Result<std::unique_ptr<RunReader>> reader = RunReader::open(posix_file_system(), run.path);
    if (!reader.ok()) continue;
    others.readers.push_back(std::move(reader).value());
    others.names.push_back({.run_id = run.run_id, .run = others.readers.back().get()});
  }
  return others;
}

// In the runs of the strategies, else in the others of their store, which are opened into `others`.
Result<ClassifierTrace> find_in_store(const AnalyzeCommandOptions& options, const StudyScope& study, int64_t bar_count,
                                      OtherRuns& others) {
  std::vector<NamedRun> runs;
  for (const auto& run : study.runs) runs.push_back({.run_id = study.run_ids.at(run.get()), .run = run.get()});
  Result<ClassifierTrace> found = find_classifier(runs, study.feed, bar_count, options.by_regime);
  if (found.status().code() != StatusCode::not_found) return found;
  SB_ASSIGN_OR_RETURN(others, open_other_runs(options, study));
  runs.insert(runs.end(), others.names.begin(), others.names.end());
  return find_classifier(runs, study.feed, bar_count, options.by_regime);
}

Table regimes_table(const std::vector<RegimeRow>& rows, const StudyScope& study) {
  Table table;
  add_strategy_columns(table);
  for (const RegimeRow& row : rows) append_strategy(table, 0, study, row.trace);
  TableColumn& regime = table.add("regime", ColumnType::text);
  for (const RegimeRow& row : rows) row.label ? regime.append_text(*row.label) : regime.append_null();
  const auto reals = [&](const char* name, auto field) {
    TableColumn& column = table.add(name, ColumnType::real);
    for (const RegimeRow& row : rows) column.append_real(row.*field);
  };
  const auto integers = [&](const char* name, auto field) {
    TableColumn& column = table.add(name, ColumnType::int64);
    for (const RegimeRow& row : rows) column.append_integer(row.*field);
  };
  integers("bars", &RegimeRow::bars);
  reals("bars_share", &RegimeRow::bars_share);
  reals("return_sum", &RegimeRow::return_sum);
  reals("mean_return", &RegimeRow::mean_return);
  reals("annual_volatility", &RegimeRow::annual_volatility);
  reals("sharpe_ratio", &RegimeRow::sharpe_ratio);
  integers("trade_count", &RegimeRow::trade_count);
  reals("win_rate", &RegimeRow::win_rate);
  return table;
}

}  // namespace

Status answer_by_regime(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const MetricTerms terms, read_metric_terms(options));
  SB_ASSIGN_OR_RETURN(const StudyScope study, read_study_scope(options, control));
  SB_ASSIGN_OR_RETURN(const StudyWindow window, find_study_window(study.feed, terms));
  OtherRuns others;
  SB_ASSIGN_OR_RETURN(const ClassifierTrace classifier, find_in_store(options, study, window.earning().end, others));
  SB_ASSIGN_OR_RETURN(const std::vector<RegimeRow> rows,
                      measure_by_regime(study.feed, terms, classifier.labels, control));
  SB_RETURN_IF_ERROR(print_table(regimes_table(rows, study), options.common));
  print_note(options.common,
             fmt::format("regimes are those of {} ({} {}) in run {}", classifier.row->strategy_id,
                         classifier.row->strategy_type, classifier.row->strategy_hash(), classifier.run_id));
  return Status();
}

}  // namespace signalbook::cli
