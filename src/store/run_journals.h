#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// A run that is being written has a directory .journal/ with, for each of its writers, the files
//   <writer>-0001.journal, <writer>-0002.journal   a segment for each time the writer began or went on
//   <writer>.lock                                  locked while the writer lives
//   <data_id>.bars                                 the bars it records on, as in the store's bars/<data_id>.parquet
//   <writer>.suspect                               a sync of this journal failed: the disk may lack what is read
struct WriterJournal {
  std::string writer;
  std::vector<std::string> segments;  // paths, in order
  std::vector<int> numbers;           // of the segments, as their names say
  std::vector<std::string> no_files;  // paths that have the name of a segment and are directories, pipes, ...
  bool is_suspect = false;
};

// Sorted by writer; none when the run has no journal.
Result<std::vector<WriterJournal>> list_journals(FileSystem& files, const std::string& run_path);
// The same of a directory that has another name.
Result<std::vector<WriterJournal>> list_journals_in(FileSystem& files, const std::string& directory);

// What lies in a directory of journals and has none of the names above: names, sorted. It is none of ours to remove.
Result<std::vector<std::string>> list_foreign_files(FileSystem& files, const std::string& directory);

// Whether a text can name a writer: up to 64 of [A-Za-z0-9_.-], the first none of `_` and `.`.
bool is_writer_name(std::string_view name);
// Whether it is the 64 digits of a data_id.
bool is_data_id(std::string_view text);

std::string journal_directory(const std::string& run_path);
// What the directory is called while it is removed, after the commit.
std::string done_journal_directory(const std::string& run_path);
std::string run_lock_path(const std::string& run_path);
std::string segment_path(const std::string& run_path, const std::string& writer, int segment);
std::string writer_lock_path(const std::string& run_path, const std::string& writer);
std::string suspect_path(const std::string& run_path, const std::string& writer);
std::string journal_bars_path(const std::string& run_path, const std::string& data_id_hex);

// Held by whoever changes what makes a run a run: joins it as a writer, commits, recovers or rewrites its index.
class RunLock {
 public:
  // Nothing when somebody holds it and `wait` is false.
  static Result<std::unique_ptr<RunLock>> take(FileSystem& files, const std::string& run_path, bool wait);
  ~RunLock();  // removes the lock's file
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  RunLock(FileSystem& files, std::string path, std::unique_ptr<FileLock> lock)
      : files_(files), path_(std::move(path)), lock_(std::move(lock)) {}

  FileSystem& files_;
  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

// The locks of all writers of a run: nobody writes to it any more.
struct WriterLocks {
  std::vector<std::unique_ptr<FileLock>> locks;
  std::vector<std::string> alive;  // the writers whose locks are held elsewhere
};
// `own` names a writer whose lock the caller holds already.
Result<WriterLocks> lock_writers(FileSystem& files, const std::string& run_path, const std::string& own = {});

}  // namespace signalbook
