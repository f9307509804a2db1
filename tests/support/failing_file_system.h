#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/file_system.h"

namespace signalbook {

// The real disk until the k-th change to it, which fails; from then on it works again, or never.
class FailingFileSystem : public FileSystem {
 public:
  FailingFileSystem(int64_t failing_operation, bool fails_for_good)
      : failing_operation_(failing_operation), fails_for_good_(fails_for_good) {}

  int64_t operation_count() const { return count_; }
  bool has_failed() const { return count_ > failing_operation_; }

  Result<std::string> read_file(const std::string& path) override { return disk_.read_file(path); }
  Status write_new_file(const std::string& path, std::string_view bytes) override {
    if (!fails()) return disk_.write_new_file(path, bytes);
    (void)disk_.write_new_file(path, bytes.substr(0, bytes.size() / 2));  // a full disk leaves half a file
    return failure("write", path);
  }
  Result<std::unique_ptr<AppendFile>> create_append_file(const std::string& path) override {
    if (fails()) return failure("create", path);
    SB_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, disk_.create_append_file(path));
    return std::unique_ptr<AppendFile>(std::make_unique<FailingAppendFile>(*this, path, std::move(file)));
  }
  Result<std::unique_ptr<ReadableFile>> open_file(const std::string& path) override { return disk_.open_file(path); }
  Status sync_files(std::span<const std::string> paths) override {
    return fails() ? failure("sync", paths.front()) : disk_.sync_files(paths);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return fails() ? failure("rename", to) : disk_.rename(from, to);
  }
  Status sync_directory(const std::string& path) override {
    return fails() ? failure("sync", path) : disk_.sync_directory(path);
  }
  Status create_directory(const std::string& path) override {
    return fails() ? failure("create", path) : disk_.create_directory(path);
  }
  Status remove_file(const std::string& path) override {
    return fails() ? failure("remove", path) : disk_.remove_file(path);
  }
  Status remove_directory(const std::string& path) override {
    return fails() ? failure("remove", path) : disk_.remove_directory(path);
  }
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override {
    return disk_.list_directory(path);
  }
  Result<bool> file_exists(const std::string& path) override { return disk_.file_exists(path); }
  Result<bool> directory_exists(const std::string& path) override { return disk_.directory_exists(path); }
  Result<std::optional<FileStamp>> stamp(const std::string& path) override { return disk_.stamp(path); }
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path, bool wait) override {
    if (fails()) return failure("lock", path);
    return disk_.lock_file(path, wait);
  }
  Result<std::string> absolute_path(const std::string& path) override { return disk_.absolute_path(path); }

 private:
  class FailingAppendFile : public AppendFile {
   public:
    FailingAppendFile(FailingFileSystem& disk, std::string path, std::unique_ptr<AppendFile> file)
        : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}

    Status append(std::string_view bytes) override {
      if (!failure_.ok()) return failure_;
      if (!disk_.fails()) return failure_ = file_->append(bytes);
      (void)file_->append(bytes.substr(0, bytes.size() / 2));
      return failure_ = failure("write", path_);
    }
    Status sync() override {
      if (failure_.ok()) failure_ = disk_.fails() ? failure("sync", path_) : file_->sync();
      return failure_;
    }

   private:
    FailingFileSystem& disk_;
    std::string path_;
    std::unique_ptr<AppendFile> file_;
    Status failure_;  // after one nothing more is taken, and no operation counted
  };

  bool fails() {
    const int64_t operation = count_++;
    return fails_for_good_ ? operation >= failing_operation_ : operation == failing_operation_;
  }
  static Status failure(const char* action, const std::string& path) {
    return Status::io_error(std::string("cannot ") + action + " " + path + ": no space left (made up)");
  }

  FileSystem& disk_ = posix_file_system();
  int64_t failing_operation_;
  bool fails_for_good_;
  int64_t count_ = 0;
};

}  // namespace signalbook
