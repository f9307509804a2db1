#include "format/strategy_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"

namespace signalbook {

namespace {

using Array = JsonValue::Array;
using Object = JsonValue::Object;

enum class Holds { list, branch, named };

struct Slot {
  std::string_view key;
  Holds holds;
};

constexpr auto kSlots = std::to_array<Slot>({{"strategy", Holds::list},
                                             {"strategies", Holds::list},
                                             {"composite_strategies", Holds::list},
                                             {"if_true", Holds::branch},
                                             {"if_false", Holds::branch},
                                             {"then", Holds::branch},
                                             {"else", Holds::branch},
                                             {"cases", Holds::named},
                                             {"regime_strategies", Holds::named}});

struct Child {
  JsonValue node;  // normalised, perhaps with a weight
  std::string role;
  std::optional<double> weight_sum = {};
  std::optional<WeightFlaw> weight_flaw = {};
};

bool has_any(const Object& object, const auto& keys) {
  return std::ranges::any_of(object, [&](const auto& member) { return std::ranges::count(keys, member.first) > 0; });
}

// A value as the node that it is as an item of a list; nothing when it cannot be read as a strategy.
std::optional<JsonValue> read_strategy(const JsonValue& value) {
  static constexpr auto kSaysType = std::to_array<std::string_view>({"type", "strategy_type", "strategy", "config"});
  const Object* object = value.object();
  if (object == nullptr) return std::nullopt;
  // {"if_true": {...}} is no strategy of the type if_true.
  const bool has_slot = std::ranges::any_of(*object, holds_strategies, &JsonValue::Member::first);
  if (has_slot && !has_any(*object, kSaysType)) return std::nullopt;
  const Result<JsonValue> around = normalize_strategy(JsonValue(Object{{"strategy", JsonValue(Array{value})}}));
  if (!around.ok()) return std::nullopt;
  return around->find("strategy")->array()->front();
}

std::optional<double> if_finite(double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; }

std::optional<double> weight_of(const JsonValue& node) {
  const JsonValue* weight = node.find("weight");
  if (weight == nullptr) return std::nullopt;
  if (const int64_t* integer = weight->integer()) return static_cast<double>(*integer);
  if (const double* real = weight->real()) return if_finite(*real);
  if (const auto* integer = weight->big_integer()) {
    double value = 0.0;
    const std::string& digits = integer->digits;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

// As JSON, which is plain ASCII, and short; nothing where there is none, or one that can be reckoned with.
std::optional<std::string> odd_weight_of(const JsonValue& node) {
  constexpr size_t kLongest = 24;
  const JsonValue* weight = node.find("weight");
  if (weight == nullptr || weight_of(node)) return std::nullopt;
  const std::string text = to_json(*weight);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

std::optional<WeightFlaw> flaw_of_weight(const JsonValue& node) {
  const std::optional<std::string> odd = odd_weight_of(node);
  if (!odd) return std::nullopt;
  const bool is_integer = node.find("weight")->big_integer() != nullptr;
  return WeightFlaw{"weight " + *odd, is_integer ? "is too large" : "is no number"};
}

// The strategy in {"weight": 0.5, "strategy": {...}}, with that weight; the node itself when it is more than that.
JsonValue without_wrapping(JsonValue node) {
  while (true) {
    const JsonValue* strategy = node.find("strategy");
    if (strategy == nullptr || *node.find("type")->text() != "composite") return node;
    if (!node.find("parameters")->object()->empty()) return node;
    const JsonValue* weight = node.find("weight");
    if (node.object()->size() != (weight == nullptr ? 3u : 4u)) return node;
    std::optional<JsonValue> inner = strategy->object() == nullptr ? std::nullopt : read_strategy(*strategy);
    if (!inner) return node;
    if (weight != nullptr) {
      if (inner->find("weight") != nullptr) return node;
      inner->set("weight", *weight);
    }
    node = *std::move(inner);
  }
}

// {"threshold": 0.5} as an item of a list speaks for what is around it.
bool is_remark(const JsonValue& item) {
  static constexpr auto kRemarks = std::to_array<std::string_view>({"constraints", "threshold", "filter", "risk"});
  const Object* object = item.object();
  return object != nullptr && !object->empty() && std::ranges::all_of(*object, [](const auto& member) {
           return std::ranges::count(kRemarks, member.first) > 0;
         });
}

void read_list(const Array& items, bool normalised, const std::string& role, std::vector<Child>& children) {
  const size_t first = children.size();
  size_t count = 0, weighted = 0;
  double sum = 0.0;
  std::optional<WeightFlaw> flaw;
  for (const JsonValue& item : items) {
    if (!normalised && is_remark(item)) continue;
    std::optional<JsonValue> node = normalised ? std::optional(item) : read_strategy(item);
    ++count;
    if (!node) continue;
    children.push_back({without_wrapping(*std::move(node)), role});
    const std::optional<double> weight = weight_of(children.back().node);
    if (weight) ++weighted;
    sum += weight.value_or(0.0);
    if (!flaw) flaw = flaw_of_weight(children.back().node);
  }
  const bool can_sum = weighted == count;
  constexpr double kTolerance = 1e-9;
  if (!flaw && weighted > 0 && !can_sum) {
    flaw = WeightFlaw{fmt::format("{} of {} strategies", weighted, count),
                      weighted == 1 ? "has a weight" : "have a weight"};
  } else if (!flaw && weighted > 0 && !(std::abs(sum - 1.0) <= kTolerance)) {
    const std::string predicate =
        std::isfinite(sum) ? fmt::format("sum to {}, not 1", weight_text(sum)) : "do not sum to 1";
    flaw = WeightFlaw{"weights", predicate};
  }
  for (size_t i = first; i < children.size(); ++i) {
    if (can_sum) children[i].weight_sum = if_finite(sum);
    children[i].weight_flaw = flaw;
  }
}

std::string join_roles(const std::string& above, const std::string& role) {
  return above.empty() ? role : above + "." + role;
}

void read_slot(const Slot& slot, const JsonValue& value, bool normalised, const std::string& above,
               std::vector<Child>& children);

// What stands alone: a list, a strategy, or an object that only holds strategies.
void read_value(const JsonValue& value, bool normalised, const std::string& role, std::vector<Child>& children) {
  if (value.array() != nullptr) return read_list(*value.array(), normalised, role, children);
  if (std::optional<JsonValue> node = read_strategy(value)) {
    JsonValue strategy = without_wrapping(*std::move(node));
    const std::string type = *strategy.find("type")->text();
    std::optional<WeightFlaw> flaw = flaw_of_weight(strategy);
    children.push_back({std::move(strategy), role.empty() ? type : role, std::nullopt, std::move(flaw)});
  } else if (value.object() != nullptr) {
    for (const Slot& slot : kSlots) {
      if (const JsonValue* held = value.find(slot.key)) read_slot(slot, *held, false, role, children);
    }
  }
}

void read_slot(const Slot& slot, const JsonValue& value, bool normalised, const std::string& above,
               std::vector<Child>& children) {
  if (slot.holds == Holds::list) return read_value(value, normalised, above, children);
  const std::string role = join_roles(above, std::string(slot.key));
  if (slot.holds == Holds::branch) return read_value(value, normalised, role, children);
  if (value.object() == nullptr) return;
  std::vector<const JsonValue::Member*> cases;
  for (const JsonValue::Member& member : *value.object()) cases.push_back(&member);
  std::ranges::sort(cases, {}, [](const auto* member) -> const std::string& { return member->first; });
  for (const JsonValue::Member* member : cases) {
    read_value(member->second, normalised, join_roles(role, member->first), children);
  }
}

std::vector<Child> find_children(const JsonValue& node) {
  std::vector<Child> children;
  for (const Slot& slot : kSlots) {
    // Only in `strategy` of a node itself have the strategies been normalised with it.
    if (const JsonValue* held = node.find(slot.key)) read_slot(slot, *held, slot.key == "strategy", "", children);
    if (const JsonValue* held = find_parameter(node, slot.key)) read_slot(slot, *held, false, "", children);
  }
  return children;
}

// Recursion goes no deeper than the configuration is nested, which parse_json limits.
void append_components(std::vector<Child> children, const StrategyComponent& parent,
                       std::vector<StrategyComponent>& components) {
  for (size_t i = 0; i < children.size(); ++i) {
    Child& child = children[i];
    StrategyComponent component;
    component.path = parent.path.empty() ? std::to_string(i) : parent.path + "." + std::to_string(i);
    component.parent_path = parent.path;
    component.depth = parent.depth + 1;
    component.role = std::move(child.role);
    component.weight = weight_of(child.node);
    component.odd_weight = odd_weight_of(child.node);
    component.weight_sum = child.weight_sum;
    component.weight_flaw = std::move(child.weight_flaw);
    if (component.weight && parent.effective_weight) {
      component.effective_weight = if_finite(*parent.effective_weight * *component.weight);
    }
    std::erase_if(*child.node.object(), [](const auto& member) { return member.first == "weight"; });
    StrategyIdentity identity = identify_normalized(child.node);
    component.config = std::move(identity.canonical);
    component.digest = identity.digest;
    component.parent_digest = parent.digest;
    component.type = *child.node.find("type")->text();
    component.threshold = member_text(child.node.find("threshold"));
    component.parameters = queryable_parameters(child.node);
    std::vector<Child> grandchildren = find_children(child.node);
    component.is_leaf = grandchildren.empty();
    child.node = JsonValue();
    components.push_back(component);
    append_components(std::move(grandchildren), component, components);
  }
}

}  // namespace

std::string StrategyComponent::hash() const { return to_hex(digest).substr(0, kStrategyHashLength); }

std::vector<StrategyComponent> list_components(const JsonValue& node) {
  std::vector<StrategyComponent> components;
  std::vector<Child> children = find_children(node);
  if (children.empty()) return components;
  StrategyComponent root;
  root.digest = identify_normalized(node).digest;
  root.effective_weight = 1.0;
  append_components(std::move(children), root, components);
  return components;
}

bool holds_strategies(std::string_view key) { return std::ranges::find(kSlots, key, &Slot::key) != kSlots.end(); }

std::vector<UnevenWeights> find_uneven_weights(const std::vector<StrategyComponent>& components) {
  std::vector<UnevenWeights> uneven;
  for (const StrategyComponent& component : components) {
    if (!component.weight_flaw) continue;
    const bool known = std::ranges::any_of(uneven, [&](const UnevenWeights& other) {
      return other.parent_path == component.parent_path && other.role == component.role &&
             other.flaw == *component.weight_flaw;
    });
    if (!known) uneven.push_back({component.parent_path, component.role, *component.weight_flaw});
  }
  return uneven;
}

// Ten digits tell every sum that is not 1 from 1, and hide what adding doubles leaves behind.
std::string weight_text(double weight) { return fmt::format("{:.10g}", weight); }

std::optional<std::string> member_text(const JsonValue* member) {
  if (member == nullptr || member->is_null()) return std::nullopt;
  return member->text() != nullptr ? *member->text() : to_json(*member);
}

}  // namespace signalbook
