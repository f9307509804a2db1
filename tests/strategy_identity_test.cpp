#include "format/strategy_identity.h"

#include <gtest/gtest.h>

#include "support/identity_golden.h"

namespace signalbook {
namespace {

JsonValue parse(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.ok()) << text << ": " << value.status().message();
  return value.ok() ? *value : JsonValue();
}

std::string canonical(std::string_view text) {
  const auto identity = identify_strategy(parse(text));
  return identity.ok() ? identity->canonical : "refused: " + identity.status().message();
}

std::string refusal(std::string_view text) {
  const auto node = normalize_strategy(parse(text));
  EXPECT_FALSE(node.ok()) << text << " became " << to_json(*node);
  return node.status().message();
}

// `expected` has canonical, strategy_digest and value_digest.
void expect_identity(const JsonValue& config, const JsonValue& expected) {
  SCOPED_TRACE(to_json(config));
  const auto identity = identify_strategy(config);
  ASSERT_TRUE(identity.ok()) << identity.status().message();
  EXPECT_EQ(identity->canonical, test::text_of(expected, "canonical"));
  EXPECT_EQ(to_hex(identity->digest), test::text_of(expected, "strategy_digest"));
  EXPECT_EQ(to_hex(identity->value_digest), test::text_of(expected, "value_digest"));
  EXPECT_EQ(identity->hash(), test::text_of(expected, "strategy_digest").substr(0, 12));

  const auto node = normalize_strategy(config);
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(identify_normalized(*node).canonical, identity->canonical);
}

// The identity of a configuration is in file names and in people's notes: a change here is a change of format.
TEST(StrategyIdentity, GoldenConfigurations) {
  const JsonValue rows = test::read_golden("configurations.json");
  ASSERT_GE(rows.array()->size(), 60u);
  for (const JsonValue& row : *rows.array()) expect_identity(parse(test::text_of(row, "input")), row);
}

TEST(StrategyIdentity, GoldenRefusalsSayWhatToChange) {
  const JsonValue rows = test::read_golden("refused.json");
  ASSERT_GE(rows.array()->size(), 40u);
  for (const JsonValue& row : *rows.array()) {
    const std::string input = test::text_of(row, "input");
    const std::string message = refusal(input);
    EXPECT_NE(message.find(test::text_of(row, "message_has")), std::string::npos) << input << ": " << message;
  }
}

TEST(StrategyIdentity, ReferenceVectors) {
  const auto vectors = test::read_reference_vectors();
  if (!vectors) GTEST_SKIP() << "no reference/vectors.json in SIGNALBOOK_TEST_DATA";
  for (const JsonValue& row : *vectors->find("configurations")->array()) expect_identity(*row.find("input"), row);
  for (const JsonValue& config : *vectors->find("refused")->array()) {
    EXPECT_FALSE(identify_strategy(config).ok()) << to_json(config);
  }
  for (const JsonValue& text : *vectors->find("refused_text")->array()) {
    EXPECT_FALSE(parse_json(*text.text()).ok()) << *text.text();
  }
}

TEST(StrategyIdentity, TheTwoPinnedHashes) {
  const auto hash = [](std::string_view text) { return identify_strategy(parse(text))->hash(); };
  EXPECT_EQ(hash(R"({"bollinger_bands":{"period":20,"std_dev":2.0},"constraints":"intraday"})"), "39a6426ec117");
  EXPECT_EQ(hash(R"({"bollinger_bands":{"period":20,"std_dev":2},"constraints":"intraday"})"), "4cdb9875c662");
}

TEST(StrategyIdentity, NormalFormKeepsWhatIsGivenInItsPlace) {
  const auto node = normalize_strategy(parse(R"({"risk":1,"name":"x","rsi":{"b":1,"a":null},"constraints":"c"})"));
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(to_json(*node), R"({"risk":1,"constraints":"c","parameters":{"b":1,"a":null},"type":"rsi"})");
}

TEST(StrategyIdentity, EqualityOfWhatIsGivenTwiceIsPythons) {
  const auto twice = [](const std::string& first, const std::string& second) {
    return canonical(R"({"strategy":[{"x":{"weight":)" + first + R"(},"weight":)" + second + "}]}");
  };
  const auto kept = [](const std::string& weight) {
    return R"({"parameters":{},"strategy":[{"parameters":{},"type":"x","weight":)" + weight +
           R"(}],"type":"ensemble"})";
  };
  // What stands beside the parameters is named first and is what stays.
  EXPECT_EQ(twice("[1.0]", "[1]"), kept("[1]"));
  EXPECT_EQ(twice("[true]", "[1.0]"), kept("[1.0]"));
  EXPECT_EQ(twice("[-0.0]", "[false]"), kept("[false]"));
  EXPECT_EQ(twice("[9223372036854775808.0]", "[9223372036854775808]"), kept("[9223372036854775808]"));
  EXPECT_EQ(twice("[-9223372036854775808.0]", "[-9223372036854775808]"), kept("[-9223372036854775808]"));
  EXPECT_EQ(twice("[10000000000000000000000]", "[1e22]"), kept("[1e+22]"));
  EXPECT_EQ(twice(R"({"a":1,"b":{"c":[]}})", R"({"b":{"c":[]},"a":true})"), kept(R"({"a":true,"b":{"c":[]}})"));
  EXPECT_EQ(twice("null", "2"), kept("2"));
  EXPECT_EQ(twice("2", "null"), kept("2"));
  for (const auto& [first, second] : std::vector<std::pair<std::string, std::string>>{
           {"1", "1.0"},
           {"1", "true"},
           {"\"1\"", "1"},
           {"[9223372036854775807]", "[9223372036854775808.0]"},
           {"[-9223372036854775809]", "[-9223372036854775808.0]"},
           {"[-9223372036854775808]", "[9223372036854775808.0]"},
           {"[9007199254740993]", "[9007199254740992.0]"},
           {"[1.5]", "[1]"},
           {"[100000000000000000000]", "[1.5]"},
           {"[\"1\"]", "[1]"},
           {"[null]", "[false]"},
           {"{\"a\":1}", "{\"b\":1}"},
           {"{\"a\":1}", "{\"a\":1,\"b\":1}"},
           {"[]", "{}"},
       }) {
    EXPECT_NE(twice(first, second).find("'weight' is given twice"), std::string::npos) << first << " and " << second;
  }
}

TEST(StrategyIdentity, ValueDigestReadsRealsAsIntegersBelow2To53) {
  const auto value_digest = [](const std::string& value) {
    return to_hex(identify_strategy(parse(R"({"x":{"v":)" + value + "}}"))->value_digest);
  };
  EXPECT_EQ(value_digest("2.0"), value_digest("2"));
  EXPECT_EQ(value_digest("-0.0"), value_digest("0"));
  EXPECT_EQ(value_digest("[[2.0],{\"a\":-3e2}]"), value_digest("[[2],{\"a\":-300}]"));
  EXPECT_EQ(value_digest("9007199254740991.0"), value_digest("9007199254740991"));
  EXPECT_NE(value_digest("9007199254740992.0"), value_digest("9007199254740992"));
  EXPECT_NE(value_digest("-9007199254740992.0"), value_digest("-9007199254740992"));
  EXPECT_NE(value_digest("2.5"), value_digest("2"));
  EXPECT_NE(value_digest("true"), value_digest("1"));
}

TEST(StrategyIdentity, MessagesAreSafeToPrint) {
  const std::string long_key(1000, 'k');
  const std::string message = refusal(R"({"\ud800\n":{},")" + long_key + "\":{}}");
  EXPECT_NE(message.find(R"('\ud800\n')"), std::string::npos) << message;
  EXPECT_LT(message.size(), 300u);
  EXPECT_LT(refusal(R"({"rsi":")" + long_key + "\"}").size(), 300u);
}

// Nesting is bounded by what parse_json lets in; so deep a tree must not need more stack than there is.
TEST(StrategyIdentity, DeepNesting) {
  std::string text = R"({"rsi":{}})";
  for (int depth = 2; depth + 2 <= kMaxJsonDepth; depth += 2) text = R"({"strategy":[)" + text + "]}";
  const auto identity = identify_strategy(parse(text));
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(parse_json(identity->canonical).ok(), true);
}

}  // namespace
}  // namespace signalbook
