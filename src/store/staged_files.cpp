#include "store/staged_files.h"

#include <algorithm>

namespace signalbook {

namespace {

std::string temporary_of(const std::string& path) { return path + std::string(kTemporarySuffix); }

}  // namespace

Status StagedFile::append(std::string_view bytes) {
  hash_.update(bytes);
  size_ += static_cast<int64_t>(bytes.size());
  return file_->append(bytes);
}

RunDescription::FileVersion StagedFile::finish() {
  file_ = nullptr;
  return {.size = size_, .sha256 = to_hex(hash_.finish())};
}

Status StagedFiles::claim(const std::string& path) {
  const std::string final_path = join_path(run_path_, path);
  SB_RETURN_IF_ERROR(make_directory(parent_path(final_path)));
  in_flight_.emplace_back(temporary_of(final_path), final_path);
  return Status();
}

Status StagedFiles::write_claimed(const std::string& path, std::string_view bytes) {
  return replace_file(files_, temporary_of(join_path(run_path_, path)), bytes);
}

Status StagedFiles::write(const std::string& path, std::string_view bytes) {
  SB_RETURN_IF_ERROR(claim(path));
  return write_claimed(path, bytes);
}

Result<std::unique_ptr<StagedFile>> StagedFiles::create(const std::string& path) {
  SB_RETURN_IF_ERROR(claim(path));
  const std::string& temporary = in_flight_.back().first;
  const Status removed = files_.remove_file(temporary);
  if (!removed.ok() && removed.code() != StatusCode::not_found) return removed;
  SB_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, files_.create_append_file(temporary));
  return std::make_unique<StagedFile>(std::move(file));
}

Status StagedFiles::write_elsewhere(const std::string& name, const std::string& final_path, std::string_view bytes) {
  const std::string temporary = temporary_of(join_path(run_path_, name));
  SB_RETURN_IF_ERROR(replace_file(files_, temporary, bytes));
  in_flight_.emplace_back(temporary, final_path);
  return Status();
}

Status StagedFiles::make_directory(const std::string& path) {
  if (path == run_path_ || std::ranges::find(directories_, path) != directories_.end()) return Status();
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
  if (!exists) SB_RETURN_IF_ERROR(files_.create_directory(path));
  directories_.push_back(path);
  return Status();
}

Status StagedFiles::sync() {
  std::vector<std::string> temporaries;
  for (const auto& [temporary, path] : in_flight_) temporaries.push_back(temporary);
  return files_.sync_files(temporaries);
}

Status StagedFiles::give_names(const std::string& but) {
  for (const auto& [temporary, path] : in_flight_) {
    if (path != but) SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  }
  for (const std::string& directory : directories_) SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  return Status();
}

Status StagedFiles::publish(const std::string& last, const std::vector<std::string>& further_directories) {
  SB_RETURN_IF_ERROR(sync());
  const std::string last_path = join_path(run_path_, last);
  SB_RETURN_IF_ERROR(give_names(last_path));
  for (const std::string& directory : further_directories) SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  SB_RETURN_IF_ERROR(files_.sync_directory(run_path_));
  SB_RETURN_IF_ERROR(files_.rename(temporary_of(last_path), last_path));
  return files_.sync_directory(run_path_);
}

Status StagedFiles::publish_all() {
  SB_RETURN_IF_ERROR(sync());
  SB_RETURN_IF_ERROR(give_names(""));
  return files_.sync_directory(run_path_);
}

void StagedFiles::discard() {
  for (const auto& [temporary, path] : in_flight_) (void)files_.remove_file(temporary);
}

}  // namespace signalbook
