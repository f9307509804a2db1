#include "format/strategy_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "cli/strategy_tree_text.h"
#include "cli/text_table.h"
#include "format/strategy_identity.h"
#include "support/identity_golden.h"

namespace signalbook {
namespace {

JsonValue parse(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.ok()) << text << ": " << value.status().message();
  return value.ok() ? *value : JsonValue();
}

std::vector<StrategyComponent> components_of(std::string_view text) {
  const auto node = normalize_strategy(parse(text));
  EXPECT_TRUE(node.ok()) << text << ": " << node.status().message();
  return list_components(*node);
}

std::string number(const std::optional<double>& value) { return value ? weight_text(*value) : "-"; }

// A line a component: path, role, type, weight, sum, share, threshold, and * for a leaf.
std::string outline(std::string_view text) {
  std::string lines;
  for (const StrategyComponent& c : components_of(text)) {
    lines += c.path + " " + (c.role.empty() ? "-" : c.role) + " " + c.type + " " + number(c.weight) + " " +
             number(c.weight_sum) + " " + number(c.effective_weight) + " " + c.threshold.value_or("-") +
             (c.is_leaf ? " *" : "") + "\n";
  }
  return lines;
}

std::string hash_of(std::string_view text) { return identify_strategy(parse(text))->hash(); }

TEST(StrategyTree, APlainStrategyHasNoComponent) {
  EXPECT_EQ(outline(R"({"rsi":{"period":14,"levels":[30,70],"nested":{"x":{"a":1}}}})"), "");
  EXPECT_EQ(outline(R"({"type":"rsi","exit":{"momentum":{"period":3}}})"), "");
  EXPECT_EQ(outline(R"({"rsi":{"strategy":"fast","cases":3,"then":[1,2],"strategies":{"a":{},"b":{}}}})"), "");
}

TEST(StrategyTree, AnEnsembleWithItsWeightsInsideOrBeside) {
  const std::string expected =
      "0 - sma_cross 0.4 1 0.4 - *\n"
      "1 - rsi 0.6 1 0.6 - *\n";
  EXPECT_EQ(outline(R"({"strategy":[{"sma_cross":{"fast":10,"weight":0.4}},{"rsi":{"period":14},"weight":0.6},
                        {"threshold":0.5}]})"),
            expected);
  EXPECT_EQ(outline(R"({"strategy_type":"ensemble","config":{"strategy":[{"weight":0.4,"type":"sma_cross",
                        "parameters":{"fast":10}},{"type":"rsi","parameters":{"period":14,"weight":0.6}}]}})"),
            expected);
}

TEST(StrategyTree, AComponentIsWhatItIsAlone) {
  const auto components = components_of(
      R"({"strategy":[{"strategy":[{"rsi":{"period":14,"weight":0.5}},{"macd":{},"weight":0.5,"constraints":"intraday"}],
                       "weight":0.3,"threshold":"0.3"},{"momentum":{"weight":0.7}}]})");
  ASSERT_EQ(components.size(), 4u);
  EXPECT_EQ(components[0].hash(), hash_of(R"({"strategy":[{"rsi":{"period":14},"weight":0.5},
                                   {"macd":{},"weight":0.5,"constraints":"intraday"}],"threshold":"0.3"})"));
  EXPECT_EQ(components[1].hash(), hash_of(R"({"rsi":{"period":14}})"));
  EXPECT_EQ(components[2].hash(), hash_of(R"({"macd":{},"constraints":"intraday"})"));
  EXPECT_EQ(components[3].hash(), hash_of(R"({"momentum":{}})"));
  EXPECT_EQ(components[1].config, R"({"parameters":{"period":14},"type":"rsi"})");
  EXPECT_EQ(components[1].parent_digest, components[0].digest);
  EXPECT_EQ(components[1].parent_path, "0");
  EXPECT_EQ(components[1].depth, 2);
  EXPECT_EQ(components[3].parent_path, "");
  EXPECT_EQ(*components[0].threshold, "0.3");
}

