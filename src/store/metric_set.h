#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analytics/metrics.h"
#include "base/status.h"
#include "store/strategy_index.h"
#include "store/table.h"

namespace signalbook {

// Figures of the traces of a run, all at one cost, capital and window: those in the index itself, or a set of their own
// beside them in metrics/<name>.parquet.
struct MetricSet {
  std::vector<Metrics> figures;          // one a row of the index, in its order
  std::vector<int32_t> definition_of;    // of each: a place in `definitions`, or kNotComputed
  std::vector<std::string> definitions;  // metrics_definition: a few texts, each once

  static constexpr int32_t kNotComputed = -1;

  MetricSet() = default;
  explicit MetricSet(size_t rows) : figures(rows), definition_of(rows, kNotComputed) {}

  size_t size() const { return figures.size(); }
  bool is_empty() const;  // nothing is computed
  // nullptr: not computed.
  const std::string* definition(size_t row) const;
  void set_definition(size_t row, const std::string& definition);
  // Those of some rows.
  MetricSet slice(size_t first, size_t count) const;
};

// The columns of figures from row `first` on, in the order of the index, and metrics_definition. All NULL where the set
// has no rows.
void add_metric_columns(Table& table, const MetricSet& set, size_t first, size_t count);
// What they say; Damaged, naming `file_name`, when one is missing or of another type.
Result<MetricSet> read_metric_columns(const Table& table, const std::string& file_name);
// Their names.
const std::vector<std::string>& metric_columns();

// metrics/<name>.parquet: a row for each row of the index, which says again whose it is: trace_id, strategy_id,
// strategy_hash, symbol, timeframe, trace_path, trace_hash.
Result<std::string> encode_metric_set(const MetricSet& set, const std::vector<IndexRow>& rows);
// Damaged when it is no such file, or not one for these rows.
Result<MetricSet> decode_metric_set(std::string_view bytes, const std::string& file_name,
                                    const std::vector<IndexRow>& rows);

}  // namespace signalbook
