#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"

namespace signalbook {

// A disk in memory that knows what would be left of it after a power cut. It promises less than ext4 and xfs do, so
// what survives here survives there:
// - A file's bytes are durable after a sync of that file; its name is after a sync of its directory, and so on upwards.
// - Of bytes that are not, any sectors may survive. Others read as zeros, or the file ends before them.
// - Of creations, renames and removals that are not durable, any may have happened; of those that touch one name, the
//   later only if the earlier did. A rename happened as a whole or not at all. From one directory to another it is
//   durable with the directory it leads to.
// - A sync that failed has dropped the bytes it was to write: they can be read until the power is cut, and a later sync
//   succeeds without them. A sync of a directory that failed can be done again: a journal that cannot be written stops
//   the file system.
// Paths begin at the root, with or without a slash. There are no links. Messages are those of the real disk.
class CrashDisk : public FileSystem {
 public:
  // An operation that changes the disk, or a lock. The same are counted as in FailingFileSystem.
  struct Operation {
    int64_t number;           // from 0
    std::string_view action;  // "write", "append", "sync", "rename", ...
    const std::string& path;  // what it makes or changes; the first one of a sync
  };

  CrashDisk();
  ~CrashDisk() override;
  CrashDisk(CrashDisk&&) noexcept;
  CrashDisk& operator=(CrashDisk&&) noexcept;

  // The disk after a power cut now: nothing on it is in flight, and nobody holds a lock. With seed 0 only what is
  // durable is left, with 1 all that was written; any other chooses.
  CrashDisk after_crash(uint64_t seed) const;
  // The disk after the process was killed now: all that was written is there, and still not durable. No locks.
  CrashDisk after_kill() const;

  int64_t operation_count() const;
  // The operation with this number fails, or it and all later ones: with no space, a sync with an I/O error. A write
  // leaves half of its bytes, any other but a sync leaves all as it was.
  void fail_at(int64_t operation, bool for_good);
  // Called before each operation; may ask for what a crash leaves.
  void before_each(std::function<void(const Operation&)> call);

  // How many bytes a power cut can take away: of files that have a name now.
  int64_t unsynced_bytes() const;
  // How many changes of directories it can undo.
  int64_t unsynced_changes() const;

  Result<std::string> read_file(const std::string& path) override;
  Status write_new_file(const std::string& path, std::string_view bytes) override;
  Result<std::unique_ptr<AppendFile>> create_append_file(const std::string& path) override;
  Result<std::unique_ptr<ReadableFile>> open_file(const std::string& path) override;
  Status sync_files(std::span<const std::string> paths) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status sync_directory(const std::string& path) override;
  Status create_directory(const std::string& path) override;
  Status remove_file(const std::string& path) override;
  Status remove_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override;
  Result<bool> file_exists(const std::string& path) override;
  Result<bool> directory_exists(const std::string& path) override;
  Result<std::optional<FileStamp>> stamp(const std::string& path) override;
  // To wait for a lock that is held is an error: the test would hang.
  Result<std::unique_ptr<FileLock>> lock_file(const std::string& path, bool wait) override;
  Result<std::string> absolute_path(const std::string& path) override;

 private:
  struct State;
  class OpenAppendFile;
  class OpenReadableFile;
  class HeldLock;

  explicit CrashDisk(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // shared with what is open
};

}  // namespace signalbook
