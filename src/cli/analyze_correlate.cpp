#include "cli/analyze_correlate.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "cli/metric_terms_input.h"
#include "cli/strategy_columns.h"
#include "cli/study_scope.h"
#include "cli/table_stream.h"
#include "study/related_traces.h"

namespace signalbook::cli {

namespace {

constexpr int64_t kPairsInTable = 20;
constexpr size_t kPairsAtOnce = 8'192;

Result<Likeness> read_likeness(const std::string& name) {
  if (name == "positions") return Likeness::positions;
  if (name == "pnl") return Likeness::pnl;
  if (name == "overlap") return Likeness::overlap;
  return Status::invalid(fmt::format("--correlate {} is unknown; there are positions, pnl, overlap", name));
}

Table pair_columns(Likeness likeness) {
  Table table;
  add_strategy_columns(table, "_a");
  add_strategy_columns(table, "_b");
  if (likeness == Likeness::overlap) {
    table.add("both", ColumnType::real);
    table.add("same_side", ColumnType::real);
  } else {
    table.add("correlation", ColumnType::real);
  }
  return table;
}

Status print_pairs(StudyScope& study, const MetricTerms& terms, Likeness likeness, const AnalyzeCommandOptions& options,
                   const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const TraceRelations relations, relate_traces(study.feed, terms, likeness, control));
  CommonOptions common = options.common;
  const auto count = static_cast<int64_t>(study.feed.traces.size());
  const int64_t pair_count = count * (count - 1) / 2;
  const bool is_usual = common.limit < 0 && common.format == "table";
  if (is_usual) common.limit = kPairsInTable;
  // One more than is printed, so that it is known whether there are more.
  const std::vector<TracePair> pairs = strongest_pairs(
      relations.value, common.limit < 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(common.limit) + 1);
  size_t next = 0;
  const auto add_rows = [&](Table& table) -> Status {
    SB_RETURN_IF_ERROR(control.check_interrupt());
    const size_t end = std::min(next + kPairsAtOnce, pairs.size());
    for (; next < end; ++next) {
      const auto [a, b] = pairs[next];
      append_strategy(table, 0, study, a);
      append_strategy(table, kStrategyColumns, study, b);
      table.columns[2 * kStrategyColumns].append_real(relations.value.at(a, b));
      if (likeness == Likeness::overlap) {
        table.columns[2 * kStrategyColumns + 1].append_real(relations.same_side.at(a, b));
      }
    }
    return Status();
  };
  SB_RETURN_IF_ERROR(print_pieces(pair_columns(likeness), add_rows, common));
  if (is_usual && pair_count > kPairsInTable) {
    print_note(common, fmt::format("the first {} of {} pairs; --limit gives others, --format csv all of them",
                                   kPairsInTable, with_separators(pair_count)));
  }
  return Status();
}

Status print_ensemble(StudyScope& study, const MetricTerms& terms, Likeness likeness,
                      const AnalyzeCommandOptions& options, const StudyControl& control) {
  if (likeness == Likeness::overlap) {
    return Status::invalid("--select goes by a correlation: --correlate positions, or pnl, which it is without");
  }
  EnsembleChoice choice = {.likeness = likeness, .count = *options.select, .best = {}};
  choice.max_correlation = options.max_correlation.value_or(choice.max_correlation);
  SB_ASSIGN_OR_RETURN(choice.best, NamedMetric::find(options.best.empty() ? "sharpe_ratio" : options.best));
  SB_ASSIGN_OR_RETURN(const std::vector<EnsembleMember> members, choose_ensemble(study.feed, terms, choice, control));
  Table table;
  table.add("place", ColumnType::int64);
  add_strategy_columns(table);
  table.add("strategy_type", ColumnType::text);
  table.add(choice.best.name(), ColumnType::real);
  table.add("highest_correlation", ColumnType::real);
  int64_t place = 0;
  for (const EnsembleMember& member : members) {
    table.columns[0].append_integer(++place);
    append_strategy(table, 1, study, member.trace);
    table.columns[1 + kStrategyColumns].append_text(study.feed.traces[member.trace].row->strategy_type);
    table.columns[2 + kStrategyColumns].append_real(member.metric);
    table.columns[3 + kStrategyColumns].append_real(member.highest_correlation);
  }
  SB_RETURN_IF_ERROR(print_table(table, options.common));
  if (members.size() < choice.count) {
    print_note(
        options.common,
        fmt::format("{} of the {} asked for: each other one has no {}, or a correlation with one of these that is "
                    "above {} or undefined",
                    members.size(), choice.count, choice.best.name(), choice.max_correlation));
  }
  return Status();
}

}  // namespace

Status answer_correlate(const AnalyzeCommandOptions& options, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const MetricTerms terms, read_metric_terms(options));
  SB_ASSIGN_OR_RETURN(const Likeness likeness, read_likeness(options.correlate.empty() ? "pnl" : options.correlate));
  SB_ASSIGN_OR_RETURN(StudyScope study, read_study_scope(options, control));
  return options.select ? print_ensemble(study, terms, likeness, options, control)
                        : print_pairs(study, terms, likeness, options, control);
}

}  // namespace signalbook::cli
