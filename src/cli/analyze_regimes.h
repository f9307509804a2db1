#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// How strategies did under each label of a classifier (--by-regime).
Status answer_by_regime(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
