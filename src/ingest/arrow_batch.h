#pragma once

#include <string>

#include "base/status.h"
#include "store/table.h"

namespace arrow {
class RecordBatch;
class Status;
}  // namespace arrow

namespace signalbook {

// The rows of a batch. Invalid for columns of types that a Table does not have. A batch that came from outside is
// checked first: here its offsets and indices are followed.
Result<Table> to_table(const arrow::RecordBatch& batch);

// Invalid where a batch is not what its types promise: offsets or dictionary indices that lead outside, lengths that
// do not agree, text that is no UTF-8. Arrow's readers look at none of it.
Status check_contents(const arrow::RecordBatch& batch);

// What Arrow says: io_error where the operating system has refused, else Invalid with `what` in front.
Status from_arrow_error(const arrow::Status& status, const std::string& what = "");

}  // namespace signalbook
