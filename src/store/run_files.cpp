#include "store/run_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"

namespace signalbook {

namespace {

Status missing(const std::string& path) {
  return Status::damaged(fmt::format("{} is missing from a finished run; restore it from a copy", path));
}

Status other_bytes(const std::string& path) {
  return Status::damaged(fmt::format("{}: not the bytes that were recorded; restore it from a copy", path));
}

}  // namespace

const RunDescription::File* find_run_file(const RunDescription& description, std::string_view name) {
  const auto entry = std::ranges::find(description.files, name, &RunDescription::File::path);
  return entry == description.files.end() ? nullptr : &*entry;
}

bool is_run_file(const RunDescription::File& entry, std::string_view bytes) {
  return static_cast<int64_t>(bytes.size()) == entry.size && to_hex(sha256(bytes)) == entry.sha256;
}

Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check) {
  const RunDescription::File* const entry = find_run_file(description, name);
  if (entry == nullptr) return Status();
  if (check == FileCheck::digest) return read_run_file(files, run_path, description, name).status();
  const std::string path = join_path(run_path, name);
  SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(path));
  if (!stamp.has_value()) return missing(path);
  return stamp->size == entry->size ? Status() : other_bytes(path);
}

Result<std::string> read_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                                  std::string_view name) {
  const RunDescription::File* const entry = find_run_file(description, name);
  const std::string path = join_path(run_path, name);
  Result<std::string> bytes = files.read_file(path);
  if (entry == nullptr) return bytes;
  if (bytes.status().code() == StatusCode::not_found) return missing(path);
  if (bytes.ok() && !is_run_file(*entry, *bytes)) return other_bytes(path);
  return bytes;
}

}  // namespace signalbook
