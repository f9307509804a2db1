#pragma once

#include "base/status.h"
#include "store/table.h"

namespace arrow {
class RecordBatch;
}

namespace signalbook {

// The rows of a batch. Invalid for columns of types that a Table does not have.
Result<Table> to_table(const arrow::RecordBatch& batch);

}  // namespace signalbook
