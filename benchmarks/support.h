#pragma once

// What several of the programs here need.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// The most memory this process has held. getrusage would count that of the process it was forked from.
inline double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024.0;
  }
  return 0.0;
}

// A C-ordered array of one or two dimensions as numpy saves it (format version 1); one dimension has one column.
class NpyFile {
 public:
  static Result<NpyFile> read(const std::string& path) {
    NpyFile file;
    SB_ASSIGN_OR_RETURN(file.bytes_, posix_file_system().read_file(path));
    const std::string_view bytes = file.bytes_;
    const size_t shape = bytes.find("'shape': (");
    if (bytes.size() < 10 || !bytes.starts_with("\x93NUMPY\x01") || shape == bytes.npos) {
      return Status::invalid(path + " is no .npy file of version 1");
    }
    file.begin_ = 10 + static_cast<uint8_t>(bytes[8]) + 256 * size_t{static_cast<uint8_t>(bytes[9])};
    char* end = nullptr;
    file.rows_ = std::strtoll(file.bytes_.c_str() + shape + std::strlen("'shape': ("), &end, 10);
    const int64_t columns = *end == ',' ? std::strtoll(end + 1, nullptr, 10) : 0;
    file.columns_ = columns == 0 ? 1 : columns;
    return file;
  }

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  // The elements; T must be what they are.
  template <typename T>
  const T* data() const {
    return reinterpret_cast<const T*>(bytes_.data() + begin_);
  }
  template <typename T>
  std::vector<T> values() const {
    std::vector<T> copy(static_cast<size_t>(rows_ * columns_));
    std::memcpy(copy.data(), bytes_.data() + begin_, copy.size() * sizeof(T));
    return copy;
  }

 private:
  std::string bytes_;
  size_t begin_ = 0;
  int64_t rows_ = 0, columns_ = 0;
};

// The lines of a text, without their ends.
inline std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace signalbook
