#include "store/verify_bars.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"
#include "base/time_text.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"

namespace signalbook {

using Kind = Finding::Kind;

const Bars* BarsCheck::find(const std::string& data_id_hex) const {
  const auto place = bars_.find(data_id_hex);
  return place != bars_.end() && place->second.bars ? &*place->second.bars : nullptr;
}

void BarsCheck::check_run(const RunDescription& description, const std::vector<IndexRow>& rows) {
  std::map<std::string, RunDescription::Feed> feeds;
  for (const RunDescription::Feed& feed : description.feeds) feeds.emplace(feed.data_id, feed);
  for (auto& [data_id_hex, file] : bars_) {
    if (!feeds.contains(data_id_hex)) file.bars.reset();
  }
  for (const IndexRow& row : rows) {
    if (feeds.contains(row.data_id)) continue;
    log_.tell(Kind::damage, fmt::format("{}: no feed has the data_id {} of strategy {}", file::kRunDescription,
                                        row.data_id, row.strategy_id));
    RunDescription::Feed unknown;
    unknown.data_id = row.data_id;
    feeds.emplace(row.data_id, unknown);
  }
  for (const auto& [data_id_hex, feed] : feeds) check_feed(feed);
}

void BarsCheck::check_feed(const RunDescription::Feed& feed) {
  BarsFile& file = read(feed.data_id);
  const bool is_recorded = feed.bars_size.has_value() && feed.bars_sha256.has_value();
  const bool is_same = is_recorded && file.size == *feed.bars_size && file.sha256 == *feed.bars_sha256;
  if (file.fault.empty() && ((!is_same && !file.is_decoded) || (is_deep_ && !file.bars))) {
    const Result<std::string> bytes = files_.read_file(join_path(store_path_, bars_path(feed.data_id)));
    if (bytes.ok()) decode(feed.data_id, file, *bytes);
    if (!bytes.ok()) file.fault = bytes.status().message();
  }
  if (!file.fault.empty()) return log_.tell(Kind::damage, file.fault);
  if (is_recorded && !is_same) {
    log_.tell(Kind::problem, bars_path(feed.data_id) + ": other bytes than this run recorded, but the same bars");
  }
  if (!is_deep_ || feed.symbol.empty()) return;
  const Bars& bars = *file.bars;
  const auto size = static_cast<int64_t>(bars.size());
  if (feed.symbol != bars.symbol || feed.timeframe != bars.timeframe || feed.bar_count != size ||
      feed.first_ts != bars.ts.front() || feed.last_ts != bars.ts.back()) {
    log_.tell(Kind::damage,
              fmt::format("{}: has a feed {} {} with {} bars from {} to {}, {} is {} {} with {} from {} to {}",
                          file::kRunDescription, feed.symbol, feed.timeframe, feed.bar_count,
                          format_time(feed.first_ts), format_time(feed.last_ts), bars_path(feed.data_id), bars.symbol,
                          bars.timeframe, size, format_time(bars.ts.front()), format_time(bars.ts.back())));
  }
}

BarsCheck::BarsFile& BarsCheck::read(const std::string& data_id_hex) {
  const auto [place, is_new] = bars_.try_emplace(data_id_hex);
  BarsFile& file = place->second;
  if (!is_new) return file;
  ++log_.summary.bars_count;
  const std::string name = bars_path(data_id_hex);
  const Result<std::string> bytes = files_.read_file(join_path(store_path_, name));
  if (!bytes.ok()) {
    file.fault = bytes.status().code() == StatusCode::not_found ? name + ": missing" : bytes.status().message();
    return file;
  }
  log_.summary.byte_count += static_cast<int64_t>(bytes->size());
  file.size = static_cast<int64_t>(bytes->size());
  file.sha256 = to_hex(sha256(*bytes));
  if (is_deep_) decode(data_id_hex, file, *bytes);
  return file;
}

void BarsCheck::decode(const std::string& data_id_hex, BarsFile& file, const std::string& bytes) const {
  const std::string name = bars_path(data_id_hex);
  Result<Bars> bars = decode_bars_file(bytes, name);
  file.is_decoded = true;
  if (!bars.ok()) {
    file.fault = bars.status().message();
  } else if (to_hex(data_id(*bars)) != data_id_hex) {
    file.fault = name + ": these are other bars";
  } else if (is_deep_) {
    file.fault = check_bars_file_metadata(bytes, name, *bars).message();
    file.bars = std::move(bars).value();
  }
}

}  // namespace signalbook
