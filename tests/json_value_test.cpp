#include "format/json_value.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace signalbook {
namespace {

// What a text is once read, in the canonical form; or "refused: " and the message.
std::string canonical(std::string_view text) {
  const auto value = parse_json(text);
  return value.ok() ? to_json(*value, JsonStyle::canonical) : "refused: " + value.status().message();
}

std::string refusal(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_FALSE(value.ok()) << text << " was read as " << to_json(*value);
  if (value.ok()) return "";
  EXPECT_EQ(value.status().code(), StatusCode::invalid);
  return value.status().message();
}

std::string python_float(double value) {
  std::string out;
  append_python_float(value, out);
  return out;
}

// ---- Reading ----

TEST(ParseJson, Scalars) {
  EXPECT_TRUE(parse_json("null")->is_null());
  EXPECT_EQ(*parse_json(" true ")->boolean(), true);
  EXPECT_EQ(*parse_json("\tfalse\r\n")->boolean(), false);
  EXPECT_EQ(*parse_json("-17")->integer(), -17);
  EXPECT_EQ(*parse_json("2.5e-1")->real(), 0.25);
  EXPECT_EQ(*parse_json("\"a\"")->text(), "a");
  EXPECT_EQ(*parse_json("\"\"")->text(), "");
}

TEST(ParseJson, IntegersAndRealsAreTwoKinds) {
  EXPECT_EQ(canonical("[2, 2.0, 2e0, 20e-1]"), "[2,2.0,2.0,2.0]");
  EXPECT_EQ(canonical("[0, -0, 0.0, -0.0, -0e5, 0e999999]"), "[0,0,0.0,-0.0,-0.0,0.0]");
}

TEST(ParseJson, IntegersOfAnyLength) {
  EXPECT_TRUE(parse_json("9223372036854775807")->integer());
  EXPECT_TRUE(parse_json("-9223372036854775808")->integer());
  for (const std::string text : {"9223372036854775808", "-9223372036854775809", "18446744073709551615",
                                 "18446744073709551616", "99999999999999999999"}) {
    ASSERT_TRUE(parse_json(text)->big_integer()) << text;
    EXPECT_EQ(parse_json(text)->big_integer()->digits, text);
    EXPECT_EQ(canonical("{\"a\":[" + text + " ],\"b\":" + text + "}"), "{\"a\":[" + text + "],\"b\":" + text + "}");
  }
  for (const size_t digits : {20u, 400u, 4'000u, 100'000u}) {
    const std::string sevens(digits, '7');
    for (const std::string sign : {"", "-"}) {
      EXPECT_EQ(canonical(sign + sevens), sign + sevens);
      EXPECT_NE(refusal(sign + "0" + sevens).find("expected a number"), std::string::npos);
    }
  }
}

TEST(ParseJson, RealsAsPythonReadsThem) {
  EXPECT_EQ(canonical("[1e-400, -1e-400, 4.9e-324, 2.4e-324, 1.7976931348623157e308, 1.7976931348623158e308]"),
            "[0.0,-0.0,5e-324,0.0,1.7976931348623157e+308,1.7976931348623157e+308]");
  EXPECT_EQ(canonical("9007199254740993.0"), "9007199254740992.0");
  // Half way between two doubles, with the tie broken by the last digit of hundreds.
  const std::string half = "1.00000000000000011102230246251565404236316680908203125";
  EXPECT_EQ(canonical(half), "1.0");
  EXPECT_EQ(canonical(half + std::string(1'000, '0') + "1"), "1.0000000000000002");
  // More digits of an exponent than any parser needs.
  const std::string zeros(40, '0');
  EXPECT_EQ(canonical("[1e-" + zeros + "1, 1e" + zeros + "1, 1e+" + zeros + ", 0e" + std::string(40, '9') + "]"),
            "[0.1,10.0,1.0,0.0]");
  EXPECT_EQ(canonical("[1e-" + std::string(40, '9') + ", 1e-" + zeros + "400]"), "[0.0,0.0]");
  for (const std::string text : {"1e999", "-1e999", "1e309", "1.7976931348623159e308", "1e9999999999999999999",
                                 "1e99999999999999999999999", "10000000000.0e300"}) {
    EXPECT_NE(refusal(text).find("too large"), std::string::npos) << text;
  }
  EXPECT_NE(refusal(std::string(400, '9') + ".0").find("too large"), std::string::npos);
  EXPECT_NE(refusal(std::string(400, '9') + "e-1").find("too large"), std::string::npos);
}

TEST(ParseJson, NumbersOutsideTheGrammar) {
  for (const std::string text : {"01",
                                 "-01",
                                 "00",
                                 "-00",
                                 "01.5",
                                 "1.",
                                 "-1.",
                                 "1.e5",
                                 ".5",
                                 "-.5",
                                 "-",
                                 "+1",
                                 "--1",
                                 "1e",
                                 "1e+",
                                 "1E-",
                                 "1e1.5",
                                 "1.2.3",
                                 "1_000",
                                 "0x10",
                                 "1f",
                                 "1a",
                                 "NaN",
                                 "Infinity",
                                 "-Infinity",
                                 "-NaN",
                                 "inf",
                                 "1e5x",
                                 "123456789012345678901x",
                                 "12345678901234567890."}) {
    EXPECT_NE(refusal(text).find("line 1, column 1: expected a"), std::string::npos) << text;
    EXPECT_NE(refusal("{\"a\":" + text + "}").find("line 1, column 6: expected a"), std::string::npos) << text;
    EXPECT_NE(refusal("[1," + text + " ]").find("line 1, column 4: expected a"), std::string::npos) << text;
  }
  EXPECT_NE(refusal("[NaN]").find("no NaN and no infinities"), std::string::npos);
  EXPECT_NE(refusal("[-Infinity]").find("no NaN and no infinities"), std::string::npos);
}

TEST(ParseJson, LiteralsAreExact) {
  for (const std::string text :
       {"tru", "truee", "True", "fals", "falsey", "nul", "nulll", "None", "n", "t", "f", "undefined"}) {
    EXPECT_NE(refusal("[" + text + "]").find("column 2: expected a value, found '" + text + "'"), std::string::npos)
        << refusal("[" + text + "]");
    EXPECT_FALSE(parse_json(text).ok()) << text;
  }
}

TEST(ParseJson, SurrogatesAsPythonReadsThem) {
  EXPECT_EQ(*parse_json(R"("\ud83d\ude00")")->text(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(*parse_json(R"("\uD83D\uDE00")")->text(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(*parse_json(R"("\ud800")")->text(), "\xED\xA0\x80");
  EXPECT_EQ(*parse_json(R"("\udfff")")->text(), "\xED\xBF\xBF");
  for (const std::string text : {R"("\ud800")", R"("\udc00\ud800")", R"("\ud800\ud83d\ude00")", R"("\ud800\u00e9")",
                                 R"("\ud800\n")", R"("\ud800x\udc00")", R"("\ud83d\ude00\ude00")", R"({"\ud800":1})"}) {
    EXPECT_EQ(canonical(text), text);
  }
  EXPECT_EQ(canonical("\"\xF0\x9F\x98\x80\xC3\xA9\""), R"("\ud83d\ude00\u00e9")");
}

TEST(ParseJson, Escapes) {
  EXPECT_EQ(*parse_json(R"("\"\\\/\b\f\n\r\t\u0041\u00e9")")->text(), "\"\\/\b\f\n\r\tA\xC3\xA9");
  EXPECT_EQ(*parse_json(R"("\u0000a")")->text(), std::string("\0a", 2));
  EXPECT_TRUE(parse_json(R"({"a\u0062\"":1})")->find("ab\""));
  for (const std::string text :
       {R"("\x41")", R"("\q")", R"("\u12")", R"("\u12G4")", R"("\ud800\u")", R"("\ud800\uZZZZ")", R"("\'")"}) {
    EXPECT_EQ(refusal("[" + text + "]"), "line 1, column 2: this text has an escape that JSON does not know") << text;
    EXPECT_EQ(refusal("{" + text + ":1}"), "line 1, column 2: this key has an escape that JSON does not know") << text;
  }
}

TEST(ParseJson, DuplicateKeysLastWinsAtTheFirstPlace) {
  EXPECT_EQ(to_json(*parse_json(R"({"a":1,"b":2,"a":3,"c":4,"a":[5],"\u0062":6})")), R"({"a":[5],"b":6,"c":4})");
  // Beyond the number of members that are compared one by one.
  std::string text = "{";
  std::string expected = "{";
  for (int i = 0; i < 300; ++i) text += "\"k" + std::to_string(i % 100) + "\":" + std::to_string(i) + ",";
  for (int i = 0; i < 100; ++i) expected += "\"k" + std::to_string(i) + "\":" + std::to_string(200 + i) + ",";
  text.back() = expected.back() = '}';
  EXPECT_EQ(to_json(*parse_json(text)), expected);
}

TEST(ParseJson, ManyMembersTakeNoQuadraticTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text.append(1, '"').append(std::to_string(i)).append("\":0,");
  text.back() = '}';
  EXPECT_EQ(parse_json(text)->object()->size(), 200'000u);
}

TEST(ParseJson, DepthIsLimited) {
  const auto nested = [](int depth, const char* open, const char* close) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += open;
    text += "1";
    for (int i = 0; i < depth; ++i) text += close;
    return text;
  };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth, "[", "]")).ok());
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth, "{\"a\":", "}")).ok());
  EXPECT_EQ(refusal(nested(kMaxJsonDepth + 1, "[", "]")), "line 1, column 501: nested deeper than 500 levels");
  EXPECT_NE(refusal(nested(kMaxJsonDepth + 1, "{\"a\":", "}")).find("nested deeper than 500 levels"),
            std::string::npos);
  EXPECT_FALSE(parse_json(nested(1'000'000, "[", "]")).ok());
  EXPECT_FALSE(parse_json(std::string(1'000'000, '[')).ok());
}

TEST(ParseJson, MessagesSayWhereAndWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "line 1, column 1: expected a value, found the end of the text"},
      {" \n\t ", "line 2, column 3: expected a value, found the end of the text"},
      {"\xEF\xBB\xBF{}",
       "line 1, column 1: expected a value, found a byte order mark (save the file as UTF-8 without one)"},
      {"{\"a\":1", "line 1, column 7: expected ',' or '}' after a member, found the end of the text"},
      {"{\"a\":1]", "line 1, column 7: expected ',' or '}' after a member, found ']'"},
      {"{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}' after a member, found '\"b\"'"},
      {"{\"a\":\"x\" \"b\":2}", "line 1, column 10: expected ',' or '}' after a member, found '\"b\"'"},
      {"{\"a\":\"x\",\"b\" \"c\"}", "line 1, column 14: expected ':' after a key, found '\"c\"'"},
      {"{\"a\" 1}", "line 1, column 6: expected ':' after a key, found '1'"},
      {"{\"a\"", "line 1, column 5: expected ':' after a key, found the end of the text"},
      {"{\"a\":", "line 1, column 6: expected a value, found the end of the text"},
      {"{\"a\":,}", "line 1, column 6: expected a value, found ','"},
      {"{\"a\":1,}", "line 1, column 8: expected a key in double quotes, found '}'"},
      {"{", "line 1, column 2: expected a key in double quotes, found the end of the text"},
      {"{a:1}", "line 1, column 2: expected a key in double quotes, found 'a'"},
      {"{'a':1}", "line 1, column 2: expected a key in double quotes, found ''a''"},
      {"{1:1}", "line 1, column 2: expected a key in double quotes, found '1'"},
      {"[1 2]", "line 1, column 4: expected ',' or ']' after an item, found '2'"},
      {"[1", "line 1, column 3: expected ',' or ']' after an item, found the end of the text"},
      {"[1}", "line 1, column 3: expected ',' or ']' after an item, found '}'"},
      {"[1,]", "line 1, column 4: expected a value, found ']'"},
      {"[,1]", "line 1, column 2: expected a value, found ','"},
      {"[\"a\"b]", "line 1, column 5: expected ',' or ']' after an item, found 'b'"},
      {"]", "line 1, column 1: expected a value, found ']'"},
      {"}", "line 1, column 1: expected a value, found '}'"},
      {"1 2", "line 1, column 3: expected the end of the text, found '2'"},
      {"{}\n{}", "line 2, column 1: expected the end of the text, found '{'"},
      {"{}}", "line 1, column 3: expected the end of the text, found '}'"},
      {"[1]]", "line 1, column 4: expected the end of the text, found ']'"},
      {"1]", "line 1, column 2: expected the end of the text, found ']'"},
      {"1 ] , [ 2", "line 1, column 3: expected the end of the text, found ']'"},
      {"1,2", "line 1, column 3: expected the end of the text, found '2'"},
      {"[] // why", "line 1, column 4: expected the end of the text, found '//'"},
      {"{\n  \"a\": 1,\n  \"\xC3\xA9\xC3\xA9\": oops\n}", "line 3, column 9: expected a value, found 'oops'"},
      {"[\"open]", "line 1, column 2: this text is not closed: expected '\"'"},
      {"[\"a\", \"b\\\"]", "line 1, column 7: this text is not closed: expected '\"'"},
      {"[\"a\", \"b\nc\"]",
       "line 1, column 9: expected a text on one line, with control characters escaped (\\n, \\u0001), found the "
       "control "
       "character 10"},
      {"[\"\xC3\xA9\", \"\xC3\"]", "line 1, column 8: these bytes are no UTF-8"},
      {"\x80", "line 1, column 1: these bytes are no UTF-8"},
      {"[1,\x80]", "line 1, column 4: these bytes are no UTF-8"},
      {"\"\xED\xA0\x80\"", "line 1, column 2: these bytes are no UTF-8"},
      {"\"\xC0\x80\"", "line 1, column 2: these bytes are no UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "line 1, column 2: these bytes are no UTF-8"},
      {std::string("[1]\0", 4), "line 1, column 4: expected the end of the text, found the control character 0"},
      {"abcdefghijklmnopqrstuvwxyz0123456789", "line 1, column 1: expected a value, found 'abcdefghijklmnopqrstuvwx'"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(refusal(text), message) << text;
}

// The first bad byte is found wherever it stands, among characters of one to four bytes.
TEST(ParseJson, PlaceOfBytesThatAreNoUtf8) {
  const std::string characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text = "\"";
    const size_t before = random() % 60;
    for (size_t i = 0; i < before; ++i) text += characters[random() % 4];
    text += "\xFF";
    for (size_t i = random() % 60; i > 0; --i) text += characters[random() % 4];
    EXPECT_EQ(refusal(text + "\""), "line 1, column " + std::to_string(before + 2) + ": these bytes are no UTF-8");
  }
}

constexpr std::string_view kEverything =
    R"({"a":[1,-2.5,1e-3,12345678901234567890123],"b":{"\u00e9":"é\ud83d\ude00"},"c":[true,false,null,[],{}],"d":""})";

TEST(ParseJson, NoPrefixOfADocumentIsOne) {
  ASSERT_TRUE(parse_json(kEverything).ok());
  for (size_t size = 0; size < kEverything.size(); ++size) {
    EXPECT_FALSE(parse_json(kEverything.substr(0, size)).ok()) << size;
  }
}

// Every byte replaced by every other: refused, or read as something that reads back the same.
TEST(ParseJson, EveryByteReplaced) {
  const std::string good(kEverything);
  for (size_t i = 0; i < good.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[i] = static_cast<char>(byte);
      const auto value = parse_json(text);
      if (value.ok()) {
        const auto again = parse_json(to_json(*value));
        ASSERT_TRUE(again.ok()) << text;
        EXPECT_EQ(*again, *value) << text;
      }
    }
  }
  EXPECT_EQ(canonical(good), canonical(kEverything)) << "a refusal leaves nothing behind";
}

