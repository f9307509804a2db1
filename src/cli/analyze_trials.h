#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// `signalbook analyze --trials`: whether the best of the strategies chosen is better than luck.
Status answer_trials(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
