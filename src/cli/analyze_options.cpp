#include "cli/analyze_options.h"

#include <CLI/CLI.hpp>

namespace signalbook::cli {

void add_analyze_options(CLI::App& command, AnalyzeCommandOptions& options) {
  constexpr double kMostBasisPoints = 10'000.0;
  command.add_option("path", options.path, "A run's directory or name, or a store (else --store, else where you are)");
  command.add_option("--store", options.common.store, "The store of a run that is named");
  command.add_option("--format", options.common.format, "table, csv, json, md or parquet")->capture_default_str();
  command.add_flag("--quiet,-q", options.common.quiet, "No notes on standard error, and no lines about what was done");
  command.add_option("--threads", options.threads, "At the most (else one a core)")->check(CLI::Range(1, 1024));

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
      ->check(CLI::Range(0.0, kMostBasisPoints))
      ->group(figures);
  command.add_option("--capital", options.capital, "What total_pnl is of")->capture_default_str()->group(figures);
  command.add_option("--risk-free", options.risk_free_rate, "The risk-free rate a year: 0.03 is 3%")->group(figures);
  command.add_option("--bars-per-year", options.bars_per_year, "In place of what is measured on the bars")
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
      ->group(exits);
  command.add_option("--target", options.target, "Leave at this gain")->group(exits);
  command.add_option("--trail", options.trail, "Leave this far from the best price since the entry")->group(exits);
  command.add_option("--slippage-bps", options.slippage_bps, "How much worse a stop fills, in basis points")
      ->check(CLI::Range(0.0, kMostBasisPoints))
      ->group(exits);
}

}  // namespace signalbook::cli
