#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"

namespace signalbook {

// How far a file is compared with what run.json says of it.
enum class FileCheck { size, digest };

// A file beside run.json. Damaged, naming it, when it is not what run.json vouches for; fine when it vouches for none
// of that name.
Status check_run_file(FileSystem& files, const std::string& run_path, const RunDescription& description,
                      std::string_view name, FileCheck check);

}  // namespace signalbook
