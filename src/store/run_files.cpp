#include "store/run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "base/digest.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

Status missing(const std::string& path) {
  return Status::damaged(fmt::format("{} is missing from a finished run; restore it from a copy", path));
}

Status other_bytes(const std::string& path) {
  return Status::damaged(fmt::format("{}: not the bytes that were recorded; restore it from a copy", path));
}

bool is_size_of(const RunDescription::File& entry, int64_t size) {
  return size == entry.size || (entry.previous && size == entry.previous->size);
}

}  // namespace

const RunDescription::File* find_run_file(const RunDescription& description, std::string_view name) {
  const auto entry = std::ranges::find(description.files, name, &RunDescription::File::path);
  return entry == description.files.end() ? nullptr : &*entry;
}

RunDescription::FileVersion version_of(std::string_view bytes) {
  return {.size = static_cast<int64_t>(bytes.size()), .sha256 = to_hex(sha256(bytes))};
}

Result<RunDescription::FileVersion> read_file_version(FileSystem& files, const std::string& path,
                                                      const std::function<void(int64_t)>& progress) {
  constexpr size_t kPiece = size_t{1} << 20;
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_file(path));
  Sha256 hash;
  std::vector<char> piece(kPiece);
  RunDescription::FileVersion version;
  while (true) {
    SB_ASSIGN_OR_RETURN(const size_t count, file->read(version.size, piece));
    hash.update(piece.data(), count);
    version.size += static_cast<int64_t>(count);
    if (progress) progress(static_cast<int64_t>(count));
    if (count < piece.size()) break;
  }
  version.sha256 = to_hex(hash.finish());
  return version;
}

bool is_run_file(const RunDescription::File& entry, const RunDescription::FileVersion& version) {
  return version == RunDescription::FileVersion{.size = entry.size, .sha256 = entry.sha256} ||
         version == entry.previous;
}

bool is_run_file(const RunDescription::File& entry, std::string_view bytes) {
  return is_size_of(entry, static_cast<int64_t>(bytes.size())) && is_run_file(entry, version_of(bytes));
}

Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check, const std::string& opened) {
  const RunDescription::File* const entry = find_run_file(description, name);
  if (entry == nullptr) return Status();
  const std::string path = join_path(run_path, name);
  SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(opened.empty() ? path : opened));
  if (!stamp.has_value()) return missing(path);
  if (!is_size_of(*entry, stamp->size)) return other_bytes(path);
  if (check == FileCheck::size) return Status();
  const Result<RunDescription::FileVersion> version = read_file_version(files, opened.empty() ? path : opened);
  if (version.status().code() == StatusCode::not_found) return missing(path);
  SB_RETURN_IF_ERROR(version.status());
  return is_run_file(*entry, *version) ? Status() : other_bytes(path);
}

Result<std::string> read_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                                  std::string_view name, const std::string& opened) {
  const RunDescription::File* const entry = find_run_file(description, name);
  const std::string path = join_path(run_path, name);
  Result<std::string> bytes = files.read_file(opened.empty() ? path : opened);
  if (entry == nullptr) return bytes;
  if (bytes.status().code() == StatusCode::not_found) return missing(path);
  if (bytes.ok() && !is_run_file(*entry, *bytes)) return other_bytes(path);
  return bytes;
}

Result<RunDescription> read_run_description(FileSystem& files, const std::string& run_path) {
  const std::string path = join_path(run_path, file::kRunDescription);
  SB_ASSIGN_OR_RETURN(const std::string text, files.read_file(path));
  return decode_run_description(text, path);
}

Status look_at_run_files(FileSystem& files, const std::string& run_path, const std::vector<std::string>& names,
                         const std::function<Status()>& look) {
  const auto stamp_all = [&]() -> Result<std::vector<std::optional<FileStamp>>> {
    std::vector<std::optional<FileStamp>> stamps;
    SB_ASSIGN_OR_RETURN(stamps.emplace_back(), files.stamp(join_path(run_path, file::kRunDescription)));
    for (const std::string& name : names) {
      SB_ASSIGN_OR_RETURN(stamps.emplace_back(), files.stamp(join_path(run_path, name)));
    }
    return stamps;
  };
  // Each time somebody has replaced one just then: as often as that, nobody does it.
  constexpr int kAttempts = 20;
  for (int attempt = 1;; ++attempt) {
    SB_ASSIGN_OR_RETURN(const auto before, stamp_all());
    const Status status = look();
    if (status.code() != StatusCode::damaged || attempt == kAttempts) return status;
    SB_ASSIGN_OR_RETURN(const auto after, stamp_all());
    if (before == after) return status;
  }
}

Result<DescribedFile> read_described_file(FileSystem& files, const std::string& run_path, const std::string& name) {
  DescribedFile found;
  SB_RETURN_IF_ERROR(look_at_run_files(files, run_path, {name}, [&]() -> Status {
    SB_ASSIGN_OR_RETURN(found.description, read_run_description(files, run_path));
    SB_ASSIGN_OR_RETURN(found.bytes, read_run_file(files, run_path, found.description, name));
    return Status();
  }));
  return found;
}

}  // namespace signalbook
