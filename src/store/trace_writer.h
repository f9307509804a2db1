#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "format/bars.h"
#include "store/recorded_trace.h"
#include "store/run_description.h"
#include "store/staged_files.h"
#include "store/strategy_index.h"

namespace signalbook {

// A trace and its row of the index, which is to learn where the trace lies.
struct TraceToWrite {
  const RecordedTrace* trace = nullptr;
  IndexRow* row = nullptr;  // all but the place is known
};

// Writes the traces of a run that is being made, in the order of the index.
class TraceWriter {
 public:
  virtual ~TraceWriter() = default;
  virtual Status write(std::span<const TraceToWrite> traces) = 0;
  // Behind the last: all is in flight, and `files` has what run.json is to vouch for beside the tables.
  virtual Status finish(std::vector<RunDescription::File>& files) = 0;
  virtual int64_t byte_count() const = 0;  // of the files, after finish()
};

using BarsOfFeed = std::function<const Bars&(size_t feed)>;

// A file a trace, encoded by several threads (0: one a core).
std::unique_ptr<TraceWriter> make_trace_files_writer(StagedFiles& staged, BarsOfFeed bars, size_t threads);

// What a pack holds beside what it must.
enum class PackColumns : uint8_t {
  few,
  full
};  // full: ts, sym, strat and px on every row, for readers without an index

struct PackOptions {
  PackColumns columns = PackColumns::few;
  int64_t most_bytes = int64_t{1} << 30;  // of a pack, about: then the next one begins
};

// traces/<feed>/signals-00000.parquet and classifiers-00000.parquet, their columns encoded by several threads.
std::unique_ptr<TraceWriter> make_pack_writer(StagedFiles& staged, BarsOfFeed bars, const PackOptions& options,
                                              size_t threads);

}  // namespace signalbook
