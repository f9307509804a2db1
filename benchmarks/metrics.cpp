// All metrics of a sweep, in memory and from a finished run.
//   bench_metrics [RUN] [--benchmark_...]
// takes the traces and bars of a finished run that has one feed; else both are made up: 1,640 strategies on 16,614 bars
// that change on 4.6% of them. The peers are in metrics_peers.py.
#include "analytics/metrics.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/parallel_for.h"
#include "store/run_reader.h"

namespace signalbook {
namespace {

constexpr int64_t kBars = 16'614, kStrategies = 1'640;  // the shape of a real sweep
constexpr double kChangeShare = 0.046;                  // and its share of changes
constexpr double kBarsAYear = 19'656;

struct Workload {
  std::vector<double> close;
  std::vector<SignalChanges> traces;
};
std::string run_path;  // empty: made up
Workload workload;

// Random walks over {-1, 0, 1}, or over fractions of a position that no table has.
Workload make_workload() {
  std::mt19937_64 random(7);
  std::normal_distribution<double> move(2e-6, 7e-4);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  Workload made{.close = std::vector<double>(kBars), .traces = std::vector<SignalChanges>(kStrategies)};
  double price = 450;
  for (double& bar : made.close) bar = std::round(100 * (price *= 1 + move(random))) / 100;
  for (SignalChanges& trace : made.traces) {
    double value = 0;
    for (int64_t bar = 0; bar < kBars; ++bar) {
      if (uniform(random) >= kChangeShare) continue;
      value = std::fmod(value + 2 + static_cast<double>(random() & 1), 3) - 1;
      trace.idx.push_back(bar);
      trace.values.push_back(value);
    }
  }
  return made;
}

Result<Workload> read_workload() {
  SB_ASSIGN_OR_RETURN(const auto run, RunReader::open(posix_file_system(), run_path));
  Workload read;
  for (const IndexRow& row : run->rows()) {
    SB_ASSIGN_OR_RETURN(TraceChanges trace, run->read_changes(row));
    read.traces.push_back(std::move(trace.changes));
  }
  SB_ASSIGN_OR_RETURN(const Bars bars, run->read_bars(run->rows().front().data_id));
  read.close = bars.close;
  return read;
}

void metrics(benchmark::State& state, double cost, bool has_fractions, bool bar_by_bar) {
  const PriceSeries series = PriceSeries::make(workload.close).value();
  std::vector<SignalChanges> traces = workload.traces;
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> size(1.0, 2.0);
  int64_t changes = 0;
  for (SignalChanges& trace : traces) {
    changes += static_cast<int64_t>(trace.size());
    for (double& value : trace.values) value *= has_fractions ? size(random) : 1;
  }
  double sum = 0;
  for (auto _ : state) {
    // Preparing the prices' tables belongs to the work: it is done once a sweep.
    const auto kernel = MetricsKernel::make(series, {.cost = cost, .bars_per_year = kBarsAYear});
    for (const SignalChanges& trace : traces) {
      const auto figures = bar_by_bar ? kernel->compute_bar_by_bar(trace) : kernel->compute(trace);
      if (!figures.ok()) return state.SkipWithError("refused");
      sum += figures->sharpe_ratio.value_or(0);
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * changes);
  state.counters["changes"] = static_cast<double>(changes);
  state.counters["per_change"] = benchmark::Counter(static_cast<double>(state.iterations() * changes),
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(metrics, without_cost, 0.0, false, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(metrics, one_basis_point, 1e-4, false, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(metrics, fractions, 1e-4, true, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(metrics, bar_by_bar, 1e-4, false, true)->Unit(benchmark::kMillisecond);

// The tables of the prices alone.
void prepare(benchmark::State& state) {
  for (auto _ : state) {
    const PriceSeries series = PriceSeries::make(workload.close).value();
    benchmark::DoNotOptimize(MetricsKernel::make(series, {.bars_per_year = kBarsAYear}));
  }
}
BENCHMARK(prepare)->Unit(benchmark::kMillisecond);

// A finished run, from opening it on, with or without its metrics.
void from_run(benchmark::State& state, size_t threads, bool has_metrics, bool is_whole = false) {
  if (run_path.empty()) return state.SkipWithError("needs a run");
  for (auto _ : state) {
    const auto run = RunReader::open(posix_file_system(), run_path).value();
    const PriceSeries series = PriceSeries::make(run->read_bars(run->rows().front().data_id)->close).value();
    const auto kernel = MetricsKernel::make(series, {.bars_per_year = kBarsAYear}).value();
    std::vector<Metrics> figures(run->rows().size());
    const Status status = parallel_for(figures.size(), threads, [&](size_t i) {
      if (is_whole) return run->read_trace(run->rows()[i]).status();
      SB_ASSIGN_OR_RETURN(const TraceChanges trace, run->read_changes(run->rows()[i]));
      if (!has_metrics) return Status();
      SB_ASSIGN_OR_RETURN(figures[i], kernel.compute(trace.changes));
      return Status();
    });
    if (!status.ok()) state.SkipWithError(status.message().c_str());
  }
}
BENCHMARK_CAPTURE(from_run, reading_whole_traces, 1, false, true)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(from_run, reading, 1, false)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(from_run, one_thread, 1, true)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(from_run, a_thread_a_core, 0, true)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  using namespace signalbook;
  benchmark::Initialize(&argc, argv);
  if (argc == 2) run_path = argv[1];
  Result<Workload> given = run_path.empty() ? make_workload() : read_workload();
  if (!given.ok()) {
    std::cerr << given.status().message() << "\n";
    return 1;
  }
  workload = std::move(*given);
  benchmark::RunSpecifiedBenchmarks();
}
