#include "base/file_system.h"

namespace signalbook {

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path += '/';
  return path.append(name);
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string file_name_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

Status create_directories(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(path));
  if (exists) return Status();
  const std::string parent = parent_path(path);
  if (parent != path) SB_RETURN_IF_ERROR(create_directories(files, parent));
  Status status = files.create_directory(path);
  if (status.code() != StatusCode::invalid) return status;
  // Somebody else may have made it in between.
  SB_ASSIGN_OR_RETURN(const bool exists_now, files.directory_exists(path));
  return exists_now ? Status() : status;
}

Status remove_tree(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(path));
  if (!exists) return Status();
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(path));
  for (const DirectoryEntry& entry : entries) {
    const std::string child = join_path(path, entry.name);
    const bool descend = entry.is_directory && !entry.is_link;
    SB_RETURN_IF_ERROR(descend ? remove_tree(files, child) : files.remove_file(child));
  }
  return files.remove_directory(path);
}

Status replace_file(FileSystem& files, const std::string& path, std::string_view bytes) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.file_exists(path));
  if (exists) SB_RETURN_IF_ERROR(files.remove_file(path));
  return files.write_new_file(path, bytes);
}

}  // namespace signalbook
