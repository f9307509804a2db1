#pragma once

#include <functional>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "store/verify_run.h"

namespace signalbook {

// What is on its way into a store or out of it, and what was left there by somebody who died.
Status check_transits(FileSystem& files, const std::string& store_path,
                      const std::function<void(Finding::Kind, const std::string&)>& tell);

}  // namespace signalbook
