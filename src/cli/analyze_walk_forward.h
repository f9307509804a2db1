#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// How the best in sample did out of sample (--walk-forward, --out-of-sample).
Status answer_walk_forward(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
