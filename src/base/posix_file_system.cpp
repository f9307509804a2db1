#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/file_system.h"

namespace signalbook {

namespace {

// What failed, where, why, and for the causes a user can mend, what to do.
Status system_error(const std::string& action, const std::string& path, int error) {
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

class FileDescriptor {
 public:
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  bool valid() const { return value_ >= 0; }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

class PosixFileLock : public FileLock {
 public:
  explicit PosixFileLock(int descriptor) : file_(descriptor) {}

 private:
  FileDescriptor file_;  // closing it unlocks
};

int open_retrying(const std::string& path, int flags, mode_t mode = 0) {
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

class PosixFileSystem : public FileSystem {
 public:
  Result<std::string> read_file(const std::string& path) override {
    const FileDescriptor file(open_retrying(path, O_RDONLY));
    if (!file.valid()) return system_error("cannot open", path, errno);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return system_error("cannot read", path, errno);
    if (S_ISDIR(info.st_mode)) return Status::invalid(fmt::format("{} is a directory, not a file", path));
    std::string bytes;
    bytes.resize(static_cast<size_t>(info.st_size));
    size_t filled = 0;
    for (;;) {  // the size is a hint only: a pipe has none, and a file may grow
      if (filled == bytes.size()) bytes.resize(std::max<size_t>(bytes.size() + 1, 4096 + bytes.size()));
      const ssize_t count = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error("cannot read", path, errno);
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    bytes.resize(filled);
    return bytes;
  }

  Status write_new_file(const std::string& path, std::string_view bytes) override {
    FileDescriptor file(open_retrying(path, O_WRONLY | O_CREAT | O_EXCL, 0666));
    if (!file.valid()) return system_error("cannot create", path, errno);
    while (!bytes.empty()) {
      const ssize_t count = ::write(file.get(), bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return system_error("cannot write", path, errno);
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    // Some file systems (NFS, quotas) report a failed write only here.
    if (::close(file.release()) != 0 && errno != EINTR) return system_error("cannot write", path, errno);
    return Status();
  }

  Status sync_files(std::span<const std::string> paths) override {
    // From a few files on, one flush of the whole file system is cheaper than a flush a file: the disk's journal is
    // committed once. syncfs reports what could not be written since Linux 5.8; the files it was asked for are on one
    // file system, because a run is one directory.
    constexpr size_t kFilesWorthOneFlush = 8;
    if (paths.size() >= kFilesWorthOneFlush) {
      const FileDescriptor file(open_retrying(paths.front(), O_RDONLY));
      if (!file.valid()) return system_error("cannot open", paths.front(), errno);
      if (::syncfs(file.get()) != 0) return system_error("cannot sync the file system of", paths.front(), errno);
      return Status();
    }
    for (const std::string& path : paths) {
      const FileDescriptor file(open_retrying(path, O_RDONLY));
      if (!file.valid()) return system_error("cannot open", path, errno);
      if (::fdatasync(file.get()) != 0) return system_error("cannot sync", path, errno);
    }
    return Status();
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("cannot rename to", to, errno);
    return Status();
  }

  Status sync_directory(const std::string& path) override {
    const FileDescriptor directory(open_retrying(path, O_RDONLY | O_DIRECTORY));
    if (!directory.valid()) return system_error("cannot open", path, errno);
    if (::fsync(directory.get()) != 0) return system_error("cannot sync", path, errno);
    return Status();
  }

  Status create_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) == 0) return Status();
    if (errno == EEXIST) return Status::invalid(fmt::format("{} exists already", path));
    return system_error("cannot create", path, errno);
  }

  Status remove_file(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return system_error("cannot remove", path, errno);
    return Status();
  }

  Status remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return system_error("cannot remove", path, errno);
    return Status();
  }

  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return system_error("cannot list", path, errno);
    std::vector<DirectoryEntry> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      bool is_directory = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
        struct stat info;
        is_directory = ::stat(join_path(path, name).c_str(), &info) == 0 && S_ISDIR(info.st_mode);
      }
      entries.push_back({.name = name, .is_directory = is_directory, .is_link = entry->d_type == DT_LNK});
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return system_error("cannot list", path, error);
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  Result<bool> file_exists(const std::string& path) override { return exists(path, S_IFREG); }
  Result<bool> directory_exists(const std::string& path) override { return exists(path, S_IFDIR); }
  Result<std::optional<FileStamp>> stamp(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) {
      if (!S_ISREG(info.st_mode)) return std::optional<FileStamp>();
      const int64_t modified = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
      return std::optional(FileStamp{.size = info.st_size, .modified_ns = modified, .number = info.st_ino});
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return std::optional<FileStamp>();
    return system_error("cannot look at", path, errno);
  }
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path, bool wait) override {
    FileDescriptor file(open_retrying(path, O_RDWR | O_CREAT, 0666));
    if (!file.valid()) return system_error("cannot create", path, errno);
    while (::flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
      if (errno == EWOULDBLOCK) return std::unique_ptr<FileLock>();
      if (errno != EINTR) return system_error("cannot lock", path, errno);
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(file.release()));
  }
  Result<std::string> absolute_path(const std::string& path) override {
    char* const resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) return system_error("cannot find", path, errno);
    std::string absolute = resolved;
    std::free(resolved);
    return absolute;
  }

 private:
  static Result<bool> exists(const std::string& path, mode_t kind) {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return (info.st_mode & S_IFMT) == kind;
    if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG) return false;
    return system_error("cannot look at", path, errno);
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem files;
  return files;
}

}  // namespace signalbook
