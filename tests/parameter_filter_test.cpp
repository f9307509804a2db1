#include "cli/parameter_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace signalbook::cli {
namespace {

std::string describe(const Comparison& comparison) {
  return comparison.name + "|" + comparison.op + "|" + comparison.value;
}

TEST(ParameterFilter, ReadsComparisons) {
  const auto read = [](const std::string& text) {
    const Result<Comparison> comparison = parse_comparison(text);
    return comparison.ok() ? describe(*comparison) : "refused";
  };
  EXPECT_EQ(read("period=20"), "period|=|20");
  EXPECT_EQ(read("std_dev >= 2"), "std_dev|>=|2");
  EXPECT_EQ(read("a==b"), "a|=|b");
  EXPECT_EQ(read("a!=b c"), "a|!=|b c");
  EXPECT_EQ(read("a<=1"), "a|<=|1");
  EXPECT_EQ(read("a="), "a|=|");
  EXPECT_EQ(read("a=b=c"), "a|=|b=c");
  EXPECT_EQ(read("two words=\"x\""), "two words|=|\"x\"");
  EXPECT_EQ(read(R"("a=b"=3)"), "a=b|=|3");
  EXPECT_EQ(read(R"( "a<b" >= 3)"), "a<b|>=|3");
  EXPECT_EQ(read(R"("a b"="<x")"), R"(a b|=|"<x")");
  EXPECT_EQ(read(R"("a=1)"), R"("a|=|1)");      // one quote is part of the name
  EXPECT_EQ(read(R"("a"b=1)"), R"("a"b|=|1)");  // so are those that end within it
  for (const char* text : {"", "a", "=1", " =1", "a!1", "a=<1", "a=>1", "a= =1", "a<>1", "a===b", "a=!=b"}) {
    EXPECT_EQ(read(text), "refused") << text;
  }
}

TEST(ParameterFilter, ReadsLeaves) {
  const auto read = [](const std::string& text) {
    const Result<LeafPattern> pattern = parse_leaf(text);
    if (!pattern.ok()) return std::string("refused");
    std::string all = pattern->type;
    for (const Comparison& comparison : pattern->comparisons) all += " " + describe(comparison);
    return all;
  };
  EXPECT_EQ(read("rsi"), "rsi");
  EXPECT_EQ(read(" * "), "*");
  EXPECT_EQ(read("bollinger_bands period=20 std_dev>=2"), "bollinger_bands period|=|20 std_dev|>=|2");
  EXPECT_EQ(read("rsi period = 20  mode != fast"), "rsi period|=|20 mode|!=|fast");
  EXPECT_EQ(read("rsi name=\"two words\" x=1"), "rsi name|=|\"two words\" x|=|1");
  EXPECT_EQ(read("\"my type\" x=1"), "my type x|=|1");
  EXPECT_EQ(read("\"a=b\""), "a=b");
  EXPECT_EQ(read("rsi \"a=b\"=3 x=1"), "rsi a=b|=|3 x|=|1");
  for (const char* text :
       {"", "  ", "period=20", "rsi period", "rsi =20", "rsi period=", "rsi x=1 and", "rsi x=<1", "\"\" x=1"}) {
    EXPECT_EQ(read(text), "refused") << text;
  }
}

TEST(ParameterFilter, ComparesByKindAsTheColumnsDo) {
  const JsonValue::Object parameters = *parse_json(R"({"i":20,"r":2.5,"t":"20","b":true,"n":null,"l":[1,2],
      "big":9007199254740993,"huge":123456789012345678901234567890})")
                                            .value()
                                            .object();
  const auto is_fit = [&](const std::string& text) { return fits(parameters, parse_comparison(text).value()); };
  for (const char* text : {"i=20",
                           "i=20.0",
                           "i>=20",
                           "i<20.5",
                           "i!=19",
                           "r>2",
                           "t=\"20\"",
                           "t!=\"21\"",
                           "b=true",
                           "b!=false",
                           "l=[1,2]",
                           "big=9007199254740993",
                           "huge=123456789012345678901234567890",
                           "big>1",
                           "big>9007199254740992",
                           "big<9007199254740994",
                           "big!=5",
                           "big<9007199254740995",
                           "huge>9007199254740993",
                           "i<9007199254740993",
                           "i!=9007199254740993",
                           "r>-9007199254740993",
                           "huge<inf"}) {
    EXPECT_TRUE(is_fit(text)) << text;
  }
  for (const char* text :
       {"i=21", "i=\"20\"", "i=true", "r<2.5", "t=20", "b=1", "b=false", "n=null", "n!=1", "none!=1", "I=20", "l=[1]",
        "big=9007199254740992", "big<1", "big<9007199254740992", "big!=9007199254740993", "t<9007199254740993",
        "i>9007199254740993", "big<=-9007199254740993"}) {
    EXPECT_FALSE(is_fit(text)) << text;
  }
}

}  // namespace
}  // namespace signalbook::cli
