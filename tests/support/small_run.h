#pragma once

#include <memory>
#include <string>
#include <vector>

#include "format/json_value.h"
#include "store/run_writer.h"

namespace signalbook {

// Bars that are enough to record on: one every five minutes, prices that differ from bar to bar.
inline Bars make_small_bars(size_t count, const std::string& symbol = "SPY") {
  Bars bars;
  bars.symbol = symbol;
  bars.timeframe = "5m";
  for (size_t i = 0; i < count; ++i) {
    const double price = 470.0 + static_cast<double>(i * 7 % 11) / 4.0;
    bars.ts.push_back(1'704'205'800'000'000 + static_cast<int64_t>(i) * 300'000'000);
    bars.open.push_back(price - 0.25);
    bars.high.push_back(price + 0.5);
    bars.low.push_back(price - 0.5);
    bars.close.push_back(price);
    bars.volume.push_back(1000.0 + static_cast<double>(i));
  }
  return bars;
}

inline JsonValue parse(const std::string& json) { return parse_json(json).value(); }

// Three strategies and a classifier on twelve bars.
inline Result<RunSummary> record_small_run(FileSystem& files, const std::string& run_path,
                                           RunLayout layout = RunLayout::automatic, const CommitOptions& commit = {}) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run, RunWriter::create(files, run_path, {.layout = layout}));
  SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(make_small_bars(12)));
  for (int period = 10; period < 13; ++period) {
    SB_ASSIGN_OR_RETURN(const size_t strategy,
                        run->add_strategy("strategy_" + std::to_string(period),
                                          parse(R"({"rsi":{"period":)" + std::to_string(period) + "}}")));
    const size_t trace = run->add_trace(strategy, feed);
    for (BarIndex bar = 0; bar < 12; ++bar) {
      SB_RETURN_IF_ERROR(run->record(trace, bar, static_cast<double>(bar * period / 20 % 3) - 1.0));
    }
  }
  SB_ASSIGN_OR_RETURN(const size_t classifier, run->add_strategy("regime_0", parse(R"({"regime":{"lookback":3}})")));
  const size_t trace = run->add_trace(classifier, feed);
  for (BarIndex bar = 2; bar < 12; ++bar) {
    SB_RETURN_IF_ERROR(run->record_label(trace, bar, bar < 7 ? "ranging" : "trending"));
  }
  return run->commit(commit);
}

}  // namespace signalbook
