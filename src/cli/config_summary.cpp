#include "cli/config_summary.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/text_table.h"
#include "format/json_value.h"
#include "format/strategy_identity.h"

namespace signalbook::cli {

namespace {

std::string summarize(const JsonValue& node) {
  std::string text;
  const auto add = [&](const std::string& name, const JsonValue& value) {
    text +=
        fmt::format("{}{}={}", text.empty() ? "" : " ", name, value.text() != nullptr ? *value.text() : to_json(value));
  };
  for (const auto& [name, value] : *node.find("parameters")->object()) add(name, value);
  for (const auto& [name, value] : *node.object()) {
    if (name == "strategy" && value.array() != nullptr) {
      text += fmt::format("{}of {} strategies", text.empty() ? "" : " ", value.array()->size());
    } else if (name != "type" && name != "parameters") {
      add(name, value);
    }
  }
  return text;
}

}  // namespace

std::string config_summary(const std::string& strategy_config, int width) {
  const Result<JsonValue> config = parse_json(strategy_config);
  const Result<JsonValue> node = config.ok() ? normalize_strategy(*config) : config;
  return cut_to_width(escape_control_characters(to_valid_utf8(node.ok() ? summarize(*node) : strategy_config)), width);
}

}  // namespace signalbook::cli
