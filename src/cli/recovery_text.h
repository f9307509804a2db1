#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/common.h"
#include "store/lost_and_found.h"
#include "store/run_summary.h"

// What `recover` and `index rebuild` have in common.

namespace signalbook::cli {

// A line of standard output, indented, such as "  damage   traces/...: missing". For people: control characters are
// escaped.
void print_fact(const std::string& name, const std::string& text);

// "1,640 (1,600 complete, 40 incomplete: their signals end before the last bar)"
std::string count_traces(const RunSummary& summary);

// A line each.
void print_moved(const std::vector<MovedFile>& moved, bool is_dry);

}  // namespace signalbook::cli