TEST(StrategyTree, ConditionalAndWeightedForms) {
  const char* weighted = R"({"weighted":{"strategies":[{"weight":1.0,"strategy":{"momentum":{"period":14}}}]}})";
  EXPECT_EQ(outline(R"({"strategy":{"conditional":{"if":"adx(14) > 25","if_true":)" + std::string(weighted) + "}}}"),
            "0 conditional conditional - - - -\n"
            "0.0 if_true weighted - - - -\n"
            "0.0.0 - momentum 1 1 - - *\n");
  EXPECT_EQ(outline(R"({"conditional":{"if":"x","if_false":{"rsi":{}},"if_true":{"momentum":{"period":14}}}})"),
            "0 if_true momentum - - - - *\n"
            "1 if_false rsi - - - - *\n");
  EXPECT_EQ(
      outline(R"({"type":"conditional","if":"x","then":{"rsi":{}},"else":[{"a":{"weight":1}},{"b":{"weight":2}}]})"),
      "0 then rsi - - - - *\n"
      "1 else a 1 3 1 - *\n"
      "2 else b 2 3 2 - *\n");
  // Settings beside a list of strategies make no component.
  EXPECT_EQ(outline(R"({"strategy":{"combination":"vote","weight_threshold":0.6,"strategies":[{"a":{"weight":0.4}},
                        {"b":{"weight":0.6}},{"threshold":1}]}})"),
            "0 - a 0.4 1 0.4 - *\n"
            "1 - b 0.6 1 0.6 - *\n");
  EXPECT_EQ(outline(R"({"strategy":{"regime":"r","cases":{"up":{"a":{}},"down":[{"b":{}},{"c":{}}],"flat":7}}})"),
            "0 cases.down b - - - - *\n"
            "1 cases.down c - - - - *\n"
            "2 cases.up a - - - - *\n");
  EXPECT_EQ(outline(R"({"ensemble":{"composite_strategies":[{"type":"a","params":{"x":1}},{"type":"b"}]}})"),
            "0 - a - - - - *\n"
            "1 - b - - - - *\n");
  EXPECT_EQ(outline(R"({"conditional":{"if_true":{"if":"y","if_true":{"a":{}},"else":{"b":{}}}}})"),
            "0 if_true.if_true a - - - - *\n"
            "1 if_true.else b - - - - *\n");
}

TEST(StrategyTree, ParametersInTheOldSpelling) {
  const auto components = components_of(
      R"({"type":"ensemble","params":{"composite_strategies":[{"type":"a","params":{"x":1,"y":2},"parameters":{"y":3}},
          {"type":"b","params":[1]},{"c":{"params":{"z":1}}}]}})");
  ASSERT_EQ(components.size(), 3u);
  EXPECT_EQ(to_json(JsonValue(components[0].parameters)), R"({"y":3,"x":1})");
  EXPECT_EQ(components[0].config, R"({"parameters":{"y":3},"params":{"x":1,"y":2},"type":"a"})");
  EXPECT_TRUE(components[1].parameters.empty());
  EXPECT_EQ(to_json(JsonValue(components[2].parameters)), R"({"params":{"z":1}})");
}

TEST(StrategyTree, WhatOnlySaysAWeightIsNoComponent) {
  EXPECT_EQ(
      outline(R"({"strategy":[{"weight":0.4,"strategy":{"rsi":{}}},{"weight":0.6,"strategy":{"strategy":{"a":{}}}}]})"),
      "0 - rsi 0.4 1 0.4 - *\n"
      "1 - a 0.6 1 0.6 - *\n");
  // With two weights, or with more to say, it is one.
  EXPECT_EQ(
      outline(
          R"({"strategy":[{"weight":0.5,"strategy":{"rsi":{"weight":0.5}}},{"weight":0.5,"if":"x","strategy":{"a":{}}}]})"),
      "0 - composite 0.5 1 0.5 -\n"
      "0.0 rsi rsi 0.5 - 0.25 - *\n"
      "1 - composite 0.5 1 0.5 -\n"
      "1.0 a a - - - - *\n");
}

