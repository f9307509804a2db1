#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// What is on its way into a store or out of it lies in .signalbook/transit/<purpose>-<n>/, where no reader looks.
// Whoever made such a directory holds the lock beside it; where nobody does, he died, and gc takes it away.

enum class TransitPurpose {
  import,   // bars/ and one run, not checked yet
  removal,  // a run that was removed
  garbage,  // bars that nobody referred to when they were taken: <data_id>.parquet
};

class TransitDirectory {
 public:
  // A new one, locked; not durable.
  static Result<std::unique_ptr<TransitDirectory>> create(FileSystem& files, const std::string& store_path,
                                                          TransitPurpose purpose);
  ~TransitDirectory();  // gives the lock back; what is in it stays
  TransitDirectory(const TransitDirectory&) = delete;
  TransitDirectory& operator=(const TransitDirectory&) = delete;

  const std::string& path() const { return path_; }
  // Of the directory above it, so that its name is durable.
  Status sync_name();
  // Takes it away with all that is in it.
  Status remove();

 private:
  friend Result<std::unique_ptr<TransitDirectory>> take_over_transit(FileSystem& files, const std::string& path);
  TransitDirectory(FileSystem& files, std::string path, std::unique_ptr<FileLock> lock)
      : files_(files), path_(std::move(path)), lock_(std::move(lock)) {}

  FileSystem& files_;
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

struct Transit {
  std::string path;
  TransitPurpose purpose = TransitPurpose::import;
  bool is_alive = false;  // somebody holds its lock
};
// Sorted by path; none where there is none. Makes nothing.
Result<std::vector<Transit>> list_transits(FileSystem& files, const std::string& store_path);

// Locks that somebody left who died before he made his directory.
Status remove_idle_locks(FileSystem& files, const std::string& store_path);

// One whose maker died, taken over with its lock. Nothing when it is gone, or somebody has it.
Result<std::unique_ptr<TransitDirectory>> take_over_transit(FileSystem& files, const std::string& path);

}  // namespace signalbook
