#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/bars.h"
#include "store/run_description.h"
#include "store/writer_record.h"

namespace signalbook {

// A trace of one writer, on its way into the run.
struct RecordedSource {
  uint32_t writer = 0, trace = 0;  // places in RecordedRun
  std::string strategy_id;         // in the run
  size_t feed = 0;                 // in the run
  // Other writers' traces of the same strategy on the same feed, which are looked at together with this one.
  std::vector<RecordedSource> rivals = {};
};

// What the journals of all writers hold together, but for the changes.
struct RecordedRun {
  RunDescription description;  // without feeds, counts and files
  RunLayout layout = RunLayout::automatic;
  std::vector<WriterRecord> writers;
  std::vector<std::pair<Bars, std::string>> feeds;  // with their data_id; to be moved out
  std::vector<BarIndex> bar_counts;                 // of each feed
  // Every trace that is to be in the run, in the order of writers and of their traces.
  std::vector<RecordedSource> sources;
  std::vector<std::string> warnings;
  int64_t torn_bytes = 0;
  std::vector<std::string> torn_paths;  // of the segments that have such an end
  std::vector<std::string> damage;

  const TraceRecord& record_of(const RecordedSource& source) const {
    return writers[source.writer].traces[source.trace];
  }
};

// Damaged when bars are missing. Workers that number their strategies each from 0 use one id for several
// configurations: the later writer's gets "~<writer>" behind it.
Result<RecordedRun> read_recorded_run(FileSystem& files, const std::string& run_path);

}  // namespace signalbook
