#pragma once

#include <string>
#include <vector>

#include "format/bars.h"
#include "format/json_value.h"

namespace signalbook::demo {

// A configuration and what it says on every bar: -1, 0 or 1; NaN on the bars before its indicators are warm.
// What it says on a bar depends on that bar and those before it, never on later ones.
struct ExampleSignals {
  std::string strategy_id;
  JsonValue config;
  std::vector<double> signals;  // one a bar
};

// Five plain strategies (sma_crossover, bollinger_bands, rsi, momentum, breakout) over parameter grids, each with and
// without "constraints": "intraday" (flat on the last bar of every New York session), then one ensemble of weighted
// leaves and one composite of weighted groups, whose signals come from their leaves. About 360 configurations,
// strategy_0, strategy_1, ... in this order.
std::vector<ExampleSignals> make_example_sweep(const Bars& bars);

// What a market regime classifier says on every bar: "trending_up", "trending_down" or "ranging"; empty text while not
// warm.
struct ExampleLabels {
  std::string strategy_id;
  JsonValue config;
  std::vector<std::string> labels;
};

// Two of them, classifier_0 and classifier_1: a quick one and a slow one.
std::vector<ExampleLabels> make_regimes(const Bars& bars);

}  // namespace signalbook::demo
