#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "format/bars.h"

namespace signalbook {

// Bars from a CSV, Parquet or Arrow IPC file with the columns timestamp (or ts, time, date, datetime), open, high, low,
// close and, where there is one, volume; case does not count and other columns are ignored. Invalid, naming file, row
// and column, for what is missing, unsorted, double or not a finite number.
Result<Bars> read_bars_input(const std::string& path, const std::string& symbol, const std::string& timeframe,
                             std::vector<std::string>* warnings);

}  // namespace signalbook
