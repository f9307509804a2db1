#pragma once

#include <string>

#include "base/digest.h"
#include "base/status.h"
#include "format/json_value.h"

namespace signalbook {

// Digits of a strategy_hash. Pinned: hashes stand in file names, indexes and people's notes.
inline constexpr size_t kStrategyHashLength = 12;

// What a configuration is, whatever its spelling. The recipe stands in docs/format.md and is fixed for ever.
struct StrategyIdentity {
  std::string canonical;  // the text that is hashed
  Digest digest;          // its SHA-256
  Digest value_digest;    // the same with 2.0 read as 2: equal values, other spelling

  std::string hash() const { return to_hex(digest).substr(0, kStrategyHashLength); }
};

// The one node that all accepted spellings of a configuration become: labels, data and private keys are gone,
// `type` and `parameters` are there, and nested strategies are nodes with their weight beside them.
// Invalid, naming the key, when the type cannot be told or something is given twice with different values.
Result<JsonValue> normalize_strategy(const JsonValue& config);

// From a configuration in any spelling.
Result<StrategyIdentity> identify_strategy(const JsonValue& config);

// From a node that normalize_strategy returned.
StrategyIdentity identify_normalized(const JsonValue& node);

}  // namespace signalbook
