#include "format/strategy_identity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace signalbook {

namespace {

using Array = JsonValue::Array;
using Object = JsonValue::Object;

// Labels and data: they say which strategy is meant or what it ran on, not what it is.
bool is_label(std::string_view key) {
  return key == "strategy_id" || key == "strategy_hash" || key == "strategy_digest" || key == "symbol" ||
         key == "timeframe" || key == "name";
}

// May stand beside a type key, or alone as an item of a list of strategies.
bool is_sibling(std::string_view key) {
  return key == "constraints" || key == "threshold" || key == "filter" || key == "risk";
}

bool is_reserved(std::string_view key) {
  return is_sibling(key) || key == "type" || key == "strategy_type" || key == "parameters" || key == "strategy" ||
         key == "config" || key == "weight";
}

// --- Words for messages ---

// Printable whatever the key holds, and short.
std::string shorten(std::string text) {
  constexpr size_t kLongest = 80;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

std::string quote(std::string_view key) {
  std::string text = shorten(to_json(JsonValue(key)));
  text.front() = '\'';
  if (text.back() == '"') text.back() = '\'';
  return text;
}

std::string list_keys(const std::vector<std::string_view>& keys) {
  constexpr size_t kMost = 5;
  std::string list;
  for (size_t i = 0; i < std::min(keys.size(), kMost); ++i) {
    if (i > 0) list += i + 1 == keys.size() ? " and " : ", ";
    list += quote(keys[i]);
  }
  return keys.size() > kMost ? list + " and " + std::to_string(keys.size() - kMost) + " more" : list;
}

std::vector<std::string_view> keys_of(const Object& object) {
  std::vector<std::string_view> keys;
  for (const auto& member : object) keys.push_back(member.first);
  return keys;
}

std::string show(const JsonValue& value) { return shorten(to_json(value)); }

// The kinds that Python's type() tells apart.
std::string_view kind_of(const JsonValue& value) {
  if (value.is_null()) return "null";
  if (value.boolean()) return "a boolean";
  if (value.real()) return "a real number";
  if (value.text()) return "a text";
  if (value.array()) return "a list";
  if (value.object()) return "an object";
  return "an integer";
}

// --- Equality as Python has it: 1 == 1.0 == True, exact however large, and members in any order ---

bool equal_real(const JsonValue& integer, double real) {
  if (real != std::trunc(real)) return false;
  if (const int64_t* small = integer.integer()) {
    return real >= -0x1p63 && real < 0x1p63 && static_cast<int64_t>(real) == *small;
  }
  std::array<char, 400> digits;  // the largest double has 309
  const auto end = std::to_chars(digits.begin(), digits.end(), real, std::chars_format::fixed, 0).ptr;
  return integer.big_integer()->digits == std::string_view(digits.begin(), end);
}

bool equal(const JsonValue& a, const JsonValue& b);

bool equal_objects(const Object& a, const Object& b) {
  const auto sort = [](const Object& object) {
    std::vector<const JsonValue::Member*> members;
    for (const auto& member : object) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* x, const auto* y) { return x->first < y->first; });
    return members;
  };
  const auto same = [](const auto* x, const auto* y) { return x->first == y->first && equal(x->second, y->second); };
  return std::ranges::equal(sort(a), sort(b), same);
}

bool equal(const JsonValue& a, const JsonValue& b) {
  if (a.object() && b.object()) return equal_objects(*a.object(), *b.object());
  if (a.array() && b.array()) return std::ranges::equal(*a.array(), *b.array(), equal);
  if (a.boolean()) return b.boolean() ? *a.boolean() == *b.boolean() : equal(JsonValue(int64_t{*a.boolean()}), b);
  if (b.boolean()) return equal(b, a);
  const auto is_integer = [](const JsonValue& value) { return value.integer() || value.big_integer(); };
  if (is_integer(a) && b.real()) return equal_real(a, *b.real());
  if (a.real() && is_integer(b)) return equal_real(b, *a.real());
  return a == b;
}

// The value given, where it may be given in two places; null is not given.
Result<JsonValue> one_of(std::string_view what, JsonValue first, JsonValue second) {
  if (first.is_null()) return second;
  if (second.is_null() || (kind_of(first) == kind_of(second) && equal(first, second))) return first;
  return Status::invalid(quote(what) + " is given twice with different values, " + show(first) + " and " +
                         show(second) + "; keep one of them");
}

