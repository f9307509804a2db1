#include "cli/analyze_walk_forward.h"

#include <fmt/format.h>

#include <charconv>
#include <set>
#include <vector>

#include "base/time_text.h"
#include "cli/metric_terms_input.h"
#include "cli/strategy_columns.h"
#include "cli/study_scope.h"
#include "store/parse_time.h"
#include "study/forward_choice.h"

namespace signalbook::cli {

namespace {

// IN,OUT
Result<WalkForward> read_plan(const AnalyzeCommandOptions& options) {
  const std::string& text = options.walk_forward;
  WalkForward plan = {.in_sample = options.anchored ? InSample::anchored : InSample::rolling,
                      .gap = options.gap.value_or(0)};
  const char* const end = text.data() + text.size();
  const auto [comma, in_error] = std::from_chars(text.data(), end, plan.in_sample_bars);
  if (in_error == std::errc() && comma != end && *comma == ',') {
    const auto [rest, out_error] = std::from_chars(comma + 1, end, plan.out_of_sample_bars);
    if (out_error == std::errc() && rest == end && plan.in_sample_bars > 0 && plan.out_of_sample_bars > 0) return plan;
  }
  return Status::invalid(fmt::format(
      "--walk-forward {}: give IN,OUT, the bars in sample and the bars out of sample, as in 5000,1000", text));
}

Result<std::vector<SampleSplit>> find_splits(const AnalyzeCommandOptions& options, const FeedTraces& feed,
                                             const StudyWindow& window) {
  if (!options.walk_forward.empty()) {
    SB_ASSIGN_OR_RETURN(const WalkForward plan, read_plan(options));
    return split_for_walk(window, plan);
  }
  bool zone_given = false;
  const Result<int64_t> time = parse_time(options.out_of_sample, &zone_given);
  if (!time.ok()) {
    return Status::invalid(fmt::format("--out-of-sample {}: {}", options.out_of_sample, time.status().message()));
  }
  return split_at_time(feed, window, *time, options.gap.value_or(0));
}

// From the close of its first bar to that of the bar after its last one, which is what --from and --to make of a
// window.
void append_window(Table& table, size_t first, BarWindow window, const std::vector<int64_t>& ts) {
  table.columns[first].append_integer(ts[static_cast<size_t>(window.begin)]);
  table.columns[first + 1].append_integer(ts[static_cast<size_t>(window.end)]);
  table.columns[first + 2].append_integer(window.size());
}

void add_window_columns(Table& table, const std::string& name) {
  table.add(name + "_from", ColumnType::timestamp);
  table.add(name + "_to", ColumnType::timestamp);
  table.add(name + "_bars", ColumnType::int64);
}

Table steps_table(const ForwardChoice& forward, const NamedMetric& best, const StudyScope& study) {
  Table table;
  table.add("split", ColumnType::int64);
  add_window_columns(table, "in_sample");
  add_window_columns(table, "out_of_sample");
  const size_t strategy = table.columns.size();
  add_strategy_columns(table);
  const size_t figures = table.columns.size();
  table.add("metric", ColumnType::text);
  for (const char* const name : {"in_sample", "out_of_sample"}) table.add(name, ColumnType::real);
  for (const char* const name : {"rank", "ranked"}) table.add(name, ColumnType::int64);
  for (const char* const name : {"median", "total_return"}) table.add(name, ColumnType::real);
  int64_t number = 0;
  for (const ForwardStep& step : forward.steps) {
    table.columns[0].append_integer(++number);
    append_window(table, 1, step.split.in_sample, study.feed.bars.ts);
    append_window(table, 4, step.split.out_of_sample, study.feed.bars.ts);
    append_strategy(table, strategy, study, step.chosen);
    table.columns[figures].append_text(best.name());
    table.columns[figures + 1].append_real(step.in_sample);
    table.columns[figures + 2].append_real(step.out_of_sample);
    table.columns[figures + 3].append_integer(step.rank);
    table.columns[figures + 4].append_integer(step.ranked_count);
    table.columns[figures + 5].append_real(step.median);
    table.columns[figures + 6].append_real(step.total_return);
  }
  return table;
}

size_t count_chosen(const ForwardChoice& forward) {
  std::set<size_t> chosen;
  for (const ForwardStep& step : forward.steps) {
    if (step.chosen) chosen.insert(*step.chosen);
  }
  return chosen.size();
}

Table summary_table(const ForwardChoice& forward, const NamedMetric& best, const StudyScope& study) {
  Table table;
  table.add("splits", ColumnType::int64).append_integer(static_cast<int64_t>(forward.steps.size()));
  table.add("strategies_chosen", ColumnType::int64).append_integer(static_cast<int64_t>(count_chosen(forward)));
  table.add("metric", ColumnType::text).append_text(best.name());
  const size_t window = table.columns.size();
  add_window_columns(table, "out_of_sample");
  append_window(table, window, forward.followed, study.feed.bars.ts);
  const Metrics& stitched = forward.stitched;
  const auto real = [&](const char* name, std::optional<double> value) {
    table.add(name, ColumnType::real).append_real(value);
  };
  real("total_return", stitched.total_return);
  real("annual_return", stitched.annual_return);
  real("annual_volatility", stitched.annual_volatility);
  real("sharpe_ratio", stitched.sharpe_ratio);
  real("sortino_ratio", stitched.sortino_ratio);
  real("calmar_ratio", stitched.calmar_ratio);
  real("max_drawdown", stitched.max_drawdown);
  table.add("max_drawdown_bars", ColumnType::int64).append_integer(stitched.max_drawdown_bars);
  table.add("trade_count", ColumnType::int64).append_integer(stitched.trade_count);
  return table;
}

std::string number_text(std::optional<double> value) { return value ? fmt::format("{:.4g}", *value) : "undefined"; }

void print_stitched(const ForwardChoice& forward, const StudyScope& study) {
  const std::vector<int64_t>& ts = study.feed.bars.ts;
  print_out("following the choice from {} to {}: total_return {}, sharpe_ratio {}, max_drawdown {}, {} chosen\n",
            format_time(ts[static_cast<size_t>(forward.followed.begin)]),
            format_time(ts[static_cast<size_t>(forward.followed.end)]), number_text(forward.stitched.total_return),
            number_text(forward.stitched.sharpe_ratio), number_text(forward.stitched.max_drawdown),
            count_of(static_cast<int64_t>(count_chosen(forward)), "strategy", "strategies"));
}

}  // namespace

Status answer_walk_forward(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const MetricTerms terms, read_metric_terms(options));
  SB_ASSIGN_OR_RETURN(const NamedMetric best, NamedMetric::find(options.best.empty() ? "sharpe_ratio" : options.best));
  if (!options.walk_forward.empty()) SB_RETURN_IF_ERROR(read_plan(options).status());
  SB_ASSIGN_OR_RETURN(const StudyScope study, read_study_scope(options, control));
  SB_ASSIGN_OR_RETURN(const StudyWindow window, find_study_window(study.feed, terms));
  SB_ASSIGN_OR_RETURN(const std::vector<SampleSplit> splits, find_splits(options, study.feed, window));
  if (study.feed.traces.size() == 1) print_note(options.common, "there is one strategy only, and nothing to choose");
  SB_ASSIGN_OR_RETURN(const ForwardChoice forward, follow_choice(study.feed, window, splits, best, control));
  if (options.summary) return print_table(summary_table(forward, best, study), options.common);
  SB_RETURN_IF_ERROR(print_table(steps_table(forward, best, study), options.common));
  if (options.common.format == "table") print_stitched(forward, study);
  return Status();
}

}  // namespace signalbook::cli
