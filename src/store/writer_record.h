#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/signal.h"
#include "journal/journal_batch.h"
#include "journal/journal_file.h"
#include "store/run_journals.h"

namespace signalbook {

// What one writer's journal tells of a trace, without its changes.
struct TraceRecord {
  static constexpr uint32_t kUnknown = 0xFFFFFFFF;  // its declaration is lost

  uint32_t strategy = kUnknown, feed = kUnknown;
  SignalKind kind = SignalKind::number;
  uint32_t change_count = 0;  // that can be relied on: the first so many in the journal
  BarIndex last_bar = -1;     // observed
  bool ended = false;         // its end was said
  double last_value = 0.0;    // of its last change
  uint32_t last_label = 0;
};

// Whether the trace reaches its end: something was observed, and then the end was said or the last bar was seen.
bool is_complete(const TraceRecord& trace, BarIndex bar_count);

// What one writer's journal holds: everything but the changes, which are read in passes.
struct WriterRecord {
  struct Frame {
    uint32_t segment = 0;
    int64_t offset = 0;
    uint32_t min_trace = 0xFFFFFFFF, max_trace = 0;  // with changes in it; min > max: none
  };

  std::string writer;
  std::optional<JournalHeader> header;  // of the first segment whose is whole; `missing` of the last
  std::vector<std::string> paths;       // of the segments
  std::vector<std::unique_ptr<ReadableFile>> segments;
  std::vector<Frame> frames;
  std::vector<JournalFeed> feeds;
  std::vector<JournalStrategy> strategies;
  std::vector<std::string> labels;
  std::vector<TraceRecord> traces;
  int64_t position = 0;
  bool input_ended = false;
  int64_t whole_bytes = 0;              // of the last segment
  int64_t torn_bytes = 0;               // dropped, of all segments
  std::vector<std::string> torn_paths;  // of the segments that have such an end
  std::vector<std::string> damage;      // a line each, file in front
};

// The segments of a writer in the order in which they were written.
struct SegmentOrder {
  struct Segment {
    std::string path;
    std::optional<int64_t> limit;  // how much of it counts, where the next one says so
    bool follows_gap = false;      // segments before it are not there
  };
  std::vector<Segment> segments;
  std::vector<std::string> damage;  // a line each, file in front: what is missing, and what is not what its name says
};

// What a header says of its file goes before the file's name. Nothing is read of a file that is another writer's.
Result<SegmentOrder> order_segments(FileSystem& files, const WriterJournal& journal);

// Reads the segments of a writer one after the other, in memory that grows with the traces and not with the changes.
//
// After a damaged stretch a trace that had begun before it may lack changes. It is taken as it was before the damage,
// and is not ended; but one whose end says as many changes as are there is whole.
Result<WriterRecord> read_writer_record(FileSystem& files, const WriterJournal& journal);

}  // namespace signalbook
