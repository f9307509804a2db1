// The encoder alone: a dense int8 matrix in memory to changes in memory. Rows are bars (C order, what numpy has) or
// columns are contiguous (Fortran order, what a Parquet column gives).
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "format/signal_matrix.h"

namespace signalbook {
namespace {

constexpr int64_t kBars = 16'614, kStrategies = 1'640;  // the shape of a real sweep
constexpr double kChangeShare = 0.046;                  // and its share of changes

// A random walk over {-1, 0, 1} that changes on 4.6% of the bars.
std::vector<int8_t> make_matrix(bool bars_first) {
  std::mt19937_64 random(1);
  std::vector<int8_t> matrix(static_cast<size_t>(kBars * kStrategies));
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  for (int64_t s = 0; s < kStrategies; ++s) {
    int8_t value = 0;
    for (int64_t b = 0; b < kBars; ++b) {
      if (uniform(random) < kChangeShare) value = static_cast<int8_t>((value + 1 + (random() & 1) + 1) % 3 - 1);
      matrix[static_cast<size_t>(bars_first ? b * kStrategies + s : s * kBars + b)] = value;
    }
  }
  return matrix;
}

void encode(benchmark::State& state, bool bars_first) {
  const std::vector<int8_t> data = make_matrix(bars_first);
  const SignalMatrix matrix = {.data = data.data(),
                               .type = ElementType::int8,
                               .bar_count = kBars,
                               .strategy_count = kStrategies,
                               .bar_stride = bars_first ? kStrategies : 1,
                               .strategy_stride = bars_first ? 1 : kBars};
  size_t changes = 0;
  for (auto _ : state) {
    std::vector<SignalEncoder> encoders(kStrategies);
    int64_t failed = 0;
    if (!observe_matrix(matrix, 0, encoders, &failed).ok()) state.SkipWithError("refused");
    changes = 0;
    for (const SignalEncoder& encoder : encoders) changes += encoder.changes().size();
    benchmark::DoNotOptimize(changes);
  }
  state.SetBytesProcessed(state.iterations() * kBars * kStrategies);
  state.counters["changes"] = static_cast<double>(changes);
}

BENCHMARK_CAPTURE(encode, rows_are_bars, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, columns_are_bars, false)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace signalbook

BENCHMARK_MAIN();
