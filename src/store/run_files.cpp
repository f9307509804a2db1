#include "store/run_files.h"

#include <fmt/format.h>

#include "base/digest.h"

namespace signalbook {

Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check) {
  for (const RunDescription::File& entry : description.files) {
    if (entry.path != name) continue;
    const std::string path = join_path(run_path, name);
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> stamp, files.stamp(path));
    if (!stamp.has_value()) {
      return Status::damaged(fmt::format("{} is missing from a finished run; restore it from a copy", path));
    }
    bool is_same = stamp->size == entry.size;
    if (is_same && check == FileCheck::digest) {
      SB_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path));
      is_same = to_hex(sha256(bytes)) == entry.sha256;
    }
    if (!is_same) {
      return Status::damaged(fmt::format("{}: not the bytes that were recorded; restore it from a copy", path));
    }
  }
  return Status();
}

}  // namespace signalbook
