#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// What a trace file says about itself beside its rows.
struct TraceDescription {
  std::string strategy_id;
  std::string strategy_hash;    // 12 hex digits
  std::string strategy_digest;  // 64 hex digits
  std::string strategy_config;  // JSON as given
  std::string symbol;
  std::string timeframe;
  std::string data_id;               // 64 hex digits
  std::string trace_hash;            // 32 hex digits
  std::optional<int64_t> bar_count;  // from bar 0 to the last one observed; not in older files
  std::string creation_time;         // ISO 8601 UTC
};

// The changes of one strategy on one feed, with the time and price of each.
struct Trace {
  TraceDescription about;
  SignalChanges changes;
  std::vector<int64_t> ts;  // microseconds since 1970 UTC; one a change, or empty in files that have none
  std::vector<double> px;   // the close of that bar; one a change, NaN where it is not known
};

// Makes trace files: Parquet with the eight columns of docs/format.md. Same input, same bytes. One writer makes many
// files, one after the other, and keeps its buffers.
class TraceFileEncoder {
 public:
  TraceFileEncoder();
  ~TraceFileEncoder();

  // The bytes of the file, valid until the next call. idx, ts and px have one entry a change.
  Result<std::string_view> encode(const TraceDescription& about, const SignalChanges& changes,
                                  const std::vector<int64_t>& ts, const std::vector<double>& px);

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

// What an analysis needs of a trace.
struct TraceChanges {
  SignalChanges changes;
  std::vector<double> px;  // as in Trace, or empty where it was not asked for
};

// Reads a trace file of this or an older layout: strategy_hash, metadata and the file's own metadata may be missing,
// val may be an integer and ts text. Damaged, naming `file_name`, when it is no such file.
Result<Trace> decode_trace_file(std::string_view bytes, const std::string& file_name);

// The same, of idx, val and px alone: five times as fast. The checksums of pages are left to whoever knows that these
// are the bytes that were written.
Result<TraceChanges> decode_trace_changes(std::string_view bytes, const std::string& file_name, bool with_prices);

}  // namespace signalbook
