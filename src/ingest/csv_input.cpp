#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/csv/chunker.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/util/delimiting.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ingest/arrow_batch.h"
#include "ingest/column_input.h"
#include "ingest/foreign_format.h"
#include "ingest/stream_input.h"

namespace signalbook {

namespace {

arrow::csv::ParseOptions parse_options(size_t column_count) {
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;               // a configuration may be written over several lines
  parse.ignore_empty_lines = column_count != 1;  // of a single column, an empty line is a missing value
  return parse;
}

arrow::csv::ReadOptions read_options() {
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;  // rows are numbered in messages only when one thread reads
  return read;
}

// CSV is read as text throughout. A type guessed from the first block would be wrong where a later one has the first
// fraction, and its error would name no row.
arrow::csv::ConvertOptions convert_options(const std::vector<std::string>& names) {
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.strings_can_be_null = true;
  convert.include_columns = names;
  for (const std::string& name : names) convert.column_types[name] = arrow::utf8();
  return convert;
}

class CsvInput : public ColumnInput {
 public:
  explicit CsvInput(std::string path) : path_(std::move(path)) {}

  Status open() {
    std::shared_ptr<arrow::csv::StreamingReader> reader;
    SB_RETURN_IF_ERROR(open_reader({}, &reader));
    SB_RETURN_IF_ERROR(refuse_foreign_names(reader->schema()->field_names()));
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
      if (!status.ok()) return from_arrow_error(status);
      if (batch == nullptr) return Status();
      SB_ASSIGN_OR_RETURN(const Table table, to_table(*batch));
      SB_RETURN_IF_ERROR(visit(first_row, table));
      first_row += batch->num_rows();
    }
  }

 private:
  // With names: these columns as text. Without: whatever is needed to learn the names.
  Status open_reader(const std::vector<std::string>& names, std::shared_ptr<arrow::csv::StreamingReader>* reader) {
    auto file = arrow::io::ReadableFile::Open(path_);
    if (!file.ok()) return Status::io_error(file.status().message());
    auto made = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), *file, read_options(),
                                                  parse_options(column_names().size()), convert_options(names));
    if (!made.ok()) return from_arrow_error(made.status());
    *reader = *made;
    return Status();
  }

  std::string path_;
};

// What has come is cut behind its last whole record, and that part read as a file is.
class CsvStream : public StreamInput {
 public:
  using StreamInput::StreamInput;

  bool is_untyped() const override { return true; }

  Status open() override {
    // The line of names, behind empty ones.
    for (;;) {
      size_t end = 0;
      SB_RETURN_IF_ERROR(read_record(&end));
      const std::string_view record = std::string_view(pending_).substr(0, end);
      if (record.empty()) {
        if (!options_.end_of_file_ends) return closed_early();
        return Status::invalid("it is empty");
      }
      if (record.find_first_not_of("\r\n") == std::string_view::npos) {
        pending_.erase(0, end);
        continue;
      }
      std::vector<std::string> names;
      SB_RETURN_IF_ERROR(parse_names(record, &names));
      half_line_end_ = record.ends_with('\r');
      pending_.erase(0, end);
      SB_RETURN_IF_ERROR(refuse_foreign_names(names));
      SB_RETURN_IF_ERROR(set_column_names(std::move(names)));
      chunker_ = arrow::csv::MakeChunker(parse_options(column_names().size()));
      return Status();
    }
  }

  Status scan(const std::vector<int>& columns, const TableVisitor& visit) override {
    names_.clear();
    for (const int column : columns) names_.push_back(column_names()[static_cast<size_t>(column)]);
    next_row_ = options_.first_row;
    for (bool begun = false; !is_ended(); begun = true) {
      // What came with the line of names is there already.
      if (!begun && !pending_.empty()) {
        SB_RETURN_IF_ERROR(take_whole(visit));
        continue;
      }
      SB_RETURN_IF_ERROR(read_more());
      if (bytes_->is_at_end()) return take_last(visit);
      SB_RETURN_IF_ERROR(take_whole(visit));
    }
    return refuse_rows_behind_end(pending_, next_row_);
  }

 private:
  static constexpr size_t kLongestRecord = size_t{1} << 24;

  Status read_more() {
    if (pending_.size() > kLongestRecord) {
      return Status::invalid(fmt::format("row {}: a row of over {} MB; is a quote opened and not closed?",
                                         next_row_ + 1, kLongestRecord >> 20));
    }
    return bytes_->read(&pending_);
  }

  // Reads until there is a whole record, and says where it ends; at the end of the stream what is left is one, where
  // that is a row. 0 when there is none.
  Status read_record(size_t* end) {
    for (;;) {
      *end = first_record(pending_);
      if (*end > 0) return Status();
      SB_RETURN_IF_ERROR(read_more());
      if (!bytes_->is_at_end()) continue;
      *end = first_record(pending_);
      if (*end == 0 && options_.end_of_file_ends) *end = pending_.size();
      return Status();
    }
  }

