#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "format/json_value.h"

namespace signalbook {

// The strategies inside a strategy, found in every form that a configuration may have:
//
//   members that hold strategies    what they hold                                             role
//   strategy, strategies,           a list of strategies, or one                               none in a list; of one
//     composite_strategies                                                                     its type
//   if_true, if_false, then, else   one strategy, or a list                                    the member's name
//   cases, regime_strategies        an object of such                                          cases.<name>
//
// They are looked for among the members of a node and among its parameters (queryable_parameters), in the order of this
// table, and named ones by name, so that the order in which a configuration was written does not count.
//
// - What normalize_strategy accepts as an item of a list is a strategy, and a component: {"momentum": {...}} just as
//   {"conditional": {"if": ..., "if_true": ...}}.
// - An object without a type that has such members ({"combination": "majority", "strategies": [...]}) is none. Where
//   it stands alone, what it holds belongs to the node around it, and roles are joined by a dot: if_true.else.
// - {"weight": 0.5, "strategy": {"momentum": {...}}} only says a weight: the component is momentum. It stays a
//   component of its own where both have a weight.
// - Anything else is no component, and no error.

// What is wrong with the weights of a list of strategies, said around their place: in "weights of the root sum to 0.9,
// not 1" the subject is "weights". They are kept as they are.
struct WeightFlaw {
  std::string subject, predicate;
  bool operator==(const WeightFlaw&) const = default;
};

// One strategy inside another.
struct StrategyComponent {
  std::string path;         // ordinals of children from the root: "0.1" is the second child of the first child
  std::string parent_path;  // empty for a child of the root
  int depth = 0;            // ordinals in `path`
  std::string role;         // how the node above names it; empty in a plain list
  std::string type;
  std::string config;  // the canonical text of the strategy as if it stood alone: without weight, its parent's affair
  Digest digest{};     // of that text: the strategy_digest that it has when it stands alone
  Digest parent_digest{};
  bool is_leaf = false;
  std::optional<double> weight;
  std::optional<std::string> odd_weight;   // in place of it: a weight that is no number, or none that a double holds
  std::optional<double> weight_sum;        // of its list, where all there are strategies with a weight
  std::optional<double> effective_weight;  // product down the path, where all on it have a weight; never normalised
  std::optional<WeightFlaw> weight_flaw;   // of its list
  std::optional<std::string> threshold;    // text as it is, anything else as JSON
  JsonValue::Object parameters;            // queryable_parameters

  std::string hash() const;
};

// The components of a node that normalize_strategy returned, each before its own children. The root is not among them,
// and a plain strategy has none.
std::vector<StrategyComponent> list_components(const JsonValue& node);

// Whether a member of that name may hold strategies.
bool holds_strategies(std::string_view key);

// A list of strategies whose weights do not sum to 1, but for 1e-9, or cannot be summed: one is no number, or only some
// have one.
struct UnevenWeights {
  std::string parent_path;  // of the node they belong to; empty for the root
  std::string role;
  WeightFlaw flaw;
};
std::vector<UnevenWeights> find_uneven_weights(const std::vector<StrategyComponent>& components);

// A sum of weights in a message, such as 0.9.
std::string weight_text(double weight);

// What stands in a column for a member that may be text or anything else: text as it is, anything else as JSON.
std::optional<std::string> member_text(const JsonValue* member);

}  // namespace signalbook
