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
constexpr std::string_view kSegmentSuffix = ".journal", kLockSuffix = ".lock", kSuspectSuffix = ".suspect",
                           kBarsSuffix = ".bars";

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
  const std::string writer(name.substr(0, dash));
  // A name that this program does not give ("main-1.journal") is another file's.
  if (!is_writer_name(writer) || name.substr(dash + 1) != fmt::format("{:04}", number)) return std::nullopt;
  return std::pair(writer, number);
}

// Whether a recording gives such a name to a file in its directory of journals.
bool is_name_of_ours(std::string_view name) {
  if (name.ends_with(kTemporarySuffix)) {
    name.remove_suffix(kTemporarySuffix.size());
    // Of bars there is one a writer.
    const size_t writer = name.rfind(std::string(kBarsSuffix) + ".");
    if (writer != std::string_view::npos) name = name.substr(0, writer + kBarsSuffix.size());
  }
  if (parse_segment(name)) return true;
  for (const std::string_view suffix : {kLockSuffix, kSuspectSuffix}) {
    if (name.ends_with(suffix)) return is_writer_name(name.substr(0, name.size() - suffix.size()));
  }
  return name.ends_with(kBarsSuffix) && is_data_id(name.substr(0, name.size() - kBarsSuffix.size()));
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
  return path_of(run_path, data_id_hex + std::string(kBarsSuffix));
}

bool is_writer_name(std::string_view name) {
  constexpr size_t kLongest = 64;
  return !name.empty() && name.size() <= kLongest && escape_name(name) == name;
}

bool is_data_id(std::string_view text) {
  constexpr size_t kDigits = 64;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<WriterJournal>> list_journals(FileSystem& files, const std::string& run_path) {
  return list_journals_in(files, journal_directory(run_path));
}

Result<std::vector<WriterJournal>> list_journals_in(FileSystem& files, const std::string& directory) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(directory);
  if (!entries.ok()) {
    if (entries.status().code() == StatusCode::not_found) return std::vector<WriterJournal>();
    return entries.status();
  }
  std::map<std::string, std::map<int, std::string>> segments;
  for (const DirectoryEntry& entry : *entries) {
    const auto segment = parse_segment(entry.name);
    if (segment) segments[segment->first][segment->second] = join_path(directory, entry.name);
  }
  std::vector<WriterJournal> journals;
  for (const auto& [writer, paths] : segments) {
    WriterJournal journal;
    journal.writer = writer;
    for (const auto& [number, path] : paths) {
      SB_ASSIGN_OR_RETURN(const bool is_file, files.file_exists(path));
      if (is_file) {
        journal.segments.push_back(path);
        journal.numbers.push_back(number);
        continue;
      }
      SB_ASSIGN_OR_RETURN(const bool is_there, files.directory_exists(directory));
      if (!is_there) return std::vector<WriterJournal>();  // removed meanwhile
      journal.no_files.push_back(path);
    }
    SB_ASSIGN_OR_RETURN(journal.is_suspect,
                        files.file_exists(join_path(directory, writer + std::string(kSuspectSuffix))));
    journals.push_back(std::move(journal));
  }
  return journals;
}

Result<std::vector<std::string>> list_foreign_files(FileSystem& files, const std::string& directory) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(directory);
  if (entries.status().code() == StatusCode::not_found) return std::vector<std::string>();
  if (!entries.ok()) return entries.status();
  std::vector<std::string> names;
  for (const DirectoryEntry& entry : *entries) {
    if (entry.is_directory || !is_name_of_ours(entry.name)) names.push_back(entry.name);
  }
  return names;
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
