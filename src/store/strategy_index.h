#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/status.h"
#include "format/content_hash.h"
#include "format/json_value.h"
#include "format/signal.h"
#include "store/byte_sink.h"
#include "store/parameter_columns.h"
#include "store/table.h"
#include "store/table_file.h"
#include "store/table_reader.h"

namespace signalbook {

struct MetricSet;

// One trace, as the index of its run tells it.
struct IndexRow {
  // Its place in the index. Where traces of packs were lost the others keep theirs, which stands in the packs.
  int64_t trace_id = 0;
  std::string strategy_id;
  Digest strategy_digest{};
  Digest value_digest{};  // the index keeps its first 8 bytes
  std::string strategy_type;
  std::string symbol;
  std::string timeframe;
  SignalKind kind = SignalKind::number;
  JsonValue::Object parameters;            // of the strategy itself, without those of nested ones
  std::optional<std::string> constraints;  // text as it is, anything else as JSON
  std::optional<std::string> threshold;
  std::string trace_path;  // relative to the run
  TraceHash trace_hash{};
  std::string data_id;    // 64 hex digits
  int64_t bar_count = 0;  // from bar 0 to the last one observed
  std::optional<BarIndex> observed_from, observed_to;
  bool complete = false;
  int64_t change_count = 0;
  std::optional<int64_t> first_ts, last_ts;  // of the first and last change
  std::string strategy_config;               // JSON as given
  std::vector<std::string> aliases;          // other ids of the same configuration with the same trace
  // Where the trace lies: in a file of its own, trace_path, with these bytes; or in the rows [row_start, row_start +
  // change_count) of a pack, which then is the pack's path relative to the run.
  int64_t file_size = 0;
  Digest file_sha256{};
  std::string pack;
  int64_t row_start = 0;
  int64_t created_at = 0;

  bool is_packed() const { return !pack.empty(); }
  std::string strategy_hash() const;
};

// Puts rows in the order of the index, like beside like: by index_order_key(), then strategy_id. Neighbours in a sweep
// change on the same bars, so this order is also the one that compresses best.
void sort_index(std::vector<IndexRow>& rows);

// Makes strategy_index.parquet of rows that come in its order, so that they need not all be in memory.
class IndexEncoder {
 public:
  // `parameters` has seen every row. `sink` gets the bytes; none: finish() returns them.
  explicit IndexEncoder(const ParameterColumns& parameters, ByteSink sink = nullptr);
  ~IndexEncoder();

  // The next rows, with their metrics or a set without rows: as many as kRowsAtATime, but for the last call.
  Status append(std::span<const IndexRow> rows, const MetricSet& metrics);
  Result<std::string> finish();

  // A question with a filter reads all rows of the groups that hold a match, and each group costs a reader of the
  // footer some time: this is between the two (docs/benchmarks.md).
  static constexpr size_t kRowsPerGroup = 61'440, kRowsAtATime = TableFileEncoder::kRowsOfPart;

 private:
  const ParameterColumns& parameters_;
  std::unique_ptr<TableFileEncoder> file_;
  size_t rows_in_group_ = 0;
};

// strategy_index.parquet: one row a trace, in the order given. The parameters become columns:
// numbers param_x (DOUBLE), text param_x, or param_x__str beside another type, and so on (docs/format.md). The columns
// of metrics are always there, so that a query written today runs on every run: NULL until they are computed, which is
// what a set without rows means.
Result<std::string> encode_index(const std::vector<IndexRow>& rows, const MetricSet& metrics);

// The same rows as they stand in the file, all of its columns, without metrics.
Table index_table(const std::vector<IndexRow>& rows);

// Whether a column is one of the metrics, NULL until they are computed.
bool is_metric_column(std::string_view name);

// What encode_index wrote, but for the parameters, which strategy_config holds, and the metrics. Damaged when a column
// is missing or of another type.
Result<std::vector<IndexRow>> decode_index(std::string_view bytes, const std::string& file_name);

// Rows of a table that has all columns of an index but the parameters, wherever it comes from; trace_ids go up from
// `first_row`. Damaged, naming `file_name`, when a column is missing or of another type.
Result<std::vector<IndexRow>> index_rows(const Table& table, const std::string& file_name, int64_t first_row);
// Their names.
const std::vector<std::string>& index_row_columns();

// The same rows, some at a time.
class IndexReader {
 public:
  // `bytes` stay.
  static Result<std::unique_ptr<IndexReader>> open(std::string_view bytes, const std::string& file_name,
                                                   size_t rows_at_a_time = IndexEncoder::kRowsAtATime);
  // Empty behind the last.
  Result<std::vector<IndexRow>> next();

 private:
  std::string file_name_;
  std::unique_ptr<TableReader> file_;
  int64_t next_row_ = 0;
};
Result<MetricSet> decode_index_metrics(std::string_view bytes, const std::string& file_name);

// The same index with other columns, made for some rows at a time: of metrics (add_metric_columns) or of where the
// traces lie (index_places). As if encode_index had got them.
Result<std::string> replace_index_columns(std::string_view bytes, const std::string& file_name,
                                          const ColumnsOfRows& columns);
Table index_places(std::span<const IndexRow> rows);
// Damaged when there are not as many metrics as rows.
Result<std::string> replace_index_metrics(std::string_view bytes, const std::string& file_name,
                                          const MetricSet& metrics);

}  // namespace signalbook
