#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// How alike strategies are (--correlate), and those that are not (--select).
Status answer_correlate(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
