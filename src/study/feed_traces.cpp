#include "study/feed_traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "analytics/bars_a_year.h"

namespace signalbook {

namespace {

using FeedKey = std::tuple<std::string, std::string, std::string>;  // symbol, timeframe, data_id

bool is_chosen(const IndexRow& row, const FeedChoice& choice) {
  return (choice.symbol.empty() || choice.symbol == row.symbol) &&
         (choice.timeframe.empty() || choice.timeframe == row.timeframe) &&
         (choice.data_id.empty() || choice.data_id == row.data_id);
}

Status several_feeds(const std::set<FeedKey>& feeds) {
  std::set<std::pair<std::string, std::string>> names;
  for (const auto& [symbol, timeframe, data_id] : feeds) names.emplace(symbol, timeframe);
  if (names.size() == 1) {
    const auto& [symbol, timeframe] = *names.begin();
    return Status::invalid(fmt::format(
        "{} {} has other bars in other runs ({} kinds), and traces on different bars cannot be held against each "
        "other; name runs that share their bars, with --run",
        symbol, timeframe, feeds.size()));
  }
  std::string list;
  for (const auto& [symbol, timeframe] : names)
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", symbol, timeframe);
  return Status::invalid(
      fmt::format("there are {} feeds; choose one with --symbol and --timeframe: {}", names.size(), list));
}

}  // namespace

Result<FeedTraces> read_feed_traces(std::span<RunReader* const> runs, const FeedChoice& choice,
                                    const StudyControl& control,
                                    const std::function<bool(const RunReader&, const IndexRow&)>& wanted) {
  std::vector<std::pair<RunReader*, const IndexRow*>> chosen;
  std::set<FeedKey> feeds;
  std::set<std::pair<Digest, TraceHash>> known;
  FeedTraces feed;
  for (RunReader* const run : runs) {
    for (const IndexRow& row : run->rows()) {
      if (row.kind != SignalKind::number || !is_chosen(row, choice) || (wanted && !wanted(*run, row))) continue;
      feeds.emplace(row.symbol, row.timeframe, row.data_id);
      if (row.change_count == 0) {
        ++feed.silent_count;
        continue;
      }
      if (known.emplace(row.strategy_digest, row.trace_hash).second) {
        chosen.emplace_back(run, &row);
      } else {
        ++feed.repeated_count;
      }
    }
  }
  if (chosen.empty() && feed.silent_count > 0) {
    return Status::not_found("none of the signal traces that fit has said anything on any bar");
  }
  if (chosen.empty()) {
    return Status::not_found("no signal trace fits; signalbook list shows what is there (classifiers earn nothing)");
  }
  if (feeds.size() > 1) return several_feeds(feeds);

  std::tie(feed.symbol, feed.timeframe, feed.data_id) = *feeds.begin();
  SB_ASSIGN_OR_RETURN(feed.bars, chosen.front().first->read_bars(feed.data_id));
  feed.bars_per_year = measure_bars_a_year(feed.bars.ts);
  for (const auto& [run, row] : chosen) feed.bar_count = std::max(feed.bar_count, row->bar_count);
  feed.bar_count = choice.bar_count.value_or(feed.bar_count);
  std::erase_if(chosen, [&](const auto& trace) {
    if (trace.second->bar_count >= feed.bar_count) return false;
    feed.left_out.push_back(trace.second);
    return true;
  });
  feed.traces.resize(chosen.size());
  SB_RETURN_IF_ERROR(control.for_each(chosen.size(), [&](size_t i) -> Status {
    const auto& [run, row] = chosen[i];
    SB_ASSIGN_OR_RETURN(TraceChanges trace, run->read_changes(*row));
    feed.traces[i] = {.run = run, .row = row, .changes = std::move(trace.changes)};
    return Status();
  }));
  return feed;
}

}  // namespace signalbook
