#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// A file or directory of a run that is in the way there.
struct LostFile {
  std::string path;  // within the run; empty: the whole run
  std::string why;   // "not a whole trace: ..."
  // Whoever replaces it by a rename leaves it where it is until then: a copy is kept.
  bool is_copied = false;
  std::string found_at = {};  // within the run, where it is not at `path` any more: its directory was renamed
};

struct MovedFile {
  std::string from, to;  // paths
  std::string why;
  bool is_copied = false;
};

// Where a store keeps what was taken out of a run. Nothing is ever deleted:
// <store>/.signalbook/lost+found/<run_id>-<n>/ has it under its path within the run, and a NOTE.txt that says what it
// is, when and why it was moved and how to put it back.
class LostAndFound {
 public:
  // `now`: microseconds since 1970 UTC, for the note, where it is known. A dry one changes nothing and tells what it
  // would do.
  LostAndFound(FileSystem& files, const std::string& run_path, std::optional<int64_t> now, bool is_dry = false);

  // Takes these, durably when it returns. The note is durable before anything is moved; what a crash leaves where it
  // was, somebody takes later.
  Status take(const std::vector<LostFile>& lost);

  const std::vector<MovedFile>& moved() const { return moved_; }

 private:
  bool is_taken(const std::string& path) const;
  Status make_directory();
  Status write_note();

  FileSystem& files_;
  std::string run_path_, run_id_, store_path_;
  std::optional<int64_t> now_;
  bool is_dry_;
  std::string directory_;           // of what is taken now
  std::vector<MovedFile> in_note_;  // of that directory
  std::vector<MovedFile> moved_;
};

}  // namespace signalbook
