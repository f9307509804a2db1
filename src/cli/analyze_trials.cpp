#include "cli/analyze_trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "cli/find_strategy.h"
#include "cli/metric_terms_input.h"
#include "cli/sort_table.h"
#include "cli/study_scope.h"
#include "store/store.h"
#include "study/trials.h"

namespace signalbook::cli {

namespace {

constexpr int64_t kRowsOfTable = 10;

// ---- The store around what is looked at

// A strategy that did the same in several runs was tried once.
using TrialKey = std::pair<Digest, TraceHash>;
TrialKey key_of(const IndexRow& row) { return {row.strategy_digest, row.trace_hash}; }

// Every strategy of the store that was tried on the bars of those asked about, and which those are. Choosing some of
// many makes nobody luckier: the others stay trials, with their Sharpe ratios.
struct TriedStrategies {
  StudyScope study;
  std::set<TrialKey> asked_about;
  int64_t broken_off_count = 0;  // others that cannot be held against them, and were tried all the same

  int64_t other_count() const {
    return static_cast<int64_t>(study.feed.traces.size() - asked_about.size()) + broken_off_count;
  }
};

Status open_other_runs(StudyScope& study, const AnalyzeCommandOptions& options) {
  std::set<std::string> known;  // those that cannot be read among them: they have been named
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> asked_about, find_analyzed_runs(options));
  for (const RunLocation& run : asked_about) known.insert(run.run_id);
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, list_runs(posix_file_system(), study.store_path));
  for (const RunLocation& run : runs) {
    if (known.contains(run.run_id)) continue;
    Result<std::unique_ptr<RunReader>> reader = RunReader::open(posix_file_system(), run.path);
    if (!reader.ok()) {
      print_note(options.common, "left out: " + reader.status().message());
      continue;
    }
    study.runs.push_back(std::move(reader).value());
    study.run_ids.emplace(study.runs.back().get(), run.run_id);
  }
  return Status();
}

Result<TriedStrategies> read_tried_strategies(const AnalyzeCommandOptions& options, const StudyControl& control) {
  TriedStrategies tried;
  StudyScope& study = tried.study;
  SB_ASSIGN_OR_RETURN(study, read_study_scope(options, control));
  for (const FeedTrace& trace : study.feed.traces) tried.asked_about.insert(key_of(*trace.row));
  SB_RETURN_IF_ERROR(open_other_runs(study, options));
  const auto is_other = [&](const IndexRow& row) {
    return row.kind == SignalKind::number && row.data_id == study.feed.data_id && row.symbol == study.feed.symbol &&
           row.timeframe == study.feed.timeframe && row.change_count > 0 && !tried.asked_about.contains(key_of(row));
  };
  const bool has_others =
      std::ranges::any_of(study.runs, [&](const auto& run) { return std::ranges::any_of(run->rows(), is_other); });
  if (!has_others) return tried;
  const FeedChoice same_bars = {.symbol = study.feed.symbol,
                                .timeframe = study.feed.timeframe,
                                .data_id = study.feed.data_id,
                                .bar_count = study.feed.bar_count};
  study.feed = FeedTraces();
  SB_ASSIGN_OR_RETURN(study.feed, read_feed_traces(study.readers(), same_bars, control));
  // One that is whole in another run is no other trial.
  std::set<Digest> whole, broken_off;
  for (const FeedTrace& trace : study.feed.traces) whole.insert(trace.row->strategy_digest);
  for (const IndexRow* const row : study.feed.left_out) {
    if (!whole.contains(row->strategy_digest)) broken_off.insert(row->strategy_digest);
  }
  tried.broken_off_count = static_cast<int64_t>(broken_off.size());
  return tried;
}

// ---- What is said of it

// Never rounded up: what is not believed does not look as if it were.
std::string probability_text(double probability) { return fmt::format("{:.3f}", std::floor(probability * 1e3) / 1e3); }

const char* shape_name(GridShape shape) {
  switch (shape) {
    case GridShape::plateau:
      return "plateau";
    case GridShape::peak:
      return "peak";
    case GridShape::slope:
      return "slope";
  }
  return "";
}

