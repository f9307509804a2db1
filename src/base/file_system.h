#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace signalbook {

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;  // also through a link
  bool is_link = false;
};

// Tells whether a file is still the one that was looked at: files are never changed, only replaced.
struct FileStamp {
  int64_t size = 0;
  int64_t modified_ns = 0;  // since 1970 UTC
  uint64_t number = 0;      // of the file on its disk

  bool operator==(const FileStamp&) const = default;
};

// A file that grows at its end, made durable when asked. After a failure nothing more is taken: what is on the disk
// then is not known, and a sync that is tried again could report as durable what the disk has dropped.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual Status append(std::string_view bytes) = 0;
  // Makes all that was appended durable.
  virtual Status sync() = 0;
};

// A file that is read in pieces.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual int64_t size() const = 0;  // when it was opened
  // Fills `into` from this offset on; returns how many bytes there were, fewer only at the end of the file.
  virtual Result<size_t> read(int64_t offset, std::span<char> into) = 0;
};

// A lock on a file, given back by destruction or by the end of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Versions of files, held while others replace or remove those: each in a place of its own, with a name by which other
// libraries open it too, as often as they like.
class PinnedFiles {
 public:
  virtual ~PinnedFiles() = default;
  // Of the places: paths that lead to what is pinned there, in this process, until another file is or this object goes.
  virtual const std::vector<std::string>& names() const = 0;
  // Puts the file that has this path now into a place. NotFound when there is none, Invalid when it is no regular file;
  // the place is as it was then.
  virtual Status pin(size_t place, const std::string& path) = 0;
};

// Every disk operation a store uses, so that a test can take the disk away and an object store can stand in: files
// are written whole and never changed, and become visible by a rename. Paths are absolute or relative to the
// working directory. Messages name the path and what the system said.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The whole file. NotFound when there is none.
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // Creates a file that must not exist. What was written is durable only after sync_files.
  virtual Status write_new_file(const std::string& path, std::string_view bytes) = 0;
  // Creates a file that must not exist, to be written piece by piece.
  virtual Result<std::unique_ptr<AppendFile>> create_append_file(const std::string& path) = 0;
  // NotFound when there is none, Invalid when it is no regular file.
  virtual Result<std::unique_ptr<ReadableFile>> open_file(const std::string& path) = 0;
  // Makes the contents of these files durable, all together: one flush of the disk for many files.
  virtual Status sync_files(std::span<const std::string> paths) = 0;
  // Of a file or a directory. Replaces a file `to` where it exists. Durable only after sync_directory.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Makes creations, renames and removals in this directory durable.
  virtual Status sync_directory(const std::string& path) = 0;
  // Creates one directory; its parent must exist. Invalid when the path is taken.
  virtual Status create_directory(const std::string& path) = 0;
  virtual Status remove_file(const std::string& path) = 0;
  virtual Status remove_directory(const std::string& path) = 0;  // must be empty
  // Sorted by name. NotFound when there is no such directory.
  virtual Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) = 0;
  virtual Result<bool> file_exists(const std::string& path) = 0;
  virtual Result<bool> directory_exists(const std::string& path) = 0;
  // Nothing when there is no such file.
  virtual Result<std::optional<FileStamp>> stamp(const std::string& path) = 0;
  // Locks a file, which is made where there is none, against other processes and other holders in this one. Nothing
  // when it is locked and `wait` is false. Whoever holds the lock may remove the file: a lock is only given on the file
  // that has the name.
  virtual Result<std::unique_ptr<FileLock>> lock_file(const std::string& path, bool wait) = 0;
  // Without ".", ".." and links. NotFound when there is no such path.
  virtual Result<std::string> absolute_path(const std::string& path) = 0;
  // Places for this many files, or fewer where the process has few descriptors. nullptr where this disk has none to
  // offer: its files are read by their paths.
  virtual std::unique_ptr<PinnedFiles> reserve_pins(size_t count) {
    static_cast<void>(count);
    return nullptr;
  }
};

// The real disk.
FileSystem& posix_file_system();

// What FileSystem's operations build.

// "a/b" from "a" and "b"; "b" from "" and "b".
std::string join_path(std::string_view directory, std::string_view name);
// The directory part of a path: "a" of "a/b", "." of "b".
std::string parent_path(std::string_view path);
std::string file_name_of(std::string_view path);
// Creates a directory and the missing ones above it; those that exist are fine.
Status create_directories(FileSystem& files, const std::string& path);
// Removes a directory with all that is in it; one that is not there is fine.
Status remove_tree(FileSystem& files, const std::string& path);

// Writes a file that may be there, left by an attempt that died.
Status replace_file(FileSystem& files, const std::string& path, std::string_view bytes);

// The ending of a file in flight. It is not ".parquet", so that no glob of a reader meets one.
inline constexpr std::string_view kTemporarySuffix = ".tmp";

}  // namespace signalbook
