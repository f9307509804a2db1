#include "study/vote_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

namespace signalbook {

namespace {

constexpr const char* kThreshold = "threshold";
constexpr auto kDemands = std::to_array<const char*>({"constraints", "filter", "risk"});

bool is_word(std::string_view key) { return key == kThreshold || std::ranges::count(kDemands, key) > 0; }

std::string place_of(const StrategyComponent* component) {
  return component == nullptr ? "" : fmt::format(" of part {} ({})", component->path, component->type);
}

// A word of a strategy about how it acts: its own member, a parameter, or one of those beside the strategies of a list.
const JsonValue* find_word(const JsonValue& node, std::string_view key) {
  if (const JsonValue* own = node.find(key)) return own;
  const JsonValue* parameters = node.find("parameters");
  if (parameters == nullptr || parameters->object() == nullptr) return nullptr;
  if (const JsonValue* parameter = parameters->find(key)) return parameter;
  for (const auto& [name, value] : *parameters->object()) {
    if (!holds_strategies(name) || value.array() == nullptr) continue;
    for (const JsonValue& item : *value.array()) {
      // Else it is a strategy of the list, and speaks for itself.
      const bool is_remark =
          item.object() != nullptr && std::ranges::all_of(*item.object(), is_word, &JsonValue::Member::first);
      if (const JsonValue* word = is_remark ? item.find(key) : nullptr) return word;
    }
  }
  return nullptr;
}

std::string first_role(const std::string& role) { return role.substr(0, role.find('.')); }

class TreeReader {
 public:
  explicit TreeReader(const std::vector<StrategyComponent>& components) : components_(components) {
    for (size_t i = 0; i < components.size(); ++i) parts_[components[i].parent_path].push_back(i);
  }

  VoteTree read(const JsonValue& root) {
    tree_.nodes.emplace_back();
    read_node(0, root, nullptr);
    return std::move(tree_);
  }

 private:
  void fail(std::string why) {
    if (!tree_.flaw) tree_.flaw = std::move(why);
  }

  void read_node(size_t place, const JsonValue& node, const StrategyComponent* component) {
    read_limit(place, node, component);
    const std::vector<size_t>& parts = parts_[component == nullptr ? "" : component->path];
    for (const char* word : kDemands) read_demand(word, node, component, parts);
    for (const size_t part : parts) add_part(place, part);
  }

  void read_limit(size_t place, const JsonValue& node, const StrategyComponent* component) {
    const std::optional<std::string> text = member_text(find_word(node, kThreshold));
    if (!text) return;
    const std::optional<Threshold> threshold = read_threshold(*text);
    if (!threshold) return fail(fmt::format("threshold \"{}\"{} begins with no number", *text, place_of(component)));
    tree_.nodes[place].limit = threshold->limit;
    if (threshold->has_conditions) {
      tree_.other_demands.push_back(fmt::format("the conditions of threshold \"{}\"{}", *text, place_of(component)));
    }
  }

  // What all parts heed as well shows in their traces.
  void read_demand(const char* word, const JsonValue& node, const StrategyComponent* component,
                   const std::vector<size_t>& parts) {
    const std::optional<std::string> text = member_text(find_word(node, word));
    if (!text) return;
    const bool shows = std::ranges::all_of(parts, [&](size_t part) {
      const Result<JsonValue> config = parse_json(components_[part].config);
      return config.ok() && member_text(find_word(*config, word)) == text;
    });
    if (!shows) tree_.other_demands.push_back(fmt::format("{} \"{}\"{}", word, *text, place_of(component)));
  }

  void add_part(size_t above, size_t part) {
    const StrategyComponent& component = components_[part];
    if (holds_strategies(first_role(component.role))) {
      return fail(
          fmt::format("part {} ({}) is chosen ({}), not weighed", component.path, component.type, component.role));
    }
    if (!component.weight) return fail(fmt::format("part {} ({}) has no weight", component.path, component.type));
    const size_t place = tree_.nodes.size();
    tree_.nodes.emplace_back();
    tree_.nodes[place].weight = *component.weight;
    tree_.nodes[place].component = part;
    tree_.nodes[above].children.push_back(place);
    if (component.is_leaf) return;
    const Result<JsonValue> config = parse_json(component.config);
    if (!config.ok()) return fail(config.status().message());
    read_node(place, *config, &component);
  }

  const std::vector<StrategyComponent>& components_;
  std::map<std::string, std::vector<size_t>> parts_;  // by the path of the node above
  VoteTree tree_;
};

const char* describe(VoteRule rule) {
  switch (rule) {
    case VoteRule::sum:
      return "sum";
    case VoteRule::sign:
      return "sign of sum";
    case VoteRule::above:
      return "sum > threshold";
    case VoteRule::at_least:
      return "sum >= threshold";
  }
  return "";
}

}  // namespace

bool VoteTree::has_limits() const {
  return std::ranges::any_of(nodes, [](const Node& node) { return node.limit.has_value(); });
}

bool VoteTree::lacks_limits() const {
  return std::ranges::any_of(nodes, [](const Node& node) { return !node.limit && !node.children.empty(); });
}

VoteTree read_vote_tree(const JsonValue& node, const std::vector<StrategyComponent>& components) {
  return TreeReader(components).read(node);
}

std::optional<Threshold> read_threshold(std::string_view text) {
  constexpr const char* kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  Threshold threshold;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), threshold.limit);
  if (error != std::errc() || !std::isfinite(threshold.limit)) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(rest - text.data()));
  const size_t next = text.find_first_not_of(kSpace);
  if (next == 0) return std::nullopt;  // "50%", "20_day"
  threshold.has_conditions = next != std::string_view::npos;
  return threshold;
}

std::vector<VoteConvention> conventions_for(const VoteTree& tree) {
  std::vector<VoteConvention> conventions;
  for (const VoteRule with_limit : {VoteRule::above, VoteRule::at_least}) {
    if (with_limit == VoteRule::at_least && !tree.has_limits()) continue;
    for (const VoteRule without_limit : {VoteRule::sum, VoteRule::sign}) {
      if (without_limit == VoteRule::sign && !tree.lacks_limits()) continue;
      conventions.push_back({with_limit, without_limit});
    }
  }
  return conventions;
}

std::string describe(const VoteConvention& convention, const VoteTree& tree) {
  std::string text;
  if (tree.has_limits()) text = describe(convention.with_limit);
  if (tree.lacks_limits()) text += fmt::format("{}{}", text.empty() ? "" : "; ", describe(convention.without_limit));
  return text;
}

SignalChanges recompute(const VoteTree& tree, const VoteConvention& convention, int64_t bar_count,
                        const std::function<const SignalChanges&(size_t component)>& changes_of) {
  // Children come after the node above them, so from the back all are there when it is their turn.
  std::vector<SignalChanges> votes(tree.nodes.size());
  for (size_t i = tree.nodes.size(); i-- > 0;) {
    const VoteTree::Node& node = tree.nodes[i];
    if (node.children.empty()) continue;
    std::vector<WeightedMember> members;
    for (const size_t child : node.children) {
      const VoteTree::Node& part = tree.nodes[child];
      members.push_back({part.weight, part.children.empty() ? &changes_of(part.component) : &votes[child]});
    }
    const VoteRule rule = node.limit ? convention.with_limit : convention.without_limit;
    votes[i] = weighted_vote(members, rule, node.limit.value_or(0), bar_count);
  }
  return std::move(votes.front());
}

}  // namespace signalbook
