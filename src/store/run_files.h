#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"

namespace signalbook {

// How far a file is compared with what run.json says of it.
enum class FileCheck { size, digest };

// What run.json says of a file; nullptr when it vouches for none of that name.
const RunDescription::File* find_run_file(const RunDescription& description, std::string_view name);

// Whether these bytes are the file that run.json vouches for: the one place that decides it.
bool is_run_file(const RunDescription::File& entry, std::string_view bytes);

// A file beside run.json. Damaged, naming it, when it is not what run.json vouches for; fine when it vouches for none
// of that name.
Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check);

// Its bytes. Damaged in the same cases; NotFound when run.json vouches for none of that name and there is none.
Result<std::string> read_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                                  std::string_view name);

}  // namespace signalbook
