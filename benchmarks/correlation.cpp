// Traces in memory to their correlation and overlap matrices, their clusters, and the probability of overfitting.
//   bench_correlation [signals.npy closes.npy] [--benchmark_...]
// reads a dense int8 matrix [bars, strategies] and the closes of its bars as numpy saves them; else both are made up.
#include "analytics/correlation.h"

#include <benchmark/benchmark.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "analytics/effective_trials.h"
#include "analytics/overfitting.h"
#include "format/signal_encoder.h"

namespace signalbook {
namespace {

struct Workload {
  std::vector<SignalChanges> traces;
  std::vector<double> returns;  // one less than bars
  BarWindow bars() const { return {0, static_cast<int64_t>(returns.size())}; }
};
Workload workload;

// The shape of a real sweep and its share of changes: random walks over {-1, 0, 1} that change on 4.6% of the bars.
Workload make_workload() {
  constexpr int64_t kBars = 16'614, kStrategies = 1'640;
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  std::normal_distribution<double> normal(0, 0.001);
  Workload made{.traces = std::vector<SignalChanges>(kStrategies)};
  for (SignalChanges& trace : made.traces) {
    int value = 0;
    for (BarIndex bar = 0; bar < kBars; ++bar) {
      if (bar > 0 && uniform(random) >= 0.046) continue;
      value = (value + 2 + static_cast<int>(random() & 1)) % 3 - 1;
      trace.idx.push_back(bar);
      trace.values.push_back(value);
    }
  }
  for (int64_t bar = 1; bar < kBars; ++bar) made.returns.push_back(normal(random));
  return made;
}

// What stands behind the header of an .npy file of version 1.
template <typename T>
std::vector<T> read_npy(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() < 10) {
    std::cerr << "cannot read " << path << "\n";
    std::exit(1);
  }
  const size_t header = 10 + static_cast<uint8_t>(bytes[8]) + 256 * size_t{static_cast<uint8_t>(bytes[9])};
  std::vector<T> values((bytes.size() - header) / sizeof(T));
  std::memcpy(values.data(), bytes.data() + header, values.size() * sizeof(T));
  return values;
}

Workload read_workload(const char* signals_path, const char* closes_path) {
  const std::vector<int8_t> signals = read_npy<int8_t>(signals_path);
  const std::vector<double> closes = read_npy<double>(closes_path);
  const size_t strategies = signals.size() / closes.size();
  Workload read{.traces = std::vector<SignalChanges>(strategies)};
  for (size_t s = 0; s < strategies; ++s) {
    SignalEncoder encoder;
    if (!encoder
             .observe_series<int8_t>(0, signals.data() + s, static_cast<int64_t>(closes.size()),
                                     static_cast<int64_t>(strategies))
             .ok()) {
      std::exit(1);
    }
    read.traces[s] = encoder.changes();
  }
  for (size_t bar = 1; bar < closes.size(); ++bar) read.returns.push_back(closes[bar] / closes[bar - 1] - 1);
  return read;
}

void positions(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(position_correlation(workload.traces, workload.bars()));
}
BENCHMARK(positions)->Unit(benchmark::kMillisecond);

void fractions(benchmark::State& state) {
  std::vector<SignalChanges> traces = workload.traces;
  for (SignalChanges& trace : traces) {
    for (double& value : trace.values) value *= 0.3;
  }
  for (auto _ : state) benchmark::DoNotOptimize(position_correlation(traces, workload.bars()));
}
BENCHMARK(fractions)->Unit(benchmark::kMillisecond);

void pnl(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(pnl_correlation(workload.traces, workload.bars(), workload.returns));
  }
}
BENCHMARK(pnl)->Unit(benchmark::kMillisecond);

void overlap(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(position_overlap(workload.traces, workload.bars()));
}
BENCHMARK(overlap)->Unit(benchmark::kMillisecond);

void clusters(benchmark::State& state) {
  const SymmetricMatrix correlation = *pnl_correlation(workload.traces, workload.bars(), workload.returns);
  for (auto _ : state) state.counters["clusters"] = static_cast<double>(cluster_trials(correlation).count);
}
BENCHMARK(clusters)->Unit(benchmark::kMillisecond);

// From dense returns, which are made outside: 16 blocks, 12,870 splits.
void overfitting(benchmark::State& state) {
  std::vector<std::vector<double>> returns;
  for (const SignalChanges& trace : workload.traces) {
    returns.push_back(*decode(trace, workload.bars().end + 1));
    returns.back().pop_back();
    for (size_t t = 0; t < workload.returns.size(); ++t) returns.back()[t] *= workload.returns[t];
  }
  for (auto _ : state) {
    auto blocks = ReturnBlocks::create(workload.bars().end);
    for (const auto& earned : returns) {
      if (!blocks->add(earned).ok()) state.SkipWithError("refused");
    }
    state.counters["probability"] = backtest_overfitting(*blocks)->probability;
  }
}
BENCHMARK(overfitting)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  signalbook::workload = argc == 3 ? signalbook::read_workload(argv[1], argv[2]) : signalbook::make_workload();
  benchmark::RunSpecifiedBenchmarks();
}
