#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <memory>
#include <utility>

#include "store/byte_sink.h"

namespace signalbook {

// What Arrow writes, into a ByteSink.
class ArrowSink : public arrow::io::OutputStream {
 public:
  explicit ArrowSink(ByteSink sink) : sink_(std::move(sink)) { set_mode(arrow::io::FileMode::WRITE); }

  arrow::Status Write(const void* data, int64_t count) override {
    status_ = sink_(std::string_view(static_cast<const char*>(data), static_cast<size_t>(count)));
    if (!status_.ok()) return arrow::Status::IOError(status_.message());
    position_ += count;
    return arrow::Status::OK();
  }
  using Writable::Write;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    is_closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return is_closed_; }

  // What the ByteSink said, where it failed.
  const Status& status() const { return status_; }

 private:
  ByteSink sink_;
  Status status_;
  int64_t position_ = 0;
  bool is_closed_ = false;
};

}  // namespace signalbook
