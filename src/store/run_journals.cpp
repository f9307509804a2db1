#include "store/run_journals.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "format/file_names.h"

namespace signalbook {

namespace {

constexpr const char* kJournalDirectory = ".journal";
constexpr const char* kRunLock = ".lock";
constexpr std::string_view kSegmentSuffix = ".journal", kLockSuffix = ".lock", kSuspectSuffix = ".suspect";

std::string path_of(const std::string& run_path, const std::string& name) {
  return join_path(journal_directory(run_path), name);
}

// "<writer>-0001.journal" -> writer and number; nothing for another name.
std::optional<std::pair<std::string, int>> parse_segment(std::string_view name) {
  if (!name.ends_with(kSegmentSuffix)) return std::nullopt;
  name.remove_suffix(kSegmentSuffix.size());
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  int number = 0;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + dash + 1, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 1) return std::nullopt;
  return std::pair(std::string(name.substr(0, dash)), number);
}

}  // namespace

std::string journal_directory(const std::string& run_path) { return join_path(run_path, kJournalDirectory); }

std::string done_journal_directory(const std::string& run_path) {
  return join_path(run_path, std::string(kJournalDirectory) + ".done");
}

std::string run_lock_path(const std::string& run_path) { return join_path(run_path, kRunLock); }

std::string segment_path(const std::string& run_path, const std::string& writer, int segment) {
  return path_of(run_path, fmt::format("{}-{:04}{}", writer, segment, kSegmentSuffix));
}

std::string writer_lock_path(const std::string& run_path, const std::string& writer) {
  return path_of(run_path, writer + std::string(kLockSuffix));
}

std::string suspect_path(const std::string& run_path, const std::string& writer) {
  return path_of(run_path, writer + std::string(kSuspectSuffix));
}

std::string journal_bars_path(const std::string& run_path, const std::string& data_id_hex) {
  return path_of(run_path, data_id_hex + ".bars");
}

bool is_writer_name(std::string_view name) {
  constexpr size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest && escape_name(name) == name;
}

Result<std::vector<WriterJournal>> list_journals(FileSystem& files, const std::string& run_path) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(journal_directory(run_path));
  if (!entries.ok()) {
    if (entries.status().code() == StatusCode::not_found) return std::vector<WriterJournal>();
    return entries.status();
  }
  std::map<std::string, std::map<int, std::string>> segments;
  for (const DirectoryEntry& entry : *entries) {
    const auto segment = parse_segment(entry.name);
    if (segment) segments[segment->first][segment->second] = path_of(run_path, entry.name);
  }
  std::vector<WriterJournal> journals;
  for (const auto& [writer, paths] : segments) {
    WriterJournal journal = {.writer = writer, .segments = {}, .is_suspect = false};
    for (const auto& [number, path] : paths) journal.segments.push_back(path);
    SB_ASSIGN_OR_RETURN(journal.is_suspect, files.file_exists(suspect_path(run_path, writer)));
    journals.push_back(std::move(journal));
  }
  return journals;
}

Result<std::unique_ptr<RunLock>> RunLock::take(FileSystem& files, const std::string& run_path, bool wait) {
  const std::string path = run_lock_path(run_path);
  SB_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, files.lock_file(path, wait));
  if (lock == nullptr) return std::unique_ptr<RunLock>();
  return std::unique_ptr<RunLock>(new RunLock(files, path, std::move(lock)));
}

RunLock::~RunLock() { (void)files_.remove_file(path_); }

Result<WriterLocks> lock_writers(FileSystem& files, const std::string& run_path, const std::string& own) {
  WriterLocks found;
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files, run_path));
  for (const WriterJournal& journal : journals) {
    if (journal.writer == own) continue;
    SB_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock,
                        files.lock_file(writer_lock_path(run_path, journal.writer), /*wait=*/false));
    if (lock == nullptr) {
      found.alive.push_back(journal.writer);
    } else {
      found.locks.push_back(std::move(lock));
    }
  }
  return found;
}

}  // namespace signalbook
