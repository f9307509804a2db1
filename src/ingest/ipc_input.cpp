#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ingest/arrow_batch.h"
#include "ingest/column_input.h"
#include "ingest/stream_input.h"

namespace signalbook {

namespace {

constexpr const char* kNoFile = "not a readable Arrow IPC file";
constexpr const char* kNoStream = "not a readable Arrow IPC stream";

// What stands behind the end of a stream, piece by piece, of which Arrow's readers say nothing. Another end is
// harmless: a writer that is closed twice writes it twice.
class BehindTheEnd {
 public:
  Status take(std::string_view bytes) {
    constexpr std::string_view kEnd("\xff\xff\xff\xff\0\0\0\0", 8);
    for (const char byte : bytes) {
      if (byte != kEnd[place_]) {
        return Status::invalid(
            "there are bytes behind the end of the Arrow stream; several streams are not one: write their rows with "
            "one writer");
      }
      place_ = (place_ + 1) % kEnd.size();
    }
    return Status();
  }

 private:
  size_t place_ = 0;
};

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
      SB_RETURN_IF_ERROR(check_contents(**selected).at(fmt::format("rows from {} on: {}", first_row + 1, kNoFile)));
      SB_ASSIGN_OR_RETURN(const Table table, to_table(**selected));
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
    if (const Status status = from_arrow_error(as_file.status()); status.code() == StatusCode::io_error) return status;
    if (as_file.ok()) {
      if (!visit) return set_column_names((*as_file)->schema()->field_names());
      for (int i = 0; i < (*as_file)->num_record_batches(); ++i) {
        const auto batch = (*as_file)->ReadRecordBatch(i);
        if (!batch.ok()) return from_arrow_error(batch.status(), kNoFile);
        SB_RETURN_IF_ERROR(visit(**batch));
      }
      return Status();
    }
    if (const arrow::Status status = (*file)->Seek(0); !status.ok()) return Status::io_error(status.message());
    const auto as_stream = arrow::ipc::RecordBatchStreamReader::Open(*file);
    if (!as_stream.ok()) return from_arrow_error(as_file.status(), kNoFile);
    if (!visit) return set_column_names((*as_stream)->schema()->field_names());
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      const arrow::Status status = (*as_stream)->ReadNext(&batch);
      if (!status.ok()) return from_arrow_error(status, kNoFile);
      if (batch == nullptr) return check_nothing_follows(**file);
      SB_RETURN_IF_ERROR(visit(*batch));
    }
  }

  static Status check_nothing_follows(arrow::io::ReadableFile& file) {
    for (BehindTheEnd behind;;) {
      const auto bytes = file.Read(int64_t{1} << 16);
      if (!bytes.ok()) return from_arrow_error(bytes.status());
      if ((*bytes)->size() == 0) return Status();
      SB_RETURN_IF_ERROR(behind.take(std::string_view(**bytes)));
    }
  }

  std::string path_;
};

// Our bytes as Arrow reads them: as many as it asks for, fewer only at the end. Keeps our Status, which Arrow's cannot
// carry.
class ByteStreamAdapter : public arrow::io::InputStream {
 public:
  explicit ByteStreamAdapter(ByteStream& bytes) : bytes_(bytes) {}

  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    if (count < 0) return arrow::Status::Invalid("a length is negative");
    // A length that is garbage must not cost memory, so no more is asked for than what comes.
    const auto wanted = static_cast<size_t>(count);
    size_t given = 0;
    while (given < wanted) {
      if (taken_ == pending_.size()) {
        pending_.clear();
        taken_ = 0;
        status_ = bytes_.read(&pending_, size_t{1} << 17);
        if (!status_.ok()) return arrow::Status::IOError(status_.message());
        if (pending_.empty()) break;
      }
      const size_t taken = std::min(wanted - given, pending_.size() - taken_);
      std::memcpy(static_cast<char*>(out) + given, pending_.data() + taken_, taken);
      taken_ += taken;
      given += taken;
    }
    position_ += static_cast<int64_t>(given);
    fell_short_ |= given < wanted;
    return static_cast<int64_t>(given);
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count));
    ARROW_ASSIGN_OR_RAISE(const int64_t given, Read(count, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(given));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

  const Status& status() const { return status_; }
  // Whether the end came where Arrow wanted more: after the last whole batch, or in the middle of one.
  bool fell_short() const { return fell_short_; }
  int64_t position() const { return position_; }
  // Of the bytes that nobody has asked for: what may still come is not waited for.
  Status check_nothing_follows() {
    BehindTheEnd behind;
    std::string bytes = pending_.substr(taken_);
    do {
      SB_RETURN_IF_ERROR(behind.take(bytes));
      bytes.clear();
      SB_RETURN_IF_ERROR(bytes_.read_at_hand(&bytes));
    } while (!bytes.empty());
    return Status();
  }

 private:
  ByteStream& bytes_;
  std::string pending_;
  size_t taken_ = 0;
  int64_t position_ = 0;
  Status status_;
  bool fell_short_ = false, closed_ = false;
};

