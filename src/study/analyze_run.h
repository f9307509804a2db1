#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "study/metric_terms.h"
#include "study/study_control.h"

namespace signalbook {

struct AnalyzeOptions {
  MetricTerms terms;
  // Of the set that gets the figures; kIndexSet is the index. Empty: the index, as long as that has no other figures
  // and the terms are about the whole feed and the traces as they are; else name_of_terms().
  std::string set_name;
  StudyControl control;
};

inline constexpr const char* kIndexSet = "index";

struct AnalyzeReport {
  std::string set_name;          // kIndexSet, or that of metrics/<name>.parquet
  int64_t trace_count = 0;       // that have figures now
  int64_t classifier_count = 0;  // labels, which earn nothing
  int64_t outside_count = 0;     // traces without a bar in the window
  bool was_there = false;        // these very figures: nothing was read and nothing written
};

// Computes the metrics of all signal traces of a finished run and puts them into its index, or into a set beside it,
// under the run's lock: readers find the old figures or the new ones. All or nothing: a trace that is not what was
// recorded is an error that names it. IoError when interrupted.
Result<AnalyzeReport> analyze_run(FileSystem& files, const std::string& run_path, const AnalyzeOptions& options);

// Removes a set beside the index. NotFound, with those that are there.
Status drop_metric_set(FileSystem& files, const std::string& run_path, const std::string& set_name);

}  // namespace signalbook
