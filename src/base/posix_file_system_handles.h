#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_system.h"

// What stays open on the real disk, and what a system call needs around it. For posix_file_system.cpp and tests.
namespace signalbook {

// What failed, where, why, and for the causes a user can mend, what to do. `error` is an errno.
Status system_error(std::string_view action, const std::string& path, int error);

// A system call that a signal has cut off is made again.
template <typename Call>
auto retrying(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class FileDescriptor {
 public:
  FileDescriptor(const std::string& path, int flags, mode_t mode = 0)
      : value_(retrying([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); })) {}
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : value_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;

  bool valid() const { return value_ >= 0; }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

// Writes all of it at the descriptor's position. Returns 0 or an errno; some of the bytes may be written then.
int write_all(const FileDescriptor& file, std::string_view bytes);

Result<std::unique_ptr<AppendFile>> create_posix_append_file(const std::string& path);
Result<std::unique_ptr<ReadableFile>> open_posix_file(const std::string& path);
Result<std::unique_ptr<FileLock>> lock_posix_file(const std::string& path, bool wait);
std::unique_ptr<PinnedFiles> reserve_posix_pins(size_t count);

}  // namespace signalbook