TEST(StrategyTree, WhatIsNoStrategyIsNoComponentAndNoError) {
  for (const char* held :
       {"1", "null", "\"rsi\"", "[]", "{}", "[1,[]]", R"({"a":1})", R"({"a":{},"b":{}})", R"([{"a":3}])",
        R"({"type":7})", R"({"strategy":"x"})", R"({"if_true":{"x":1}})", R"([[{"rsi":{}}]])"}) {
    for (const char* key : {"strategy", "strategies", "composite_strategies", "if_true", "if_false", "then", "else",
                            "cases", "regime_strategies"}) {
      EXPECT_TRUE(holds_strategies(key));
      EXPECT_EQ(outline(std::string(R"({"type":"x","parameters":{")") + key + "\":" + held + "}}"), "") << key << held;
    }
  }
  // A list with something unreadable in it has no sum: nobody knows the weight that is missing.
  EXPECT_EQ(outline(R"({"weighted":{"strategies":[{"a":{"weight":0.5}},{"weight":0.5,"a":{},"b":{}}]}})"),
            "0 - a 0.5 - 0.5 - *\n");
  EXPECT_EQ(outline(R"({"strategy":[{"a":{"weight":"half"}},{"b":{"weight":0.5}}]})"),
            "0 - a - - - - *\n"
            "1 - b 0.5 - 0.5 - *\n");
}

TEST(StrategyTree, TheOrderOfMembersDoesNotCount) {
  const auto a = components_of(R"({"conditional":{"if_false":{"a":{"x":1,"y":2}},"if_true":{"b":{}},"if":"z"}})");
  const auto b = components_of(R"({"conditional":{"if":"z","if_true":{"b":{}},"if_false":{"a":{"y":2,"x":1}}}})");
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(a[i].path + a[i].role + a[i].config, b[i].path + b[i].role + b[i].config);
}

TEST(StrategyTree, UnevenWeightsAreTold) {
  const auto uneven = find_uneven_weights(components_of(
      R"({"strategy":[{"weight":0.4,"strategy":[{"a":{"weight":0.5}},{"b":{"weight":0.7}}]},{"c":{"weight":0.5}}]})"));
  ASSERT_EQ(uneven.size(), 2u);
  EXPECT_EQ(uneven[0].parent_path, "");
  EXPECT_EQ(uneven[0].flaw.predicate, "sum to 0.9, not 1");
  EXPECT_EQ(uneven[1].parent_path, "0");
  EXPECT_EQ(uneven[1].flaw.predicate, "sum to 1.2, not 1");
  const auto sums = [](const std::string& last) {
    return find_uneven_weights(components_of(R"({"strategy":[{"a":{"weight":0.5}},{"b":{"weight":)" + last + "}}]}"))
        .size();
  };
  EXPECT_EQ(sums("0.5"), 0u);
  EXPECT_EQ(sums("0.5000000009"), 0u);
  EXPECT_EQ(sums("0.5000000011"), 1u);
  EXPECT_EQ(sums("0.4999999989"), 1u);
  EXPECT_EQ(find_uneven_weights(components_of(R"({"strategy":[{"a":{}},{"b":{}}]})")).size(), 0u);
  std::string tenths;
  for (int i = 0; i < 10; ++i) tenths += std::string(i > 0 ? "," : "") + R"({"a":{"weight":0.1}})";
  EXPECT_EQ(find_uneven_weights(components_of("{\"strategy\":[" + tenths + "]}")).size(), 0u);
}

