#include "cli/analyze_questions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "cli/analyze_correlate.h"
#include "cli/analyze_ensembles.h"
#include "cli/analyze_regimes.h"
#include "cli/analyze_trials.h"
#include "cli/analyze_walk_forward.h"

namespace signalbook::cli {

namespace {

// An option that says something about a question that was not asked.
Status belongs_to(bool is_given, const char* option, const char* question, bool is_asked) {
  if (!is_given || is_asked) return Status();
  return Status::invalid(fmt::format("{} goes with {}, which is not asked", option, question));
}

// Whether something is said about the figures: cost, window, exits.
bool has_terms(const AnalyzeCommandOptions& options) {
  const AnalyzeCommandOptions usual;
  return options.cost_bps != 0 || options.capital != usual.capital || options.risk_free_rate != 0 ||
         options.bars_per_year || !options.from.empty() || !options.to.empty() || options.stop != 0 ||
         options.target != 0 || options.trail != 0 || options.slippage_bps != 0 || options.without_bars;
}

}  // namespace

Result<AnalyzeQuestion> find_question(const AnalyzeCommandOptions& options) {
  std::vector<std::string> asked;
  AnalyzeQuestion found;
  const auto add = [&](bool is_asked, const char* option, const AnalyzeQuestion& question) {
    if (!is_asked) return;
    asked.emplace_back(option);
    found = question;
  };
  add(options.ensembles, "--ensembles", analyze_ensembles);
  add(options.trials, "--trials", answer_trials);
  add(!options.correlate.empty() || options.select, options.select ? "--select" : "--correlate", answer_correlate);
  add(!options.by_regime.empty(), "--by-regime", answer_by_regime);
  add(!options.walk_forward.empty(), "--walk-forward", answer_walk_forward);
  add(!options.out_of_sample.empty(), "--out-of-sample", answer_walk_forward);
  const bool is_forward = !options.walk_forward.empty() || !options.out_of_sample.empty();
  SB_RETURN_IF_ERROR(
      belongs_to(options.max_correlation.has_value(), "--max-correlation", "--select", options.select.has_value()));
  SB_RETURN_IF_ERROR(belongs_to(options.anchored, "--anchored", "--walk-forward", !options.walk_forward.empty()));
  SB_RETURN_IF_ERROR(belongs_to(options.gap.has_value(), "--gap", "--walk-forward and --out-of-sample", is_forward));
  SB_RETURN_IF_ERROR(belongs_to(options.summary, "--summary", "--trials, --walk-forward and --out-of-sample",
                                options.trials || is_forward));
  SB_RETURN_IF_ERROR(belongs_to(!options.best.empty(), "--best", "--select, --walk-forward and --out-of-sample",
                                is_forward || options.select));
  SB_RETURN_IF_ERROR(belongs_to(!options.common.sort_by.empty(), "--sort-by", "--trials", options.trials));
  if (options.ensembles && has_terms(options)) {
    return Status::invalid("--ensembles compares what was said on all bars; leave out cost, window and exits");
  }
  if (asked.size() > 1) {
    return Status::invalid(fmt::format("{} are questions of their own; ask one at a time", fmt::join(asked, ", ")));
  }
  if (!asked.empty() && !(options.name.empty() && options.drop.empty())) {
    return Status::invalid(fmt::format("{} is for figures that are kept; {} prints its answer and keeps nothing",
                                       options.name.empty() ? "--drop" : "--name", asked.front()));
  }
  if (asked.empty()) {
    const StrategyFilter& filter = options.filter;
    const bool is_chosen = !filter.type.empty() || !filter.parameters.empty() || !filter.where.empty() ||
                           !options.symbol.empty() || !options.timeframe.empty();
    if (is_chosen) {
      return Status::invalid(
          "--type, --param, --where, --symbol and --timeframe choose strategies for a question, such as --trials; "
          "figures "
          "are computed of all traces of a run");
    }
    if (!options.drop.empty() && (has_terms(options) || !options.name.empty())) {
      return Status::invalid("--drop removes a set and computes nothing; leave out cost, window, exits and --name");
    }
    SB_RETURN_IF_ERROR(belongs_to(options.common.limit >= 0, "--limit", "a question", false));
    SB_RETURN_IF_ERROR(belongs_to(options.common.format != "table", "--format", "a question", false));
  }
  return found;
}

}  // namespace signalbook::cli
