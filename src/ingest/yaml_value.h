#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"
#include "ingest/text_source.h"

namespace signalbook {

// A YAML value: as JSON, but every part knows its place, and parts under an alias are shared and not copied.
struct YamlValue {
  using Pointer = std::shared_ptr<const YamlValue>;
  struct Member {
    std::string key;
    TextPlace key_place;
    Pointer value;
  };
  using Sequence = std::vector<Pointer>;
  using Mapping = std::vector<Member>;  // keys are unique

  std::variant<JsonValue, Sequence, Mapping> content;  // JsonValue: a scalar
  TextPlace place;
  uint32_t node_count = 1;  // with everything below, aliases written out; stops counting at kMaxAliasedNodes + 1
  uint16_t height = 0;      // 0 for a scalar

  const JsonValue* scalar() const { return std::get_if<JsonValue>(&content); }
  const Sequence* sequence() const { return std::get_if<Sequence>(&content); }
  const Mapping* mapping() const { return std::get_if<Mapping>(&content); }
  const std::string* text() const { return scalar() != nullptr ? scalar()->text() : nullptr; }

  // The value under that key, or null when there is none or this is no mapping.
  const YamlValue* find(std::string_view key) const;
};

// Aliases may add this many values to a file when they are written out; a few lines of aliases of aliases would
// otherwise make billions.
inline constexpr uint32_t kMaxAliasedNodes = 1'000'000;

// The one document of a text, read by the core schema of YAML 1.2; a null pointer when there is none. Invalid, with
// its place, for anything that JSON could not say (infinities, keys that are no text, a value that contains itself),
// for duplicate keys, merge keys (<<), tags outside the core schema, a second document, and nesting deeper than
// kMaxJsonDepth.
Result<YamlValue::Pointer> parse_yaml(const TextSource& source);

JsonValue to_json_value(const YamlValue& value);

}  // namespace signalbook
