#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "store/recorded_run.h"
#include "store/recorded_trace.h"

namespace signalbook {

// Reads the changes of these traces in one pass over the journals, as many at a time as the caller has memory for
// (kBytesPerChange each). The traces come back in the order asked for, whole: changes, prices, how far observed.
// Damaged when a journal is not what it was when the run was read.
inline constexpr int64_t kBytesPerChange = sizeof(uint32_t) + sizeof(double);

class ChangePass {
 public:
  ChangePass(const RecordedRun& run, std::vector<const RecordedSource*> sources);

  Status read();
  // The k-th trace; once, since it gives its memory away. Several threads may take different ones.
  Result<RecordedTrace> take(size_t k);

 private:
  struct Slot {
    uint32_t wanted = 0;
    std::vector<uint32_t> bars;
    std::vector<double> values;
    std::vector<uint32_t> labels;
    std::vector<std::pair<uint32_t, double>> prices;  // by bar
  };

  Status read_writer(uint32_t writer);

  const RecordedRun& run_;
  std::vector<const RecordedSource*> sources_;
  std::vector<Slot> slots_;
};

}  // namespace signalbook