TEST(ParseJson, LargeTextsAndThenSmallOnes) {
  const std::string large = "[\"" + std::string(3'000'000, 'x') + "\",1]";
  EXPECT_EQ(to_json(*parse_json(large)), large);
  EXPECT_EQ(canonical("[1,{\"a\":2}]"), "[1,{\"a\":2}]");
  EXPECT_FALSE(parse_json(large + "]").ok());
  EXPECT_EQ(canonical("7"), "7");
}

// ---- Values ----

TEST(JsonValue, FindAndSet) {
  JsonValue value = *parse_json(R"({"b":1,"a":2})");
  EXPECT_EQ(*value.find("a")->integer(), 2);
  EXPECT_EQ(value.find("c"), nullptr);
  EXPECT_EQ(JsonValue(true).find("a"), nullptr);
  value.set("c", JsonValue("new"));
  value.set("b", JsonValue(1.5));
  EXPECT_EQ(to_json(value), R"({"b":1.5,"a":2,"c":"new"})");
}

TEST(JsonValue, EqualityIsOfKindAndValue) {
  EXPECT_EQ(*parse_json("[1,{\"a\":2.0}]"), *parse_json(" [ 1 , { \"a\" : 2.0 } ] "));
  EXPECT_NE(*parse_json("1"), *parse_json("1.0"));
  EXPECT_NE(*parse_json("1"), *parse_json("true"));
}

