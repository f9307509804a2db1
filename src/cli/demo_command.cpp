#include <fmt/format.h>

#include <chrono>
#include <span>
#include <tuple>

#include "cli/commands.h"
#include "demo/example_bars.h"
#include "demo/example_strategies.h"
#include "store/run_writer.h"

namespace signalbook::cli {

namespace {

constexpr int kBarMinutes = 5;
constexpr int64_t kMicrosecondsPerMinute = 60'000'000;

// Bars [begin, end) of a feed.
Bars slice(const Bars& bars, size_t begin, size_t end) {
  const auto cut = [&](const auto& column) {
    if (column.empty()) return column;
    return std::decay_t<decltype(column)>(column.begin() + static_cast<std::ptrdiff_t>(begin),
                                          column.begin() + static_cast<std::ptrdiff_t>(end));
  };
  return {.symbol = bars.symbol,
          .timeframe = bars.timeframe,
          .ts = cut(bars.ts),
          .open = cut(bars.open),
          .high = cut(bars.high),
          .low = cut(bars.low),
          .close = cut(bars.close),
          .volume = cut(bars.volume)};
}

Result<RunSummary> record_demo(const std::string& run_path, const Bars& bars, RunOptions options) {
  const std::vector<demo::ExampleSignals> sweep = demo::make_example_sweep(bars);
  const std::vector<demo::ExampleLabels> regimes = demo::make_regimes(bars);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run,
                      RunWriter::create(posix_file_system(), run_path, std::move(options)));
  SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(bars));
  for (const demo::ExampleSignals& example : sweep) {
    SB_ASSIGN_OR_RETURN(const size_t strategy, run->add_strategy(example.strategy_id, example.config));
    const size_t trace = run->add_trace(strategy, feed);
    const SignalMatrix matrix = {.data = example.signals.data(),
                                 .type = ElementType::float64,
                                 .bar_count = static_cast<int64_t>(example.signals.size()),
                                 .strategy_count = 1,
                                 .bar_stride = sizeof(double),
                                 .strategy_stride = 0};
    SB_RETURN_IF_ERROR(run->record_matrix(std::span(&trace, 1), 0, matrix));
  }
  for (const demo::ExampleLabels& example : regimes) {
    SB_ASSIGN_OR_RETURN(const size_t strategy, run->add_strategy(example.strategy_id, example.config));
    const size_t trace = run->add_trace(strategy, feed);
    for (size_t bar = 0; bar < example.labels.size(); ++bar) {
      SB_RETURN_IF_ERROR(run->record_label(trace, static_cast<BarIndex>(bar), example.labels[bar]));
    }
  }
  return run->commit();
}

}  // namespace

// The same strategies on the sessions of the first two thirds of the time and on the rest, so that a newcomer can ask
// which of them held up.
Status run_demo(const DemoOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  SB_ASSIGN_OR_RETURN(const int64_t now, current_time());
  const Bars bars = demo::make_bars({.symbol = "DEMO",
                                     .bar_minutes = kBarMinutes,
                                     .months = options.months,
                                     .first_price = 470.0,
                                     .seed = options.seed});
  size_t split = bars.size() * 2 / 3;
  while (split < bars.size() && bars.ts[split] - bars.ts[split - 1] == kBarMinutes * kMicrosecondsPerMinute) ++split;
  const std::tuple<const char*, size_t, size_t> runs[] = {{"in_sample", 0, split},
                                                          {"out_of_sample", split, bars.size()}};
  int64_t traces = 0, changes = 0;
  for (const auto& [name, begin, end] : runs) {
    RunOptions run_options;
    run_options.created_at = now;
    run_options.code_version = "demo";
    run_options.note = "made-up bars, plain example strategies";
    run_options.tags = {{"sample", name}};
    SB_ASSIGN_OR_RETURN(const RunSummary summary,
                        record_demo(join_path(options.store, name), slice(bars, begin, end), std::move(run_options)));
    traces += summary.trace_count;
    changes += summary.change_count;
  }
  if (options.quiet) return Status();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print_out("recorded 2 runs in {}: {} bars of made-up prices, {} traces, {} changes, {:.2f} s\n", options.store,
            with_separators(static_cast<int64_t>(bars.size())), with_separators(traces), with_separators(changes),
            seconds.count());
  return Status();
}

}  // namespace signalbook::cli
