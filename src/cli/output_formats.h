#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "cli/output_sink.h"
#include "cli/result_batches.h"
#include "cli/result_rows.h"

namespace signalbook::cli {

// A format each, and a file each: output_table.cpp, output_csv.cpp, ...

Status write_table(ResultRows& rows, int terminal_width, OutputSink& sink);
Status write_csv(ResultRows& rows, OutputSink& sink);
Status write_json(ResultRows& rows, OutputSink& sink);
Status write_markdown(ResultRows& rows, OutputSink& sink);
Status write_parquet(ResultBatches& batches, OutputSink& sink);

// Names that are all different, as an object needs them: the second "n" is "n_1".
std::vector<std::string> distinct_names(const std::vector<std::string>& names);

}  // namespace signalbook::cli
