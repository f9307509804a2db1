#include "ingest/arrow_batch.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/util/io_util.h>
#include <fmt/format.h>

#include <cstring>

namespace signalbook {

Result<Table> to_table(const arrow::RecordBatch& batch) {
  ArrowArray c_batch;
  ArrowSchema c_schema;
  const arrow::Status exported = arrow::ExportRecordBatch(batch, &c_batch, &c_schema);
  if (!exported.ok()) return Status::invalid(exported.message());
  return table_from_arrow(&c_batch, &c_schema);
}

Status check_contents(const arrow::RecordBatch& batch) {
  const arrow::Status status = batch.ValidateFull();
  return status.ok() ? Status() : Status::invalid(status.message());
}

Status from_arrow_error(const arrow::Status& status, const std::string& what) {
  // Arrow calls damaged input an IOError, too; only what the system said has its number.
  if (const int error = arrow::internal::ErrnoFromStatus(status); error != 0)
    return Status::io_error(fmt::format("cannot read: {}", std::strerror(error)));
  const Status invalid = Status::invalid(status.message());
  return what.empty() ? invalid : invalid.at(what);
}

}  // namespace signalbook
