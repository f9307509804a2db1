#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/file.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include "ingest/column_input.h"

namespace signalbook {

namespace {

// An Arrow IPC file (Feather V2) or stream, read batch by batch.
class IpcInput : public ColumnInput {
 public:
  explicit IpcInput(std::string path) : path_(std::move(path)) {}

  Status open() { return read(nullptr); }

  Status scan(const std::vector<int>& columns, const TableVisitor& visit) override {
    int64_t first_row = 0;
    return read([&](const arrow::RecordBatch& batch) -> Status {
      const auto selected = batch.SelectColumns(columns);
      if (!selected.ok()) return Status::invalid(selected.status().message());
      ArrowArray c_batch;
      ArrowSchema c_schema;
      const arrow::Status exported = arrow::ExportRecordBatch(**selected, &c_batch, &c_schema);
      if (!exported.ok()) return Status::invalid(exported.message());
      SB_ASSIGN_OR_RETURN(const Table table, table_from_arrow(&c_batch, &c_schema));
      SB_RETURN_IF_ERROR(visit(first_row, table));
      first_row += batch.num_rows();
      return Status();
    });
  }

 private:
  // Visits the batches; without a visitor only the column names are learnt.
  Status read(const std::function<Status(const arrow::RecordBatch&)>& visit) {
    const auto file = arrow::io::ReadableFile::Open(path_);
    if (!file.ok()) return Status::io_error(file.status().message());
    const auto as_file = arrow::ipc::RecordBatchFileReader::Open(*file);
    if (as_file.ok()) {
      if (!visit) return set_column_names((*as_file)->schema()->field_names());
      for (int i = 0; i < (*as_file)->num_record_batches(); ++i) {
        const auto batch = (*as_file)->ReadRecordBatch(i);
        if (!batch.ok()) return Status::invalid(batch.status().message());
        SB_RETURN_IF_ERROR(visit(**batch));
      }
      return Status();
    }
    if (const arrow::Status status = (*file)->Seek(0); !status.ok()) return Status::io_error(status.message());
    const auto as_stream = arrow::ipc::RecordBatchStreamReader::Open(*file);
    if (!as_stream.ok()) return Status::invalid("not a readable Arrow IPC file: " + as_file.status().message());
    if (!visit) return set_column_names((*as_stream)->schema()->field_names());
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      const arrow::Status status = (*as_stream)->ReadNext(&batch);
      if (!status.ok()) return Status::invalid(status.message());
      if (batch == nullptr) return Status();
      SB_RETURN_IF_ERROR(visit(*batch));
    }
  }

  std::string path_;
};

}  // namespace

Result<std::unique_ptr<ColumnInput>> open_ipc_input(const std::string& path) {
  auto input = std::make_unique<IpcInput>(path);
  SB_RETURN_IF_ERROR(input->open());
  return std::unique_ptr<ColumnInput>(std::move(input));
}

}  // namespace signalbook
