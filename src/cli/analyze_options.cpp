#include "cli/analyze_options.h"

#include <CLI/CLI.hpp>

#include "cli/number_check.h"

namespace signalbook::cli {

void add_analyze_options(CLI::App& command, AnalyzeCommandOptions& options) {
  command.add_option("path", options.path, "A run's directory or name, or a store (else --store, else where you are)");
  command.add_option("--store", options.common.store, "The store of a run that is named");
  command.add_option("--threads", options.threads, "At the most (else one a core)")
      ->check(number_between(1, 1024, "a number of threads from 1 to 1024"));

  const char* const questions = "Questions about many strategies";
  command.add_flag("--ensembles", options.ensembles, "Whether each composite says what the traces of its leaves do")
      ->group(questions);

  const char* const which = "Which strategies (of a question about many)";
  command.add_option("--type", options.filter.type, "A strategy_type")->group(which);
  command.add_option("--param", options.filter.parameters, "period=20, 'std_dev>=2': as often as needed")->group(which);
  command.add_option("--where", options.filter.where, "A condition in SQL over the view strategies")->group(which);
  command.add_option("--symbol", options.symbol, "The feed, where there are several")->group(which);
  command.add_option("--timeframe", options.timeframe, "The feed, where there are several")->group(which);

  const char* const figures = "Figures";
  command.add_option("--cost-bps", options.cost_bps, "The cost of a side, in basis points of what is traded")
      ->check(number_between(0, 10'000, "a number of basis points from 0 to 10,000"))
      ->group(figures);
  command.add_option("--capital", options.capital, "What total_pnl is of")
      ->capture_default_str()
      ->check(number_between(1e-9, 1e300, "an amount above 0"))
      ->group(figures);
  command.add_option("--risk-free", options.risk_free_rate, "The risk-free rate a year: 0.03 is 3%")
      ->check(number_between(-0.999999, 1e6, "a rate a year above -1: 0.03 is 3%"))
      ->group(figures);
  command.add_option("--bars-per-year", options.bars_per_year, "In place of what is measured on the bars")
      ->check(number_between(1e-9, 1e12, "a number of bars above 0"))
      ->group(figures);
  command.add_option("--from", options.from, "The first bar: a date or a time (UTC unless it says so)")->group(figures);
  command.add_option("--to", options.to, "The last bar: a time, or a date with all of its bars")->group(figures);
  command.add_option("--name", options.name, "Of the set that gets the figures; index is the index itself")
      ->group(figures);
  command.add_option("--drop", options.drop, "Remove a set of figures beside the index, and compute nothing")
      ->group(figures);
  command.add_flag("--without-bars", options.without_bars, "What trades alone tell, where the bars are gone")
      ->group(figures);

  const char* const exits = "What if";
  command.add_option("--stop", options.stop, "Leave at this loss, a fraction of the entry price: 0.01 is 1%")
      ->check(number_between(0, 1e6, "a fraction of the entry price: 0.01 is 1%"))
      ->group(exits);
  command.add_option("--target", options.target, "Leave at this gain")
      ->check(number_between(0, 1e6, "a fraction of the entry price: 0.02 is 2%"))
      ->group(exits);
  command.add_option("--trail", options.trail, "Leave this far from the best price since the entry")
      ->check(number_between(0, 0.999999, "a fraction of the price: 0.005 is 0.5%"))
      ->group(exits);
  command.add_option("--slippage-bps", options.slippage_bps, "How much worse a stop fills, in basis points")
      ->check(number_between(0, 10'000, "a number of basis points from 0 to 10,000"))
      ->group(exits);

  const char* const luck = "Is the best of many better than luck";
  CLI::Option* const trials = command.add_flag("--trials", options.trials, "What the luck of trying often explains");
  trials->group(luck);
  command.add_option("--trial-count", options.trial_count, "How many were tried, where that is more than is stored")
      ->check(number_between(1, 1e12, "a count: give 1 or more"))
      ->needs(trials)
      ->group(luck);
  command.add_option("--blocks", options.blocks, "Of the cross-validation: an even number from 2 to 20")
      ->capture_default_str()
      ->needs(trials)
      ->group(luck);

  const char* const many = "Questions about many";
  command
      .add_option("--correlate", options.correlate,
                  "How alike they are: positions, pnl (what they earned) or overlap (of the bars they hold)")
      ->group(many);
  command.add_option("--select", options.select, "So many of the best that are unlike each other, by --correlate")
      ->check(number_between(1, 1e12, "a count: give 1 or more"))
      ->group(many);
  command
      .add_option("--max-correlation", options.max_correlation, "How alike, at the most, those of --select are (0.7)")
      ->check(number_between(0, 1, "a correlation from 0 to 1"))
      ->group(many);
  command
      .add_option("--by-regime", options.by_regime, "How they did under each label of a classifier: id, hash or type")
      ->group(many);
  command
      .add_option("--walk-forward", options.walk_forward,
                  "IN,OUT: the best of each IN bars, and how it did on the OUT bars behind them")
      ->group(many);
  command.add_option("--out-of-sample", options.out_of_sample, "The same once: a date or time to split at")
      ->group(many);
  command.add_flag("--anchored", options.anchored, "Windows in sample all begin at the first bar")->group(many);
  command.add_option("--gap", options.gap, "Bars left out between in sample and out of sample")
      ->check(number_between(0, 1e12, "a number of bars: give 0 or more"))
      ->group(many);
  command.add_option("--best", options.best, "The metric to choose by (sharpe_ratio)")->group(many);

  const char* const answer = "The answer to a question";
  command.add_flag("--summary", options.summary, "The figures of all together, as one row")->group(answer);
  command.add_option("--sort-by", options.common.sort_by, "A column, or 'column desc'")->group(answer);
}

}  // namespace signalbook::cli
