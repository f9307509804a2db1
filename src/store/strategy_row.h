#pragma once

#include <string>

#include "base/status.h"
#include "format/json_value.h"
#include "store/strategy_index.h"
#include "store/trace_file.h"

namespace signalbook {

// What a row of the index tells because of its configuration: digests, type, parameters, constraints, threshold; made
// of strategy_config. Returns the configuration in its normal form. Invalid where it is none.
Result<JsonValue> derive_strategy(IndexRow& row);

// What the file of this trace says of it.
TraceDescription describe_trace(const IndexRow& row);

// A text that compares, byte by byte, as rows stand in the index, like beside like: by kind, feed, strategy_type,
// parameters (by name, then numbers before text before the rest, each by value), then digest. Rows with one key are one
// configuration on one feed.
std::string index_order_key(const IndexRow& row);

}  // namespace signalbook
