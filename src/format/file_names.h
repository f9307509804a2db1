#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// Every path in a store is built here. Names are for people: identity is never parsed from one.

// A text of any bytes as one part of a path: bytes outside [A-Za-z0-9_.-], and a leading `_` or `.`, become ~HH; what
// is longer than kMaxNamePart is cut and gets 8 digits of the text's digest. Empty text becomes "~".
inline constexpr size_t kMaxNamePart = 80;
std::string escape_name(std::string_view text);

// "bars/<data_id>.parquet", relative to the store.
std::string bars_path(std::string_view data_id_hex);

// "traces/SPY_5m", of "traces/SPY_5m/signals/rsi/....parquet".
std::string feed_directory(std::string_view trace_path);
// "traces/SPY_5m/signals-00000.parquet"
std::string pack_path(std::string_view feed_directory, SignalKind kind, int number);
// Whether a path is of that form; what kind its traces are.
std::optional<SignalKind> pack_kind(std::string_view path);

// metrics/cost5bp.parquet
std::string metric_set_path(std::string_view name);
// The other way; nothing for a path that is none.
std::optional<std::string> metric_set_name(std::string_view path);
// Small letters, digits, '_', '-' and '.', at most 80 of them, and neither of the last two in front. Else Invalid.
Status check_metric_set_name(std::string_view name);

// The trace paths of one run. They are relative to the run and unique, also on a disk where case does not count.
class TracePaths {
 public:
  struct Key {
    std::string_view symbol, timeframe;
    SignalKind kind = SignalKind::number;
    std::string_view strategy_type;
    std::string_view strategy_digest;  // 64 hex digits
  };

  // "traces/SPY_5m/signals/bollinger_bands/SPY_5m_bollinger_bands_39a6426ec117.parquet". Names are given in the order
  // of the calls: one that is taken by another text takes 8 digits of its own digest, one taken by another strategy
  // takes more digits of the strategy's, and the same strategy once more a number.
  std::string add(const Key& key);

 private:
  bool is_first_with_digits(const std::string& stem, const std::string& digest);
  // A directory name for this text under this parent, always the same one.
  std::string directory(const std::string& parent, const std::string& text, const std::string& escaped);

  std::map<std::pair<std::string, std::string>, std::string> directories_;  // parent and text -> name
  std::set<std::string> taken_;                                             // full paths in lowercase, but for
  std::unordered_set<uint64_t> taken_digits_;  // the plain ones: stem and twelve digits, because there are many
  std::map<std::string, uint64_t> stems_;      // numbered
};

}  // namespace signalbook
