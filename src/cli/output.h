#pragma once

#include <cstdio>
#include <string>

#include "base/status.h"

struct ArrowArrayStream;

namespace signalbook::cli {

enum class OutputFormat { table, csv, json, markdown, parquet };

struct OutputOptions {
  OutputFormat format = OutputFormat::table;
  int64_t limit = -1;      // rows at the most; -1 is all
  int terminal_width = 0;  // columns; 0 when the output is no terminal: nothing is shortened
};

// Writes a result and releases it. A table says how many rows there were; csv, json (an array of objects) and parquet
// hold every row, streamed. Times are ISO 8601 UTC, bytes are hexadecimal, NULL is empty in csv and null in json.
Status write_result(ArrowArrayStream* stream, const OutputOptions& options, std::FILE* out);

}  // namespace signalbook::cli
