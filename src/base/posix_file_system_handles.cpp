#include "base/posix_file_system_handles.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cstring>

namespace signalbook {

Status system_error(std::string_view action, const std::string& path, int error) {
  std::string message = fmt::format("{} {}: {}", action, path, std::strerror(error));
  if (error == ENOENT) return Status::not_found(message);
  if (error == ENOSPC || error == EDQUOT) message += "; free some space and run the command again";
  const bool writes = action == "cannot create" || action == "cannot write" || action == "cannot rename to";
  if (writes && (error == EACCES || error == EPERM || error == EROFS))
    message += "; choose a directory you may write to";
  if (error == EFBIG) message += "; raise the limit of file sizes (ulimit -f)";
  if (error == EMFILE) message += "; raise the limit of open files (ulimit -n)";
  return Status::io_error(message);
}

int write_all(const FileDescriptor& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = retrying([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (count < 0) return errno;
    if (count == 0) return EIO;  // or it would be tried for ever
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return 0;
}

namespace {

class PosixAppendFile : public AppendFile {
 public:
  PosixAppendFile(FileDescriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Status append(std::string_view bytes) override {
    if (!failure_.ok()) return failure_;
    if (const int error = write_all(file_, bytes); error != 0) failure_ = system_error("cannot write", path_, error);
    return failure_;
  }

  Status sync() override {
    if (!failure_.ok()) return failure_;
    if (retrying([&] { return ::fdatasync(file_.get()); }) != 0) failure_ = system_error("cannot sync", path_, errno);
    return failure_;
  }

 private:
  FileDescriptor file_;
  std::string path_;
  // The system tells of a lost write once: a second fdatasync would succeed without the bytes being there.
  Status failure_;
};

class PosixReadableFile : public ReadableFile {
 public:
  PosixReadableFile(FileDescriptor file, std::string path, int64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  int64_t size() const override { return size_; }

  Result<size_t> read(int64_t offset, std::span<char> into) override {
    size_t filled = 0;
    while (filled < into.size()) {
      const std::span<char> rest = into.subspan(filled);
      const off_t from = offset + static_cast<off_t>(filled);
      const ssize_t count = retrying([&] { return ::pread(file_.get(), rest.data(), rest.size(), from); });
      if (count < 0) return system_error("cannot read", path_, errno);
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    return filled;
  }

 private:
  FileDescriptor file_;
  std::string path_;
  int64_t size_;
};

class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(FileDescriptor file) : file_(std::move(file)), holder_(::getpid()) {}
  // A process that this one has forked shares the lock: closing the file would not give it back while that one lives,
  // and that one must not give it back.
  ~PosixFileLock() override {
    if (::getpid() == holder_) ::flock(file_.get(), LOCK_UN);
  }

 private:
  FileDescriptor file_;
  pid_t holder_;
};

}  // namespace

Result<std::unique_ptr<AppendFile>> create_posix_append_file(const std::string& path) {
  FileDescriptor file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!file.valid()) return system_error("cannot create", path, errno);
  return std::unique_ptr<AppendFile>(std::make_unique<PosixAppendFile>(std::move(file), path));
}

Result<std::unique_ptr<ReadableFile>> open_posix_file(const std::string& path) {
  FileDescriptor file(path, O_RDONLY | O_NONBLOCK);  // a pipe that nobody writes to would be waited for
  if (!file.valid()) return system_error("cannot open", path, errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read", path, errno);
  if (S_ISDIR(info.st_mode)) return Status::invalid(fmt::format("{} is a directory, not a file", path));
  if (!S_ISREG(info.st_mode)) return Status::invalid(fmt::format("{} is no regular file", path));
  return std::unique_ptr<ReadableFile>(std::make_unique<PosixReadableFile>(std::move(file), path, info.st_size));
}

Result<std::unique_ptr<FileLock>> lock_posix_file(const std::string& path, bool wait) {
  for (;;) {
    FileDescriptor file(path, O_RDWR | O_CREAT, 0666);
    if (!file.valid()) return system_error("cannot create", path, errno);
    if (retrying([&] { return ::flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB)); }) != 0) {
      if (errno == EWOULDBLOCK) return std::unique_ptr<FileLock>();
      return system_error("cannot lock", path, errno);
    }
    // Who held it before may have removed the file: then this lock is on a file that nobody else will find.
    struct stat locked;
    if (::fstat(file.get(), &locked) != 0) return system_error("cannot lock", path, errno);
    struct stat named;
    if (::stat(path.c_str(), &named) == 0) {
      if (locked.st_dev == named.st_dev && locked.st_ino == named.st_ino)
        return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(std::move(file)));
    } else if (errno != ENOENT) {
      return system_error("cannot lock", path, errno);
    }
  }
}

}  // namespace signalbook
