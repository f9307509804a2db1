#pragma once

#include <functional>
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

// Those runs, opened, and which of their traces --type, --param and --where leave (no function: all). A run of a store
// that cannot be read is left out, and named on standard error.
struct StudyRuns {
  std::string store_path;
  std::vector<std::unique_ptr<RunReader>> runs;
  std::map<const RunReader*, std::string> run_ids;  // as their directories are called
  std::function<bool(const RunReader&, const IndexRow&)> wanted;

  std::vector<RunReader*> readers() const;
};
Result<StudyRuns> open_study_runs(const AnalyzeCommandOptions& options);

// What a question about many strategies works on.
struct StudyScope : StudyRuns {
  FeedTraces feed;  // points into the runs
};

// Reads the traces that --run, --type, --param, --where, --symbol and --timeframe leave. Notes on standard error say
// which were left out, and why. A run of a store that cannot be read is left out, and named.
Result<StudyScope> read_study_scope(const AnalyzeCommandOptions& options, const StudyControl& control);

}  // namespace signalbook::cli
