#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>

#include "cli/analyze_options.h"
#include "cli/commands.h"
#include "cli/number_check.h"
#include "format/trace_schema.h"

namespace signalbook::cli {

namespace {

#ifndef SIGNALBOOK_VERSION
#define SIGNALBOOK_VERSION "development"
#endif

void add_store(CLI::App& command, CommonOptions& options) {
  command.add_option("--store", options.store, "A store or a run (else SIGNALBOOK_STORE, else where you are)");
}

void add_threads(CLI::App& command, size_t& threads) {
  command.add_option("--threads", threads, "At the most (else one a core)")
      ->check(number_between(1, 1024, "a number of threads from 1 to 1024"));
}

void add_order(CLI::App& command, CommonOptions& options) {
  command.add_option("--sort-by", options.sort_by, "A column, or 'column desc'");
}

void add_runs(CLI::App& command, std::vector<std::string>& runs) {
  // One at a time, so that what follows it is not taken for another run.
  command.add_option("--run", runs, "Only this run of the store, or those that fit 'run_*': as often as needed")
      ->allow_extra_args(false);
}

std::string is_row_count(const std::string& text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end == text.data() + text.size() && count >= 0) return "";
  return fmt::format("{} is not a number of rows: give 0 or a whole number above it", text);
}

void add_output(CLI::App& command, CommonOptions& options) {
  command.add_option("--format", options.format, "table, csv, json, md or parquet")->capture_default_str();
  command.add_option("--limit", options.limit, "Rows at the most")->check(is_row_count);
  command.add_flag("--quiet,-q", options.quiet, "No notes on standard error");
}

// On its way through CLI11, which adds words of its own to the errors that it knows.
struct EmptyValue {
  std::string option;
};

// An option that was given without a value is a variable of a shell that was not set, and never meant as none.
void refuse_empty_values(CLI::App& command) {
  for (CLI::Option* const option : command.get_options()) {
    const std::string name = option->get_name();
    if (!name.starts_with("--") || option->get_items_expected_max() == 0 || name == "--note") continue;
    option->check([name](const std::string& value) -> std::string {
      if (value.empty()) throw EmptyValue{name};
      return "";
    });
  }
  for (CLI::App* const below : command.get_subcommands([](CLI::App*) { return true; })) refuse_empty_values(*below);
}

// A descriptor that came closed would go to the next file that is opened, and signals or messages with it. In its place
// comes one on which every use fails.
void fill_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    (void)::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest number
  }
}

