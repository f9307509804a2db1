#pragma once

#include <functional>

#include "base/status.h"
#include "cli/commands.h"
#include "study/study_control.h"

namespace signalbook::cli {

// Questions of `analyze` about many strategies together. Each reads traces, prints a table and changes nothing.
using AnalyzeQuestion = std::function<Status(const AnalyzeCommandOptions& options, const StudyControl& control)>;

// The one that the options ask; empty for none. Invalid for several at once.
Result<AnalyzeQuestion> find_question(const AnalyzeCommandOptions& options);

}  // namespace signalbook::cli
