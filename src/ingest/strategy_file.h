#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"

namespace signalbook {

// One configuration of a sweep, as its file gives it.
struct StrategyEntry {
  std::string strategy_id;  // as given, else strategy_<position>
  JsonValue config;         // without strategy_id; identity is not computed here
  std::string origin;       // for messages: "strategies.yaml: line 12"
};

enum class StrategyFormat { json, json_lines, yaml };

// A sweep of more configurations than this is refused before one of them is built; the message has the count.
inline constexpr uint64_t kMaxStrategies = 2'000'000;

// JSON: a configuration, a list of them, or {"strategies": [...]}. JSON lines: a configuration a line. YAML (1.2 core
// schema): the same shapes, and ranges, lists and `params` expand to their products (ingest/sweep.h says where and
// how); in JSON a list is a value and `params` a name like any other. Order is the file's order, the last parameter of
// a product runs fastest.
// A strategy_id that the file gives is kept; where one entry of a YAML file becomes several configurations, they are
// <id>_0, <id>_1 and so on. Whether ids are unique is not checked here.
// Beside `strategies`, what describes the data or the run (name, symbols, mode, _any, x-any) is passed over.
// Invalid, with line and column, for anything else: also when there is no strategy at all, and for keys beside
// `strategies` that would be lost (constraints, defaults, classifiers).
Result<std::vector<StrategyEntry>> parse_strategies(std::string_view text, StrategyFormat format,
                                                    const std::string& file_name);

// Reads a file; its format is told by its ending (.json, .jsonl, .ndjson, .yaml, .yml), else by how it begins.
// Not found when there is no such file.
Result<std::vector<StrategyEntry>> read_strategy_file(const std::string& path);

}  // namespace signalbook
