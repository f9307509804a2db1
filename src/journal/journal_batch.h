#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace signalbook {

// What a writer has to keep, gathered until it is written as one frame of its journal. Frames are whole or gone, so a
// batch is also the unit of what survives a crash: what belongs together stands in one.
//
// Feeds, strategies, traces and labels are numbered from 0 in the order in which the writer declares them, over all its
// batches.

struct JournalFeed {
  std::string symbol, timeframe;
  std::string data_id;  // 64 hex digits
  int64_t bar_count = 0;

  bool operator==(const JournalFeed&) const = default;
};

struct JournalStrategy {
  std::string id;
  std::string config;  // JSON as given

  bool operator==(const JournalStrategy&) const = default;
};

struct JournalTrace {
  uint32_t strategy = 0, feed = 0;

  bool operator==(const JournalTrace&) const = default;
};

// From this bar on the trace says this value. Within a trace, bars go up.
struct JournalChange {
  uint32_t trace = 0, bar = 0;
  double value = 0.0;

  bool operator==(const JournalChange&) const = default;
};

struct JournalLabelChange {
  uint32_t trace = 0, bar = 0;
  uint32_t label = 0;  // its number
  uint32_t unused = 0;

  bool operator==(const JournalLabelChange&) const = default;
};

// The price that came with the change on this bar, where it is not the bar's close. In the batch of its change.
struct JournalPrice {
  uint32_t trace = 0, bar = 0;
  double price = 0.0;

  bool operator==(const JournalPrice&) const = default;
};

// These traces were observed up to this bar, further than their last change says; or their end was said. Where nothing
// was observed last_bar is kNoBar.
struct JournalObserved {
  static constexpr uint32_t kNoBar = 0xFFFFFFFF;
  static constexpr uint32_t kNotEnded = 0xFFFFFFFF;

  uint32_t first_trace = 0, trace_count = 0;
  uint32_t last_bar = kNoBar;
  // Of a trace whose end was said, how many changes it has in all, so that one is known to be whole even where other
  // frames are lost; kNotEnded otherwise.
  uint32_t change_count = kNotEnded;

  bool operator==(const JournalObserved&) const = default;
};

struct JournalBatch {
  // The numbers of the first feed, strategy, trace and label declared here, so that what follows a lost frame keeps its
  // numbers. The journal's writer counts them.
  uint32_t first_feed = 0, first_strategy = 0, first_trace = 0, first_label = 0;
  std::vector<JournalFeed> feeds;
  std::vector<JournalStrategy> strategies;
  std::vector<JournalTrace> traces;
  std::vector<std::string> labels;
  std::vector<JournalChange> changes;
  std::vector<JournalLabelChange> label_changes;
  std::vector<JournalPrice> prices;
  std::vector<JournalObserved> observed;
  // How much of its input the writer had handed over, in the caller's own count (rows of a stream), with all of it in
  // this batch or one before.
  int64_t position = 0;
  // The writer's input has come to its end: it needs nothing more to finish its traces.
  bool input_ended = false;

  bool operator==(const JournalBatch&) const = default;

  void clear();               // keeps the memory; position stays, and the first numbers go on behind what was declared
  bool empty() const;         // whatever the position is
  size_t byte_count() const;  // of the payload; goes over all texts
};

// The payload of a frame, appended to `bytes`; a multiple of 8 bytes. docs/format.md has the layout.
void encode_batch(const JournalBatch& batch, std::string* bytes);

// Damaged when the payload is none, Invalid when a newer Signalbook wrote it; the batch then holds some of it.
// `payload` may have any alignment.
Status decode_batch(std::string_view payload, JournalBatch* batch);

}  // namespace signalbook
