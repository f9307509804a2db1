#include "store/run_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/time_text.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "format/strategy_tree.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/metric_set.h"
#include "store/store.h"

namespace signalbook {

namespace {

Digest digest_of(const std::vector<std::pair<size_t, double>>& prices) {
  Sha256 hash;
  for (const auto& [change, price] : prices) {
    hash.update(&change, sizeof(change));
    hash.update(&price, sizeof(price));
  }
  return hash.finish();
}

}  // namespace

RunBuilder::RunBuilder(FileSystem& files, std::string run_path, RunDescription description)
    : files_(files),
      run_path_(std::move(run_path)),
      store_path_(parent_path(run_path_)),
      description_(std::move(description)) {}

size_t RunBuilder::add_feed(Bars bars, std::string data_id_hex) {
  feeds_.push_back({std::move(bars), std::move(data_id_hex)});
  return feeds_.size() - 1;
}

Result<IndexRow> RunBuilder::make_row(const RecordedTrace& trace) {
  const Feed& feed = feeds_[trace.feed];
  SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(trace.config));
  SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(config));
  const StrategyIdentity identity = identify_normalized(node);
  IndexRow row;
  row.strategy_id = trace.strategy_id;
  row.strategy_digest = identity.digest;
  row.value_digest = identity.value_digest;
  row.strategy_type = *node.find("type")->text();
  row.parameters = queryable_parameters(node);
  row.symbol = feed.bars.symbol;
  row.timeframe = feed.bars.timeframe;
  row.kind = trace.changes.kind;
  row.constraints = member_text(node.find("constraints"));
  row.threshold = member_text(node.find("threshold"));
  row.data_id = feed.data_id;
  row.complete = trace.complete;
  row.change_count = static_cast<int64_t>(trace.changes.size());
  if (row.change_count > 0) {
    row.bar_count = trace.last_bar + 1;
    row.observed_from = trace.changes.idx.front();
    row.observed_to = trace.last_bar;
  }
  row.trace_hash = trace_hash(trace.changes, row.bar_count);
  row.strategy_config = trace.config;
  row.created_at = description_.created_at;

  if (!composites_.contains(row.strategy_digest)) {
    const std::vector<StrategyComponent> components = list_components(node);
    if (!components.empty()) {
      constexpr size_t kMostNamed = 3;
      composites_.insert(row.strategy_digest);
      for (const StrategyComponent& component : components) components_.push_back({row.strategy_digest, component});
      const std::vector<UnevenWeights> uneven = find_uneven_weights(components);
      if (!uneven.empty() && ++uneven_count_ <= kMostNamed) {
        const std::string& path = uneven.front().parent_path;
        const WeightFlaw& flaw = uneven.front().flaw;
        const std::string more = uneven.size() == 1 ? "" : fmt::format(" (one of {} such lists)", uneven.size());
        summary_.warnings.push_back(fmt::format("strategy {}: {} of {} {}; kept as given{}", trace.strategy_id,
                                                flaw.subject, path.empty() ? "the root" : path, flaw.predicate, more));
      }
    }
  }
  return row;
}

std::optional<size_t> RunBuilder::find_twin(const IndexRow& row, size_t feed, const Digest& prices) {
  const auto [begin, end] = rows_by_configuration_.equal_range({feed, row.strategy_digest});
  for (auto other = begin; other != end; ++other) {
    const IndexRow& twin = rows_[other->second];
    if (twin.trace_hash == row.trace_hash && twin.kind == row.kind && price_digests_[other->second] == prices)
      return other->second;
  }
  if (begin != end) {
    summary_.warnings.push_back(fmt::format(
        "strategies {} and {} have one configuration ({}) but different traces or prices on {} {}: both are kept; "
        "something in the code is not deterministic, or the configuration does not say all",
        rows_[begin->second].strategy_id, row.strategy_id, row.strategy_hash(), row.symbol, row.timeframe));
  }
  return std::nullopt;
}

Status RunBuilder::add_trace(RecordedTrace trace) {
  const auto name = [&](const Status& status) { return status.at(fmt::format("strategy {}", trace.strategy_id)); };
  Result<IndexRow> made = make_row(trace);
  if (!made.ok()) return name(made.status());
  IndexRow& row = made.value();
  strategy_ids_.insert(row.strategy_id);
  if (row.observed_from) summary_.signal_count += *row.observed_to - *row.observed_from + 1;
  const Digest prices = digest_of(trace.prices);
  const std::optional<size_t> twin = find_twin(row, trace.feed, prices);
  if (twin) {
    rows_[*twin].aliases.push_back(row.strategy_id);
    return Status();
  }
  summary_.change_count += row.change_count;
  summary_.incomplete_count += row.complete ? 0 : 1;
  if (const Status status = write_trace(trace, row); !status.ok()) return name(status);
  rows_by_configuration_.emplace(std::pair(trace.feed, row.strategy_digest), rows_.size());
  price_digests_.push_back(prices);
  rows_.push_back(std::move(row));
  return Status();
}