TEST(StrategyTree, WeightsThatCannotBeSummedAreTold) {
  const auto told = [](const std::string& weights) {
    std::string text;
    for (const UnevenWeights& uneven : find_uneven_weights(components_of("{\"strategy\":[" + weights + "]}"))) {
      text += uneven.flaw.subject + " " + uneven.flaw.predicate + "\n";
    }
    return text;
  };
  const std::string half = R"({"a":{"weight":0.5}},)";
  EXPECT_EQ(told(half + R"({"b":{"weight":"0.5"}})"), "weight \"0.5\" is no number\n");
  EXPECT_EQ(told(half + R"({"b":{"weight":true}},{"c":{}})"), "weight true is no number\n");
  EXPECT_EQ(told(half + R"({"b":{"weight":"\u001b\u202e\u007f"}})"), "weight \"\\u001b\\u202e\\u007f\" is no number\n");
  EXPECT_EQ(told(half + R"({"b":{"weight":1)" + std::string(399, '0') + "}}"),
            "weight 1" + std::string(23, '0') + "... is too large\n");
  EXPECT_EQ(told(half + R"({"b":{"weight":20000000000000000000}})"), "weights sum to 2e+19, not 1\n");
  EXPECT_EQ(told(R"({"a":{"weight":1e308}},{"b":{"weight":1e308}})"), "weights do not sum to 1\n");
  EXPECT_EQ(told(R"({"a":{"weight":1e308}},{"b":{"weight":-1e308}})"), "weights sum to 0, not 1\n");
  EXPECT_EQ(told(half + half + R"({"b":{}})"), "2 of 3 strategies have a weight\n");
  EXPECT_EQ(told(half + R"({"b":{}},{"threshold":1})"), "1 of 2 strategies has a weight\n");
  EXPECT_EQ(told(half + R"({"b":{"weight":null}})"), "1 of 2 strategies has a weight\n");
  EXPECT_EQ(told(R"({"weight":1,"type":"x","if_true":{"a":{"weight":"1"}}})"), "weight \"1\" is no number\n");
  const auto components = components_of(R"({"strategy":[{"a":{"weight":"0.5"}},{"b":{"weight":0.5}}]})");
  EXPECT_FALSE(components[0].weight || components[0].weight_sum || components[1].weight_sum);
  const std::string drawn = cli::strategy_tree_text(parse(R"({"strategy":[{"a":{"weight":"0.5"}},{"b":{}}]})"));
  EXPECT_NE(drawn.find("  ! weight \"0.5\" is no number\n├─ a  weight \"0.5\"  "), std::string::npos) << drawn;
}

// Every list of a deep chain, and no more work than its length.
TEST(StrategyTree, AsDeepAsJsonMayBe) {
  std::string text = R"({"leaf":{}})";
  for (int i = 0; i < 240; ++i) text = R"({"strategy":[)" + text + "]}";
  const auto components = components_of(text);
  ASSERT_EQ(components.size(), 240u);
  EXPECT_EQ(components.back().depth, 240);
  EXPECT_EQ(components.back().hash(), hash_of(R"({"leaf":{}})"));
  text = R"({"leaf":{}})";
  for (int i = 0; i < 240; ++i) text = R"({"conditional":{"if_true":)" + text + "}}";
  EXPECT_EQ(components_of(text).size(), 240u);
}

// Whatever golden configurations hold: a component identifies itself, and is found in its parent alone as well.
TEST(StrategyTree, EveryComponentStandsAlone) {
  const JsonValue rows = test::read_golden("configurations.json");
  size_t seen = 0;
  for (const JsonValue& row : *rows.array()) {
    const auto components = components_of(test::text_of(row, "input"));
    for (const StrategyComponent& component : components) {
      SCOPED_TRACE(component.config);
      EXPECT_EQ(identify_strategy(parse(component.config))->digest, component.digest);
      const auto inside = components_of(component.config);
      EXPECT_EQ(inside.empty(), component.is_leaf);
      for (const StrategyComponent& part : inside) {
        const std::string path = component.path + "." + part.path;
        const auto found = std::ranges::find(components, path, &StrategyComponent::path);
        ASSERT_NE(found, components.end()) << path;
        EXPECT_EQ(found->digest, part.digest);
      }
      ++seen;
    }
  }
  EXPECT_GT(seen, 10u);
}