// ---- Writing ----

TEST(WriteJson, Styles) {
  const JsonValue value = *parse_json(R"({"b":[1,{"d":[],"c":{}}],"a":"x"})");
  EXPECT_EQ(to_json(value), R"({"b":[1,{"d":[],"c":{}}],"a":"x"})");
  EXPECT_EQ(to_json(value, JsonStyle::canonical), R"({"a":"x","b":[1,{"c":{},"d":[]}]})");
  EXPECT_EQ(to_json(value, JsonStyle::pretty),
            "{\n  \"b\": [\n    1,\n    {\n      \"d\": [],\n      \"c\": {}\n    }\n  ],\n  \"a\": \"x\"\n}");
  std::string out = "[";
  append_json(value, JsonStyle::compact, out);
  EXPECT_EQ(out, R"([{"b":[1,{"d":[],"c":{}}],"a":"x"})");
}

TEST(WriteJson, KeysAreSortedByCodePoint) {
  // U+FF5E comes before U+1F600, though its UTF-16 comes after.
  EXPECT_EQ(
      canonical(
          "{\"\xF0\x9F\x98\x80\":1,\"\xEF\xBD\x9E\":2,\"\\ud800\":3,\"\xC3\xA9\":4,\"~\":5,\"aa\":6,\"a\":7,\"\":8}"),
      R"({"":8,"a":7,"aa":6,"~":5,"\u00e9":4,"\ud800":3,"\uff5e":2,"\ud83d\ude00":1})");
}

