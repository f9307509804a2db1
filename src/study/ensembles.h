#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "store/run_reader.h"
#include "study/feed_traces.h"
#include "study/study_control.h"

namespace signalbook {

enum class EnsembleVerdict : uint8_t { equal, differs, unknown };

// A composite beside what its leaves say, by the rule of docs/metrics.md, "Ensembles".
struct EnsembleCheck {
  const RunReader* run = nullptr;
  const IndexRow* row = nullptr;  // of that run
  int64_t leaf_count = 0;
  int64_t leaves_found = 0;
  EnsembleVerdict verdict = EnsembleVerdict::unknown;
  std::string reason;  // why not equal, or why that cannot be told; empty where they are equal

  // Of what could be recomputed.
  struct Comparison {
    std::string rule;  // that fits; where none does, the one of the document
    int64_t bar_count = 0, equal_bars = 0;
    struct Difference {
      BarIndex idx = 0;
      std::optional<int64_t> ts;  // not in older files
      double stored = 0, recomputed = 0;
    };
    std::optional<Difference> first_difference;
  };
  std::optional<Comparison> comparison;
};

// Further runs in which leaves may be found; asked only where some are missing.
using OtherRuns = std::function<Result<std::vector<RunReader*>>()>;

// Every strategy with others inside it, in the order of the runs and their indexes. A leaf's trace is the one that its
// configuration has where it stands alone: of the same run, else of the other runs given, else of `other_runs`, on the
// same bars. The runs must outlive what is returned.
Result<std::vector<EnsembleCheck>> check_ensembles(
    std::span<RunReader* const> runs, const FeedChoice& choice, const StudyControl& control,
    const OtherRuns& other_runs = nullptr,
    const std::function<bool(const RunReader&, const IndexRow&)>& wanted = nullptr);

}  // namespace signalbook