enum class Verdict { edge, no_evidence, undefined };

Verdict verdict_of(const TrialStudy& study) {
  const Trial* const best = study.best();
  if (best == nullptr || !best->deflated_sharpe) return Verdict::undefined;
  return *best->deflated_sharpe >= kTrialConfidence ? Verdict::edge : Verdict::no_evidence;
}

const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::edge ? "edge" : verdict == Verdict::no_evidence ? "no evidence" : "undefined";
}

std::string luck_text(const TrialStudy& study, const Trial& best) {
  const auto trials = with_separators(study.trial_count);
  const bool is_believed = verdict_of(study) == Verdict::edge;
  if (!study.expected_maximum) {
    return fmt::format(
        "; how much of it is the luck of {} trials cannot be told from one: that needs Sharpe ratios of others",
        trials);
  }
  if (!best.deflated_sharpe) return "; how sure that is cannot be told from so few returns";
  if (study.trial_count == 1) {
    return fmt::format("; if nothing else was tried it is above 0 with a probability of {}, which is {} of an edge",
                       probability_text(*best.deflated_sharpe), is_believed ? "evidence" : "no evidence");
  }
  std::string text = fmt::format("; the luck of {} trials explains {:.2f}", trials, *study.expected_maximum);
  if (study.implied_expected_maximum) {
    text += fmt::format(" ({:.2f} if they are the {} independent ones that their correlation implies)",
                        *study.implied_expected_maximum, with_separators(*study.implied_trials));
  }
  text += fmt::format(": deflated Sharpe ratio {}, which is {} of an edge", probability_text(*best.deflated_sharpe),
                      is_believed ? "evidence" : "no evidence");
  if (!is_believed && study.implied_deflated_sharpe.value_or(0) >= kTrialConfidence) {
    text +=
        fmt::format(" (by the implied trials alone it would be {})", probability_text(*study.implied_deflated_sharpe));
  }
  return text;
}

std::string verdict_text(const FeedTraces& feed, const TrialStudy& study) {
  const auto count = count_of(static_cast<int64_t>(study.trials.size()), "strategy", "strategies");
  const Trial* const best = study.best();
  if (best == nullptr) return fmt::format("Of {} none has returns that vary, so there is no best.", count);
  const IndexRow& row = *feed.traces[best->trace].row;
  std::string text = fmt::format("The best of {}, {}, has a Sharpe ratio of {:.2f}{}.", count, row.strategy_id,
                                 *best->sharpe_ratio, luck_text(study, *best));
  if (best->is_ruined) text += " It lost all of its equity on the way.";
  if (const auto& around = best->neighbourhood; around && around->shape) {
    const bool is_one = around->neighbours.size() == 1;
    text += fmt::format(
        " Its {} in the parameters {} {} of it: a {}.",
        count_of(static_cast<int64_t>(around->neighbours.size()), "neighbour"), is_one ? "keeps" : "keep",
        *around->kept > 0 ? fmt::format("{:.0f}%", *around->kept * 100) : "nothing", shape_name(*around->shape));
  }
  if (study.overfitting_probability) {
    text += fmt::format(
        " Chosen on half of the bars, the best{} is no better than the median on the others in {:.0f}% of the splits "
        "(PBO), and loses there in {:.0f}%.",
        study.trials.size() < feed.traces.size() ? " of all" : "", *study.overfitting_probability * 100,
        *study.loss_probability * 100);
  }
  return text;
}

// ---- Tables

// By the type of the value.
void append(TableColumn& column, std::optional<double> value) { column.append_real(value); }
void append(TableColumn& column, std::optional<int64_t> value) { column.append_integer(value); }
void append(TableColumn& column, std::optional<std::string> value) {
  value ? column.append_text(std::move(*value)) : column.append_null();
}

// Whole bars: the first number of them that is enough.
std::optional<int64_t> whole_bars(std::optional<double> bars) {
  constexpr double kMost = 1e15;
  if (!bars || *bars > kMost) return std::nullopt;
  return static_cast<int64_t>(std::ceil(*bars));
}

