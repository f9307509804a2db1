// Signals in memory to a finished, durable run, through RunWriter. Prints one line of JSON: `seconds` from the creation
// of the run to the end of its commit, `record_seconds` and `commit_seconds` as its parts.
//
// FOLDER holds a workload (benchmarks/suite/workloads.py): closes.npy, timestamps.npy, configs.jsonl, and either
// signals.npy (int8, [bars, strategies]) or idx.npy and val.npy (int32 and int8, [strategies, changes]).
//
// usage: bench_end_to_end FOLDER RUN [--by matrix|bars|events|changes] [--layout packed|files]
//   matrix   the dense matrix in one call       bars     one call a bar, of all strategies
//   events   one call a bar and strategy        changes  one call a change
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "store/run_writer.h"
#include "support.h"

namespace signalbook {
namespace {

struct Options {
  std::string folder, run, by = "matrix", layout = "packed";
};

struct Workload {
  Bars bars;
  std::string configs;  // JSON lines
  NpyFile signals;      // dense
  NpyFile idx, val;     // or the changes
};

Result<Workload> read_workload(const Options& options) {
  const auto path = [&](const char* name) { return join_path(options.folder, name); };
  Workload workload;
  SB_ASSIGN_OR_RETURN(const NpyFile close, NpyFile::read(path("closes.npy")));
  SB_ASSIGN_OR_RETURN(const NpyFile ts, NpyFile::read(path("timestamps.npy")));
  Bars& bars = workload.bars;
  bars.symbol = "SPY";
  bars.timeframe = "5m";
  bars.ts = ts.values<int64_t>();
  bars.open = bars.high = bars.low = bars.close = close.values<double>();
  SB_ASSIGN_OR_RETURN(workload.configs, posix_file_system().read_file(path("configs.jsonl")));
  if (options.by == "changes") {
    SB_ASSIGN_OR_RETURN(workload.idx, NpyFile::read(path("idx.npy")));
    SB_ASSIGN_OR_RETURN(workload.val, NpyFile::read(path("val.npy")));
  } else {
    SB_ASSIGN_OR_RETURN(workload.signals, NpyFile::read(path("signals.npy")));
  }
  return workload;
}

Status record_matrix(RunWriter& run, const std::vector<size_t>& traces, const NpyFile& signals) {
  return run.record_matrix(traces, 0,
                           {.data = signals.data<int8_t>(),
                            .type = ElementType::int8,
                            .bar_count = signals.rows(),
                            .strategy_count = signals.columns(),
                            .bar_stride = signals.columns(),
                            .strategy_stride = 1});
}

Status record_bars(RunWriter& run, const std::vector<size_t>& traces, const NpyFile& signals) {
  const int8_t* row = signals.data<int8_t>();
  std::vector<double> values(traces.size());
  for (BarIndex bar = 0; bar < signals.rows(); ++bar, row += signals.columns()) {
    std::copy(row, row + signals.columns(), values.begin());
    SB_RETURN_IF_ERROR(run.record_bar(traces, bar, values));
  }
  return Status();
}

Status record_events(RunWriter& run, const std::vector<size_t>& traces, const NpyFile& signals) {
  const int8_t* value = signals.data<int8_t>();
  for (BarIndex bar = 0; bar < signals.rows(); ++bar) {
    for (const size_t trace : traces) SB_RETURN_IF_ERROR(run.record(trace, bar, *value++));
  }
  return Status();
}

Status record_changes(RunWriter& run, const std::vector<size_t>& traces, const NpyFile& idx, const NpyFile& val) {
  const int32_t* bar = idx.data<int32_t>();
  const int8_t* value = val.data<int8_t>();
  for (const size_t trace : traces) {
    for (int64_t i = 0; i < idx.columns(); ++i) SB_RETURN_IF_ERROR(run.record(trace, *bar++, *value++));
    SB_RETURN_IF_ERROR(run.finish_trace(trace));
  }
  return Status();
}

Status measure(const Options& options) {
  SB_ASSIGN_OR_RETURN(Workload workload, read_workload(options));
  const double input_mb = peak_memory_mb();
  RunOptions run_options;
  run_options.layout = options.layout == "packed" ? RunLayout::packed : RunLayout::files;
  run_options.created_at = 1'711'500'000'000'000;

  const Stopwatch whole;
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run,
                      RunWriter::create(posix_file_system(), options.run, run_options));
  SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(std::move(workload.bars)));
  std::vector<size_t> traces;
  for (const std::string_view line : split_lines(workload.configs)) {
    SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(line));
    SB_ASSIGN_OR_RETURN(const size_t strategy, run->add_strategy(fmt::format("strategy_{}", traces.size()), config));
    traces.push_back(run->add_trace(strategy, feed));
  }
  const Stopwatch recording;
  if (options.by == "matrix") SB_RETURN_IF_ERROR(record_matrix(*run, traces, workload.signals));
  if (options.by == "bars") SB_RETURN_IF_ERROR(record_bars(*run, traces, workload.signals));
  if (options.by == "events") SB_RETURN_IF_ERROR(record_events(*run, traces, workload.signals));
  if (options.by == "changes") SB_RETURN_IF_ERROR(record_changes(*run, traces, workload.idx, workload.val));
  const double record_seconds = recording.seconds();
  const Stopwatch committing;
  SB_ASSIGN_OR_RETURN(const RunSummary summary, run->commit());
  const double commit_seconds = committing.seconds(), seconds = whole.seconds();

  const bool is_dense = options.by != "changes";
  const int64_t events =
      is_dense ? workload.signals.rows() * workload.signals.columns() : workload.idx.rows() * workload.idx.columns();
  fmt::print(R"({{"seconds": {:.6f}, "record_seconds": {:.6f}, "commit_seconds": {:.6f}, "events": {}, "changes": {}, )"
             R"("peak_mb": {:.1f}, "input_mb": {:.1f}, "answer": {{"changes": {}, "strategies": {}}}}})"
             "\n",
             seconds, record_seconds, commit_seconds, events, summary.change_count, peak_memory_mb(), input_mb,
             summary.change_count, summary.strategy_count);
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Times signals in memory to a finished run.");
  signalbook::Options options;
  app.add_option("folder", options.folder, "of the workload")->required()->check(CLI::ExistingDirectory);
  app.add_option("run", options.run, "must not exist")->required();
  app.add_option("--by", options.by)->check(CLI::IsMember({"matrix", "bars", "events", "changes"}));
  app.add_option("--layout", options.layout)->check(CLI::IsMember({"packed", "files"}));
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = signalbook::measure(options);
  if (!status.ok()) fmt::print(stderr, "bench_end_to_end: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
