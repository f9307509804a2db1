#pragma once

#include <functional>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "store/verify_run.h"

namespace signalbook {

// Reads the journals and bars of a run that is not finished, and tells what is to be known of it: that it is being
// written or waits for recovery, how much a crash has cut off, and what is damaged. Takes a lock for a moment to see
// whether a writer lives, and leaves nothing behind. Fails only where the disk does.
Status check_journals(FileSystem& files, const std::string& run_path,
                      const std::function<void(Finding::Kind, const std::string&)>& tell);

}  // namespace signalbook
