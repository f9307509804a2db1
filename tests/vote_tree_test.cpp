#include "study/vote_tree.h"

#include <gtest/gtest.h>

#include <map>

#include "format/strategy_identity.h"

namespace signalbook {
namespace {

struct ReadTree {
  std::vector<StrategyComponent> components;
  VoteTree tree;
};

ReadTree read(const char* config) {
  const auto node = normalize_strategy(*parse_json(config));
  EXPECT_TRUE(node.ok()) << node.status().message();
  std::vector<StrategyComponent> components = list_components(*node);
  VoteTree tree = read_vote_tree(*node, components);
  return {std::move(components), std::move(tree)};
}

TEST(VoteTree, ThresholdsBeginWithANumber) {
  EXPECT_EQ(read_threshold("0.5")->limit, 0.5);
  EXPECT_FALSE(read_threshold(" 0.5\n")->has_conditions);
  EXPECT_EQ(read_threshold("3e-1 AND adx(14) > 25")->limit, 0.3);
  EXPECT_TRUE(read_threshold("0.5 AND volume > 10")->has_conditions);
  EXPECT_EQ(read_threshold("-1")->limit, -1);
  for (const char* none : {"", " ", "adx(14) > 25", "50%", "20_day", "nan", "inf", "1e999", "> 0.5"}) {
    EXPECT_FALSE(read_threshold(none)) << none;
  }
}

TEST(VoteTree, GroupsVoteFirst) {
  const ReadTree read_tree = read(R"({"strategy": [
      {"weight": 0.6, "strategy": [{"a": {"n": 1, "weight": 0.5}}, {"b": {"weight": 0.5}}], "threshold": "0.3"},
      {"c": {"weight": 0.4}}, {"threshold": 0.45}]})");
  const VoteTree& tree = read_tree.tree;
  ASSERT_FALSE(tree.flaw) << *tree.flaw;
  EXPECT_TRUE(tree.other_demands.empty());
  ASSERT_EQ(tree.nodes.size(), 5);
  EXPECT_EQ(tree.nodes[0].limit, 0.45);
  EXPECT_EQ(tree.nodes[1].limit, 0.3);
  EXPECT_TRUE(tree.has_limits());
  EXPECT_FALSE(tree.lacks_limits());

  const std::map<std::string, SignalChanges> says = {{"a", {.idx = {0, 2}, .values = {1, 0}}},
                                                     {"b", {.idx = {0, 1}, .values = {0, -1}}},
                                                     {"c", {.idx = {0, 3}, .values = {0, 1}}}};
  const SignalChanges vote = recompute(tree, {}, 5, [&](size_t component) -> const SignalChanges& {
    return says.at(read_tree.components[component].type);
  });
  // Of the group 0.5, 0, -0.5, -0.5: it says 1, 0, -1, -1. All together 0.6, 0, -0.6, -0.2.
  EXPECT_EQ(vote, (SignalChanges{.idx = {0, 1, 2, 3}, .values = {1, 0, -1, 0}}));
}

TEST(VoteTree, TriesWhatMatters) {
  const auto rules = [](const char* config) {
    std::vector<std::string> texts;
    const VoteTree tree = read(config).tree;
    for (const VoteConvention& convention : conventions_for(tree)) texts.push_back(describe(convention, tree));
    return texts;
  };
  using Rules = std::vector<std::string>;
  EXPECT_EQ(rules(R"({"strategy": [{"a": {"weight": 1}}]})"), (Rules{"sum", "sign of sum"}));
  EXPECT_EQ(rules(R"({"strategy": [{"a": {"weight": 1}}], "threshold": 0})"),
            (Rules{"sum > threshold", "sum >= threshold"}));
  EXPECT_EQ(rules(R"({"strategy": [{"weight": 1, "strategy": [{"a": {"weight": 1}}, {"b": {"weight": 2}}]}],
                      "threshold": 0})"),
            (Rules{"sum > threshold; sum", "sum > threshold; sign of sum", "sum >= threshold; sum",
                   "sum >= threshold; sign of sum"}));
}

TEST(VoteTree, SaysWhatItCannotWeigh) {
  const auto flaw = [](const char* config) { return read(config).tree.flaw.value_or(""); };
  EXPECT_EQ(flaw(R"({"strategy": [{"a": {"weight": 0.5}}, {"b": {}}]})"), "part 1 (b) has no weight");
  EXPECT_EQ(flaw(R"({"strategy": [{"a": {"weight": "half"}}]})"), "part 0 (a) has no weight");
  EXPECT_EQ(flaw(R"({"strategy": [{"a": {"weight": 1}}], "threshold": "adx(14) > 25"})"),
            "threshold \"adx(14) > 25\" begins with no number");
  EXPECT_EQ(flaw(R"({"conditional": {"if": "x", "if_true": {"a": {"weight": 1}}}})"),
            "part 0 (a) is chosen (if_true), not weighed");
}

TEST(VoteTree, NamesWhatNoTraceHolds) {
  const auto demands = [](const char* config) { return read(config).tree.other_demands; };
  using Demands = std::vector<std::string>;
  EXPECT_EQ(demands(R"({"strategy": [{"a": {"weight": 1}}], "threshold": "0.5 AND x"})"),
            Demands{"the conditions of threshold \"0.5 AND x\""});
  EXPECT_EQ(demands(R"({"strategy": [{"weight": 1, "strategy": [{"a": {"weight": 1}}, {"b": {"weight": 1}}],
                                      "filter": "y"}], "constraints": "intraday"})"),
            (Demands{"constraints \"intraday\"", "filter \"y\" of part 0 (ensemble)"}));
  EXPECT_TRUE(demands(R"({"strategy": [{"a": {}, "weight": 1, "constraints": "intraday"}],
                          "constraints": "intraday"})")
                  .empty())
      << "its leaf heeds the same";
}

TEST(VoteTree, FindsTheThresholdAmongParametersToo) {
  for (const char* config :
       {R"({"type": "vote", "parameters": {"threshold": 0.5, "strategies": [{"a": {"weight": 1}}]}})",
        R"({"type": "vote", "parameters": {"strategies": [{"a": {"weight": 1}}, {"threshold": "0.5"}]}})"}) {
    const VoteTree tree = read(config).tree;
    ASSERT_FALSE(tree.flaw) << *tree.flaw;
    EXPECT_EQ(tree.nodes.front().limit, 0.5) << config;
  }
}

}  // namespace
}  // namespace signalbook
