#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"

namespace signalbook {

// Where the traces of a run come from: from files or packs, which who asks does not learn. Several threads may ask at
// once; neighbours in the index are read fastest one after the other. Rows may be those of an index that was read
// before somebody laid the run out the other way (store/repack_run.h): such a trace is found by the index that is there
// now.
class TraceStorage {
 public:
  virtual ~TraceStorage() = default;
  // Damaged, naming the file, when the trace is missing or not what the index says.
  virtual Result<Trace> read(const IndexRow& row) = 0;
  // The same of what an analysis needs, several times as fast; px only where asked for.
  virtual Result<TraceChanges> read_changes(const IndexRow& row, bool with_prices) = 0;
};

// The traces of a run, without its index: the rows to read them by come from elsewhere. Damaged when there is
// no run.json that says how they lie, Invalid when it is newer.
Result<std::unique_ptr<TraceStorage>> open_traces(FileSystem& files, const std::string& run_path);
// The same of a run that is described already.
Result<std::unique_ptr<TraceStorage>> open_traces(FileSystem& files, const std::string& run_path,
                                                  const RunDescription& description);

// The bars of a feed, from the store around a run. Damaged when they are not there.
Result<Bars> read_stored_bars(FileSystem& files, const std::string& run_path, const std::string& data_id);

}  // namespace signalbook