std::optional<std::string> shape_of(const Trial& trial) {
  if (!trial.neighbourhood || !trial.neighbourhood->shape) return std::nullopt;
  return shape_name(*trial.neighbourhood->shape);
}

Table trials_table(const StudyScope& scope, const TrialStudy& study) {
  Table table;
  const auto column = [&](const char* name, ColumnType type, auto&& value) {
    TableColumn& cells = table.add(name, type);
    for (const Trial& trial : study.trials) append(cells, value(trial));
  };
  const auto trace = [&](const Trial& trial) -> const FeedTrace& { return scope.feed.traces[trial.trace]; };
  using Text = std::optional<std::string>;
  using Real = std::optional<double>;
  using Count = std::optional<int64_t>;
  column("run_id", ColumnType::text, [&](const Trial& trial) -> Text { return scope.run_ids.at(trace(trial).run); });
  column("strategy_id", ColumnType::text, [&](const Trial& trial) -> Text { return trace(trial).row->strategy_id; });
  column("strategy_hash", ColumnType::text,
         [&](const Trial& trial) -> Text { return trace(trial).row->strategy_hash(); });
  column("sharpe_ratio", ColumnType::real, [](const Trial& trial) { return trial.sharpe_ratio; });
  column("probabilistic_sharpe", ColumnType::real, [](const Trial& trial) { return trial.probabilistic_sharpe; });
  column("deflated_sharpe", ColumnType::real, [](const Trial& trial) { return trial.deflated_sharpe; });
  column("min_track_record_bars", ColumnType::int64,
         [](const Trial& trial) { return whole_bars(trial.minimum_track_record); });
  column("min_track_record_years", ColumnType::real, [&](const Trial& trial) -> Real {
    if (!trial.minimum_track_record) return std::nullopt;
    return *trial.minimum_track_record / study.bars_per_year;
  });
  column("shape", ColumnType::text, shape_of);
  column("neighbours", ColumnType::int64, [](const Trial& trial) -> Count {
    if (!trial.neighbourhood) return std::nullopt;
    return static_cast<int64_t>(trial.neighbourhood->neighbours.size());
  });
  column("neighbour_sharpe", ColumnType::real,
         [](const Trial& trial) { return trial.neighbourhood ? trial.neighbourhood->mean : std::nullopt; });
  column("kept", ColumnType::real,
         [](const Trial& trial) { return trial.neighbourhood ? trial.neighbourhood->kept : std::nullopt; });
  return table;
}

// One row.
Table summary_table(const StudyScope& scope, const TrialStudy& study, const AnalyzeCommandOptions& options) {
  Table table;
  const auto text = [&](const char* name, std::optional<std::string> value) {
    append(table.add(name, ColumnType::text), std::move(value));
  };
  const auto count = [&](const char* name, std::optional<int64_t> value) {
    append(table.add(name, ColumnType::int64), value);
  };
  const auto real = [&](const char* name, std::optional<double> value) {
    append(table.add(name, ColumnType::real), value);
  };
  const FeedTraces& feed = scope.feed;
  const auto strategies = static_cast<int64_t>(study.trials.size());
  const auto varying =
      std::ranges::count_if(study.trials, [](const Trial& trial) { return trial.sharpe_ratio.has_value(); });
  text("symbol", feed.symbol);
  text("timeframe", feed.timeframe);
  text("data_id", feed.data_id);
  count("bar_count", study.window.size());
  real("bars_per_year", study.bars_per_year);
  count("strategies", strategies);
  count("without_variance", strategies - varying);
  count("trials", study.trial_count);
  count("implied_trials", study.implied_trials);
  count("clusters", study.clusters);
  real("mean_correlation", study.mean_correlation);
  real("sharpe_variance", study.sharpe_variance);
  real("expected_max_sharpe", study.expected_maximum);
  real("implied_expected_max_sharpe", study.implied_expected_maximum);
  const Trial* const best = study.best();
  const FeedTrace* const trace = best == nullptr ? nullptr : &feed.traces[best->trace];
  const Trial none;
  const Trial& figures = best == nullptr ? none : *best;
  text("best_run_id", trace ? std::optional(scope.run_ids.at(trace->run)) : std::nullopt);
  text("best_strategy_id", trace ? std::optional(trace->row->strategy_id) : std::nullopt);
  text("best_strategy_hash", trace ? std::optional(trace->row->strategy_hash()) : std::nullopt);
  real("best_sharpe_ratio", figures.sharpe_ratio);
  real("best_probabilistic_sharpe", figures.probabilistic_sharpe);
  real("best_deflated_sharpe", figures.deflated_sharpe);
  real("best_implied_deflated_sharpe", study.implied_deflated_sharpe);
  count("best_min_track_record_bars", whole_bars(figures.minimum_track_record));
  text("best_shape", shape_of(figures));
  count("blocks", options.blocks);
  real("overfitting_probability", study.overfitting_probability);
  real("loss_probability", study.loss_probability);
  real("degradation_slope", study.degradation_slope);
  text("verdict", verdict_name(verdict_of(study)));
  text("statement", verdict_text(feed, study));
  return table;
}

