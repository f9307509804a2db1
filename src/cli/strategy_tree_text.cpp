#include "cli/strategy_tree_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "cli/text_table.h"
#include "format/short_digest.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "format/strategy_tree.h"

namespace signalbook::cli {

namespace {

// Nothing that moves the cursor, and short enough for a line.
std::string printable(std::string_view text) {
  constexpr int kLongest = 60;
  return cut_to_width(escape_control_characters(to_valid_utf8(text)), kLongest);
}

// fast=10 slow=50, without those that hold strategies: they are drawn.
std::string short_parameters(const JsonValue::Object& parameters) {
  std::string line;
  for (const auto& [name, value] : parameters) {
    if (holds_strategies(name) && (value.array() != nullptr || value.object() != nullptr)) continue;
    if (!line.empty()) line += ' ';
    line += to_valid_utf8(name) + "=" + member_text(&value).value_or("null");
  }
  return printable(line);
}

// The digests of a tree, each as short as tells it from all others: a strategy_hash, mostly.
class ShortDigests {
 public:
  ShortDigests(const StrategyComponent& root, const std::vector<StrategyComponent>& components) {
    digests_.push_back(to_hex(root.digest));
    for (const StrategyComponent& component : components) digests_.push_back(to_hex(component.digest));
    std::ranges::sort(digests_);
    digests_.erase(std::ranges::unique(digests_).begin(), digests_.end());
  }

  std::string text(const StrategyComponent& component) const {
    const auto prefix = [](const std::string& digest) { return digest.substr(0, kStrategyHashLength); };
    const auto alike = std::ranges::equal_range(digests_, component.hash(), {}, prefix);
    if (alike.size() == 1) return component.hash();
    return to_hex(component.digest).substr(0, digits_to_tell_apart(alike, kCollisionDigits));
  }

 private:
  std::vector<std::string> digests_;
};

struct Line {
  std::string text;
  std::vector<size_t> children;
};

class Tree {
 public:
  Tree(const StrategyComponent& root, const std::vector<StrategyComponent>& components, int width) : width_(width) {
    const ShortDigests digests(root, components);
    lines_.push_back({describe(root, digests), {}});
    std::map<std::string_view, size_t> places = {{"", 0}};
    for (const StrategyComponent& component : components) {
      places[component.path] = lines_.size();
      lines_[places.at(component.parent_path)].children.push_back(lines_.size());
      lines_.push_back({describe(component, digests), {}});
    }
    for (const UnevenWeights& uneven : find_uneven_weights(components)) {
      const std::string of = uneven.role.empty() ? "" : " of " + printable(uneven.role);
      lines_[places.at(uneven.parent_path)].text +=
          fmt::format("  ! {}{} {}", uneven.flaw.subject, of, uneven.flaw.predicate);
    }
  }

  std::string draw() const {
    std::string out;
    draw(0, "", "", out);
    return out;
  }

 private:
  // `branch` leads to this line, `indent` to those below it.
  void draw(size_t line, const std::string& branch, const std::string& indent, std::string& out) const {
    const std::string text = branch + lines_[line].text;
    out += (width_ > 0 ? cut_to_width(text, width_) : text) + "\n";
    const std::vector<size_t>& children = lines_[line].children;
    for (size_t i = 0; i < children.size(); ++i) {
      const bool last = i + 1 == children.size();
      draw(children[i], indent + (last ? "└─ " : "├─ "), indent + (last ? "   " : "│  "), out);
    }
  }

  static std::string describe(const StrategyComponent& component, const ShortDigests& digests) {
    std::string text;
    if (!component.role.empty() && component.role != component.type) text = printable(component.role) + ": ";
    text += printable(component.type);
    const std::string parameters = short_parameters(component.parameters);
    if (!parameters.empty()) text += "  " + parameters;
    if (component.weight) {
      text += "  weight " + weight_text(*component.weight);
      if (component.depth > 1 && component.effective_weight) {
        text += fmt::format(" ({} of all)", weight_text(*component.effective_weight));
      }
    }
    if (component.odd_weight) text += "  weight " + *component.odd_weight;
    if (component.threshold) text += "  threshold " + printable(*component.threshold);
    return text + "  " + digests.text(component);
  }

  int width_;
  std::vector<Line> lines_;
};

}  // namespace

std::string strategy_tree_text(const JsonValue& config, int width) {
  const Result<JsonValue> node = normalize_strategy(config);
  if (!node.ok()) return "";
  const std::vector<StrategyComponent> components = list_components(*node);
  if (components.empty()) return "";
  StrategyComponent root;
  root.type = *node->find("type")->text();
  root.digest = identify_normalized(*node).digest;
  root.parameters = queryable_parameters(*node);
  root.threshold = member_text(node->find("threshold"));
  return Tree(root, components, width).draw();
}

}  // namespace signalbook::cli
