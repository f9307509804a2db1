#include "ingest/finished_before.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>

#include "format/content_hash.h"
#include "store/run_reader.h"

namespace signalbook {

namespace {

constexpr const char* kWhatToDo = "record the rest into a new run (signalbook contains tells what is missing)";

Status check_bars(const RunDescription& run, const std::vector<Bars>& bars) {
  for (const Bars& given : bars) {
    const std::string id = to_hex(data_id(given));
    const bool is_there = std::ranges::any_of(run.feeds, [&](const auto& feed) { return feed.data_id == id; });
    if (!is_there) {
      return Status::invalid(
          fmt::format("it is finished, and was not recorded on these bars of {} {}", given.symbol, given.timeframe));
    }
  }
  return Status();
}

Status check_strategies(const RunReader& run, const std::vector<StrategyEntry>& entries) {
  std::unordered_set<std::string> known;
  for (const IndexRow& row : run.rows()) {
    known.insert(row.strategy_id);
    known.insert(row.aliases.begin(), row.aliases.end());
  }
  for (const StrategyEntry& entry : entries) {
    if (!known.contains(entry.strategy_id))
      return Status::invalid(fmt::format("it is finished without strategy {}: {}", entry.strategy_id, kWhatToDo));
  }
  // A strategy that never said anything is not complete either, and lacks nothing.
  const auto cut =
      std::ranges::count_if(run.rows(), [](const IndexRow& row) { return !row.complete && row.change_count > 0; });
  if (cut == 0) return Status();
  return Status::invalid(
      fmt::format("it is finished with {} of its {} traces cut off, as they were when it was "
                  "recovered: {}",
                  cut, run.rows().size(), kWhatToDo));
}

}  // namespace

Result<int64_t> check_finished_before(FileSystem& files, const RecordRequest& request, const std::vector<Bars>& bars,
                                      const std::vector<StrategyEntry>& entries) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunReader> run, RunReader::open(files, request.run_path));
  const RunDescription& description = run->description();
  const auto& code_version = request.options.code_version;
  if (code_version && code_version != description.code_version) {
    return Status::invalid(fmt::format("{}: it is finished, and its code_version is {}, not {}", request.run_path,
                                       description.code_version.value_or("(none)"), *code_version));
  }
  if (const Status status = check_bars(description, bars); !status.ok()) return status.at(request.run_path);
  const auto& writers = description.writers;
  const auto writer = std::ranges::find_if(
      writers, [&](const RunDescription::Writer& one) { return one.name == request.options.writer; });
  if (writer == writers.end() && !writers.empty()) {
    return Status::invalid(fmt::format("{}: it is finished without the writer {}: {}", request.run_path,
                                       request.options.writer, kWhatToDo));
  }
  if (writer != writers.end() && !writer->ended) {
    return Status::invalid(fmt::format("{}: it was finished before the input of its writer {} ended: {}",
                                       request.run_path, writer->name, kWhatToDo));
  }
  if (const Status status = check_strategies(*run, entries); !status.ok()) return status.at(request.run_path);
  return writer == writers.end() ? 0 : writer->position;
}

}  // namespace signalbook
