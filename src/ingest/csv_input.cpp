#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/record_batch.h>

#include "ingest/column_input.h"

namespace signalbook {

namespace {

// CSV is read as text throughout. A type guessed from the first block would be wrong where a later one has the first
// fraction, and its error would name no row.
class CsvInput : public ColumnInput {
 public:
  explicit CsvInput(std::string path) : path_(std::move(path)) {}

  Status open() {
    std::shared_ptr<arrow::csv::StreamingReader> reader;
    SB_RETURN_IF_ERROR(open_reader({}, &reader));
    return set_column_names(reader->schema()->field_names());
  }

  bool is_untyped() const override { return true; }

  Status scan(const std::vector<int>& columns, const TableVisitor& visit) override {
    std::vector<std::string> names;
    for (const int column : columns) names.push_back(column_names()[static_cast<size_t>(column)]);
    if (names.empty()) return Status();
    std::shared_ptr<arrow::csv::StreamingReader> reader;
    SB_RETURN_IF_ERROR(open_reader(names, &reader));
    for (int64_t first_row = 0;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      const arrow::Status status = reader->ReadNext(&batch);
      if (!status.ok()) return Status::invalid(status.message());
      if (batch == nullptr) return Status();
      ArrowArray c_batch;
      ArrowSchema c_schema;
      const arrow::Status exported = arrow::ExportRecordBatch(*batch, &c_batch, &c_schema);
      if (!exported.ok()) return Status::invalid(exported.message());
      SB_ASSIGN_OR_RETURN(const Table table, table_from_arrow(&c_batch, &c_schema));
      SB_RETURN_IF_ERROR(visit(first_row, table));
      first_row += batch->num_rows();
    }
  }

 private:
  // With names: these columns as text. Without: whatever is needed to learn the names.
  Status open_reader(const std::vector<std::string>& names, std::shared_ptr<arrow::csv::StreamingReader>* reader) {
    auto read = arrow::csv::ReadOptions::Defaults();
    read.use_threads = false;  // rows are numbered in messages only when one thread reads
    auto convert = arrow::csv::ConvertOptions::Defaults();
    auto parse = arrow::csv::ParseOptions::Defaults();
    parse.ignore_empty_lines = column_names().size() != 1;  // of a single column, an empty line is a missing value
    convert.strings_can_be_null = true;
    convert.include_columns = names;
    for (const std::string& name : names) convert.column_types[name] = arrow::utf8();
    auto file = arrow::io::ReadableFile::Open(path_);
    if (!file.ok()) return Status::io_error(file.status().message());
    auto made = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), *file, read, parse, convert);
    if (!made.ok()) return Status::invalid(made.status().message());
    *reader = *made;
    return Status();
  }

  std::string path_;
};

}  // namespace

Result<std::unique_ptr<ColumnInput>> open_csv_input(const std::string& path) {
  auto input = std::make_unique<CsvInput>(path);
  SB_RETURN_IF_ERROR(input->open());
  return std::unique_ptr<ColumnInput>(std::move(input));
}

}  // namespace signalbook
