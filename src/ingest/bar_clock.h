#pragma once

#include <cstdint>

#include "base/status.h"
#include "format/bars.h"
#include "format/signal.h"
#include "store/table.h"

namespace signalbook {

// Tells which bar of a feed a row of signals speaks of.
class BarClock {
 public:
  explicit BarClock(const Bars& bars) : bars_(bars) {}

  // By number, by time, or both, which must agree. A column that is not there is null.
  Result<BarIndex> bar_of(const TableColumn* idx, const TableColumn* ts, size_t row, bool* zone_missing);

 private:
  Result<BarIndex> find_time(int64_t ts);

  const Bars& bars_;
  size_t last_ = 0;  // rows mostly go forward, so the search begins where the last one ended
};

}  // namespace signalbook