// --- The normalised form ---

// Drops keys that begin with an underscore, at every depth.
JsonValue without_private(const JsonValue& value) {
  if (const Object* object = value.object()) {
    Object kept;
    kept.reserve(object->size());
    for (const auto& [key, member] : *object) {
      if (!key.starts_with('_')) kept.emplace_back(key, without_private(member));
    }
    return JsonValue(std::move(kept));
  }
  if (const Array* array = value.array()) {
    Array kept;
    kept.reserve(array->size());
    for (const JsonValue& item : *array) kept.push_back(without_private(item));
    return JsonValue(std::move(kept));
  }
  return value;
}

void drop_labels(Object& config) {
  std::erase_if(config, [](const auto& member) { return member.second.is_null() || is_label(member.first); });
}

// Removes a member; null where there is none.
JsonValue take(Object& object, std::string_view key) {
  const auto member = std::ranges::find(object, key, &JsonValue::Member::first);
  if (member == object.end()) return JsonValue();
  JsonValue value = std::move(member->second);
  object.erase(member);
  return value;
}

Result<JsonValue> take_type(Object& config) {
  return one_of("type", take(config, "type"), take(config, "strategy_type"));
}

// {"strategy_type": "ensemble", "config": {...}} becomes what stands in config; the type is taken out.
Result<JsonValue> unwrap(Object& config) {
  SB_ASSIGN_OR_RETURN(JsonValue type, take_type(config));
  JsonValue inner = take(config, "config");
  if (inner.is_null()) return type;
  if (!inner.object()) {
    return Status::invalid("'config' must be an object, not " + std::string(kind_of(inner)) + " (" + show(inner) + ")");
  }
  if (!config.empty()) {
    return Status::invalid("'config' holds the whole configuration: move " + list_keys(keys_of(config)) +
                           " into it, or write {\"type\": ..., \"parameters\": {...}} without 'config'");
  }
  config = std::move(*inner.object());
  drop_labels(config);
  SB_ASSIGN_OR_RETURN(JsonValue inner_type, take_type(config));
  return one_of("type", std::move(type), std::move(inner_type));
}

// The one key of {"bollinger_bands": {...}, "constraints": ...} that can name a type.
Result<std::string> find_type_key(const Object& config) {
  std::vector<std::string_view> names = keys_of(config);
  std::erase_if(names, is_reserved);
  if (names.size() == 1) return std::string(names[0]);
  std::string found = "there is no key";
  if (!names.empty()) found = "keys " + list_keys(names) + " could each be it";
  if (names.empty() && !config.empty()) found = "none of " + list_keys(keys_of(config)) + " can be it";
  return Status::invalid("cannot tell the strategy type: " + found + "; write {\"type\": ..., \"parameters\": {...}}");
}

Result<JsonValue> take_parameters(Object& config, JsonValue& type) {
  JsonValue parameters;
  const bool has_strategy = std::ranges::find(config, "strategy", &JsonValue::Member::first) != config.end();
  if (type.is_null() && !has_strategy) {
    SB_ASSIGN_OR_RETURN(const std::string key, find_type_key(config));
    type = JsonValue(key);
    parameters = take(config, key);
    if (!take(config, "parameters").is_null()) {
      return Status::invalid("parameters are given twice, in " + quote(key) + " and in 'parameters'; keep one of them");
    }
  } else {
    parameters = take(config, "parameters");
    if (parameters.is_null()) parameters = JsonValue(Object());
  }
  if (!type.is_null() && (!type.text() || type.text()->empty())) {
    return Status::invalid("a strategy type is a name, not " + std::string(kind_of(type)) + " (" + show(type) + ")");
  }
  if (!parameters.object()) {
    const std::string owner = type.is_null() ? "" : " of " + quote(*type.text());
    return Status::invalid("the parameters" + owner + " must be an object, not " + std::string(kind_of(parameters)) +
                           " (" + show(parameters) + "); write {\"period\": 14}, or {} for none");
  }
  return parameters;
}

Result<JsonValue> make_node(JsonValue given, bool is_child);

// {"threshold": ...} as an item of a list speaks for the node around it.
bool speaks_for_parent(const JsonValue& item) {
  const Object* object = item.object();
  return object && !object->empty() && std::ranges::all_of(*object, is_sibling, &JsonValue::Member::first);
}

