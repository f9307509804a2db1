#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "format/json_value.h"

namespace signalbook {

// What a scalar means in the core schema of YAML 1.2. The tag is as yaml-cpp gives it: "?" for a plain scalar, "!" for
// a quoted one (always text), else a full name such as tag:yaml.org,2002:int. yes, on and 12:30 are text, 017 is 17.
Result<JsonValue> resolve_yaml_scalar(std::string_view tag, const std::string& text);

// [-+]?[0-9]+ and [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? : every integer is a real too.
bool is_yaml_integer(std::string_view text);
bool is_yaml_real(std::string_view text);

// !!int for tag:yaml.org,2002:int.
std::string shorten_yaml_tag(std::string_view tag);

}  // namespace signalbook
