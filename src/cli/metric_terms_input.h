#pragma once

#include "base/status.h"
#include "cli/commands.h"
#include "study/analyze_run.h"

namespace signalbook::cli {

// What the options of `analyze` say of the figures, in the library's units. Invalid for options that make no sense
// together and times that are none.
Result<MetricTerms> read_metric_terms(const AnalyzeCommandOptions& options);
Result<AnalyzeOptions> read_analyze_options(const AnalyzeCommandOptions& options);

}  // namespace signalbook::cli
