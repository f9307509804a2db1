#include <fmt/format.h>

#include "cli/commands.h"
#include "format/content_hash.h"
#include "format/strategy_identity.h"
#include "ingest/bars_input.h"
#include "ingest/strategy_file.h"
#include "store/completed_traces.h"

namespace signalbook::cli {

namespace {

using State = CompletedTraces::State;

const char* name_of(State state) {
  switch (state) {
    case State::complete:
      return "complete";
    case State::other_code:
      return "other_code";
    case State::other_spelling:
      return "other_spelling";
    case State::incomplete:
      return "incomplete";
    case State::missing:
      break;
  }
  return "missing";
}

Result<CompletedTraces> read_completed(const ContainsOptions& options) {
  FileSystem& files = posix_file_system();
  std::vector<std::string> warnings, left_out;
  SB_ASSIGN_OR_RETURN(const Bars bars, read_bars_input(options.bars, options.symbol, options.timeframe, &warnings));
  for (const std::string& warning : warnings) print_note(options.common, "warning: " + warning);
  CompletedTraces completed(to_hex(data_id(bars)), options.code_version);
  if (!options.run.empty()) {
    SB_ASSIGN_OR_RETURN(const std::string run, find_run_directory(options.run, options.common));
    SB_RETURN_IF_ERROR(completed.add_run(files, run));
    return completed;
  }
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_RETURN_IF_ERROR(completed.add_store(files, scope.store_path, &left_out));
  for (const std::string& reason : left_out) print_note(options.common, "left out: " + reason);
  return completed;
}

}  // namespace

Status run_contains(const ContainsOptions& options) {
  const bool standard_input = options.strategies == "-";
  SB_ASSIGN_OR_RETURN(const std::vector<StrategyEntry> entries,
                      read_strategy_file(standard_input ? "/dev/stdin" : options.strategies));
  SB_ASSIGN_OR_RETURN(const CompletedTraces completed, read_completed(options));
  Table table;
  for (const char* name : {"strategy_id", "strategy_hash", "state", "run_id"}) table.add(name, ColumnType::text);
  int64_t complete_count = 0;
  for (const StrategyEntry& entry : entries) {
    const Result<StrategyIdentity> identity = identify_strategy(entry.config);
    if (!identity.ok()) return identity.status().at(entry.origin);
    const CompletedTraces::Answer answer = completed.find(identity->digest, identity->value_digest);
    if (answer.state == State::complete) ++complete_count;
    if (options.missing) {
      if (answer.state == State::complete) continue;
      JsonValue config = entry.config;
      if (auto* const members = config.object()) members->emplace_back("strategy_id", JsonValue(entry.strategy_id));
      print_out("{}\n", to_json(config));
      continue;
    }
    table.columns[0].append_text(entry.strategy_id);
    table.columns[1].append_text(identity->hash());
    table.columns[2].append_text(name_of(answer.state));
    if (answer.run_id.empty()) {
      table.columns[3].append_null();
    } else {
      table.columns[3].append_text(answer.run_id);
    }
  }
  print_note(options.common, fmt::format("{} of {} are complete", with_separators(complete_count),
                                         with_separators(static_cast<int64_t>(entries.size()))));
  if (options.missing) return Status();
  return print_table(table, options.common);
}

}  // namespace signalbook::cli
