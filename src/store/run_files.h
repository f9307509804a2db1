#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"

namespace signalbook {

// How far a file is compared with what run.json says of it.
enum class FileCheck { size, digest };

// What run.json says of a file; nullptr when it vouches for none of that name.
const RunDescription::File* find_run_file(const RunDescription& description, std::string_view name);

RunDescription::FileVersion version_of(std::string_view bytes);
// Of a file, read piece by piece. `progress` is told how many bytes each had. NotFound when there is none.
Result<RunDescription::FileVersion> read_file_version(FileSystem& files, const std::string& path,
                                                      const std::function<void(int64_t)>& progress = nullptr);

// Whether these bytes are the file that run.json vouches for: the one place that decides it. While a file is replaced
// that is one of two.
bool is_run_file(const RunDescription::File& entry, std::string_view bytes);
bool is_run_file(const RunDescription::File& entry, const RunDescription::FileVersion& version);

// A file beside run.json. Damaged, naming it, when it is not what run.json vouches for; fine when it vouches for none
// of that name. `opened`: where the file is read, if by another name than its own.
Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check, const std::string& opened = "");

// Its bytes. Damaged in the same cases; NotFound when run.json vouches for none of that name and there is none.
Result<std::string> read_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                                  std::string_view name, const std::string& opened = "");

// run.json. NotFound when there is none; else as decode_run_description().
Result<RunDescription> read_run_description(FileSystem& files, const std::string& run_path);

// A reader that has read run.json may find a file that was replaced since then (store/replace_run_file.h). So whoever
// compares the two does it within this: `look` reads run.json and these files beside it, and where it comes to Damaged
// while one of them was replaced, it is called again.
Status look_at_run_files(FileSystem& files, const std::string& run_path, const std::vector<std::string>& names,
                         const std::function<Status()>& look);

// run.json and a file beside it, read like that. NotFound when there is no run.json, or when it vouches for none of
// that name and there is none.
struct DescribedFile {
  RunDescription description;
  std::string bytes;
};
Result<DescribedFile> read_described_file(FileSystem& files, const std::string& run_path, const std::string& name);

}  // namespace signalbook
