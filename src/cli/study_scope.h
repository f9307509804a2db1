#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/commands.h"
#include "store/run_reader.h"
#include "study/feed_traces.h"
#include "study/study_control.h"

namespace signalbook::cli {

// The runs that a question of `analyze` is about: a run, or those of a store that --run names. NotFound where there is
// none.
Result<std::vector<RunLocation>> find_analyzed_runs(const AnalyzeCommandOptions& options);

// What a question about many strategies works on.
struct StudyScope {
  std::vector<std::unique_ptr<RunReader>> runs;
  FeedTraces feed;                                  // points into them
  std::map<const RunReader*, std::string> run_ids;  // as their directories are called
};

// Reads the traces that --run, --type, --param, --where, --symbol and --timeframe leave. Notes on standard error say
// which were left out, and why. A run of a store that cannot be read is left out, and named.
Result<StudyScope> read_study_scope(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
