#include "store/lost_and_found.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/time_text.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

constexpr const char* kDirectory = "lost+found";
constexpr const char* kNote = "NOTE.txt";

}  // namespace

LostAndFound::LostAndFound(FileSystem& files, const std::string& run_path, std::optional<int64_t> now, bool is_dry)
    : files_(files),
      run_path_(run_path),
      run_id_(file_name_of(run_path)),
      store_path_(parent_path(run_path)),
      now_(now),
      is_dry_(is_dry) {}

bool LostAndFound::is_taken(const std::string& path) const {
  return std::ranges::any_of(in_note_, [&](const MovedFile& file) { return file.to == join_path(directory_, path); });
}

// The first <run_id>-<n> that is not there.
Status LostAndFound::make_directory() {
  const std::string parent = join_path(join_path(store_path_, file::kStoreDirectory), kDirectory);
  if (!is_dry_) SB_RETURN_IF_ERROR(create_directories(files_, parent));
  in_note_.clear();
  for (int n = 1;; ++n) {
    directory_ = join_path(parent, fmt::format("{}-{}", run_id_, n));
    SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(directory_));
    if (exists) continue;
    if (is_dry_) return Status();
    const Status status = files_.create_directory(directory_);
    if (status.code() == StatusCode::invalid) continue;  // somebody else's, made in between
    SB_RETURN_IF_ERROR(status);
    SB_RETURN_IF_ERROR(files_.sync_directory(parent));
    SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(parent)));
    return files_.sync_directory(store_path_);
  }
}

Status LostAndFound::write_note() {
  std::string text = fmt::format(
      "Taken out of the run {} by Signalbook{}. Nothing was deleted.\n"
      "To put something back, move it to where it was, which is told from the store on.\n"
      "What is listed here and not there was not moved: the program died first.\n",
      run_id_, now_ ? " on " + format_time(*now_) : "");
  for (const MovedFile& file : in_note_) {
    const std::string inside = file.to.substr(directory_.size() + 1);
    text += fmt::format("\n{}\n  {}  {}\n  why  {}\n", inside, file.is_copied ? "copy of" : "was",
                        file.from == run_path_ ? run_id_ : join_path(run_id_, inside), file.why);
  }
  const std::string note = join_path(directory_, kNote), temporary = note + std::string(kTemporarySuffix);
  SB_RETURN_IF_ERROR(files_.write_new_file(temporary, text));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files_.rename(temporary, note));
  return files_.sync_directory(directory_);
}

Status LostAndFound::take(const std::vector<LostFile>& lost) {
  if (lost.empty()) return Status();
  const bool is_new =
      directory_.empty() || std::ranges::any_of(lost, [&](const LostFile& file) { return is_taken(file.path); });
  if (is_new) SB_RETURN_IF_ERROR(make_directory());
  const size_t first = in_note_.size();
  for (const LostFile& file : lost) {
    in_note_.push_back({.from = file.path.empty() ? run_path_ : join_path(run_path_, file.path),
                        .to = join_path(directory_, file.path.empty() ? run_id_ : file.path),
                        .why = file.why,
                        .is_copied = file.is_copied});
    moved_.push_back(in_note_.back());
  }
  if (is_dry_) return Status();
  SB_RETURN_IF_ERROR(write_note());

  // Where they go is durable before they do, and that they are there before it is that they are not where they were:
  // whatever dies in between, a file has one name at least.
  std::set<std::string> sources, targets = {directory_};
  for (size_t i = first; i < in_note_.size(); ++i) {
    SB_RETURN_IF_ERROR(create_directories(files_, parent_path(in_note_[i].to)));
    for (std::string path = parent_path(in_note_[i].to); path != directory_; path = parent_path(path))
      targets.insert(path);
  }
  for (const std::string& path : targets) SB_RETURN_IF_ERROR(files_.sync_directory(path));
  std::vector<std::string> copies;
  for (size_t i = first; i < in_note_.size(); ++i) {
    const MovedFile& file = in_note_[i];
    const std::string& found_at = lost[i - first].found_at;
    const std::string from = found_at.empty() ? file.from : join_path(run_path_, found_at);
    if (file.is_copied) {
      SB_ASSIGN_OR_RETURN(const std::string bytes, files_.read_file(from));
      SB_RETURN_IF_ERROR(files_.write_new_file(file.to, bytes));
      copies.push_back(file.to);
    } else {
      SB_RETURN_IF_ERROR(files_.rename(from, file.to));
      sources.insert(parent_path(from));
    }
  }
  if (!copies.empty()) SB_RETURN_IF_ERROR(files_.sync_files(copies));
  for (const std::string& path : targets) SB_RETURN_IF_ERROR(files_.sync_directory(path));
  for (const std::string& path : sources) SB_RETURN_IF_ERROR(files_.sync_directory(path));
  return Status();
}

}  // namespace signalbook
