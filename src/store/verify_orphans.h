#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"
#include "store/strategy_index.h"
#include "store/verify_log.h"

namespace signalbook {

// Files of a run that neither run.json (nullptr where it cannot be read) nor the index needs. They do no harm, and
// somebody may miss them elsewhere.
Status find_orphans(FileSystem& files, const std::string& run_path, const RunDescription* description,
                    const std::vector<IndexRow>& rows, VerifyLog& log);

}  // namespace signalbook
