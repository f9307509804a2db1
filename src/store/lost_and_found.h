#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// A file or directory of a run that is of no use there.
struct MovedFile {
  std::string from;  // its path; the run's own where the whole directory is moved
  std::string to;
  std::string why;   // "left behind by a recording that died"
};

// Where a store keeps what was taken out of its runs. Nothing is ever deleted: <store>/.signalbook/lost+found/
// <run_id>-<n>/ has the files under their paths within the run, and NOTE.txt says what they are, when and why they were
// moved and how to put them back.
class LostAndFound {
 public:
  // `now`: microseconds since 1970 UTC, for the note. A dry one changes nothing and tells what it would.
  LostAndFound(FileSystem& files, const std::string& run_path, int64_t now, bool is_dry);

  // Moves these, given by their paths within the run, with one note. The note is durable before anything is moved, and
  // the moves are when this returns; what a crash has left where it was is moved by the next call. Nothing for none.
  Status move(const std::vector<std::pair<std::string, std::string>>& paths_and_reasons);
  // The whole run.
  Status move_run(const std::string& why);
  // Leaves the file in place as well, for whoever replaces it by a rename.
  Status keep_copy(const std::string& path, const std::string& why);

  const std::vector<MovedFile>& moved() const { return moved_; }

 private:
  Result<std::string> make_directory();
  Status write_note(const std::string& directory, const std::vector<MovedFile>& moved, const char* what);

  FileSystem& files_;
  std::string run_path_, run_id_, store_path_;
  int64_t now_;
  bool is_dry_;
  std::vector<MovedFile> moved_;
};

}  // namespace signalbook
