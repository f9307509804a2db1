#include "ingest/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ingest/bars_input.h"
#include "ingest/signals_input.h"
#include "ingest/strategy_file.h"

namespace signalbook {

namespace {

// Strategies of the file that no signal spoke of are kept, as traces without a change, and reported.
std::optional<std::string> warn_of_silent(RunWriter& writer, const Recording& recording) {
  std::vector<std::string> silent;
  for (const size_t feed : recording.feeds) {
    for (size_t i = 0; i < recording.strategies.size(); ++i) {
      const size_t trace = writer.add_trace(recording.strategies[i], feed);
      if (!writer.is_observed(trace)) silent.push_back(recording.strategy_ids[i]);
    }
  }
  if (silent.empty()) return std::nullopt;
  constexpr size_t kMostNamed = 5;
  const size_t count = silent.size();
  if (count > kMostNamed) silent.resize(kMostNamed);
  return fmt::format("{} of {} strategies have no signals ({}{}); they are recorded without a change, and not complete",
                     count, recording.strategies.size() * recording.feeds.size(), fmt::join(silent, ", "),
                     count > kMostNamed ? ", ..." : "");
}

}  // namespace

Result<RunSummary> record_run(FileSystem& files, const RecordRequest& request) {
  std::vector<std::string> warnings;
  std::vector<Bars> feeds;
  for (const RecordRequest::Feed& feed : request.feeds) {
    SB_ASSIGN_OR_RETURN(Bars bars, read_bars_input(feed.bars_path, feed.symbol, feed.timeframe, &warnings));
    feeds.push_back(std::move(bars));
  }
  std::vector<StrategyEntry> entries;
  if (request.strategies_path) {
    SB_ASSIGN_OR_RETURN(entries, read_strategy_file(*request.strategies_path));
  }
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ColumnInput> signals, open_column_input(request.signals_path));

  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> writer,
                      RunWriter::create(files, request.run_path, request.options));
  Recording recording = {.writer = *writer, .feeds = {}, .strategy_ids = {}, .strategies = {}, .warnings = &warnings};
  for (Bars& bars : feeds) {
    SB_ASSIGN_OR_RETURN(const size_t feed, writer->add_feed(std::move(bars)));
    recording.feeds.push_back(feed);
  }
  for (const StrategyEntry& entry : entries) {
    const Result<size_t> strategy = writer->add_strategy(entry.strategy_id, entry.config);
    if (!strategy.ok()) return strategy.status().at(entry.origin);
    // The same id and configuration once more is the same strategy.
    if (!recording.strategies.empty() && *strategy < recording.strategies.size()) continue;
    recording.strategy_ids.push_back(entry.strategy_id);
    recording.strategies.push_back(*strategy);
  }
  const Status recorded =
      is_long_form(*signals) ? record_long_form(*signals, recording) : record_wide_form(*signals, recording);
  if (!recorded.ok()) return recorded.at(request.signals_path);
  if (const auto warning = warn_of_silent(*writer, recording)) warnings.push_back(*warning);

  SB_ASSIGN_OR_RETURN(RunSummary summary, writer->commit());
  summary.warnings.insert(summary.warnings.begin(), warnings.begin(), warnings.end());
  return summary;
}

}  // namespace signalbook
