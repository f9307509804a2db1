#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "ingest/column_input.h"
#include "store/run_writer.h"

namespace signalbook {

// A run being recorded, and what signals may name in it.
struct Recording {
  RunWriter& writer;
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
