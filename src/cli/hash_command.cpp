#include <fmt/format.h>

#include <iostream>
#include <string>

#include "cli/commands.h"
#include "format/strategy_identity.h"
#include "ingest/strategy_file.h"

namespace signalbook::cli {

namespace {

Status print_identity(const JsonValue& config, const HashOptions& options) {
  SB_ASSIGN_OR_RETURN(const StrategyIdentity identity, identify_strategy(config));
  if (options.canonical) {
    print_out("{}\n", identity.canonical);
  } else {
    print_out("{}\n", options.full ? to_hex(identity.digest) : identity.hash());
  }
  return Status();
}

// Many configurations, one a line: memory does not grow with their number.
Status hash_lines(const HashOptions& options) {
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    const Result<JsonValue> config = parse_json(line);
    const Status status = config.ok() ? print_identity(*config, options) : config.status();
    if (!status.ok()) return status.at(fmt::format("standard input: configuration {}", number));
  }
  return check_standard_input();
}

}  // namespace

Status run_hash(const HashOptions& options) {
  const bool standard_input = options.file == "-";
  if (options.lines) {
    if (!standard_input) return Status::invalid("--lines reads standard input: give - as the file");
    return hash_lines(options);
  }
  SB_ASSIGN_OR_RETURN(const std::vector<StrategyEntry> entries,
                      read_strategy_file(standard_input ? "/dev/stdin" : options.file));
  for (const StrategyEntry& entry : entries) {
    const Status status = print_identity(entry.config, options);
    if (!status.ok()) return status.at(entry.origin);
  }
  return Status();
}

}  // namespace signalbook::cli
