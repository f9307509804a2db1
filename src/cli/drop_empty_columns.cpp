#include "cli/drop_empty_columns.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>

#include <string>

#include "cli/result_batches.h"

namespace signalbook::cli {

namespace {

Status status_of(const arrow::Status& status) {
  return status.ok() ? Status() : Status::io_error("cannot read a result: " + status.message());
}

}  // namespace

Status drop_empty_columns(ArrowArrayStream* stream, const std::function<bool(std::string_view name)>& may_go) {
  arrow::RecordBatchVector batches;
  std::shared_ptr<arrow::Schema> schema;
  {
    ResultBatches result(stream, -1);
    ArrowSchema c_schema;
    SB_RETURN_IF_ERROR(result.read_schema(&c_schema));
    auto imported = arrow::ImportSchema(&c_schema);
    SB_RETURN_IF_ERROR(status_of(imported.status()));
    schema = std::move(*imported);
    ArrowArray c_batch;
    while (true) {
      SB_ASSIGN_OR_RETURN(const int64_t count, result.next(&c_batch));
      if (count == 0) break;
      auto batch = arrow::ImportRecordBatch(&c_batch, schema);
      SB_RETURN_IF_ERROR(status_of(batch.status()));
      batches.push_back(std::move(*batch));
    }
  }
  auto table = arrow::Table::FromRecordBatches(schema, batches);
  SB_RETURN_IF_ERROR(status_of(table.status()));
  for (int i = (*table)->num_columns() - 1; i >= 0; --i) {
    if (!may_go((*table)->field(i)->name()) || (*table)->column(i)->null_count() < (*table)->num_rows()) continue;
    table = (*table)->RemoveColumn(i);
    SB_RETURN_IF_ERROR(status_of(table.status()));
  }
  auto reader = std::make_shared<arrow::TableBatchReader>(*table);
  return status_of(arrow::ExportRecordBatchReader(std::move(reader), stream));
}

}  // namespace signalbook::cli
