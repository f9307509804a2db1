#include "ingest/sweep.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string_view>
#include <unordered_set>

namespace signalbook {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

uint64_t add_or_most(uint64_t a, uint64_t b) { return a > kMost - b ? kMost : a + b; }
uint64_t multiply_or_most(uint64_t a, uint64_t b) { return b != 0 && a > kMost / b ? kMost : a * b; }

bool is_one_of(std::string_view key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

// What may stand beside a type or alone in a list of strategies (DESIGN.md, identity), and may vary.
bool is_sibling(std::string_view key) {
  return is_one_of(key, {"threshold", "constraints", "filter", "weight", "risk"});
}
bool is_type(std::string_view key) { return is_one_of(key, {"type", "strategy_type"}); }
bool is_strategies(std::string_view key) { return is_one_of(key, {"strategy", "strategies"}); }

// Does not count for identity.
bool is_label(std::string_view key) {
  return key.starts_with('_') ||
         is_one_of(key, {"strategy_id", "strategy_hash", "strategy_digest", "symbol", "timeframe", "name"});
}

bool is_list_of_mappings(const YamlValue& value) {
  const auto* items = value.sequence();
  return items != nullptr && !items->empty() &&
         std::all_of(items->begin(), items->end(), [](const auto& item) { return item->mapping() != nullptr; });
}

}  // namespace

// Turns one entry into the tree of a Sweep.
class SweepReader {
 public:
  using Node = Sweep::Node;
  using Field = Sweep::Field;

  explicit SweepReader(const TextSource& source) : source_(source) {}

  // A configuration, or a strategy in one: {type: rsi, ...}, {rsi: {...}, ...}, {strategy: [...], ...}, {threshold: 1}.
  Result<Node> read_strategy(const YamlValue& value) const {
    const YamlValue::Mapping& members = *value.mapping();
    const auto has = [&](auto predicate) {
      return std::any_of(members.begin(), members.end(), [&](const auto& member) { return predicate(member.key); });
    };
    // {rsi: {...}}: with none of these, a key that says nothing else is a type.
    const bool names_type = has(is_type) || has(is_strategies) || has([](auto key) { return key == "config"; });
    std::vector<Field> fields;
    std::vector<const YamlValue*> parameters;
    size_t parameters_at = 0;
    const YamlValue::Member* first_varying_type = nullptr;
    for (const YamlValue::Member& member : members) {
      const std::string& key = member.key;
      Node node;
      if (key == "parameters" || key == "params") {
        if (!names_type && key == "params") {
          return source_.error(member.key_place,
                               "'params' stands beside a type; write it inside, or write 'type: ...'");
        }
        if (parameters.empty()) parameters_at = fields.size();
        parameters.push_back(member.value.get());
        if (parameters.size() > 1) continue;
        node.content = JsonValue();  // becomes what both say, below
      } else if (is_sibling(key)) {
        SB_ASSIGN_OR_RETURN(node, read_value(*member.value, Mappings::are_options));
      } else if (is_strategies(key)) {
        SB_ASSIGN_OR_RETURN(node, read_strategies(*member.value));
      } else if (key == "config" && member.value->mapping() != nullptr) {
        SB_ASSIGN_OR_RETURN(node, read_strategy(*member.value));
      } else if (!names_type && !is_label(key)) {
        SB_ASSIGN_OR_RETURN(node, read_parameters({member.value.get()}));
        if (node.count > 1 && first_varying_type != nullptr) {
          return source_.error(member.key_place, "'" + first_varying_type->key + "' and '" + key +
                                                     "' in one mapping, both with several values: alternatives are "
                                                     "entries of the file, each with its own '- '");
        }
        if (node.count > 1) first_varying_type = &member;
      } else {
        SB_RETURN_IF_ERROR(refuse_ranges(key, *member.value));
        node.content = to_json_value(*member.value);
      }
      fields.push_back({key == "params" ? "parameters" : key, std::move(node)});
    }
    if (!parameters.empty()) {
      SB_ASSIGN_OR_RETURN(fields[parameters_at].value, read_parameters(parameters));
    }
    return make_object(std::move(fields));
  }

