#include "store/run_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/parallel_for.h"
#include "base/time_text.h"
#include "format/content_hash.h"
#include "format/strategy_tree.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/metric_set.h"
#include "store/run_files.h"
#include "store/store.h"
#include "store/strategy_row.h"

namespace signalbook {

namespace {

constexpr size_t kMostNamed = 3;  // of what is told of many

Digest digest_of(const std::vector<std::pair<size_t, double>>& prices) {
  Sha256 hash;
  for (const auto& [change, price] : prices) {
    hash.update(&change, sizeof(change));
    hash.update(&price, sizeof(price));
  }
  return hash.finish();
}

}  // namespace

RunBuilder::RunBuilder(FileSystem& files, std::string run_path, RunDescription description,
                       const ParameterColumns& parameters, const Options& options)
    : files_(files),
      run_path_(std::move(run_path)),
      store_path_(parent_path(run_path_)),
      description_(std::move(description)),
      options_(options),
      staged_(files, run_path_),
      index_(parameters, [this](std::string_view bytes) { return index_file_->append(bytes); }) {
  const auto bars_of = [this](size_t feed) -> const Bars& { return bars(feed); };
  description_.layout = options.is_packed ? layout::kPacked : layout::kFiles;
  traces_ = options.is_packed ? make_pack_writer(staged_, bars_of, options.packs, options.threads)
                              : make_trace_files_writer(staged_, bars_of, options.threads);
}

size_t RunBuilder::add_feed(Bars bars, std::string data_id_hex) {
  feeds_.push_back({std::move(bars), std::move(data_id_hex)});
  return feeds_.size() - 1;
}

Result<RunBuilder::Prepared> RunBuilder::prepare(RecordedTrace trace) const {
  const Feed& feed = feeds_[trace.feed];
  Prepared prepared;
  IndexRow& row = prepared.row;
  row.strategy_id = trace.strategy_id;
  row.strategy_config = trace.config;
  SB_ASSIGN_OR_RETURN(const JsonValue node, derive_strategy(row));
  row.symbol = feed.bars.symbol;
  row.timeframe = feed.bars.timeframe;
  row.kind = trace.changes.kind;
  row.data_id = feed.data_id;
  row.complete = trace.complete;
  row.change_count = static_cast<int64_t>(trace.changes.size());
  if (row.change_count > 0) {
    row.bar_count = trace.last_bar + 1;
    row.observed_from = trace.changes.idx.front();
    row.observed_to = trace.last_bar;
    row.first_ts = feed.bars.ts[static_cast<size_t>(trace.changes.idx.front())];
    row.last_ts = feed.bars.ts[static_cast<size_t>(trace.changes.idx.back())];
  }
  row.trace_hash = trace_hash(trace.changes, row.bar_count);
  row.created_at = description_.created_at;
  prepared.components = list_components(node);
  prepared.prices = digest_of(trace.prices);
  prepared.trace = std::move(trace);
  return prepared;
}

void RunBuilder::add_components(const Prepared& prepared) {
  if (prepared.components.empty() || !composites_.insert(prepared.row.strategy_digest).second) return;
  for (const StrategyComponent& component : prepared.components)
    components_.push_back({prepared.row.strategy_digest, component});
  const std::vector<UnevenWeights> uneven = find_uneven_weights(prepared.components);
  if (uneven.empty() || ++uneven_count_ > kMostNamed) return;
  const std::string& path = uneven.front().parent_path;
  const WeightFlaw& flaw = uneven.front().flaw;
  const std::string more = uneven.size() == 1 ? "" : fmt::format(" (one of {} such lists)", uneven.size());
  summary_.warnings.push_back(fmt::format("strategy {}: {} of {} {}; kept as given{}", prepared.row.strategy_id,
                                          flaw.subject, path.empty() ? "the root" : path, flaw.predicate, more));
}

// Equal traces of one configuration on one feed become one row with aliases; different ones are all kept, and told.
void RunBuilder::settle_group() {
  std::vector<Prepared> kept;
  for (Prepared& next : group_) {
    const auto same_feed = [&](const Prepared& other) { return other.trace.feed == next.trace.feed; };
    const auto is_twin = [&](const Prepared& other) {
      return same_feed(other) && other.row.trace_hash == next.row.trace_hash && other.prices == next.prices;
    };
    if (next.row.observed_from) summary_.signal_count += *next.row.observed_to - *next.row.observed_from + 1;
    if (feeds_.size() > 1) strategy_ids_.insert(next.row.strategy_id);
    ++summary_.strategy_count;
    if (const auto twin = std::ranges::find_if(kept, is_twin); twin != kept.end()) {
      twin->row.aliases.push_back(next.row.strategy_id);
      continue;
    }
    if (const auto other = std::ranges::find_if(kept, same_feed); other != kept.end()) {
      summary_.warnings.push_back(fmt::format(
          "strategies {} and {} have one configuration ({}) but different traces or prices on {} {}: both are kept; "
          "something in the code is not deterministic, or the configuration does not say all",
          other->row.strategy_id, next.row.strategy_id, next.row.strategy_hash(), next.row.symbol, next.row.timeframe));
    }
    summary_.change_count += next.row.change_count;
    summary_.incomplete_count += next.row.complete ? 0 : 1;
    kept.push_back(std::move(next));
  }
  group_.clear();
  std::ranges::stable_sort(kept, {},
                           [](const Prepared& prepared) -> const std::string& { return prepared.row.strategy_id; });
  for (Prepared& prepared : kept) {
    prepared.row.trace_id = trace_count_++;
    const std::string digest = to_hex(prepared.row.strategy_digest);
    prepared.row.trace_path = paths_.add({.symbol = prepared.row.symbol,
                                          .timeframe = prepared.row.timeframe,
                                          .kind = prepared.row.kind,
                                          .strategy_type = prepared.row.strategy_type,
                                          .strategy_digest = digest});
    settled_.push_back(std::move(prepared));
  }
}

Status RunBuilder::add_traces(std::vector<RecordedTrace> traces) {
  std::vector<Prepared> prepared(traces.size());
  SB_RETURN_IF_ERROR(parallel_for(traces.size(), options_.threads, [&](size_t i) -> Status {
    const std::string id = traces[i].strategy_id;
    Result<Prepared> made = prepare(std::move(traces[i]));
    if (!made.ok()) return made.status().at(fmt::format("strategy {}", id));
    prepared[i] = *std::move(made);
    return Status();
  }));
  for (Prepared& next : prepared) {
    add_components(next);
    const auto is_of_group = [&](const IndexRow& row) {
      return row.strategy_digest == next.row.strategy_digest && row.kind == next.row.kind &&
             row.symbol == next.row.symbol && row.timeframe == next.row.timeframe;
    };
    if (!group_.empty() && !is_of_group(group_.front().row)) settle_group();
    group_.push_back(std::move(next));
  }
  return write_settled();
}

Status RunBuilder::write_settled() {
  std::vector<TraceToWrite> items;
  for (Prepared& prepared : settled_) items.push_back({.trace = &prepared.trace, .row = &prepared.row});
  SB_RETURN_IF_ERROR(traces_->write(items));
  for (Prepared& prepared : settled_) {
    rows_.push_back(std::move(prepared.row));
    if (rows_.size() == IndexEncoder::kRowsAtATime) SB_RETURN_IF_ERROR(write_index_rows());
  }
  settled_.clear();
  return Status();
}

Status RunBuilder::write_index_rows() {
  if (index_file_ == nullptr) {
    SB_ASSIGN_OR_RETURN(index_file_, staged_.create(file::kStrategyIndex));
  }
  SB_RETURN_IF_ERROR(index_.append(rows_, {}));
  rows_.clear();
  return Status();
}

// The bars of a feed, where the store has none like them. They are named by their content, so only damage can make
// those that are there others than ours: then ours take their place.
Status RunBuilder::write_bars(size_t feed) {
  const std::string path = join_path(store_path_, bars_path(feeds_[feed].data_id));
  const auto vouch_for = [&](const std::string& bytes) {
    feeds_[feed].file_size = static_cast<int64_t>(bytes.size());
    feeds_[feed].file_sha256 = to_hex(sha256(bytes));
  };
  const Result<std::string> there = files_.read_file(path);
  if (there.ok()) {
    if (decode_bars_file(*there, path).ok()) {
      vouch_for(*there);
      return Status();
    }
    summary_.warnings.push_back(fmt::format("{} was damaged and is written anew", path));
  } else if (there.status().code() != StatusCode::not_found) {
    return there.status();
  }
  SB_ASSIGN_OR_RETURN(const std::string bytes, encode_bars_file(feeds_[feed].bars, feeds_[feed].data_id));
  vouch_for(bytes);
  SB_RETURN_IF_ERROR(create_directories(files_, join_path(store_path_, file::kBarsDirectory)));
  // In flight inside the run, because two runs may bring the same bars at the same time.
  return staged_.write_elsewhere(fmt::format("bars-{}", feed), path, bytes);
}

void RunBuilder::describe_feeds() {
  for (const Feed& feed : feeds_) {
    description_.feeds.push_back({.symbol = feed.bars.symbol,
                                  .timeframe = feed.bars.timeframe,
                                  .data_id = feed.data_id,
                                  .bar_count = static_cast<int64_t>(feed.bars.size()),
                                  .first_ts = feed.bars.ts.front(),
                                  .last_ts = feed.bars.ts.back(),
                                  .bars_size = feed.file_size,
                                  .bars_sha256 = feed.file_sha256});
  }
}

// Index, components and description.
Status RunBuilder::write_tables() {
  if (!rows_.empty()) SB_RETURN_IF_ERROR(write_index_rows());
  SB_RETURN_IF_ERROR(index_.finish().status());
  const RunDescription::FileVersion index = index_file_->finish();
  SB_ASSIGN_OR_RETURN(const std::string components, encode_components(components_));
  SB_RETURN_IF_ERROR(staged_.write(file::kStrategyComponents, components));
  description_.strategy_count = summary_.strategy_count;
  description_.trace_count = summary_.trace_count;
  description_.change_count = summary_.change_count;
  describe_feeds();
  const RunDescription::FileVersion version = version_of(components);
  description_.files.push_back({.path = file::kStrategyComponents, .size = version.size, .sha256 = version.sha256});
  description_.files.push_back({.path = file::kStrategyIndex, .size = index.size, .sha256 = index.sha256});
  return staged_.write(file::kRunDescription, encode_run_description(description_));
}

Result<RunSummary> RunBuilder::commit() {
  settle_group();
  SB_RETURN_IF_ERROR(write_settled());
  if (trace_count_ == 0) return Status::invalid("there is no trace to record");
  if (uneven_count_ > kMostNamed) {
    summary_.warnings.push_back(
        fmt::format("{} more configurations have weights that do not sum to 1", uneven_count_ - kMostNamed));
  }
  if (feeds_.size() > 1) summary_.strategy_count = static_cast<int64_t>(strategy_ids_.size());
  summary_.trace_count = trace_count_;
  SB_RETURN_IF_ERROR(traces_->finish(description_.files));
  summary_.file_bytes = traces_->byte_count();
  SB_RETURN_IF_ERROR(ensure_store(files_, store_path_, format_time(description_.created_at),
                                  join_path(run_path_, "store.json" + std::string(kTemporarySuffix))));
  for (size_t feed = 0; feed < feeds_.size(); ++feed) SB_RETURN_IF_ERROR(write_bars(feed));
  SB_RETURN_IF_ERROR(write_tables());
  // The directory of bars also where they were there: whoever brought them may have died before their name was durable.
  SB_RETURN_IF_ERROR(
      staged_.publish(file::kStrategyIndex, {join_path(store_path_, file::kBarsDirectory), store_path_}));
  return summary_;
}

}  // namespace signalbook
