#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analytics/weighted_vote.h"
#include "format/json_value.h"
#include "format/strategy_tree.h"

namespace signalbook {

// A composite as a vote of votes, as far as its configuration says how its parts are weighed.
struct VoteTree {
  struct Node {
    double weight = 1;             // in the vote of the node above
    std::optional<double> limit;   // its threshold
    std::vector<size_t> children;  // places in `nodes`; none: a leaf
    size_t component = 0;          // of a leaf: its place among the components
  };
  std::vector<Node> nodes;                 // the root first, each before its children
  std::optional<std::string> flaw;         // why there is no vote; the nodes are then not to be used
  std::vector<std::string> other_demands;  // what decides beside the votes, and stands in no trace

  bool has_limits() const;    // a node with one
  bool lacks_limits() const;  // a node that votes without one
};

// Of a normalised strategy with these components.
VoteTree read_vote_tree(const JsonValue& node, const std::vector<StrategyComponent>& components);

// The number that a threshold begins with: 0.5 in "0.5 AND volume > 1000". Nothing where there is none.
struct Threshold {
  double limit = 0;
  bool has_conditions = false;
};
std::optional<Threshold> read_threshold(std::string_view text);

// How nodes with a threshold vote, and those without. The first is that of the document.
struct VoteConvention {
  VoteRule with_limit = VoteRule::above;
  VoteRule without_limit = VoteRule::sum;
};
std::vector<VoteConvention> conventions_for(const VoteTree& tree);
std::string describe(const VoteConvention& convention, const VoteTree& tree);

// The vote of the root. `changes_of` gives the positions of a leaf, by its place among the components.
SignalChanges recompute(const VoteTree& tree, const VoteConvention& convention, int64_t bar_count,
                        const std::function<const SignalChanges&(size_t component)>& changes_of);

}  // namespace signalbook
