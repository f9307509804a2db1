#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// analyze --ensembles: does each composite say what its leaves do? NotFound where one differs.
Status analyze_ensembles(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