Result<Array> make_children(Array items, JsonValue& config) {
  Array children;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string place = "strategy[" + std::to_string(i) + "]";
    if (speaks_for_parent(items[i])) {
      for (auto& [key, value] : *items[i].object()) {
        const JsonValue* known = config.find(key);
        auto merged = one_of(key, known ? *known : JsonValue(), std::move(value));
        if (!merged.ok()) return merged.status().at(place);
        config.set(key, std::move(merged).value());
      }
      continue;
    }
    auto child = make_node(std::move(items[i]), true);
    if (!child.ok()) return child.status().at(place);
    children.push_back(std::move(child).value());
  }
  if (children.empty()) return Status::invalid("'strategy' is a list without a strategy in it; give it at least one");
  return children;
}

// Expects private keys to be gone.
Result<JsonValue> make_node(JsonValue config, bool is_child) {
  if (!config.object()) {
    return Status::invalid(
        "a configuration is an object such as {\"type\": \"rsi\", \"parameters\": {\"period\": 14}}, not " +
        std::string(kind_of(config)) + " (" + show(config) + ")");
  }
  Object& members = *config.object();
  drop_labels(members);
  SB_ASSIGN_OR_RETURN(JsonValue type, unwrap(members));
  SB_ASSIGN_OR_RETURN(JsonValue parameters, take_parameters(members, type));
  JsonValue weight;
  if (is_child) {  // weight is the parent's affair, written inside the child's parameters or beside them
    SB_ASSIGN_OR_RETURN(weight, one_of("weight", take(members, "weight"), take(*parameters.object(), "weight")));
  }
  JsonValue strategy = take(members, "strategy");
  if (strategy.array()) {
    SB_ASSIGN_OR_RETURN(Array children, make_children(std::move(*strategy.array()), config));
    const bool nested = std::ranges::any_of(children, [](const JsonValue& child) { return child.find("strategy"); });
    if (type.is_null()) type = JsonValue(nested ? "composite" : "ensemble");
    strategy = JsonValue(std::move(children));
  } else if (strategy.object()) {  // conditional and weighted forms: identity as given
    if (type.is_null()) type = JsonValue("composite");
  } else if (!strategy.is_null()) {
    return Status::invalid("'strategy' must be a list of strategies or an object, not " +
                           std::string(kind_of(strategy)) + " (" + show(strategy) + ")");
  }
  members.emplace_back("parameters", std::move(parameters));
  if (!weight.is_null()) members.emplace_back("weight", std::move(weight));
  if (!strategy.is_null()) members.emplace_back("strategy", std::move(strategy));
  members.emplace_back("type", std::move(type));
  return config;
}

// --- Values whatever their spelling ---

// Beyond 2^53 not every integer is a double, and a digit that was written would not be kept.
bool is_spelled_integer(const JsonValue& value) {
  return value.real() && std::abs(*value.real()) < 0x1p53 && *value.real() == std::trunc(*value.real());
}

bool has_spelled_integer(const JsonValue& value) {
  if (const Array* array = value.array()) return std::ranges::any_of(*array, has_spelled_integer);
  if (const Object* object = value.object()) {
    return std::ranges::any_of(*object, has_spelled_integer, &JsonValue::Member::second);
  }
  return is_spelled_integer(value);
}

// 2.0 becomes 2, and -0.0 becomes 0.
void write_integers_as_such(JsonValue& value) {
  if (Array* array = value.array()) {
    for (JsonValue& item : *array) write_integers_as_such(item);
  } else if (Object* object = value.object()) {
    for (auto& member : *object) write_integers_as_such(member.second);
  } else if (is_spelled_integer(value)) {
    value = JsonValue(static_cast<int64_t>(*value.real()));
  }
}

Digest digest_of_values(JsonValue node) {
  write_integers_as_such(node);
  return sha256(to_json(node, JsonStyle::canonical));
}

}  // namespace

Result<JsonValue> normalize_strategy(const JsonValue& config) { return make_node(without_private(config), false); }

Result<StrategyIdentity> identify_strategy(const JsonValue& config) {
  SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(config));
  return identify_normalized(node);
}

StrategyIdentity identify_normalized(const JsonValue& node) {
  StrategyIdentity identity;
  append_json(node, JsonStyle::canonical, identity.canonical);
  identity.digest = sha256(identity.canonical);
  identity.value_digest = has_spelled_integer(node) ? digest_of_values(node) : identity.digest;
  return identity;
}

}  // namespace signalbook
