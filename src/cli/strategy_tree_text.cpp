#include "cli/strategy_tree_text.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "cli/text_table.h"
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

struct Line {
  std::string text;
  std::vector<size_t> children;
};

class Tree {
 public:
  Tree(std::string root, const std::vector<StrategyComponent>& components) {
    lines_.push_back({std::move(root), {}});
    std::map<std::string_view, size_t> places = {{"", 0}};
    for (const StrategyComponent& component : components) {
      places[component.path] = lines_.size();
      lines_[places.at(component.parent_path)].children.push_back(lines_.size());
      lines_.push_back({describe(component), {}});
    }
    for (const UnevenWeights& uneven : find_uneven_weights(components)) {
      const std::string of = uneven.role.empty() ? "" : " of " + printable(uneven.role);
      lines_[places.at(uneven.parent_path)].text += fmt::format("  ! weights{} sum to {}", of, weight_text(uneven.sum));
    }
  }

  void draw(size_t line, const std::string& indent, std::string& out) const {
    out += lines_[line].text + "\n";
    const std::vector<size_t>& children = lines_[line].children;
    for (size_t i = 0; i < children.size(); ++i) {
      const bool last = i + 1 == children.size();
      out += indent + (last ? "└─ " : "├─ ");
      draw(children[i], indent + (last ? "   " : "│  "), out);
    }
  }

  static std::string describe(const StrategyComponent& component) {
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
    if (component.threshold) text += "  threshold " + printable(*component.threshold);
    return text + "  " + component.hash();
  }

 private:
  std::vector<Line> lines_;
};

}  // namespace

std::string strategy_tree_text(const JsonValue& config) {
  const Result<JsonValue> node = normalize_strategy(config);
  if (!node.ok()) return "";
  const std::vector<StrategyComponent> components = list_components(*node);
  if (components.empty()) return "";
  StrategyComponent root;
  root.type = *node->find("type")->text();
  root.digest = identify_normalized(*node).digest;
  root.parameters = queryable_parameters(*node);
  root.threshold = member_text(node->find("threshold"));
  std::string out;
  Tree(Tree::describe(root), components).draw(0, "", out);
  return out;
}

}  // namespace signalbook::cli
