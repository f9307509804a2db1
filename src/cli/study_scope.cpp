#include "cli/study_scope.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "cli/find_strategy.h"
#include "cli/parameter_filter.h"
#include "cli/run_filter.h"
#include "store/run_inspection.h"

namespace signalbook::cli {

namespace {

struct AnalyzedRuns {
  Scope scope;
  std::vector<RunLocation> runs;
};

Result<AnalyzedRuns> find_runs(const AnalyzeCommandOptions& options) {
  FileSystem& files = posix_file_system();
  CommonOptions common = options.common;
  if (!options.path.empty()) {
    SB_ASSIGN_OR_RETURN(common.store, find_run_directory(options.path, options.common));
    SB_ASSIGN_OR_RETURN(const bool is_run, looks_like_run(files, common.store));
    if (is_run && !options.runs.empty()) return Status::invalid("--run is for a store; " + common.store + " is a run");
  }
  AnalyzedRuns found;
  SB_ASSIGN_OR_RETURN(found.scope, find_scope(common));
  SB_ASSIGN_OR_RETURN(found.runs, find_chosen_runs(options.runs, found.scope));
  if (found.runs.empty()) return no_finished_run(files, found.scope.store_path);
  return found;
}

// Places of traces that fit: run and strategy, told by the index.
using ChosenTraces = std::set<std::pair<std::string, int64_t>>;

Result<ChosenTraces> choose_traces(const AnalyzedRuns& analyzed, const AnalyzeCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(analyzed.scope, options.common));
  SB_ASSIGN_OR_RETURN(const ParameterView view,
                      describe_parameters(*engine, "strategies", "strategy_digest", "strategy_config"));
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> conditions, filter_conditions(*engine, view, options.filter));
  SB_ASSIGN_OR_RETURN(const Table table, ask(*engine, fmt::format("SELECT run_id, trace_id FROM strategies WHERE {}",
                                                                  fmt::join(conditions, " AND "))));
  ChosenTraces chosen;
  for (size_t i = 0; i < table.row_count(); ++i) {
    chosen.emplace(table.columns[0].texts[i], table.columns[1].integers[i]);
  }
  return chosen;
}

void print_left_out(const FeedTraces& feed, const CommonOptions& options) {
  if (!feed.left_out.empty()) {
    print_note(options, fmt::format("{} broke off before bar {} and {} left out, {} first",
                                    count_of(static_cast<int64_t>(feed.left_out.size()), "trace"), feed.bar_count,
                                    feed.left_out.size() == 1 ? "is" : "are", feed.left_out.front()->strategy_id));
  }
  if (feed.silent_count > 0) {
    print_note(options, fmt::format("{} said nothing on any bar and {} left out",
                                    count_of(feed.silent_count, "trace has", "traces have"),
                                    feed.silent_count == 1 ? "is" : "are"));
  }
  if (feed.repeated_count > 0) {
    print_note(options, fmt::format("{} in several runs count once", count_of(feed.repeated_count, "trace")));
  }
}

}  // namespace

Result<std::vector<RunLocation>> find_analyzed_runs(const AnalyzeCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(AnalyzedRuns found, find_runs(options));
  return std::move(found.runs);
}

Result<StudyRuns> open_study_runs(const AnalyzeCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const AnalyzedRuns analyzed, find_runs(options));
  const StrategyFilter& filter = options.filter;
  const bool is_filtered = !filter.type.empty() || !filter.parameters.empty() || !filter.where.empty();
  ChosenTraces chosen;
  if (is_filtered) {
    SB_ASSIGN_OR_RETURN(chosen, choose_traces(analyzed, options));
  }

  StudyRuns study;
  study.store_path = analyzed.scope.store_path;
  for (const RunLocation& run : analyzed.runs) {
    Result<std::unique_ptr<RunReader>> reader = RunReader::open(posix_file_system(), run.path);
    if (!reader.ok()) {
      if (analyzed.runs.size() == 1) return reader.status();
      print_note(options.common, "left out: " + reader.status().message());
      continue;
    }
    study.runs.push_back(std::move(reader).value());
    study.run_ids.emplace(study.runs.back().get(), run.run_id);
  }
  if (is_filtered) {
    study.wanted = [chosen = std::move(chosen), run_ids = study.run_ids](const RunReader& run, const IndexRow& row) {
      return chosen.contains({run_ids.at(&run), row.trace_id});
    };
  }
  return study;
}

std::vector<RunReader*> StudyRuns::readers() const {
  std::vector<RunReader*> readers;
  for (const std::unique_ptr<RunReader>& run : runs) readers.push_back(run.get());
  return readers;
}

Result<StudyScope> read_study_scope(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(StudyRuns runs, open_study_runs(options));
  StudyScope study = {std::move(runs), {}};
  SB_ASSIGN_OR_RETURN(study.feed,
                      read_feed_traces(study.readers(), {options.symbol, options.timeframe}, control, study.wanted));
  print_left_out(study.feed, options.common);
  return study;
}

}  // namespace signalbook::cli
