#pragma once

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <memory>
#include <span>
#include <utility>

#include "base/file_system.h"

namespace signalbook {

// A ReadableFile, as Arrow reads one.
class ArrowSource : public arrow::io::RandomAccessFile {
 public:
  explicit ArrowSource(std::unique_ptr<ReadableFile> file) : file_(std::move(file)) {
    set_mode(arrow::io::FileMode::READ);
  }

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t count, void* into) override {
    const Result<size_t> read = file_->read(position, std::span(static_cast<char*>(into), static_cast<size_t>(count)));
    if (!read.ok()) return arrow::Status::IOError(read.status().message());
    return static_cast<int64_t>(*read);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count));
    ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position, count, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(read));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t count, void* into) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position_, count, into));
    position_ += read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> GetSize() override { return file_->size(); }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Status Close() override {
    is_closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return is_closed_; }

 private:
  std::unique_ptr<ReadableFile> file_;
  int64_t position_ = 0;
  bool is_closed_ = false;
};

}  // namespace signalbook