Status RunBuilder::write_trace(const RecordedTrace& trace, IndexRow& row) {
  const Bars& bars = feeds_[trace.feed].bars;
  const std::string digest = to_hex(row.strategy_digest);
  row.trace_path = paths_.add({.symbol = row.symbol,
                               .timeframe = row.timeframe,
                               .kind = row.kind,
                               .strategy_type = row.strategy_type,
                               .strategy_digest = digest});
  ts_.resize(trace.changes.size());
  px_.resize(trace.changes.size());
  for (size_t i = 0; i < trace.changes.size(); ++i) {
    const auto bar = static_cast<size_t>(trace.changes.idx[i]);
    ts_[i] = bars.ts[bar];
    px_[i] = bars.close[bar];
  }
  for (const auto& [change, price] : trace.prices) px_[change] = price;
  if (!ts_.empty()) {
    row.first_ts = ts_.front();
    row.last_ts = ts_.back();
  }
  SB_ASSIGN_OR_RETURN(const std::string_view bytes,
                      file_encoder_.encode({.strategy_id = to_valid_utf8(row.strategy_id),
                                            .strategy_hash = row.strategy_hash(),
                                            .strategy_digest = digest,
                                            .strategy_config = row.strategy_config,
                                            .symbol = row.symbol,
                                            .timeframe = row.timeframe,
                                            .data_id = row.data_id,
                                            .trace_hash = to_hex(row.trace_hash),
                                            .bar_count = row.bar_count,
                                            .creation_time = format_time(description_.created_at)},
                                           trace.changes, ts_, px_));
  row.file_size = static_cast<int64_t>(bytes.size());
  row.file_sha256 = sha256(bytes);
  summary_.file_bytes += row.file_size;
  const std::string path = join_path(run_path_, row.trace_path);
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  return write_temporary(path, bytes);
}

Status RunBuilder::make_directory(const std::string& path) {
  if (path == run_path_ || std::find(directories_.begin(), directories_.end(), path) != directories_.end())
    return Status();
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
  if (!exists) SB_RETURN_IF_ERROR(files_.create_directory(path));
  directories_.push_back(path);
  return Status();
}

Status RunBuilder::write_temporary(const std::string& final_path, std::string_view bytes) {
  const std::string temporary = final_path + std::string(kTemporarySuffix);
  SB_RETURN_IF_ERROR(replace_file(files_, temporary, bytes));
  in_flight_.emplace_back(temporary, final_path);
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
  const std::string temporary = join_path(run_path_, fmt::format("bars-{}{}", feed, kTemporarySuffix));
  SB_RETURN_IF_ERROR(replace_file(files_, temporary, bytes));
  in_flight_.emplace_back(temporary, path);
  return Status();
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

// Components and description, and the index as the last of what is in flight.
Status RunBuilder::write_tables() {
  sort_index(rows_);
  // Components follow the order of the index, whatever the order in which the traces came.
  SB_ASSIGN_OR_RETURN(const std::string index, encode_index(rows_, {}));
  std::map<Digest, size_t> places;
  for (const IndexRow& row : rows_) places.emplace(row.strategy_digest, places.size());
  std::stable_sort(components_.begin(), components_.end(), [&](const ComponentRow& a, const ComponentRow& b) {
    return places.at(a.strategy_digest) < places.at(b.strategy_digest);
  });
  SB_ASSIGN_OR_RETURN(const std::string components, encode_components(components_));
  description_.strategy_count = summary_.strategy_count;
  description_.trace_count = summary_.trace_count;
  description_.change_count = summary_.change_count;
  describe_feeds();
  const auto vouch_for = [&](const char* path, const std::string& bytes) {
    description_.files.push_back(
        {.path = path, .size = static_cast<int64_t>(bytes.size()), .sha256 = to_hex(sha256(bytes))});
  };
  vouch_for(file::kStrategyComponents, components);
  vouch_for(file::kStrategyIndex, index);
  SB_RETURN_IF_ERROR(write_temporary(join_path(run_path_, file::kStrategyComponents), components));
  SB_RETURN_IF_ERROR(
      write_temporary(join_path(run_path_, file::kRunDescription), encode_run_description(description_)));
  return write_temporary(join_path(run_path_, file::kStrategyIndex), index);
}

Result<RunSummary> RunBuilder::commit() {
  if (rows_.empty()) return Status::invalid("there is no trace to record");
  constexpr size_t kMostNamed = 3;
  if (uneven_count_ > kMostNamed) {
    summary_.warnings.push_back(
        fmt::format("{} more configurations have weights that do not sum to 1", uneven_count_ - kMostNamed));
  }
  summary_.strategy_count = static_cast<int64_t>(strategy_ids_.size());
  summary_.trace_count = static_cast<int64_t>(rows_.size());
  SB_RETURN_IF_ERROR(ensure_store(files_, store_path_, format_time(description_.created_at),
                                  join_path(run_path_, "store.json" + std::string(kTemporarySuffix))));
  for (size_t feed = 0; feed < feeds_.size(); ++feed) SB_RETURN_IF_ERROR(write_bars(feed));
  SB_RETURN_IF_ERROR(write_tables());
  SB_RETURN_IF_ERROR(publish());
  return summary_;
}

// Flushes everything that is in flight at once. Then names are given: bars and traces first, the components and the
// description after them, the index last. Whatever dies in between leaves no index, or a whole run.
Status RunBuilder::publish() {
  std::vector<std::string> temporaries;
  for (const auto& [temporary, path] : in_flight_) temporaries.push_back(temporary);
  SB_RETURN_IF_ERROR(files_.sync_files(temporaries));

  const std::pair<std::string, std::string> index = in_flight_.back();
  in_flight_.pop_back();
  for (const auto& [temporary, path] : in_flight_) SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  for (const std::string& directory : directories_) SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  // Also where the bars were there: whoever brought them may have died before their name was durable.
  SB_RETURN_IF_ERROR(files_.sync_directory(join_path(store_path_, file::kBarsDirectory)));
  SB_RETURN_IF_ERROR(files_.sync_directory(run_path_));
  SB_RETURN_IF_ERROR(files_.sync_directory(store_path_));
  SB_RETURN_IF_ERROR(files_.rename(index.first, index.second));
  return files_.sync_directory(run_path_);
}

}  // namespace signalbook
