#pragma once

#include "cli/commands.h"

namespace CLI {
class App;
}

namespace signalbook::cli {

// Tells the command line of `signalbook analyze` what it takes.
void add_analyze_options(CLI::App& command, AnalyzeCommandOptions& options);

}  // namespace signalbook::cli
