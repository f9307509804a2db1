#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "cli/common.h"
#include "cli/list_metrics.h"
#include "cli/parameter_filter.h"

// A function a command. Each prints its answer on standard output and returns what went wrong.

namespace signalbook::cli {

struct HashOptions {
  std::string file;  // "-" is standard input
  bool canonical = false;
  bool full = false;
  bool lines = false;
};
Status run_hash(const HashOptions& options);

struct RecordOptions {
  std::string run;
  std::string bars, symbol, timeframe;  // one feed, or
  std::vector<std::string> feeds;       // SYMBOL_TIMEFRAME=FILE, several
  std::string strategies, signals;
  std::string layout = "auto";
  std::string columns = "few";  // of packs
  std::optional<std::string> code_version, note;
  std::vector<std::string> tags;  // key=value
  std::string missing = "refuse";
  bool eof_ends = false;  // of standard input
  bool ack = false;
  bool analyze = false;
  bool resume = false;
  std::string writer;  // one of several; empty: the only one
  bool quiet = false;
};
// `interrupted_by` is the number of the signal that ended the recording, where one did.
Status run_record(const RecordOptions& options, int* interrupted_by);

struct ContainsOptions {
  CommonOptions common;
  std::string strategies;  // "-" is standard input
  std::string run;         // this run alone; else every run of the store
  std::string bars, symbol, timeframe;
  std::optional<std::string> code_version;
  bool missing = false;  // print what is not complete, as JSON lines
};
Status run_contains(const ContainsOptions& options);

struct DemoOptions {
  std::string store = "demo_results";
  uint64_t seed = 1;
  int months = 6;
  bool quiet = false;
};
Status run_demo(const DemoOptions& options);

struct ListOptions {
  CommonOptions common;
  StrategyFilter filter;
  MetricFilter metrics;
  std::string leaf;               // bollinger_bands period=20
  std::vector<std::string> runs;  // names or patterns
};
Status run_list(const ListOptions& options);

struct ShowOptions {
  CommonOptions common;
  std::string strategy;
  std::vector<std::string> runs;  // names or patterns
};
Status run_show(const ShowOptions& options);

struct DiffOptions {
  CommonOptions common;
  std::string a, b;  // two strategies (id, digits of a hash, file) or two runs (name, directory)
  bool all = false;
};
Status run_diff(const DiffOptions& options);

struct VerifyCommandOptions {
  CommonOptions common;  // store may be a trace file
  bool deep = false;
  size_t threads = 0;
};
Status run_verify(const VerifyCommandOptions& options);

struct RecoverCommandOptions {
  CommonOptions common;
  std::string run;  // a run's directory or its name in the store; or a store
  bool is_dry = false;
  size_t threads = 0;
};
Status run_recover(const RecoverCommandOptions& options);

struct ExportOptions {
  CommonOptions common;
  std::string run;   // its directory, or its name in the store
  std::string file;  // "-" is standard output
};
Status run_export(const ExportOptions& options);

struct ImportCommandOptions {
  CommonOptions common;
  std::string file;  // "-" is standard input
  std::optional<std::string> name;
};
Status run_import(const ImportCommandOptions& options);

struct RemoveCommandOptions {
  CommonOptions common;
  std::vector<std::string> runs;  // directories, or names in the store
  bool unfinished = false;
  bool is_dry = false;
};
Status run_remove(const RemoveCommandOptions& options);

struct GarbageOptions {
  CommonOptions common;
  bool deletes = false;
};
Status run_garbage(const GarbageOptions& options);

struct RunsOptions {
  CommonOptions common;
  std::vector<std::string> runs;  // names or patterns
  std::vector<std::string> tags;  // key=value
};
Status run_runs(const RunsOptions& options);

struct IndexRebuildOptions {
  CommonOptions common;
  std::string run;  // its directory, or its name in the store
  size_t threads = 0;
};
Status run_index_rebuild(const IndexRebuildOptions& options);

struct PackCommandOptions {
  CommonOptions common;
  std::string run;              // its directory, or its name in the store
  std::string columns = "few";  // of packs
  size_t threads = 0;
};
Status run_pack(const PackCommandOptions& options, bool to_packs, int* interrupted_by);

struct TraceOptions {
  CommonOptions common;
  std::string strategy;  // or a trace file
  std::string symbol, timeframe;
  bool dense = false, trades = false;
  double cost_bps = 0.0;  // a side
};
Status run_trace(const TraceOptions& options);

struct AnalyzeCommandOptions {
  CommonOptions common;
  std::string path;  // a run's directory or name, or a store; empty: where you are
  std::vector<std::string> runs;
  StrategyFilter filter;  // of the questions
  std::string symbol, timeframe;

  bool ensembles = false;  // a question: do composites say what their leaves do

  // The figures.
  double cost_bps = 0.0, capital = 100'000.0, risk_free_rate = 0.0;
  std::optional<double> bars_per_year;
  std::string from, to;
  double stop = 0.0, target = 0.0, trail = 0.0, slippage_bps = 0.0;
  bool without_bars = false;
  std::string name;  // of the set that gets them
  std::string drop;  // a set to be removed
  size_t threads = 0;

  // Questions.
  bool summary = false;  // the figures of all together, of those that have some
  // Of --trials.
  bool trials = false;
  std::optional<int64_t> trial_count;
  int blocks = 16;
  // How strategies go together, and how they did by regime and by window.
  std::string correlate;  // positions, pnl or overlap
  std::optional<size_t> select;
  std::optional<double> max_correlation;
  std::string by_regime;      // a classifier
  std::string walk_forward;   // IN,OUT
  std::string out_of_sample;  // a time
  bool anchored = false;
  std::optional<int64_t> gap;
  std::string best;  // a metric; empty: sharpe_ratio
};
Status run_analyze(const AnalyzeCommandOptions& options, int* interrupted_by);

struct SqlOptions {
  CommonOptions common;
  std::string query;  // "-" is standard input
  bool unconfined = false;
};
Status run_sql(const SqlOptions& options);

struct CatalogOptions {
  CommonOptions common;
  bool refresh = false;
  bool rebuild = false;
};
Status run_catalog(const CatalogOptions& options);

}  // namespace signalbook::cli
