#pragma once

#include <cstddef>
#include <string>

namespace signalbook::cli {

// The parameters of a configuration in a few words, for a list to choose from: "period=20 std_dev=2.0 constraints=..."
// It is cut to this many columns of a terminal, and nothing in it moves the cursor.
std::string config_summary(const std::string& strategy_config, int width = 60);

}  // namespace signalbook::cli