 private:
  // What a list of nothing but mappings is.
  enum class Mappings { are_parts, are_options };

  // A list of strategies (with what speaks for all of them), or one strategy.
  Result<Node> read_strategies(const YamlValue& value) const {
    if (value.mapping() != nullptr) return read_strategy(value);
    if (value.sequence() == nullptr) return make_literal(value);
    std::vector<Node> items;
    for (const YamlValue::Pointer& item : *value.sequence()) {
      if (item->mapping() != nullptr) {
        SB_ASSIGN_OR_RETURN(Node node, read_strategy(*item));
        items.push_back(std::move(node));
      } else {
        items.push_back(make_literal(*item));
      }
    }
    return make_list(std::move(items));
  }

  // The parameters of a strategy: a mapping, or a list of mappings to choose from; of several, all together. What is
  // neither is left to those who check configurations.
  Result<Node> read_parameters(const std::vector<const YamlValue*>& values) const {
    if (values.size() == 1 && values[0]->mapping() != nullptr) return read_mapping(*values[0]);
    if (values.size() == 1 && is_list_of_mappings(*values[0])) return read_value(*values[0], Mappings::are_options);
    if (values.size() == 1) return make_literal(*values[0]);
    std::vector<Field> fields;
    for (const YamlValue* value : values) {
      SB_RETURN_IF_ERROR(add_in_place(*value, fields));
    }
    SB_RETURN_IF_ERROR(check_keys(values.back()->place, fields));
    return make_object(std::move(fields));
  }

  // Members in the middle of others: those of a mapping, or of one mapping of a list.
  Status add_in_place(const YamlValue& value, std::vector<Field>& fields) const {
    if (value.scalar() != nullptr && value.scalar()->is_null()) return Status();
    if (value.mapping() == nullptr && !is_list_of_mappings(value)) {
      return source_.error(value.place, "'params' is a mapping or a list of mappings");
    }
    SB_ASSIGN_OR_RETURN(Node node, read_value(value, Mappings::are_options));
    fields.push_back({"", std::move(node), true});
    return Status();
  }

  // No combination may say what stands beside it, or what another says at the same time.
  Status check_keys(TextPlace place, const std::vector<Field>& fields) const {
    if (std::none_of(fields.begin(), fields.end(), [](const Field& field) { return field.in_place; })) return Status();
    std::unordered_set<std::string> taken;
    for (const Field& field : fields) {
      std::unordered_set<std::string> keys;
      collect_keys(field.key, field.in_place, field.value, keys);
      for (const std::string& key : keys) {
        if (!taken.insert(key).second) return source_.error(place, "'" + key + "' is given in 'params' and beside it");
      }
    }
    return Status();
  }

  static void collect_keys(const std::string& key, bool in_place, const Node& node,
                           std::unordered_set<std::string>& keys) {
    if (!in_place) {
      keys.insert(key);
    } else if (const auto* value = std::get_if<JsonValue>(&node.content)) {
      for (const JsonValue::Member& member : *value->object()) keys.insert(member.first);
    } else if (const auto* choice = std::get_if<Sweep::Choice>(&node.content)) {
      for (const Node& option : choice->options) collect_keys("", true, option, keys);
    } else {
      for (const Field& field : std::get<Sweep::Object>(node.content).fields) {
        collect_keys(field.key, field.in_place, field.value, keys);
      }
    }
  }

