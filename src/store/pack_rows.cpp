#include "store/pack_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "base/parallel_for.h"
#include "format/content_hash.h"
#include "format/signal_encoder.h"
#include "format/trace_schema.h"
#include "store/pack_scan.h"
#include "store/parse_time.h"
#include "store/strategy_row.h"

namespace signalbook {

namespace {

// What is the same for all traces of a pack.
struct PackFeed {
  std::string pack, symbol, timeframe, data_id;
  int64_t created_at = 0;
  const Bars* bars = nullptr;
};

Result<PackFeed> read_feed(const PackScan& scan, const std::string& pack, const FindBars& bars_of) {
  const auto damaged = [&](std::string_view what) { return Status::damaged(fmt::format("{}: {}", pack, what)); };
  PackFeed feed;
  feed.pack = pack;
  feed.symbol = scan.metadata(metadata_key::kSymbol).value_or("");
  feed.timeframe = scan.metadata(metadata_key::kTimeframe).value_or("");
  feed.data_id = scan.metadata(metadata_key::kDataId).value_or("");
  if (feed.symbol.empty() || feed.timeframe.empty() || feed.data_id.empty())
    return damaged("its metadata do not say of which feed it is");
  bool zone_given = false;
  const Result<int64_t> created_at = parse_time(scan.metadata(metadata_key::kCreationTime).value_or(""), &zone_given);
  if (!created_at.ok()) return damaged("creation_time: " + created_at.status().message());
  feed.created_at = *created_at;
  feed.bars = bars_of(feed.data_id);
  if (feed.bars != nullptr && (feed.bars->symbol != feed.symbol || feed.bars->timeframe != feed.timeframe)) {
    return damaged(fmt::format("its metadata say that it is of {} {}, its bars are of {} {}", feed.symbol,
                               feed.timeframe, feed.bars->symbol, feed.bars->timeframe));
  }
  return feed;
}

// The value that stands on the first row of a trace alone.
template <typename Value>
const Value* find_first(const PackGroup::Sparse<Value>& column, const PackGroup::Part& part) {
  const auto next = std::ranges::lower_bound(column, part.begin, {}, &std::pair<size_t, Value>::first);
  if (next == column.end() || next->first != part.begin) return nullptr;
  const bool is_alone = std::next(next) == column.end() || std::next(next)->first >= part.end;
  return is_alone ? &next->second : nullptr;
}

Result<IndexRow> read_row(const PackScan& scan, const PackGroup& group, const PackGroup::Part& part,
                          const PackFeed& feed) {
  const std::string* const config = find_first(group.metadata, part);
  const std::string* const id = find_first(group.strategy_id, part);
  const int64_t* const bar_count = find_first(group.bar_count, part);
  if (config == nullptr || id == nullptr || bar_count == nullptr)
    return Status::damaged("metadata, strategy_id and bar_count do not stand on the first row alone");
  IndexRow row;
  row.strategy_config = *config;
  if (const Status status = derive_strategy(row).status(); !status.ok())
    return Status::damaged("metadata: " + status.message());
  const std::string hash = row.strategy_hash();
  for (size_t i = part.begin; i < part.end; ++i) {
    if (group.strategy_hash.at(i) != hash) return Status::damaged("strategy_hash is not that of the configuration");
  }
  const SignalChanges changes = group.changes(scan.kind(), part);
  SB_RETURN_IF_ERROR(check_changes(changes, *bar_count));
  const auto is_finite = [](double value) { return std::isfinite(value); };
  if (!std::ranges::all_of(changes.values, is_finite)) return Status::damaged("val is no finite number");
  const auto broken = std::ranges::lower_bound(group.broken_px, part.begin);
  if (broken != group.broken_px.end() && *broken < part.end) return Status::damaged("px is no finite number");
  const auto first = static_cast<size_t>(changes.idx.front()), last = static_cast<size_t>(changes.idx.back());
  if (feed.bars != nullptr) {
    if (last >= feed.bars->size())
      return Status::damaged(fmt::format("it changes on bar {}, and there are {} bars", last, feed.bars->size()));
    row.first_ts = feed.bars->ts[first];
    row.last_ts = feed.bars->ts[last];
  } else if (scan.is_full()) {
    row.first_ts = group.ts[part.begin];
    row.last_ts = group.ts[part.end - 1];
  }
  row.trace_id = group.trace_id[part.begin];
  row.strategy_id = *id;
  row.symbol = feed.symbol;
  row.timeframe = feed.timeframe;
  row.data_id = feed.data_id;
  row.created_at = feed.created_at;
  row.kind = scan.kind();
  row.bar_count = *bar_count;
  row.change_count = static_cast<int64_t>(changes.size());
  row.observed_from = changes.idx.front();
  row.observed_to = row.bar_count - 1;
  row.trace_hash = trace_hash(changes, row.bar_count);
  row.pack = feed.pack;
  row.row_start = group.first_row + static_cast<int64_t>(part.begin);
  return row;
}

}  // namespace

Result<PackContents> read_pack_rows(FileSystem& files, const std::string& run_path, const std::string& pack,
                                    const FindBars& bars_of, size_t threads) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<PackScan> scan, PackScan::open(files, join_path(run_path, pack), pack));
  SB_ASSIGN_OR_RETURN(const PackFeed feed, read_feed(*scan, pack, bars_of));
  std::vector<PackContents> of_group(scan->group_count());
  SB_RETURN_IF_ERROR(parallel_for(of_group.size(), threads, [&](size_t i) {
    const Result<PackGroup> group = scan->read_group(i);
    if (!group.ok()) {
      of_group[i].damage.push_back(group.status().message());
      return Status();
    }
    for (const PackGroup::Part& part : group->parts()) {
      Result<IndexRow> row = read_row(*scan, *group, part, feed);
      if (row.ok()) {
        of_group[i].rows.push_back(std::move(row).value());
      } else {
        of_group[i].damage.push_back(
            fmt::format("rows {} to {}: {}", group->first_row + static_cast<int64_t>(part.begin) + 1,
                        group->first_row + static_cast<int64_t>(part.end), row.status().message()));
      }
    }
    return Status();
  }));
  PackContents found;
  for (PackContents& part : of_group) {
    for (IndexRow& row : part.rows) {
      if (found.rows.empty() || row.trace_id > found.rows.back().trace_id) {
        found.rows.push_back(std::move(row));
      } else {
        found.damage.push_back(fmt::format("row {}: trace_id {} does not lie after {}", row.row_start + 1, row.trace_id,
                                           found.rows.back().trace_id));
      }
    }
    std::ranges::move(part.damage, std::back_inserter(found.damage));
  }
  return found;
}

}  // namespace signalbook
