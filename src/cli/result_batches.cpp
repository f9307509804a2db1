#include "cli/result_batches.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "query/arrow_c_stream.h"

namespace signalbook::cli {

ResultBatches::~ResultBatches() {
  if (stream_->release != nullptr) stream_->release(stream_);
}

Status ResultBatches::read_schema(ArrowSchema* schema) {
  const int code = stream_->get_schema(stream_, schema);
  return code == 0 ? Status() : failure(code);
}

Result<int64_t> ResultBatches::next(ArrowArray* batch) {
  while (left_ != 0) {
    SB_ASSIGN_OR_RETURN(const bool is_read, read(batch));
    if (!is_read) return 0;
    int64_t row_count = batch->length;
    if (row_count == 0) {
      batch->release(batch);
      continue;
    }
    if (left_ > 0 && row_count > left_) {
      row_count = left_;
      has_more_ = true;
    }
    if (left_ > 0) left_ -= row_count;
    return row_count;
  }
  return 0;
}

Result<bool> ResultBatches::has_more() {
  while (!has_more_ && left_ == 0) {
    ArrowArray batch;
    SB_ASSIGN_OR_RETURN(const bool is_read, read(&batch));
    if (!is_read) return false;
    has_more_ = batch.length > 0;
    batch.release(&batch);
  }
  return has_more_;
}

// False at the end.
Result<bool> ResultBatches::read(ArrowArray* batch) {
  if (const int code = stream_->get_next(stream_, batch); code != 0) return failure(code);
  return batch->release != nullptr;
}

// The stream's own words; its code tells whose fault it is, which Arrow's reader would not.
Status ResultBatches::failure(int code) {
  const char* error = stream_->get_last_error(stream_);
  const std::string message = error == nullptr ? std::strerror(code) : error;
  if (code == EBADMSG) return Status::damaged(message);
  return code == EIO ? Status::io_error(message) : Status::invalid(message);
}

}  // namespace signalbook::cli
