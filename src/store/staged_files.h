#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/file_system.h"
#include "base/status.h"
#include "store/byte_sink.h"
#include "store/run_description.h"

namespace signalbook {

// A file in flight that is written piece by piece.
class StagedFile {
 public:
  explicit StagedFile(std::unique_ptr<AppendFile> file) : file_(std::move(file)) {}

  Status append(std::string_view bytes);
  ByteSink sink() {
    return [this](std::string_view bytes) { return append(bytes); };
  }
  int64_t size() const { return size_; }
  // What was written; once, and nothing more is then.
  RunDescription::FileVersion finish();

 private:
  std::unique_ptr<AppendFile> file_;
  int64_t size_ = 0;
  Sha256 hash_;
};

// The files of a run that is being made: each under a temporary name, so that nothing in the directory is a run to any
// reader, until publish() gives all of them their names. What an attempt that died has left under the same names is
// replaced. Directories are made as they are needed.
class StagedFiles {
 public:
  StagedFiles(FileSystem& files, std::string run_path) : files_(files), run_path_(std::move(run_path)) {}

  // A file of the run; paths are relative to it. Calls of claim() must come one after the other, write_claimed() may be
  // called by several threads, once for each path that was claimed.
  Status write(const std::string& path, std::string_view bytes);
  Status claim(const std::string& path);
  Status write_claimed(const std::string& path, std::string_view bytes);
  Result<std::unique_ptr<StagedFile>> create(const std::string& path);
  // A file elsewhere, in flight inside the run under `name`. Its directory is for the caller to sync.
  Status write_elsewhere(const std::string& name, const std::string& final_path, std::string_view bytes);

  // Flushes all at once, then gives the names in the order of the calls and makes them durable, and those in the
  // further directories; `last`, which is one of them, has its own behind all others. Whatever dies in between leaves
  // no file `last`.
  Status publish(const std::string& last, const std::vector<std::string>& further_directories);
  // The same where none is the last.
  Status publish_all();
  // Takes all away that has no name yet; best effort.
  void discard();

 private:
  Status make_directory(const std::string& path);
  Status sync();
  Status give_names(const std::string& but);

  FileSystem& files_;
  std::string run_path_;
  std::vector<std::pair<std::string, std::string>> in_flight_;  // temporary path and final path
  std::vector<std::string> directories_;                        // made or used, to be synced
};

}  // namespace signalbook
