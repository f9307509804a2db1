#pragma once

#include <string_view>

#include "format/json_value.h"

namespace signalbook {

// The parameters that can be asked for: those in `parameters` of a node that normalize_strategy returned, and those of
// an object beside it called `params`, as older configurations have it. Where both have a name, `parameters` counts.
// Nothing else follows from `params`: to the identity it is a member like any other.
JsonValue::Object queryable_parameters(const JsonValue& node);

// One of them; nullptr when there is none of that name.
const JsonValue* find_parameter(const JsonValue& node, std::string_view name);

}  // namespace signalbook
