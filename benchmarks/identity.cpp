// From the text of a configuration to its identity: what recording pays for every strategy of a sweep. The target is
// 500,000 configurations a second on a core for the first of these (parse, normalise, canonical text, SHA-256).
#include <benchmark/benchmark.h>

#include <string_view>

#include "format/strategy_identity.h"

namespace signalbook {
namespace {

// What most sweeps are made of.
constexpr std::string_view kPlain =
    R"({"type":"bollinger_bands","parameters":{"period":20,"std_dev":2.5},"constraints":"intraday"})";
// The same, with a real that is an integer: its value_digest takes a second text and a second SHA-256.
constexpr std::string_view kSpelledInteger =
    R"({"type":"bollinger_bands","parameters":{"period":20,"std_dev":2.0},"constraints":"intraday"})";
constexpr std::string_view kNamedByKey = R"({"bollinger_bands":{"period":20,"std_dev":2.5},"constraints":"intraday"})";
constexpr std::string_view kEnsemble = R"({"strategy_type": "ensemble", "config": {"strategy": [
    {"sma_crossover": {"fast_period": 15, "slow_period": 50, "weight": 0.4}},
    {"bollinger_bands": {"period": 20, "std": 2.5, "weight": 0.6}},
    {"threshold": "0.5 AND volume > sma[20]"}]}})";

void identify(benchmark::State& state, std::string_view text) {
  for (auto _ : state) {
    const auto config = parse_json(text);
    if (!config.ok()) return state.SkipWithError("refused");
    auto identity = identify_strategy(*config);
    if (!identity.ok()) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(identity);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}

// The parts of `plain`, to see where time goes.
void parse_only(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(parse_json(kPlain));
  state.SetItemsProcessed(state.iterations());
}

void normalize_only(benchmark::State& state) {
  const auto config = parse_json(kPlain);
  for (auto _ : state) benchmark::DoNotOptimize(normalize_strategy(*config));
  state.SetItemsProcessed(state.iterations());
}

void canonical_only(benchmark::State& state) {
  const auto node = normalize_strategy(*parse_json(kPlain));
  for (auto _ : state) benchmark::DoNotOptimize(to_json(*node, JsonStyle::canonical));
  state.SetItemsProcessed(state.iterations());
}

void sha256_only(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sha256(kPlain));
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(identify, plain, kPlain);
BENCHMARK_CAPTURE(identify, spelled_integer, kSpelledInteger);
BENCHMARK_CAPTURE(identify, named_by_key, kNamedByKey);
BENCHMARK_CAPTURE(identify, ensemble, kEnsemble);
BENCHMARK(parse_only);
BENCHMARK(normalize_only);
BENCHMARK(canonical_only);
BENCHMARK(sha256_only);

}  // namespace
}  // namespace signalbook

BENCHMARK_MAIN();
