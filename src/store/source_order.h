#pragma once

#include <cstddef>

#include "base/status.h"
#include "store/parameter_columns.h"
#include "store/recorded_run.h"

namespace signalbook {

// Puts the traces of a recorded run in the order of its index, those of one configuration as they were recorded.
// Writers that recorded a strategy as numbers and as labels are no rivals any more: each has a source. `parameters` is
// shown the parameters of all. Invalid when a configuration is none.
Status order_sources(RecordedRun& run, size_t threads, ParameterColumns& parameters);

}  // namespace signalbook
