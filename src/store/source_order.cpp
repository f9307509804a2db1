#include "store/source_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel_for.h"
#include "store/strategy_row.h"

namespace signalbook {

namespace {

// What a source says, numbers or labels, as its first writer that says anything says it.
SignalKind kind_of(const RecordedRun& run, const RecordedSource& source) {
  const auto says_something = [&](const RecordedSource& one) { return run.record_of(one).change_count > 0; };
  if (says_something(source)) return run.record_of(source).kind;
  const auto rival = std::ranges::find_if(source.rivals, says_something);
  return run.record_of(rival == source.rivals.end() ? source : *rival).kind;
}

void split_by_kind(RecordedRun& run) {
  std::vector<RecordedSource> split;
  for (RecordedSource& source : run.sources) {
    const SignalKind kind = kind_of(run, source);
    const auto [others, end] = std::ranges::stable_partition(source.rivals, [&](const RecordedSource& rival) {
      return run.record_of(rival).change_count == 0 || run.record_of(rival).kind == kind;
    });
    for (auto other = others; other != end; ++other) {
      const std::string& writer = run.writers[other->writer].writer;
      run.warnings.push_back(fmt::format(
          "strategy {} was recorded by several writers, and not the same: what {} recorded is kept as {}~{}",
          other->strategy_id, writer, other->strategy_id, writer));
      other->strategy_id += '~' + writer;
      split.push_back(std::move(*other));
    }
    source.rivals.erase(others, end);
  }
  std::ranges::move(split, std::back_inserter(run.sources));
}

}  // namespace

Status order_sources(RecordedRun& run, size_t threads, ParameterColumns& parameters) {
  split_by_kind(run);
  const size_t count = run.sources.size();
  std::vector<std::string> keys(count);
  // Some at a time: the parameters of all would be much to hold.
  constexpr size_t kAtATime = 4096;
  std::vector<IndexRow> rows;
  for (size_t begin = 0; begin < count; begin += kAtATime) {
    rows.assign(std::min(kAtATime, count - begin), IndexRow());
    SB_RETURN_IF_ERROR(parallel_for(rows.size(), threads, [&](size_t i) -> Status {
      const RecordedSource& source = run.sources[begin + i];
      IndexRow& row = rows[i];
      row.strategy_config = run.writers[source.writer].strategies[run.record_of(source).strategy].config;
      const Status derived = derive_strategy(row).status();
      if (!derived.ok()) return derived.at(fmt::format("strategy {}", source.strategy_id));
      row.symbol = run.feeds[source.feed].first.symbol;
      row.timeframe = run.feeds[source.feed].first.timeframe;
      row.kind = kind_of(run, source);
      keys[begin + i] = index_order_key(row);
      return Status();
    }));
    for (const IndexRow& row : rows) parameters.note(row.parameters);
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) {
    const int compared = keys[a].compare(keys[b]);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::vector<RecordedSource> sorted;
  sorted.reserve(count);
  for (const size_t i : order) sorted.push_back(std::move(run.sources[i]));
  run.sources = std::move(sorted);
  return Status();
}

}  // namespace signalbook
