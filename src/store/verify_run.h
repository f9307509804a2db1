#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file_system.h"
#include "base/progress.h"
#include "base/status.h"
#include "store/store.h"

namespace signalbook {

// Something that is not as it was recorded, or that a researcher should know.
struct Finding {
  enum class Kind {
    damage,   // stored bytes are missing, not what was written, or contradict each other
    problem,  // a file that belongs to nothing, a run that was never finished, traces that should be equal
    remark,   // nothing is wrong: strategies that share their 12 digits, a run that is being written
  };

  Kind kind = Kind::damage;
  std::string run_id;  // empty where it is about the store
  std::string what;    // with the file in front, relative to the run: "traces/...: missing"
};

struct VerifySummary {
  int64_t run_count = 0, trace_count = 0, bars_count = 0, byte_count = 0;
  int64_t damage_count = 0, problem_count = 0, remark_count = 0;
};

enum class VerifyDepth {
  bytes,     // every file is the one that was written
  contents,  // and what was written is right: each is decoded and held against the others
};

struct VerifyOptions {
  VerifyDepth depth = VerifyDepth::bytes;
  size_t threads = 0;  // 0: one a core; findings and their order are the same
  ProgressCallback progress = nullptr;
};

// Reads every file of a store, or of the one run of the scope with its bars, and compares it with what run.json and
// the index say of it. A run that is not finished is read by its journals. Tells the findings of a run when it was read
// and goes on; what cannot be read because of one is not told again. Fails only where the disk does.
Result<VerifySummary> verify_scope(FileSystem& files, const Scope& scope,
                                   const std::function<void(const Finding&)>& report,
                                   const VerifyOptions& options = {});

}  // namespace signalbook
