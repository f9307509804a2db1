#include "store/lost_and_found.h"

#include <fmt/format.h>

#include <set>
#include <span>

#include "base/time_text.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

constexpr const char* kDirectory = "lost+found";
constexpr const char* kNote = "NOTE.txt";

}  // namespace

LostAndFound::LostAndFound(FileSystem& files, const std::string& run_path, int64_t now, bool is_dry)
    : files_(files),
      run_path_(run_path),
      run_id_(file_name_of(run_path)),
      store_path_(parent_path(run_path)),
      now_(now),
      is_dry_(is_dry) {}

// The first <run_id>-<n> that is not there.
Result<std::string> LostAndFound::make_directory() {
  const std::string parent = join_path(join_path(store_path_, file::kStoreDirectory), kDirectory);
  if (!is_dry_) SB_RETURN_IF_ERROR(create_directories(files_, parent));
  for (int n = 1;; ++n) {
    const std::string path = join_path(parent, fmt::format("{}-{}", run_id_, n));
    SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
    if (exists) continue;
    if (is_dry_) return path;
    const Status status = files_.create_directory(path);
    if (status.code() == StatusCode::invalid) continue;  // somebody else's, made in between
    SB_RETURN_IF_ERROR(status);
    SB_RETURN_IF_ERROR(files_.sync_directory(parent));
    SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(parent)));
    SB_RETURN_IF_ERROR(files_.sync_directory(store_path_));
    return path;
  }
}

Status LostAndFound::write_note(const std::string& directory, const std::vector<MovedFile>& moved, const char* what) {
  std::string text = fmt::format(
      "{} from the run {} by Signalbook on {}.\n"
      "To put one back, move it to where it was. What is listed and not here was not moved: the program died first.\n",
      what, run_id_, format_time(now_));
  for (const MovedFile& file : moved) {
    text += fmt::format("\n{}\n  was  {}\n  why  {}\n", file.to.substr(directory.size() + 1), file.from, file.why);
  }
  const std::string note = join_path(directory, kNote);
  SB_RETURN_IF_ERROR(files_.write_new_file(note, text));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&note, 1)));
  return files_.sync_directory(directory);
}

Status LostAndFound::move(const std::vector<std::pair<std::string, std::string>>& paths_and_reasons) {
  if (paths_and_reasons.empty()) return Status();
  SB_ASSIGN_OR_RETURN(const std::string directory, make_directory());
  std::vector<MovedFile> moved;
  for (const auto& [path, why] : paths_and_reasons) {
    moved.push_back({.from = join_path(run_path_, path), .to = join_path(directory, path), .why = why});
  }
  moved_.insert(moved_.end(), moved.begin(), moved.end());
  if (is_dry_) return Status();
  SB_RETURN_IF_ERROR(write_note(directory, moved, "Moved"));
  std::set<std::string> changed;
  for (const MovedFile& file : moved) {
    for (std::string path = parent_path(file.to); path != directory; path = parent_path(path)) changed.insert(path);
    SB_RETURN_IF_ERROR(create_directories(files_, parent_path(file.to)));
    SB_RETURN_IF_ERROR(files_.rename(file.from, file.to));
    changed.insert(parent_path(file.from));
  }
  // The new names first: whatever dies in between, a file has one name at least.
  SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  for (const std::string& path : changed) {
    if (path.starts_with(directory)) SB_RETURN_IF_ERROR(files_.sync_directory(path));
  }
  for (const std::string& path : changed) {
    if (!path.starts_with(directory)) SB_RETURN_IF_ERROR(files_.sync_directory(path));
  }
  return Status();
}

Status LostAndFound::move_run(const std::string& why) {
  SB_ASSIGN_OR_RETURN(const std::string directory, make_directory());
  moved_.push_back({.from = run_path_, .to = join_path(directory, run_id_), .why = why});
  if (is_dry_) return Status();
  SB_RETURN_IF_ERROR(write_note(directory, {moved_.back()}, "Moved"));
  SB_RETURN_IF_ERROR(files_.rename(run_path_, moved_.back().to));
  SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  return files_.sync_directory(store_path_);
}

Status LostAndFound::keep_copy(const std::string& path, const std::string& why) {
  SB_ASSIGN_OR_RETURN(const std::string directory, make_directory());
  moved_.push_back({.from = join_path(run_path_, path), .to = join_path(directory, path), .why = why});
  if (is_dry_) return Status();
  SB_ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(moved_.back().from));
  SB_RETURN_IF_ERROR(create_directories(files_, parent_path(moved_.back().to)));
  SB_RETURN_IF_ERROR(files_.write_new_file(moved_.back().to, bytes));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&moved_.back().to, 1)));
  return write_note(directory, {moved_.back()}, "Copied");
}

}  // namespace signalbook
