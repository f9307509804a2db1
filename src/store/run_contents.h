#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"

namespace signalbook {

// What lies in the directory of a finished run. Paths are relative to it.
struct RunContents {
  struct File {
    std::string path;
    int64_t size = 0;
  };
  RunDescription description;
  std::vector<File> belonging;       // run.json, and what it or the index names: sorted by path
  std::vector<std::string> missing;  // named, and not there
  std::vector<std::string> foreign;  // neither named nor a lock, a temporary file or a journal
};

// Damaged when run.json or the index cannot be read, Invalid when this program does not know the run's layout; NotFound
// when there is none.
Result<RunContents> list_run_contents(FileSystem& files, const std::string& run_path);

// Whether a text can be the name of a run: one part of a path that shows itself, and no name of the store's own.
bool is_run_name(std::string_view name);
// Whether a file of a run can have this path in it: a few parts of [A-Za-z0-9_.~-] that do not begin with a dot, and no
// ending of a file in flight.
bool is_path_in_run(std::string_view path);
// Whether it is a name that only this program gives: also one of a run that is not finished, or damaged.
bool is_known_path_in_run(std::string_view path);

// Of all files in it, links not followed.
struct TreeSize {
  int64_t file_count = 0, byte_count = 0;
};
Result<TreeSize> measure_tree(FileSystem& files, const std::string& path);

}  // namespace signalbook
