#include "ingest/arrow_batch.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>


namespace signalbook {

Result<Table> to_table(const arrow::RecordBatch& batch) {
  ArrowArray c_batch;
  ArrowSchema c_schema;
  const arrow::Status exported = arrow::ExportRecordBatch(batch, &c_batch, &c_schema);
  if (!exported.ok()) return Status::invalid(exported.message());
  return table_from_arrow(&c_batch, &c_schema);
}

}  // namespace signalbook
