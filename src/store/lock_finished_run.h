#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_journals.h"

namespace signalbook {

// For whoever changes files of a finished run: waits until nobody else does. NotFound when the run is not finished,
// Invalid when its commit died or goes on.
Result<std::unique_ptr<RunLock>> lock_finished_run(FileSystem& files, const std::string& run_path);

}  // namespace signalbook
