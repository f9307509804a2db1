#include <arrow/api.h>
#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <fmt/format.h>
#include <parquet/arrow/writer.h>

#include <memory>

#include "cli/output_formats.h"

namespace signalbook::cli {

namespace {

// Arrow's view of an OutputSink. It keeps our status, which says more than Arrow's.
class SinkStream : public arrow::io::OutputStream {
 public:
  explicit SinkStream(OutputSink& sink) : sink_(sink) {}

  arrow::Status Write(const void* data, int64_t size) override {
    if (status_.ok()) status_ = sink_.append(data, static_cast<size_t>(size));
    if (!status_.ok()) return arrow::Status::IOError(status_.message());
    position_ += size;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    is_closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return position_; }
  bool closed() const override { return is_closed_; }

  const Status& status() const { return status_; }

 private:
  OutputSink& sink_;
  Status status_;
  int64_t position_ = 0;
  bool is_closed_ = false;
};

std::shared_ptr<arrow::Schema> with_distinct_names(const arrow::Schema& schema) {
  const std::vector<std::string> names = distinct_names(schema.field_names());
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (size_t i = 0; i < names.size(); ++i) {
    fields.push_back(schema.field(static_cast<int>(i))->WithName(names[i]));
  }
  return arrow::schema(std::move(fields));
}

Status write_batches(ResultBatches& batches, const std::shared_ptr<arrow::Schema>& schema, SinkStream& stream) {
  const auto failure = [&](const arrow::Status& status) {
    if (!stream.status().ok()) return stream.status();
    return Status::invalid(
        fmt::format("the result cannot be written as Parquet: {}; cast the column", status.message()));
  };
  parquet::WriterProperties::Builder properties;
  properties.compression(parquet::Compression::SNAPPY)->enable_page_checksum();
  const std::shared_ptr<arrow::io::OutputStream> output(&stream, [](arrow::io::OutputStream*) {});
  arrow::Result<std::unique_ptr<parquet::arrow::FileWriter>> writer =
      parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), output, properties.build());
  if (!writer.ok()) return failure(writer.status());
  for (;;) {
    ArrowArray array;
    SB_ASSIGN_OR_RETURN(const int64_t row_count, batches.next(&array));
    if (row_count == 0) break;
    const arrow::Result<std::shared_ptr<arrow::RecordBatch>> batch = arrow::ImportRecordBatch(&array, schema);
    if (!batch.ok()) return Status::invalid(batch.status().message());
    const arrow::Status written = (*writer)->WriteRecordBatch(*(*batch)->Slice(0, row_count));
    if (!written.ok()) return failure(written);
  }
  const arrow::Status closed = (*writer)->Close();
  return closed.ok() ? Status() : failure(closed);
}

}  // namespace

Status write_parquet(ResultBatches& batches, OutputSink& sink) {
  ArrowSchema schema;
  SB_RETURN_IF_ERROR(batches.read_schema(&schema));
  const arrow::Result<std::shared_ptr<arrow::Schema>> imported = arrow::ImportSchema(&schema);
  if (!imported.ok()) return Status::invalid(imported.status().message());
  if (sink.is_terminal()) {
    return Status::invalid("Parquet is not for a terminal: send it to a file, as in > result.parquet");
  }
  SinkStream stream(sink);
  SB_RETURN_IF_ERROR(write_batches(batches, with_distinct_names(**imported), stream));
  return sink.finish();
}

}  // namespace signalbook::cli
