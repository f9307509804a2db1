#pragma once

#include <optional>
#include <string>

#include "format/bars.h"
#include "format/json_value.h"
#include "format/signal.h"

namespace signalbook::test {

// The JSON in tests/golden/identity/<name>.
JsonValue read_golden(const std::string& name);

// vectors.json of the reference recipes, where this machine has them (SIGNALBOOK_TEST_DATA, else ../shared).
std::optional<JsonValue> read_reference_vectors();

// Members that must be there, of the type that is asked for.
std::string text_of(const JsonValue& row, std::string_view key);
int64_t integer_of(const JsonValue& row, std::string_view key);

// Columns of a row of traces.json or bars.json.
SignalChanges changes_of(const JsonValue& row);
Bars bars_of(const JsonValue& row);

}  // namespace signalbook::test
