#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "format/signal.h"

namespace signalbook {

// One trace as it was recorded, to be written and to become a row of the index.
struct RecordedTrace {
  std::string strategy_id;
  std::string config;  // JSON as given
  size_t feed = 0;
  SignalChanges changes;
  std::vector<std::pair<size_t, double>> prices;  // of the k-th change, where it is not the bar's close
  BarIndex last_bar = -1;                         // the last observed, missing values included
  bool complete = false;
};

}  // namespace signalbook
