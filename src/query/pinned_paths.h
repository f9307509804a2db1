#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// DuckDB opens a file once for its columns and again for its rows, by its path. A file that is replaced in between
// would be read by what the other one says of itself. So DuckDB gets names that stay with the version that we looked
// at. Which places of PinnedFiles are taken, by what; for any thread.
class PinnedPaths {
 public:
  // Room for so many files; none where the disk or the system has none.
  PinnedPaths(FileSystem& files, size_t most);

  // All names that pin() may give.
  const std::vector<std::string>& names() const { return names_; }

  // A name of the version that has this path now; the path itself where there is no such file or no room.
  std::string pin(const std::string& path);
  // Gives back a name that DuckDB has not seen; a path is no matter.
  void unpin(const std::string& name);

  // Whether a path that a user writes is such a name.
  bool is_name(const std::string& path) const;
  // A text with paths in the stead of names.
  std::string with_paths(const std::string& text) const;

 private:
  std::unique_ptr<PinnedFiles> files_;
  std::vector<std::string> names_;
  mutable std::mutex mutex_;             // of those below
  std::vector<size_t> free_;             // places, the first to take last
  std::map<size_t, std::string> paths_;  // of the places that are taken
};

}  // namespace signalbook
