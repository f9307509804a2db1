#pragma once

#include <string_view>

namespace signalbook {

// Names and versions that stand on disk: a change here is a change of the format (docs/format.md).

inline constexpr int kFormatVersion = 1;

namespace column {
inline constexpr const char* kIdx = "idx";
inline constexpr const char* kTs = "ts";
inline constexpr const char* kSymbol = "sym";
inline constexpr const char* kValue = "val";
inline constexpr const char* kStrategy = "strat";
inline constexpr const char* kPrice = "px";
inline constexpr const char* kStrategyHash = "strategy_hash";
inline constexpr const char* kMetadata = "metadata";
// Of packs alone.
inline constexpr const char* kTraceId = "trace_id";
inline constexpr const char* kStrategyId = "strategy_id";
inline constexpr const char* kBarCount = "bar_count";
}  // namespace column

namespace metadata_key {
inline constexpr const char* kStrategyId = "strategy_id";
inline constexpr const char* kStrategyHash = "strategy_hash";
inline constexpr const char* kStrategyDigest = "strategy_digest";
inline constexpr const char* kStrategyConfig = "strategy_config";
inline constexpr const char* kCreationTime = "creation_time";
inline constexpr const char* kFormatVersion = "signalbook.format_version";
inline constexpr const char* kTraceHash = "trace_hash";
inline constexpr const char* kBarCount = "bar_count";
inline constexpr const char* kDataId = "data_id";
inline constexpr const char* kSymbol = "symbol";
inline constexpr const char* kTimeframe = "timeframe";
}  // namespace metadata_key

namespace file {
inline constexpr const char* kStoreDirectory = ".signalbook";
inline constexpr const char* kStoreMarker = "store.json";
inline constexpr const char* kRunDescription = "run.json";
inline constexpr const char* kStrategyIndex = "strategy_index.parquet";
inline constexpr const char* kStrategyComponents = "strategy_components.parquet";
inline constexpr const char* kCatalogDirectory = "catalog";
inline constexpr const char* kLookupDirectory = "lookup";
inline constexpr const char* kBarsDirectory = "bars";
inline constexpr const char* kTracesDirectory = "traces";
inline constexpr const char* kMetricsDirectory = "metrics";
}  // namespace file

}  // namespace signalbook