// For people: csv and json have all digits.
void round_reals(Table& table) {
  for (TableColumn& column : table.columns) {
    for (double& value : column.reals) value = std::round(value * 1e4) / 1e4;
  }
}

// Under each other, without the sentence that follows them, and without what the table of the strategies shows above.
void print_figures(Table summary) {
  round_reals(summary);
  for (const TableColumn& column : summary.columns) {
    if (column.name.starts_with("best_") && column.name != "best_implied_deflated_sharpe") continue;
    if (column.name == "statement" || column.name == "data_id") continue;
    print_out("{:<36}{}\n", column.name, column.is_null(0) ? "-" : escape_lines(cell_text(column, 0)));
  }
}

void print_notes(const TriedStrategies& tried, const TrialStudy& study, const AnalyzeCommandOptions& options) {
  if (const int64_t others = tried.other_count(); others > 0) {
    print_note(options.common,
               fmt::format("{} of the store on the same bars {}", count_of(others, "more trace"),
                           options.trial_count ? "would count as trials without --trial-count" : "count as trials"));
  }
  if (!study.no_overfitting.empty() && study.best() != nullptr) {
    print_note(options.common, "no probability of overfitting: " + study.no_overfitting);
  }
  if (!study.clusters && study.own_trials > 0) {
    print_note(options.common,
               fmt::format("clusters are not counted among more than {} trials", with_separators(kMostClustered)));
  }
}

}  // namespace

Status answer_trials(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const OutputFormat format, parse_format(options.common.format));
  TrialsOptions trials = {.block_count = options.blocks, .trial_count = options.trial_count, .control = control};
  SB_ASSIGN_OR_RETURN(trials.terms, read_metric_terms(options));
  if (trials.terms.without_bars) return Status::invalid("--trials needs bars: Sharpe ratios are not told by trades");
  SB_ASSIGN_OR_RETURN(const TriedStrategies tried, read_tried_strategies(options, control));
  const StudyScope& scope = tried.study;
  trials.tried_elsewhere = tried.broken_off_count;
  trials.is_asked_about = [&](const FeedTrace& trace) { return tried.asked_about.contains(key_of(*trace.row)); };
  SB_ASSIGN_OR_RETURN(const TrialStudy study, study_trials(scope.feed, trials));

  const Table summary = summary_table(scope, study, options);
  const std::string verdict = verdict_text(scope.feed, study);
  Table table = trials_table(scope, study);
  if (!options.common.sort_by.empty()) SB_RETURN_IF_ERROR(sort_table(table, options.common.sort_by));
  if (format == OutputFormat::table) {
    if (!options.summary) {
      round_reals(table);
      CommonOptions common = options.common;
      if (common.limit < 0) common.limit = kRowsOfTable;
      SB_RETURN_IF_ERROR(print_table(table, common));
      print_out("\n");
    }
    print_figures(summary);
    print_out("\n{}\n", escape_lines(verdict));
  } else {
    SB_RETURN_IF_ERROR(print_table(options.summary ? summary : table, options.common));
    if (!options.summary) print_note(options.common, verdict);
  }
  print_notes(tried, study, options);
  return Status();
}

}  // namespace signalbook::cli