  // A mapping of parameters, or one that is the value of a parameter.
  Result<Node> read_mapping(const YamlValue& value) const {
    const YamlValue::Mapping& members = *value.mapping();
    const auto is_type_member = [](const auto& member) { return is_type(member.key); };
    if (value.find("params") != nullptr && std::any_of(members.begin(), members.end(), is_type_member)) {
      return read_strategy(value);
    }
    std::vector<Field> fields;
    for (const YamlValue::Member& member : members) {
      Node node;
      if (member.key == "params") {
        SB_RETURN_IF_ERROR(add_in_place(*member.value, fields));
        continue;
      }
      if (member.key.starts_with('_')) {
        node = make_literal(*member.value);
      } else if (is_strategies(member.key) && member.value->sequence() != nullptr) {
        SB_ASSIGN_OR_RETURN(node, read_strategies(*member.value));
      } else {
        SB_ASSIGN_OR_RETURN(node, read_value(*member.value, Mappings::are_parts));
      }
      fields.push_back({member.key, std::move(node)});
    }
    SB_RETURN_IF_ERROR(check_keys(value.place, fields));
    return make_object(std::move(fields));
  }

  Result<Node> read_value(const YamlValue& value, Mappings mappings) const {
    if (value.mapping() != nullptr) return read_mapping(value);
    if (value.sequence() != nullptr) return read_list(value, mappings);
    if (value.text() == nullptr || !NumberRange::is_meant_by(*value.text())) return make_literal(value);
    Result<NumberRange> range = NumberRange::parse(*value.text());
    if (!range.ok()) return source_.error(value.place, range.status().message());
    const uint64_t count = range->count();
    if (count == 1) return Node{range->at(0)};
    return Node{*range, count};
  }

  Result<Node> read_list(const YamlValue& value, Mappings mappings) const {
    const YamlValue::Sequence& items = *value.sequence();
    if (items.empty()) {
      return source_.error(value.place, "an empty list has no value to try; an empty list as a value is [[]]");
    }
    std::vector<Node> nodes;
    nodes.reserve(items.size());
    for (const YamlValue::Pointer& item : items) {
      if (item->sequence() != nullptr) {
        nodes.push_back(make_literal(*item));
      } else {
        SB_ASSIGN_OR_RETURN(Node node, read_value(*item, mappings));
        nodes.push_back(std::move(node));
      }
    }
    if (mappings == Mappings::are_parts && is_list_of_mappings(value)) return make_list(std::move(nodes));
    return make_choice(std::move(nodes));
  }

  // Where values are not looked for, a range would become part of the configuration as text.
  Status refuse_ranges(const std::string& key, const YamlValue& value) const {
    if (is_label(key)) return Status();
    if (value.text() != nullptr && NumberRange::is_meant_by(*value.text())) {
      return source_.error(value.place, "a range under '" + key + "' is not counted; ranges belong into parameters");
    }
    if (const auto* items = value.sequence()) {
      for (const auto& item : *items) SB_RETURN_IF_ERROR(refuse_ranges(key, *item));
    }
    if (const auto* members = value.mapping()) {
      for (const auto& member : *members) SB_RETURN_IF_ERROR(refuse_ranges(key, *member.value));
    }
    return Status();
  }

  static Node make_literal(const YamlValue& value) { return Node{to_json_value(value), 1, value.node_count}; }

  // A node with count 1 is a JsonValue: these three see to it.
  static Node make_choice(std::vector<Node> options) {
    if (options.size() == 1) return std::move(options[0]);
    Sweep::Choice choice;
    uint64_t count = 0, largest = 0;
    for (const Node& option : options) {
      choice.first_indices.push_back(count);
      count = add_or_most(count, option.count);
      largest = std::max(largest, option.largest);
    }
    choice.options = std::move(options);
    return Node{std::move(choice), count, largest};
  }

  static Node make_list(std::vector<Node> items) {
    uint64_t count = 1, largest = 1;
    for (const Node& item : items) {
      count = multiply_or_most(count, item.count);
      largest = add_or_most(largest, item.largest);
    }
    if (count > 1) return Node{Sweep::List{std::move(items)}, count, largest};
    JsonValue::Array array;
    for (Node& item : items) array.push_back(std::get<JsonValue>(std::move(item.content)));
    return Node{JsonValue(std::move(array)), 1, largest};
  }

