#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace signalbook::test {

// A disk that calls before each operation, those that only read as well; the call may put another disk in its place.
class HookedFileSystem : public FileSystem {
 public:
  explicit HookedFileSystem(FileSystem& disk) : disk_(&disk) {}

  void before_each(std::function<void(int64_t operation)> call) { call_ = std::move(call); }
  void set_disk(FileSystem& disk) { disk_ = &disk; }
  int64_t operation_count() const { return count_; }

  Result<std::string> read_file(const std::string& path) override { return next().read_file(path); }
  Status write_new_file(const std::string& path, std::string_view bytes) override {
    return next().write_new_file(path, bytes);
  }
  Result<std::unique_ptr<AppendFile>> create_append_file(const std::string& path) override {
    return next().create_append_file(path);
  }
  Result<std::unique_ptr<ReadableFile>> open_file(const std::string& path) override { return next().open_file(path); }
  Status sync_files(std::span<const std::string> paths) override { return next().sync_files(paths); }
  Status rename(const std::string& from, const std::string& to) override { return next().rename(from, to); }
  Status sync_directory(const std::string& path) override { return next().sync_directory(path); }
  Status create_directory(const std::string& path) override { return next().create_directory(path); }
  Status remove_file(const std::string& path) override { return next().remove_file(path); }
  Status remove_directory(const std::string& path) override { return next().remove_directory(path); }
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override {
    return next().list_directory(path);
  }
  Result<bool> file_exists(const std::string& path) override { return next().file_exists(path); }
  Result<bool> directory_exists(const std::string& path) override { return next().directory_exists(path); }
  Result<std::optional<FileStamp>> stamp(const std::string& path) override { return next().stamp(path); }
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path, bool wait) override {
    return next().lock_file(path, wait);
  }
  Result<std::string> absolute_path(const std::string& path) override { return next().absolute_path(path); }
  std::unique_ptr<PinnedFiles> reserve_pins(size_t count) override {
    std::unique_ptr<PinnedFiles> pins = next().reserve_pins(count);
    if (pins == nullptr) return nullptr;
    return std::make_unique<HookedPins>(*this, std::move(pins));
  }

 private:
  class HookedPins : public PinnedFiles {
   public:
    HookedPins(HookedFileSystem& disk, std::unique_ptr<PinnedFiles> pins) : disk_(disk), pins_(std::move(pins)) {}
    const std::vector<std::string>& names() const override { return pins_->names(); }
    Status pin(size_t place, const std::string& path) override {
      disk_.next();
      return pins_->pin(place, path);
    }

   private:
    HookedFileSystem& disk_;
    std::unique_ptr<PinnedFiles> pins_;
  };

  FileSystem& next() {
    if (call_) call_(count_);
    ++count_;
    return *disk_;
  }

  FileSystem* disk_;
  std::function<void(int64_t)> call_;
  int64_t count_ = 0;
};

}  // namespace signalbook::test