TEST(WriteJson, TextIsAscii) {
  std::string controls;
  for (char c = 0; c < 0x20; ++c) controls += c;
  EXPECT_EQ(to_json(JsonValue(controls + "\x7F\"\\/ ~")),
            R"("\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f)"
            R"(\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f)"
            R"(\u007f\"\\/ ~")");
}

// No reader lets such bytes in; a caller that does gets a text that every reader takes.
TEST(WriteJson, BrokenUtf8IsReplaced) {
  for (const std::string bytes :
       {"\x80", "\xC3", "\xFF", "\xE2\x82", "\xF0\x9F\x98", "\xC0\x80", "\xF8\x88\x80\x80\x80"}) {
    const std::string json = to_json(JsonValue("a" + bytes));
    EXPECT_EQ(json.substr(0, 8), "\"a\\ufffd") << json;
    EXPECT_TRUE(parse_json(json).ok());
  }
}

TEST(PythonFloat, Table) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {1.0, "1.0"},
      {-1.5, "-1.5"},
      {100.0, "100.0"},
      {0.1, "0.1"},
      {1.0 / 3, "0.3333333333333333"},
      {123456.789, "123456.789"},
      {1e15, "1000000000000000.0"},
      {9999999999999998.0, "9999999999999998.0"},
      {1e16, "1e+16"},
      {12345678901234567.0, "1.2345678901234568e+16"},
      {1e22, "1e+22"},
      {1e100, "1e+100"},
      {0.001, "0.001"},
      {0.0001, "0.0001"},
      {0.00012345, "0.00012345"},
      {0.00001, "1e-05"},
      {-0.000012345, "-1.2345e-05"},
      {5e-324, "5e-324"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {9007199254740993.0, "9007199254740992.0"},
      {5.684341886080802e-14, "5.684341886080802e-14"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(python_float(value), text);
}

TEST(PythonFloat, ReadsBackAsTheSameBits) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 200'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const auto again = parse_json(python_float(value));
    ASSERT_TRUE(again.ok() && again->real()) << python_float(value);
    EXPECT_EQ(std::bit_cast<uint64_t>(*again->real()), std::bit_cast<uint64_t>(value)) << python_float(value);
  }
}

}  // namespace
}  // namespace signalbook