class IpcStream : public StreamInput {
 public:
  using StreamInput::StreamInput;

  Status open() override {
    const auto opened = arrow::ipc::RecordBatchStreamReader::Open(adapter_);
    if (!adapter_->status().ok()) return adapter_->status();
    if (adapter_->fell_short()) return closed_early();
    if (!opened.ok()) return Status::invalid(opened.status().message()).at(kNoStream);
    reader_ = *opened;
    return set_column_names(reader_->schema()->field_names());
  }

  Status scan(const std::vector<int>& columns, const TableVisitor& visit) override {
    next_row_ = options_.first_row;
    while (!is_ended()) {
      const int64_t before = adapter_->position();
      std::shared_ptr<arrow::RecordBatch> batch;
      const arrow::Status status = reader_->ReadNext(&batch);
      if (!adapter_->status().ok()) return adapter_->status();
      if (adapter_->fell_short()) {
        torn_ = adapter_->position() > before;
        ended_ = !torn_ && options_.end_of_file_ends;
        return Status();
      }
      if (!status.ok()) return at_row(Status::invalid(status.message()).at(kNoStream));
      if (batch == nullptr) {
        SB_RETURN_IF_ERROR(at_row(adapter_->check_nothing_follows()));
        ended_ = true;
        return Status();
      }
      const auto selected = batch->SelectColumns(columns);
      if (!selected.ok()) return Status::invalid(selected.status().message());
      SB_RETURN_IF_ERROR(at_row(check_contents(**selected).at(kNoStream)));
      SB_RETURN_IF_ERROR(take(**selected, visit));
    }
    return Status();
  }

 private:
  Status at_row(const Status& status) const { return status.at(fmt::format("row {}", next_row_ + 1)); }

  // A batch that cannot be had as a whole is had row by row, for those before the bad one and its number.
  Status take(const arrow::RecordBatch& batch, const TableVisitor& visit) {
    const Result<Table> table = to_table(batch);
    if (table.ok()) return hand_over(*table, visit);
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      const Result<Table> one = to_table(*batch.Slice(row, 1));
      if (!one.ok()) return one.status().at(fmt::format("row {}", next_row_ + 1));
      SB_RETURN_IF_ERROR(hand_over(*one, visit));
    }
    return table.status();
  }

  Status hand_over(const Table& table, const TableVisitor& visit) {
    const int64_t first_row = next_row_;
    next_row_ += static_cast<int64_t>(table.row_count());
    return table.row_count() == 0 ? Status() : visit(first_row, table);
  }

  std::shared_ptr<ByteStreamAdapter> adapter_ = std::make_shared<ByteStreamAdapter>(*bytes_);
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader_;
  int64_t next_row_ = 0;
};

}  // namespace

Result<std::unique_ptr<ColumnInput>> open_ipc_input(const std::string& path) {
  auto input = std::make_unique<IpcInput>(path);
  SB_RETURN_IF_ERROR(input->open());
  return std::unique_ptr<ColumnInput>(std::move(input));
}

std::unique_ptr<StreamInput> make_ipc_stream(std::unique_ptr<ByteStream> bytes, const StreamInput::Options& options) {
  return std::make_unique<IpcStream>(std::move(bytes), options);
}

}  // namespace signalbook
