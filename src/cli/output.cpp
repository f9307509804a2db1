#include "cli/output.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "cli/output_formats.h"

namespace signalbook::cli {

std::vector<std::string> distinct_names(const std::vector<std::string>& names) {
  const std::set<std::string> taken(names.begin(), names.end());
  std::set<std::string> used;
  std::vector<std::string> distinct;
  for (const std::string& wanted : names) {
    std::string name = wanted;
    for (int i = 1; !used.insert(name).second; ++i) {
      name = fmt::format("{}_{}", wanted, i);
      while (taken.contains(name)) name = fmt::format("{}_{}", wanted, ++i);
    }
    distinct.push_back(std::move(name));
  }
  return distinct;
}

Status write_result(ArrowArrayStream* stream, const OutputOptions& options, std::FILE* out) {
  ResultBatches batches(stream, options.limit);
  OutputSink sink(out);
  if (options.format == OutputFormat::parquet) return write_parquet(batches, sink);
  SB_ASSIGN_OR_RETURN(ResultRows rows, ResultRows::open(batches));
  switch (options.format) {
    case OutputFormat::table:
      return write_table(rows, options.terminal_width, sink);
    case OutputFormat::csv:
      return write_csv(rows, sink);
    case OutputFormat::json:
      return write_json(rows, sink);
    case OutputFormat::markdown:
      return write_markdown(rows, sink);
    case OutputFormat::parquet:
      break;  // above: columns as they are, not text
  }
  return Status::invalid("there is no such output format");
}

}  // namespace signalbook::cli
