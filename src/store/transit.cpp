#include "store/transit.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "format/trace_schema.h"

namespace signalbook {

namespace {

constexpr const char* kTransitDirectory = "transit";
constexpr std::string_view kLockSuffix = ".lock";
constexpr std::pair<TransitPurpose, std::string_view> kNames[] = {
    {TransitPurpose::import, "import-"}, {TransitPurpose::removal, "removed-"}, {TransitPurpose::garbage, "garbage-"}};

std::string transit_directory(const std::string& store_path) {
  return join_path(join_path(store_path, file::kStoreDirectory), kTransitDirectory);
}

std::string lock_path(const std::string& path) { return path + std::string(kLockSuffix); }

std::optional<TransitPurpose> purpose_of(std::string_view name) {
  for (const auto& [purpose, prefix] : kNames) {
    if (!name.starts_with(prefix)) continue;
    name.remove_prefix(prefix.size());
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos) return purpose;
  }
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<TransitDirectory>> TransitDirectory::create(FileSystem& files, const std::string& store_path,
                                                                   TransitPurpose purpose) {
  const std::string above = transit_directory(store_path);
  SB_RETURN_IF_ERROR(create_directories(files, above));
  for (int number = 1;; ++number) {
    std::string path;
    for (const auto& [known, prefix] : kNames) {
      if (known == purpose) path = join_path(above, fmt::format("{}{}", prefix, number));
    }
    SB_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, files.lock_file(lock_path(path), /*wait=*/false));
    if (lock == nullptr) continue;
    std::unique_ptr<TransitDirectory> made(new TransitDirectory(files, path, std::move(lock)));
    SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(path));
    if (exists) continue;  // of somebody who died
    SB_RETURN_IF_ERROR(files.create_directory(path));
    return made;
  }
}

TransitDirectory::~TransitDirectory() { (void)files_.remove_file(lock_path(path_)); }

Status TransitDirectory::sync_name() {
  const std::string above = parent_path(path_), mark = parent_path(above);
  SB_RETURN_IF_ERROR(files_.sync_directory(above));
  SB_RETURN_IF_ERROR(files_.sync_directory(mark));
  return files_.sync_directory(parent_path(mark));
}

Status TransitDirectory::remove() {
  SB_RETURN_IF_ERROR(remove_tree(files_, path_));
  return files_.sync_directory(parent_path(path_));
}

Result<std::vector<Transit>> list_transits(FileSystem& files, const std::string& store_path) {
  const std::string above = transit_directory(store_path);
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(above);
  if (entries.status().code() == StatusCode::not_found) return std::vector<Transit>();
  if (!entries.ok()) return entries.status();
  std::vector<Transit> found;
  for (const DirectoryEntry& entry : *entries) {
    const std::optional<TransitPurpose> purpose = purpose_of(entry.name);
    if (!purpose || !entry.is_directory || entry.is_link) continue;
    Transit transit = {.path = join_path(above, entry.name), .purpose = *purpose, .is_alive = false};
    // Only a lock that is there is tried, so that nothing is made.
    SB_ASSIGN_OR_RETURN(const bool has_lock, files.file_exists(lock_path(transit.path)));
    if (has_lock) {
      const Result<std::unique_ptr<FileLock>> lock = files.lock_file(lock_path(transit.path), /*wait=*/false);
      transit.is_alive = !lock.ok() || *lock == nullptr;  // where nobody may write, nobody can tell
    }
    found.push_back(std::move(transit));
  }
  return found;
}

Status remove_idle_locks(FileSystem& files, const std::string& store_path) {
  const std::string above = transit_directory(store_path);
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(above);
  if (entries.status().code() == StatusCode::not_found) return Status();
  if (!entries.ok()) return entries.status();
  for (const DirectoryEntry& entry : *entries) {
    std::string_view name = entry.name;
    if (!name.ends_with(kLockSuffix)) continue;
    name.remove_suffix(kLockSuffix.size());
    if (purpose_of(name)) SB_RETURN_IF_ERROR(take_over_transit(files, join_path(above, name)).status());
  }
  return Status();
}

Result<std::unique_ptr<TransitDirectory>> take_over_transit(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, files.lock_file(lock_path(path), /*wait=*/false));
  if (lock == nullptr) return std::unique_ptr<TransitDirectory>();
  std::unique_ptr<TransitDirectory> taken(new TransitDirectory(files, path, std::move(lock)));
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(path));
  if (!exists) return std::unique_ptr<TransitDirectory>();
  return taken;
}

}  // namespace signalbook
