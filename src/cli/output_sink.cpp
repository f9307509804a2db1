#include "cli/output_sink.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace signalbook::cli {

namespace {

Status failure() { return Status::io_error(fmt::format("cannot write the result: {}", std::strerror(errno))); }

}  // namespace

Status OutputSink::flush_if_large() { return buffer_.size() < (size_t{1} << 16) ? Status() : write(); }

Status OutputSink::finish() {
  SB_RETURN_IF_ERROR(write());
  return std::fflush(file_) == 0 ? Status() : failure();
}

Status OutputSink::append(const void* bytes, size_t size) {
  if (size == 0) return Status();
  return std::fwrite(bytes, 1, size, file_) == size ? Status() : failure();
}

bool OutputSink::is_terminal() const {
  const int descriptor = ::fileno(file_);
  return descriptor >= 0 && ::isatty(descriptor) == 1;
}

Status OutputSink::write() {
  const Status status = append(buffer_.data(), buffer_.size());
  buffer_.clear();
  return status;
}

}  // namespace signalbook::cli
