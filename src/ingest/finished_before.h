#pragma once

#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "ingest/record.h"
#include "ingest/strategy_file.h"

namespace signalbook {

// A recording is to go on whose run is finished. That is fine where there is nothing left to record: the same bars and
// code, each strategy of the file there, no trace that was cut off, and the writer among those that came to their end.
// Returns how much of its input that writer had handed over. Otherwise Invalid, saying what differs: what is still to
// be recorded must not be taken for recorded.
Result<int64_t> check_finished_before(FileSystem& files, const RecordRequest& request, const std::vector<Bars>& bars,
                                      const std::vector<StrategyEntry>& entries);

}  // namespace signalbook