// Arguments -> one command -> exit status.
int run(int argc, char** argv) {
  CLI::App app("Every signal of every strategy you ever tested, stored once per change, found by its exact parameters.",
               "signalbook");
  app.set_version_flag("--version", fmt::format("signalbook {}, format {}", SIGNALBOOK_VERSION, kFormatVersion));
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  Status status;

  HashOptions hash;
  CLI::App* command = app.add_subcommand("hash", "Print the hash of a configuration (JSON or YAML)");
  command->add_option("file", hash.file, "A file, or - for standard input")->required();
  command->add_flag("--canonical", hash.canonical, "Print the text that is hashed");
  command->add_flag("--full", hash.full, "Print all 64 digits");
  command->add_flag("--lines", hash.lines, "A configuration a line of standard input, a hash a line");
  command->callback([&] { status = run_hash(hash); });

  RecordOptions record;
  int interrupted_by = 0;
  command =
      app.add_subcommand("record", "Record a run: bars, strategies and signals from files, or signals as they come");
  command->add_option("--run", record.run, "The run's directory, such as results/run_1; must not exist")->required();
  command->add_option("--bars", record.bars, "Bars: timestamp, open, high, low, close, volume (CSV, Parquet, Arrow)");
  command->add_option("--symbol", record.symbol, "The symbol of --bars");
  command->add_option("--timeframe", record.timeframe, "The timeframe of --bars");
  command->add_option("--feed", record.feeds, "SYMBOL_TIMEFRAME=FILE, in place of --bars, as often as needed");
  command->add_option("--strategies", record.strategies, "Configurations (JSON, JSON lines, YAML)");
  command
      ->add_option("--signals", record.signals,
                   "Signals, wide or long (CSV, Parquet, Arrow); - is standard input (CSV, JSON lines, Arrow stream)")
      ->required();
  command->add_flag("--eof-ends", record.eof_ends, "Of standard input: its end is the end of the signals");
  command->add_flag("--ack", record.ack, "Of standard input: print 'acknowledged N' when the first N rows are durable");
  command->add_flag("--resume", record.resume, "Go on with a run that was cut off");
  command->add_option("--writer", record.writer, "A name: be one of several processes that write to the run");
  command
      ->add_option("--layout", record.layout,
                   "How traces lie on disk: files (one each), packed (many in few files), or auto: files up to 2,000")
      ->capture_default_str();
  command
      ->add_option(
          "--columns", record.columns,
          "Of --layout packed: few (the rest comes from index and bars), or full: each row with ts, sym, strat "
          "and px too")
      ->capture_default_str();
  command->add_option("--code-version", record.code_version, "Which code computed the signals, such as a commit");
  command->add_option("--tag", record.tags, "key=value, as often as needed");
  command->add_option("--note", record.note, "A remark");
  command->add_option("--na", record.missing, "A NaN after the first value: refuse, flat or hold")
      ->capture_default_str();
  command->add_flag("--analyze", record.analyze, "Then compute the metrics, as signalbook analyze does by itself");
  command->add_flag("--quiet,-q", record.quiet, "Print nothing but errors");
  command->callback([&] { status = run_record(record, &interrupted_by); });

  ContainsOptions contains;
  command =
      app.add_subcommand("contains", "Tell which configurations have a complete trace, and which are to be computed");
  command->add_option("strategies", contains.strategies, "Configurations (JSON, JSON lines, YAML); - is standard input")
      ->required();
  command->add_option("--bars", contains.bars, "The bars they are to be computed on")->required();
  command->add_option("--symbol", contains.symbol, "The symbol of --bars")->required();
  command->add_option("--timeframe", contains.timeframe, "The timeframe of --bars")->required();
  command->add_option("--code-version", contains.code_version,
                      "The code that is to compute them: what other code has computed does not count");
  command->add_option("--run", contains.run, "Look in this run alone, finished or not; else in all of the store");
  command->add_flag("--missing", contains.missing, "Print the configurations that are not complete, as JSON lines");
  add_store(*command, contains.common);
  add_output(*command, contains.common);
  command->callback([&] { status = run_contains(contains); });

  DemoOptions demo;
  command = app.add_subcommand("demo", "Make a store of example strategies on made-up bars");
  command->add_option("--store", demo.store, "Where")->capture_default_str();
  command->add_option("--seed", demo.seed, "Other seed, other bars")->capture_default_str();
  command->add_option("--months", demo.months, "Of bars")->capture_default_str()->check(CLI::Range(2, 120));
  command->add_flag("--quiet,-q", demo.quiet, "Print nothing but errors");
  command->callback([&] { status = run_demo(demo); });

  ListOptions list;
  command = app.add_subcommand("list", "List strategies, by type and parameters");
  add_store(*command, list.common);
  add_order(*command, list.common);
  add_output(*command, list.common);
  command->add_option("--type", list.filter.type, "A strategy_type");
  command->add_option("--param", list.filter.parameters,
                      "period=20, 'std_dev>=2', flag=true, 'mode=\"1\"' for text: as often as needed");
  command->add_option("--where", list.filter.where, "A condition in SQL over the view strategies");
  command->add_option("--leaf", list.leaf,
                      "'bollinger_bands period=20 std_dev>=2': what contains such a leaf; * is any type");
  command->add_option("--best", list.metrics.best, "The best come first, by a metric such as sharpe_ratio");
  command->add_option("--min-trades", list.metrics.min_trades, "Trades at the least")
      ->check(number_between(0, 1e15, "a number of trades: give 0 or more"));
  command->add_option("--max-drawdown", list.metrics.max_drawdown, "The deepest drawdown: 0.1 is 10%")
      ->check(number_between(0, 1, "a fraction from 0 to 1: 0.1 is 10%"));
  command->add_option("--metrics", list.metrics.set, "The set of metrics that is meant (else that of the index)");
  add_runs(*command, list.runs);
  command->callback([&] { status = run_list(list); });

  ShowOptions show;
  command = app.add_subcommand("show", "Show all that is known of a strategy");
  command->add_option("strategy", show.strategy, "A strategy_id, or 4 or more digits of a hash")->required();
  add_store(*command, show.common);
  add_order(*command, show.common);
  add_output(*command, show.common);
  add_runs(*command, show.runs);
  command->callback([&] { status = run_show(show); });

  DiffOptions diff;
  command = app.add_subcommand("diff", "Compare two strategies or two runs; exit status 1 when they differ");
  command->add_option("a", diff.a, "A strategy (id, digits of a hash, JSON file, -) or a run (name, directory)")
      ->required();
  command->add_option("b", diff.b, "The other one")->required();
  command->add_flag("--all", diff.all, "Of runs: what is the same in both, too");
  add_store(*command, diff.common);
  add_output(*command, diff.common);
  command->callback([&] { status = run_diff(diff); });

  VerifyCommandOptions verify;
  command = app.add_subcommand("verify", "Check that every file of a store or run is the one that was recorded");
  command->add_option("path,--store", verify.common.store,
                      "A store, a run or a trace file (else SIGNALBOOK_STORE, else where you are)");
  command->add_flag("--deep", verify.deep, "Decode every file too, and hold it against the others");
  command->add_flag("--quiet,-q", verify.common.quiet, "Nothing but what was found");
  add_threads(*command, verify.threads);
  command->callback([&] { status = run_verify(verify); });

  RecoverCommandOptions recover;
  command = app.add_subcommand("recover", "Finish a run whose recording died, or say what is wrong with it");
  command->add_option("run", recover.run, "A run's directory or name, or a store: every unfinished run of it")
      ->required();
  command->add_flag("--dry-run", recover.is_dry, "Change nothing, and say what would be done");
  add_store(*command, recover.common);
  command->add_flag("--quiet,-q", recover.common.quiet, "Nothing but errors");
  add_threads(*command, recover.threads);
  command->callback([&] { status = run_recover(recover); });

  RunsOptions runs;
  command = app.add_subcommand("runs", "List the runs of a store: what is in them, their tags, notes and sizes");
  add_store(*command, runs.common);
  add_order(*command, runs.common);
  add_output(*command, runs.common);
  add_runs(*command, runs.runs);
  command->add_option("--tag", runs.tags, "key=value: only runs with this tag, as often as needed")
      ->allow_extra_args(false);
  command->callback([&] { status = run_runs(runs); });

  ExportOptions exported;
  command = app.add_subcommand("export", "Write a run with its bars into one tar file");
  command->add_option("run", exported.run, "A run's directory or name")->required();
  command->add_option("file", exported.file, "The tar, which must not exist; - is standard output")->required();
  add_store(*command, exported.common);
  command->add_flag("--quiet,-q", exported.common.quiet, "Nothing but errors");
  command->callback([&] { status = run_export(exported); });

  ImportCommandOptions imported;
  command = app.add_subcommand("import", "Bring a run into a store from a tar that export has written");
  command->add_option("file", imported.file, "The tar; - is standard input")->required();
  command->add_option("--as", imported.name, "The run's name here, in place of its own");
  command->add_option("--store", imported.common.store,
                      "The store, made where there is none (else SIGNALBOOK_STORE, else where you are)");
  command->add_flag("--quiet,-q", imported.common.quiet, "Nothing but errors");
  command->callback([&] { status = run_import(imported); });

  RemoveCommandOptions removed;
  command = app.add_subcommand("rm", "Remove runs from their store, for good");
  command->add_option("run", removed.runs, "Directories or names of runs")->required();
  command->add_flag("--unfinished", removed.unfinished,
                    "Also one that is not finished, with all that was acknowledged");
  command->add_flag("--dry-run", removed.is_dry, "Change nothing, and say what would be done");
  add_store(*command, removed.common);
  command->add_flag("--quiet,-q", removed.common.quiet, "Nothing but errors");
  command->callback([&] { status = run_remove(removed); });

  GarbageOptions garbage;
  command =
      app.add_subcommand("gc", "Find what no run of a store needs any more: bars, files of old catalogues, leftovers");
  command->add_flag("--delete", garbage.deletes, "Remove it; without this nothing is changed");
  add_store(*command, garbage.common);
  add_output(*command, garbage.common);
  command->callback([&] { status = run_garbage(garbage); });

  IndexRebuildOptions rebuild;
  CLI::App* const index = app.add_subcommand("index", "The index of a run");
  index->require_subcommand(1);
  command = index->add_subcommand("rebuild", "Make the index, the components and run.json anew from the traces");
  command->add_option("run", rebuild.run, "A run's directory or name")->required();
  add_store(*command, rebuild.common);
  command->add_flag("--quiet,-q", rebuild.common.quiet, "Nothing but errors");
  add_threads(*command, rebuild.threads);
  command->callback([&] { status = run_index_rebuild(rebuild); });

  PackCommandOptions pack;
  for (const bool to_packs : {true, false}) {
    command = app.add_subcommand(to_packs ? "pack" : "unpack",
                                 to_packs ? "Lay the traces of a run out as packs: many in few files"
                                          : "Lay the traces of a run out as files: one each");
    command->add_option("run", pack.run, "A run's directory or name")->required();
    if (to_packs) {
      command
          ->add_option("--columns", pack.columns,
                       "few (the rest comes from index and bars), or full: each row with ts, sym, strat and px too")
          ->capture_default_str();
    }
    add_threads(*command, pack.threads);
    add_store(*command, pack.common);
    command->add_flag("--quiet,-q", pack.common.quiet, "Nothing but errors");
    command->callback([&, to_packs] { status = run_pack(pack, to_packs, &interrupted_by); });
  }

  TraceOptions trace;
  command = app.add_subcommand("trace", "Print the changes of a strategy, or its signal on every bar");
  command->add_option("strategy", trace.strategy, "A strategy_id, 4 or more digits of a hash, or a trace file")
      ->required();
  command->add_flag("--dense", trace.dense, "Every bar, not only the changes");
  command->add_flag("--trades", trace.trades, "Its trades: entry, exit, return, the worst and the best on the way");
  command->add_option("--cost-bps", trace.cost_bps, "Of --trades: the cost of a side, in basis points")
      ->check(number_between(0, 10'000, "a number of basis points from 0 to 10,000"));
  command->add_option("--symbol", trace.symbol, "The feed, where there are several");
  command->add_option("--timeframe", trace.timeframe, "The feed, where there are several");
  add_store(*command, trace.common);
  add_output(*command, trace.common);
  command->callback([&] { status = run_trace(trace); });

  AnalyzeCommandOptions analyze;
  command = app.add_subcommand("analyze", "Compute what the strategies of a run or store would have earned");
  add_analyze_options(*command, analyze);
  add_output(*command, analyze.common);
  add_runs(*command, analyze.runs);
  command->callback([&] { status = run_analyze(analyze, &interrupted_by); });

  SqlOptions sql;
  command = app.add_subcommand("sql",
                               "Ask in SQL (DuckDB): views strategies, components, runs, traces, trades, bars, "
                               "metrics, hash_history");
  command->add_option("query", sql.query, "One SELECT, or - for standard input")->required();
  command->add_flag("--unconfined", sql.unconfined,
                    "Opens it up: COPY, ATTACH, CREATE, INSTALL, SET, several statements in one text, any file");
  add_store(*command, sql.common);
  add_order(*command, sql.common);
  add_output(*command, sql.common);
  command->callback([&] { status = run_sql(sql); });

  CatalogOptions catalog;
  command = app.add_subcommand("catalog", "Show the merged catalogue of a store's runs, and what is odd in them");
  command->add_flag("--refresh", catalog.refresh, "First bring it up to date (questions about many runs do as well)");
  command->add_flag("--rebuild", catalog.rebuild, "First make it anew from the runs");
  add_store(*command, catalog.common);
  add_output(*command, catalog.common);
  command->callback([&] { status = run_catalog(catalog); });

  refuse_empty_values(app);
  try {
    app.parse(argc, argv);
  } catch (const EmptyValue& empty) {
    status = Status::invalid(empty.option + " is empty");
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) != 0) return static_cast<int>(StatusCode::invalid);
    status = Status();  // it was --help or --version
  }
  const Status output = finish_output();
  for (const Status& failed : {status, output}) {
    if (!failed.ok()) say_on_stderr("signalbook: " + failed.message());
  }
  if (status.ok()) status = output;
  // As shells say it of a program that a signal has ended.
  constexpr int kSignalBase = 128;
  return status.ok() && interrupted_by != 0 ? kSignalBase + interrupted_by : static_cast<int>(status.code());
}

}  // namespace

}  // namespace signalbook::cli

int main(int argc, char** argv) {
  signalbook::cli::fill_standard_descriptors();
  // A reader that has seen enough (head, less) is no error worth a signal.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the user's limit is an error to report, like a full disk
  return signalbook::cli::run(argc, argv);
}
