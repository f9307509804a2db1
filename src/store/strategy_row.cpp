#include "store/strategy_row.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/time_text.h"
#include "base/utf8.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "format/strategy_tree.h"

namespace signalbook {

Result<JsonValue> derive_strategy(IndexRow& row) {
  SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(row.strategy_config));
  SB_ASSIGN_OR_RETURN(JsonValue node, normalize_strategy(config));
  const StrategyIdentity identity = identify_normalized(node);
  row.strategy_digest = identity.digest;
  row.value_digest = identity.value_digest;
  row.strategy_type = *node.find("type")->text();
  row.parameters = queryable_parameters(node);
  row.constraints = member_text(node.find("constraints"));
  row.threshold = member_text(node.find("threshold"));
  return node;
}

TraceDescription describe_trace(const IndexRow& row) {
  return {.strategy_id = to_valid_utf8(row.strategy_id),
          .strategy_hash = row.strategy_hash(),
          .strategy_digest = to_hex(row.strategy_digest),
          .strategy_config = row.strategy_config,
          .symbol = row.symbol,
          .timeframe = row.timeframe,
          .data_id = row.data_id,
          .trace_hash = to_hex(row.trace_hash),
          .bar_count = row.bar_count,
          .creation_time = format_time(row.created_at)};
}

namespace {

// Ends lower than whatever goes on, also where a text holds NUL.
void append_text(std::string& key, std::string_view text) {
  for (const char c : text) {
    key += c;
    if (c == '\0') key += '\xFF';
  }
  key.append(2, '\0');
}

void append_number(std::string& key, double number) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  uint64_t bits = std::bit_cast<uint64_t>(number == 0.0 ? 0.0 : number);
  bits = (bits & kSign) != 0 ? ~bits : bits | kSign;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(bits >> shift);
}

void append_value(std::string& key, const JsonValue& value) {
  enum Rank : char { kNumber, kText, kOther };
  if (const int64_t* const integer = value.integer()) {
    key += kNumber;
    append_number(key, static_cast<double>(*integer));
  } else if (const double* const real = value.real()) {
    key += kNumber;
    append_number(key, *real);
  } else if (const std::string* const text = value.text()) {
    key += kText;
    append_text(key, *text);
  } else {
    key += kOther;
    append_text(key, to_json(value, JsonStyle::canonical));
  }
}

}  // namespace

std::string index_order_key(const IndexRow& row) {
  std::string key;
  key += static_cast<char>(row.kind);
  for (const std::string* const text : {&row.symbol, &row.timeframe, &row.strategy_type}) append_text(key, *text);
  std::vector<const JsonValue::Member*> sorted;
  for (const JsonValue::Member& member : row.parameters) sorted.push_back(&member);
  std::ranges::sort(sorted, {}, [](const JsonValue::Member* member) -> const std::string& { return member->first; });
  constexpr char kEnd = 0, kParameter = 1;
  for (const JsonValue::Member* const member : sorted) {
    key += kParameter;
    append_text(key, member->first);
    append_value(key, member->second);
  }
  key += kEnd;
  key.append(reinterpret_cast<const char*>(row.strategy_digest.data()), row.strategy_digest.size());
  return key;
}

}  // namespace signalbook