  // Where the first record ends; 0 when it is not whole.
  size_t first_record(std::string_view text) const {
    int64_t count = 1;
    std::shared_ptr<arrow::Buffer> rest;
    const arrow::Status status = chunker_->ProcessSkip(std::make_shared<arrow::Buffer>(std::string_view()),
                                                       std::make_shared<arrow::Buffer>(text), false, &count, &rest);
    return status.ok() && count == 0 ? text.size() - static_cast<size_t>(rest->size()) : 0;
  }

  Status take_whole(const TableVisitor& visit) {
    skip_second_half_of_line_end();
    std::shared_ptr<arrow::Buffer> whole, partial;
    const arrow::Status status = chunker_->Process(std::make_shared<arrow::Buffer>(pending_), &whole, &partial);
    if (!status.ok()) return Status::invalid(fmt::format("row {}: {}", next_row_ + 1, status.message()));
    const auto size = static_cast<size_t>(whole->size());
    if (size == 0) return Status();
    SB_RETURN_IF_ERROR(take_records(std::string_view(pending_).substr(0, size), visit));
    half_line_end_ = pending_[size - 1] == '\r';
    pending_.erase(0, size);
    return Status();
  }

  // A row is recorded at its \r; the \n that belongs to it may come later.
  void skip_second_half_of_line_end() {
    if (half_line_end_ && pending_.starts_with('\n')) pending_.erase(0, 1);
    if (!pending_.empty()) half_line_end_ = false;
  }

  Status take_last(const TableVisitor& visit) {
    skip_second_half_of_line_end();
    ended_ = options_.end_of_file_ends;
    torn_ = !pending_.empty() && !ended_;
    return pending_.empty() || torn_ ? Status() : take_records(pending_, visit);
  }

  // Whole records. Where they cannot be read together they are read one by one, for the rows before the bad one and its
  // number.
  Status take_records(std::string_view text, const TableVisitor& visit) {
    Result<Table> table = parse(text);
    if (table.ok()) return hand_over(*table, visit);
    while (!text.empty()) {
      size_t end = first_record(text);
      if (end == 0) end = text.size();
      table = parse(text.substr(0, end));
      if (!table.ok()) return table.status().at(fmt::format("row {}", next_row_ + 1));
      SB_RETURN_IF_ERROR(hand_over(*table, visit));
      text.remove_prefix(end);
    }
    return Status();
  }

  Status hand_over(const Table& table, const TableVisitor& visit) {
    const int64_t first_row = next_row_;
    next_row_ += static_cast<int64_t>(table.row_count());
    return table.row_count() == 0 ? Status() : visit(first_row, table);
  }

  Result<std::shared_ptr<arrow::RecordBatch>> parse_batch(std::string_view text, const arrow::csv::ReadOptions& options,
                                                          const arrow::csv::ConvertOptions& convert) const {
    auto read = options;
    read.block_size = static_cast<int32_t>(std::min<size_t>(text.size() + 1, std::numeric_limits<int32_t>::max()));
    auto parse = parse_options(column_names().size());
    const auto input = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(text));
    const auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), input, read, parse, convert);
    std::shared_ptr<arrow::RecordBatch> batch;
    const arrow::Status status = reader.ok() ? (*reader)->ReadNext(&batch) : reader.status();
    if (!status.ok()) return Status::invalid(status.message());
    return batch;
  }

  Result<Table> parse(std::string_view text) const {
    if (column_names().size() != 1 && text.find_first_not_of("\r\n") == std::string_view::npos) return Table();
    auto read = read_options();
    read.column_names = column_names();
    SB_ASSIGN_OR_RETURN(const auto batch, parse_batch(text, read, convert_options(names_)));
    if (batch == nullptr) return Table();
    return to_table(*batch);
  }

  // The line of names as Arrow's reader takes it from a file.
  Status parse_names(std::string_view line, std::vector<std::string>* names) const {
    std::string text(line);
    if (!text.ends_with('\n') && !text.ends_with('\r')) text += '\n';
    const auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(text)));
    const auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), input, read_options(),
                                                          parse_options(0), convert_options({}));
    if (!reader.ok()) return Status::invalid(reader.status().message());
    *names = (*reader)->schema()->field_names();
    return Status();
  }

  std::unique_ptr<arrow::Chunker> chunker_ = arrow::csv::MakeChunker(parse_options(0));
  std::string pending_;  // has come, and is not handed on
  bool half_line_end_ = false;
  std::vector<std::string> names_;  // of the columns asked for
  int64_t next_row_ = 0;
};

}  // namespace

Result<std::unique_ptr<ColumnInput>> open_csv_input(const std::string& path) {
  auto input = std::make_unique<CsvInput>(path);
  SB_RETURN_IF_ERROR(input->open());
  return std::unique_ptr<ColumnInput>(std::move(input));
}

std::unique_ptr<StreamInput> make_csv_stream(std::unique_ptr<ByteStream> bytes, const StreamInput::Options& options) {
  return std::make_unique<CsvStream>(std::move(bytes), options);
}

}  // namespace signalbook
