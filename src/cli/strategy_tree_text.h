#pragma once

#include <string>

#include "format/json_value.h"

namespace signalbook::cli {

// A strategy made of strategies as a tree for a terminal, a line a node:
//
//   ensemble  threshold 0.5  7b6523c0d2c7
//   ├─ sma_cross  fast=10 slow=50  weight 0.4  f52d1e22b2cb
//   └─ rsi  period=14  weight 0.6  66d77ba2cb0b
//
// Of strategies whose digests begin alike more digits are shown, so many that they differ. With a width, that of a
// terminal, longer lines are cut; 0 is as long as it takes.
//
// Below the first level a node with weights all the way down has its share of the whole in brackets. Empty for a plain
// strategy, and for what is no configuration.
std::string strategy_tree_text(const JsonValue& config, int width = 0);

}  // namespace signalbook::cli