TEST(StrategyTreeText, DrawsEveryNode) {
  const std::string drawn = cli::strategy_tree_text(parse(
      R"({"strategy":[{"weight":0.6,"strategy":[{"a":{"fast":10,"slow":30.5,"weight":0.5}},{"b":{"weight":0.4}}],
          "threshold":"0.3 AND adx(14) > 25"},{"weight":0.4,"conditional":{"if":"x","if_true":{"c":{}}}}],"threshold":0.5})"));
  const auto h = [](const char* text) { return hash_of(text); };
  EXPECT_EQ(
      drawn,
      "composite  threshold 0.5  " +
          identify_strategy(
              parse(
                  R"({"strategy":[{"weight":0.6,"strategy":[{"a":{"fast":10,"slow":30.5,"weight":0.5}},{"b":{"weight":0.4}}],
          "threshold":"0.3 AND adx(14) > 25"},{"weight":0.4,"conditional":{"if":"x","if_true":{"c":{}}}}],"threshold":0.5})"))
              ->hash() +
          "\n"
          "├─ ensemble  weight 0.6  threshold 0.3 AND adx(14) > 25  " +
          h(R"({"strategy":[{"a":{"fast":10,"slow":30.5,"weight":0.5}},{"b":{"weight":0.4}}],"threshold":"0.3 AND adx(14) > 25"})") +
          "  ! weights sum to 0.9, not 1\n"
          "│  ├─ a  fast=10 slow=30.5  weight 0.5 (0.3 of all)  " +
          h(R"({"a":{"fast":10,"slow":30.5}})") +
          "\n"
          "│  └─ b  weight 0.4 (0.24 of all)  " +
          h(R"({"b":{}})") +
          "\n"
          "└─ conditional  if=x  weight 0.4  " +
          h(R"({"conditional":{"if":"x","if_true":{"c":{}}}})") +
          "\n"
          "   └─ if_true: c  " +
          h(R"({"c":{}})") + "\n");
  EXPECT_EQ(cli::strategy_tree_text(parse(R"({"rsi":{}})")), "");
  EXPECT_EQ(cli::strategy_tree_text(parse("[]")), "");
}

// The pair of tests/golden/collisions that shares twelve digits, and others that do not.
TEST(StrategyTreeText, ShowsAsManyDigitsAsTellComponentsApart) {
  const std::string drawn = cli::strategy_tree_text(
      parse(R"({"strategy":[{"collide":{"period":3456728}},{"collide":{"period":9527844}},{"collide":{"period":1}},
          {"strategy":[{"collide":{"period":1}}]}]})"));
  const std::string short_hash = hash_of(R"({"collide":{"period":1}})");
  EXPECT_NE(drawn.find("period=3456728  c3946c2d020bb8b2\n"), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("period=9527844  c3946c2d020bf246\n"), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("period=1  " + short_hash + "\n"), std::string::npos) << drawn;
  EXPECT_NE(drawn.find("   └─ collide  period=1  " + short_hash + "\n"), std::string::npos) << drawn;
}

TEST(StrategyTreeText, IsCutToTheWidthOfATerminal) {
  const JsonValue config =
      parse(R"({"strategy":[{"weight":1,"strategy":[{"日本":{"period":14}},{"a":{}}]},{"rsi":{}}]})");
  const std::string whole = cli::strategy_tree_text(config);
  EXPECT_EQ(cli::strategy_tree_text(config, 200), whole);
  for (const int width : {1, 7, 8, 9, 20, 40}) {
    std::istringstream cut(cli::strategy_tree_text(config, width)), uncut(whole);
    std::string line, full;
    while (std::getline(uncut, full)) {
      ASSERT_TRUE(std::getline(cut, line));
      EXPECT_LE(cli::display_width(line), width);
      EXPECT_EQ(line, cli::cut_to_width(full, width));
    }
    EXPECT_FALSE(std::getline(cut, line));
  }
}

TEST(StrategyTreeText, NothingInItMovesTheCursor) {
  const std::string drawn =
      cli::strategy_tree_text(parse("{\"strategy\":[{\"a\\u001b[2J\":{\"p\\n\":\"\\u202e\\ud800\"},\"threshold\":"
                                    "\"\\r\"},{\"strategy\":{\"cases\":{\"x\\u0007\":{\"b\":{}}}}}]}"));
  for (const char c : drawn) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  EXPECT_EQ(std::ranges::count(drawn, '\n'), 4);
  EXPECT_NE(drawn.find("a\\x1b[2J  p\\n=\\u202e"), std::string::npos) << drawn;
  EXPECT_EQ(drawn.find("\xED\xA0\x80"), std::string::npos) << "a lone surrogate is no UTF-8";
}

}  // namespace
}  // namespace signalbook
