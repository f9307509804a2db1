#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ingest/column_input.h"
#include "ingest/progress.h"
#include "store/run_writer.h"

namespace signalbook {

// What a writer that goes on had recorded before this input began, so that what is given again is let pass.
class RecordedBefore {
 public:
  enum class Given : uint8_t {
    nothing,    // the run is new
    all,        // the whole input, from its beginning
    first_row,  // the rows that are missing; of the first one some may have been recorded
  };

  RecordedBefore(const RunWriter& writer, Given given, int64_t first_row)
      : writer_(writer), given_(given), first_row_(first_row), trace_count_(writer.trace_count()) {}

  // Whether the signal of this row was recorded; rows count from 0. The first question about a trace comes before
  // anything is recorded to it.
  bool holds(size_t trace, BarIndex bar, int64_t row);
  // The same for a whole input: up to which bar the trace was recorded, -1 for none, and beyond every bar where it was
  // finished.
  BarIndex last_bar(size_t trace);
  // Behind the end of a whole input: a trace that was recorded before, and that nothing was asked about.
  std::optional<size_t> first_not_given() const;

 private:
  const RunWriter& writer_;
  Given given_;
  int64_t first_row_;
  size_t trace_count_;               // when the input began
  std::vector<BarIndex> last_bars_;  // of the traces that were asked for
};

// A run being recorded, and what signals may name in it.
struct Recording {
  RunWriter& writer;
  Progress& progress;
  RecordedBefore before;
  std::vector<size_t> feeds;              // their numbers in the writer
  std::vector<std::string> strategy_ids;  // in the order of the strategies file; may be empty
  std::vector<size_t> strategies;         // their numbers in the writer
  std::vector<std::string>* warnings;
};

// Whether the columns are those of the long form.
bool is_long_form(const ColumnInput& input);

// Errors name row or column, and strategy; the caller adds the file.
Status record_long_form(ColumnInput& input, Recording& recording);
Status record_wide_form(ColumnInput& input, Recording& recording);

}  // namespace signalbook