  static Node make_object(std::vector<Field> fields) {
    uint64_t count = 1, largest = 1;
    for (const Field& field : fields) {
      count = multiply_or_most(count, field.value.count);
      largest = add_or_most(largest, field.value.largest);
    }
    if (count > 1) return Node{Sweep::Object{std::move(fields)}, count, largest};
    JsonValue::Object object;
    for (Field& field : fields) Sweep::add_member(field, std::get<JsonValue>(std::move(field.value.content)), object);
    return Node{JsonValue(std::move(object)), 1, largest};
  }

  const TextSource& source_;
};

Result<Sweep> Sweep::read(const TextSource& source, const YamlValue& entry) {
  if (entry.mapping() == nullptr) {
    return source.error(entry.place, "a configuration is a mapping, such as {rsi: {period: 14}}");
  }
  Sweep sweep;
  SB_ASSIGN_OR_RETURN(sweep.root_, SweepReader(source).read_strategy(entry));
  return sweep;
}

JsonValue Sweep::at(const Node& node, uint64_t index) {
  assert(index < node.count);
  if (const auto* value = std::get_if<JsonValue>(&node.content)) return *value;
  if (const auto* range = std::get_if<NumberRange>(&node.content)) return range->at(index);
  if (const auto* choice = std::get_if<Choice>(&node.content)) {
    const auto& firsts = choice->first_indices;
    const auto option = static_cast<size_t>(std::upper_bound(firsts.begin(), firsts.end(), index) - firsts.begin()) - 1;
    return at(choice->options[option], index - firsts[option]);
  }
  // The index as a number whose digits have the counts of the parts as their bases; the last part is the lowest.
  if (const auto* list = std::get_if<List>(&node.content)) {
    JsonValue::Array array(list->items.size());
    for (size_t i = array.size(); i-- > 0;) {
      array[i] = at(list->items[i], index % list->items[i].count);
      index /= list->items[i].count;
    }
    return JsonValue(std::move(array));
  }
  const auto& fields = std::get<Object>(node.content).fields;
  std::vector<JsonValue> values(fields.size());
  for (size_t i = fields.size(); i-- > 0;) {
    values[i] = at(fields[i].value, index % fields[i].value.count);
    index /= fields[i].value.count;
  }
  JsonValue::Object object;
  for (size_t i = 0; i < fields.size(); ++i) add_member(fields[i], std::move(values[i]), object);
  return JsonValue(std::move(object));
}

void Sweep::add_member(const Field& field, JsonValue value, JsonValue::Object& object) {
  if (!field.in_place) {
    object.emplace_back(field.key, std::move(value));
    return;
  }
  for (JsonValue::Member& member : *value.object()) object.push_back(std::move(member));
}

void Sweep::describe(const Node& node, const std::string& name, std::vector<std::string>& parts) {
  if (node.count == 1) return;
  if (const auto* list = std::get_if<List>(&node.content)) {
    for (const Node& item : list->items) describe(item, name, parts);
  } else if (const auto* object = std::get_if<Object>(&node.content)) {
    for (const Field& field : object->fields) describe(field.value, field.in_place ? "params" : field.key, parts);
  } else {
    parts.push_back(name + " " + (node.count == kMost ? "(over 10^19)" : std::to_string(node.count)));
  }
}

std::string Sweep::describe() const {
  constexpr size_t kShown = 6;
  std::vector<std::string> parts;
  describe(root_, "", parts);
  std::string text;
  for (size_t i = 0; i < std::min(parts.size(), kShown); ++i) text.append(i > 0 ? " x " : "").append(parts[i]);
  if (parts.size() > kShown) text.append(" x ...");
  return text;
}

}  // namespace signalbook
