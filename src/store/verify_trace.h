#pragma once

#include <string>
#include <vector>

#include "format/bars.h"
#include "store/strategy_index.h"

namespace signalbook {

// A trace file decoded and compared with its row of the index and its bars, whatever the digests say: what a bug or
// another program has recorded wrong. A line a finding, with the row of the file where it is about one; none when all
// is right. Without bars (nullptr) times are not compared. A price may be another than the bar's close, because it may
// have come with the signal; it is finite.
std::vector<std::string> check_trace_file(const std::string& bytes, const IndexRow& row, const Bars* bars);

// The same of a file alone, which is held to what it says of itself.
std::vector<std::string> check_trace_file_alone(const std::string& bytes);

}  // namespace signalbook
