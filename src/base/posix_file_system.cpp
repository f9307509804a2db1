#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/file_system.h"
#include "base/posix_file_system_handles.h"

namespace signalbook {

namespace {

class PosixFileSystem : public FileSystem {
 public:
  Result<std::string> read_file(const std::string& path) override {
    const FileDescriptor file(path, O_RDONLY);
    if (!file.valid()) return system_error("cannot open", path, errno);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return system_error("cannot read", path, errno);
    if (S_ISDIR(info.st_mode)) return Status::invalid(fmt::format("{} is a directory, not a file", path));
    std::string bytes;
    bytes.resize(static_cast<size_t>(info.st_size));
    size_t filled = 0;
    for (;;) {  // the size is a hint only: a pipe has none, and a file may grow
      if (filled == bytes.size()) bytes.resize(std::max<size_t>(bytes.size() + 1, 4096 + bytes.size()));
      const ssize_t count = retrying([&] { return ::read(file.get(), bytes.data() + filled, bytes.size() - filled); });
      if (count < 0) return system_error("cannot read", path, errno);
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    bytes.resize(filled);
    return bytes;
  }

  Status write_new_file(const std::string& path, std::string_view bytes) override {
    FileDescriptor file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (!file.valid()) return system_error("cannot create", path, errno);
    if (const int error = write_all(file, bytes); error != 0) return system_error("cannot write", path, error);
    // Some file systems (NFS, quotas) report a failed write only here. Linux closes also when a signal comes.
    if (::close(file.release()) != 0 && errno != EINTR) return system_error("cannot write", path, errno);
    return Status();
  }

  Result<std::unique_ptr<AppendFile>> create_append_file(const std::string& path) override {
    return create_posix_append_file(path);
  }
  Result<std::unique_ptr<ReadableFile>> open_file(const std::string& path) override { return open_posix_file(path); }

  Status sync_files(std::span<const std::string> paths) override {
    // From a few files on, one flush of the whole file system is cheaper than a flush a file: the disk's journal is
    // committed once. syncfs reports what could not be written since Linux 5.8; the files it was asked for are on one
    // file system, because a run is one directory.
    constexpr size_t kFilesWorthOneFlush = 8;
    const bool all_at_once = paths.size() >= kFilesWorthOneFlush;
    if (all_at_once) {
      const FileDescriptor file(paths.front(), O_RDONLY);
      if (!file.valid()) return system_error("cannot open", paths.front(), errno);
      if (retrying([&] { return ::syncfs(file.get()); }) != 0)
        return system_error("cannot sync the file system of", paths.front(), errno);
    }
    for (const std::string& path : paths) {
      const FileDescriptor file(path, O_RDONLY);
      if (!file.valid()) return system_error("cannot open", path, errno);
      // syncfs tells of a lost write once, to whoever asks first: another program may have heard it. The file itself
      // still knows, and asking it costs no flush.
      const auto sync = [&] {
        return all_at_once ? ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) : ::fdatasync(file.get());
      };
      if (retrying(sync) != 0 && !(all_at_once && errno == ENOSYS)) return system_error("cannot sync", path, errno);
    }
    return Status();
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (retrying([&] { return ::rename(from.c_str(), to.c_str()); }) != 0)
      return system_error("cannot rename to", to, errno);
    return Status();
  }

  Status sync_directory(const std::string& path) override {
    const FileDescriptor directory(path, O_RDONLY | O_DIRECTORY);
    if (!directory.valid()) return system_error("cannot open", path, errno);
    if (retrying([&] { return ::fsync(directory.get()); }) != 0) return system_error("cannot sync", path, errno);
    return Status();
  }

  Status create_directory(const std::string& path) override {
    if (retrying([&] { return ::mkdir(path.c_str(), 0777); }) == 0) return Status();
    if (errno == EEXIST) return Status::invalid(fmt::format("{} exists already", path));
    return system_error("cannot create", path, errno);
  }

  Status remove_file(const std::string& path) override {
    if (retrying([&] { return ::unlink(path.c_str()); }) != 0) return system_error("cannot remove", path, errno);
    return Status();
  }

  Status remove_directory(const std::string& path) override {
    if (retrying([&] { return ::rmdir(path.c_str()); }) != 0) return system_error("cannot remove", path, errno);
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
    return lock_posix_file(path, wait);
  }
  Result<std::string> absolute_path(const std::string& path) override {
    char* const resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) return system_error("cannot find", path, errno);
    std::string absolute = resolved;
    std::free(resolved);
    return absolute;
  }
  std::unique_ptr<PinnedFiles> reserve_pins(size_t count) override { return reserve_posix_pins(count); }

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
