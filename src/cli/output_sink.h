#pragma once

#include <cstdio>
#include <string>

#include "base/status.h"

namespace signalbook::cli {

// Text on its way to a file; what the system refuses is an error, and not only at the end.
class OutputSink {
 public:
  explicit OutputSink(std::FILE* file) : file_(file) {}

  std::string& buffer() { return buffer_; }

  Status flush_if_large();
  Status finish();

  // Past the buffer, for bytes that come in large pieces.
  Status append(const void* bytes, size_t size);

  bool is_terminal() const;

 private:
  Status write();

  std::FILE* file_;
  std::string buffer_;
};

}  // namespace signalbook::cli
