#include "ingest/strategy_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace signalbook {
namespace {

const char* name_of(StrategyFormat format) {
  return format == StrategyFormat::json ? "s.json" : format == StrategyFormat::yaml ? "s.yaml" : "s.jsonl";
}

// A line for each strategy: its id and its configuration; or the message that refuses the file.
std::string read(const std::string& text, StrategyFormat format) {
  const auto entries = parse_strategies(text, format, name_of(format));
  if (!entries.ok()) {
    EXPECT_EQ(entries.status().code(), StatusCode::invalid);
    return entries.status().message();
  }
  std::string lines;
  for (const StrategyEntry& entry : *entries) lines += entry.strategy_id + " " + to_json(entry.config) + "\n";
  return lines;
}
std::string yaml(const std::string& text) { return read(text, StrategyFormat::yaml); }
std::string json(const std::string& text) { return read(text, StrategyFormat::json); }
std::string json_lines(const std::string& text) { return read(text, StrategyFormat::json_lines); }

// How YAML reads one value.
std::string value(const std::string& text) {
  const auto entries = parse_strategies("x: {v: [[" + text + "]]}", StrategyFormat::yaml, "f");
  if (!entries.ok()) return entries.status().message();
  const std::string config = to_json((*entries)[0].config);
  return config.substr(11, config.size() - 14);  // without {"x":{"v":[ and ]}}
}

std::vector<std::string> origins(const std::string& text, StrategyFormat format) {
  std::vector<std::string> result;
  const auto entries = parse_strategies(text, format, name_of(format));
  for (const StrategyEntry& entry : *entries) result.push_back(entry.origin);
  return result;
}

std::string repeat(const std::string& text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i) result += text;
  return result;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string kTwo = "strategy_0 {\"rsi\":{\"period\":7}}\nstrategy_1 {\"rsi\":{\"period\":14}}\n";

// ---- Shapes --------------------------------------------------------------------------------------------------------

TEST(StrategyFile, ReadsEveryShape) {
  EXPECT_EQ(json(R"([{"rsi":{"period":7}},{"rsi":{"period":14}}])"), kTwo);
  EXPECT_EQ(json("\n { \"strategies\" :\t[ {\"rsi\": {\"period\" : 7}} ,\r\n{\"rsi\":{\"period\":14}}\n]\n}\n"), kTwo);
  EXPECT_EQ(json(R"({"rsi":{"period":7}})"), "strategy_0 {\"rsi\":{\"period\":7}}\n");
  EXPECT_EQ(json_lines("{\"rsi\":{\"period\":7}}\n\n  {\"rsi\": {\"period\": 14}} \r\n"), kTwo);
  EXPECT_EQ(json_lines("{\"rsi\":{\"period\":7}}\n{\"rsi\":{\"period\":14}}"), kTwo);
  EXPECT_EQ(yaml("- rsi: {period: 7}\n- rsi:\n    period: 14\n"), kTwo);
  EXPECT_EQ(yaml("strategies:\n- rsi: {period: 7}\n- rsi: {period: 14}\n"), kTwo);
  EXPECT_EQ(yaml("rsi: {period: [7, 14]}"), kTwo);
  EXPECT_EQ(yaml("--- # a comment\nrsi:\r\n  period: [7, 14]\r\n...\n"), kTwo);
  EXPECT_EQ(yaml(R"([{"rsi":{"period":7}},{"rsi":{"period":14}}])"), kTwo);  // JSON without lists is YAML
  EXPECT_EQ(yaml("\xEF\xBB\xBFrsi: {period: [7, 14]}"), kTwo);
  EXPECT_EQ(json("\xEF\xBB\xBF[{\"rsi\":{\"period\":7}},{\"rsi\":{\"period\":14}}]"), kTwo);
}

TEST(StrategyFile, TheSameSweepInThreeFormats) {
  std::string as_json, as_lines;
  for (int period = 10; period <= 50; period += 5) {
    for (int tenths = 5; tenths <= 44; ++tenths) {
      char line[100];
      std::snprintf(line, sizeof line,
                    R"({"bollinger_bands": {"period": %d, "std_dev": %d.%d}, "constraints": "intraday"})", period,
                    tenths / 10, tenths % 10);
      as_json += (as_json.empty() ? "[" : ",\n") + std::string(line);
      as_lines += std::string(line) + "\n";
    }
  }
  const auto from_yaml = parse_strategies(
      "- bollinger_bands:\n    period: range(10, 50, 5)\n    std_dev: range(0.5, 4.4, 0.1)\n  constraints: intraday\n",
      StrategyFormat::yaml, "s.yaml");
  const auto from_json = parse_strategies(as_json + "]", StrategyFormat::json, "s.json");
  const auto from_lines = parse_strategies(as_lines, StrategyFormat::json_lines, "s.jsonl");
  ASSERT_EQ(from_yaml->size(), 360u);
  ASSERT_EQ(from_json->size(), 360u);
  ASSERT_EQ(from_lines->size(), 360u);
  for (size_t i = 0; i < 360; ++i) {
    EXPECT_EQ((*from_yaml)[i].config, (*from_json)[i].config) << i;
    EXPECT_EQ((*from_yaml)[i].config, (*from_lines)[i].config) << i;
    EXPECT_EQ((*from_yaml)[i].strategy_id, "strategy_" + std::to_string(i));
  }
}

TEST(StrategyFile, JsonListsAreValues) {
  EXPECT_EQ(json(R"J({"rsi":{"levels":[30,70],"p":"range(1,2)"}})J"),
            "strategy_0 {\"rsi\":{\"levels\":[30,70],\"p\":\"range(1,2)\"}}\n");
  EXPECT_EQ(json(R"({"type":"rsi","params":{"a":1}})"), "strategy_0 {\"type\":\"rsi\",\"params\":{\"a\":1}}\n");
}

TEST(StrategyFile, NothingInItIsAnError) {
  for (const char* text : {"", " \n", "# nothing\n", "---\n", "[]", "strategies:", "strategies: []", "null", "~"}) {
    EXPECT_EQ(yaml(text), "no strategies in s.yaml") << text;
  }
  for (const char* text : {"", " \n", "[]", "{\"strategies\":[]}", "{\"strategies\":null}"}) {
    EXPECT_EQ(json(text), "no strategies in s.json") << text;
  }
  for (const char* text : {"", " \n\n"}) EXPECT_EQ(json_lines(text), "no strategies in s.jsonl") << text;
}

TEST(StrategyFile, KeepsIdsAndNumbersTheRest) {
  EXPECT_EQ(
      yaml("- {rsi: {}, strategy_id: mine}\n- rsi: {p: [1, 2]}\n- {strategy_id: 'grid', rsi: {p: [3, 4]}}\n"
           "- {strategy_id: one, rsi: {p: [5]}}\n- {strategy_id: null, rsi: {}}"),
      "mine {\"rsi\":{}}\nstrategy_1 {\"rsi\":{\"p\":1}}\nstrategy_2 {\"rsi\":{\"p\":2}}\n"
      "grid_0 {\"rsi\":{\"p\":3}}\ngrid_1 {\"rsi\":{\"p\":4}}\none {\"rsi\":{\"p\":5}}\nstrategy_6 {\"rsi\":{}}\n");
  EXPECT_EQ(json(R"([{"strategy_id":"mine","rsi":{}},{"rsi":{}}])"), "mine {\"rsi\":{}}\nstrategy_1 {\"rsi\":{}}\n");
}

TEST(StrategyFile, IdIsText) {
  EXPECT_EQ(yaml("- rsi: {}\n- rsi: {}\n  strategy_id: 7"),
            "s.yaml: line 3, column 16: strategy_id is text, such as strategy_0, not a number");
  EXPECT_EQ(yaml("rsi: {}\nstrategy_id: [a, b]"),
            "s.yaml: line 2, column 14: strategy_id is text, such as strategy_0, not a list");
  EXPECT_EQ(yaml("rsi: {}\nstrategy_id: ''"),
            "s.yaml: line 2, column 14: strategy_id is text, such as strategy_0, not empty");
  EXPECT_EQ(json("[{},\n  {\"strategy_id\": 7}]"),
            "s.json: line 2, column 3: strategy_id is text, such as strategy_0, not a number");
  EXPECT_EQ(json_lines("{}\n\n {\"strategy_id\": true}"),
            "s.jsonl: line 3, column 2: strategy_id is text, such as strategy_0, not true or false");
}

TEST(StrategyFile, OriginsAreLines) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(origins("# x\n- rsi: {p: [1, 2]}\n-\n  rsi: {}\n", StrategyFormat::yaml),
            (Lines{"s.yaml: line 2", "s.yaml: line 2", "s.yaml: line 4"}));
  EXPECT_EQ(origins("[{\"a\":[{\"b\":\"}],\\\"{[\\n\"},\n[]]},\n\n{\"c\":\"\"}, {}\n,{}]", StrategyFormat::json),
            (Lines{"s.json: line 1", "s.json: line 4", "s.json: line 4", "s.json: line 5"}));
  EXPECT_EQ(
      origins(
          "\n{\"name\":\"strategies\",\n\"symbols\":[\n1,2],\"_x\":{\"strategies\":\n[3]},\"strategies\":\n[{},\n{}]}",
          StrategyFormat::json),
      (Lines{"s.json: line 6", "s.json: line 7"}));
  EXPECT_EQ(origins("{\"strategies\":[{}],\n\"strategies\":\n[{},{},\n{}]}", StrategyFormat::json),
            (Lines{"s.json: line 3", "s.json: line 3", "s.json: line 4"}));
  EXPECT_EQ(origins("\n\n{}", StrategyFormat::json), (Lines{"s.json: line 3"}));
  EXPECT_EQ(origins("\n\n{}\n{}", StrategyFormat::json_lines), (Lines{"s.jsonl: line 3", "s.jsonl: line 4"}));
}

TEST(StrategyFile, KeysBesideStrategiesMayNotBeLost) {
  EXPECT_EQ(yaml("name: grid\nsymbols: [SPY]\nexecution: {a: [1]}\nx-note: 1\nstrategies: [{rsi: {}}]"),
            "strategy_0 {\"rsi\":{}}\n");
  EXPECT_EQ(yaml("strategies: [{rsi: {}}]\ndefaults: {constraints: intraday}"),
            "s.yaml: line 2, column 1: 'defaults' beside 'strategies' would be lost; write it into each strategy, or "
            "into a file of "
            "its own");
  EXPECT_EQ(json(R"({"strategies":[{}],"constraints":"intraday"})"),
            "s.json: 'constraints' beside 'strategies' would be lost; write it into each strategy, or into a file of "
            "its own");
  EXPECT_EQ(yaml("strategies: {a: 1}"),
            "s.yaml: line 1, column 13: 'strategies' is a list: begin each strategy with '- '");
  EXPECT_EQ(json(R"({"strategies":7})"), "s.json: 'strategies' is a list, not a number");
}

TEST(StrategyFile, WhatIsNoMappingIsNamed) {
  EXPECT_EQ(
      json("[{},\n 7]"),
      "s.json: line 2, column 2: a configuration is a mapping, such as {\"rsi\": {\"period\": 14}}, not a number");
  EXPECT_TRUE(json("\"x\"").ends_with("not text"));
  EXPECT_TRUE(json_lines("{}\n[{}]").starts_with("s.jsonl: line 2, column 1: a configuration is a mapping"));
  EXPECT_TRUE(yaml("- rsi: {}\n- sma").starts_with("s.yaml: line 2, column 3: a configuration is a mapping"));
  EXPECT_TRUE(yaml("just text").starts_with("s.yaml: line 1, column 1: a configuration is a mapping"));
}

// ---- Files as people have them -------------------------------------------------------------------------------------

TEST(StrategyFile, ReadsTheFormsOfOldConfigurations) {
  EXPECT_EQ(
      yaml(R"(
name: expansive_grid_search
symbols: ["SPY"]
timeframes: ["1m"]
strategies:
  - type: sma_crossover
    name: sma_crossover_grid
    params:
      fast_period: [3, 7]      # 2 values
      slow_period: [15, 23]
  - type: bollinger_bands
    params: {period: 10, std_dev: 2.0, _risk: {stop_loss: 0.00075}}
)"),
      R"(strategy_0 {"type":"sma_crossover","name":"sma_crossover_grid","parameters":{"fast_period":3,"slow_period":15}}
strategy_1 {"type":"sma_crossover","name":"sma_crossover_grid","parameters":{"fast_period":3,"slow_period":23}}
strategy_2 {"type":"sma_crossover","name":"sma_crossover_grid","parameters":{"fast_period":7,"slow_period":15}}
strategy_3 {"type":"sma_crossover","name":"sma_crossover_grid","parameters":{"fast_period":7,"slow_period":23}}
strategy_4 {"type":"bollinger_bands","parameters":{"period":10,"std_dev":2.0,"_risk":{"stop_loss":0.00075}}}
)");
  EXPECT_EQ(
      yaml(R"(
strategy: [
  {
    bollinger_bands: {
      period: 10,
      std_dev: 2.0
    },
    constraints: "intraday",
    risk: {
      stop_loss: 0.00075,      # 0.075%
#      trailing_stop: 0.0003
    }
  }
]
)"),
      "strategy_0 {\"strategy\":[{\"bollinger_bands\":{\"period\":10,\"std_dev\":2.0},\"constraints\":\"intraday\","
      "\"risk\":{\"stop_loss\":0.00075}}]}\n");
  EXPECT_EQ(yaml("- momentum:\n    period: 14\n    threshold: |\n      momentum > 0 AND\n      rsi(14) < 70\n"),
            "strategy_0 {\"momentum\":{\"period\":14,\"threshold\":\"momentum > 0 AND\\nrsi(14) < 70\\n\"}}\n");
}

TEST(StrategyFile, SharesThroughAnchors) {
  EXPECT_EQ(yaml("_periods: &periods [7, 14]\nstrategies:\n- rsi: {period: *periods}\n- rsi: &x {a: 1}\n- rsi: *x\n"),
            kTwo + "strategy_2 {\"rsi\":{\"a\":1}}\nstrategy_3 {\"rsi\":{\"a\":1}}\n");
}

// ---- Scalars: the core schema of YAML 1.2 --------------------------------------------------------------------------

TEST(YamlScalar, NullAndBooleans) {
  for (const char* text : {"null", "Null", "NULL", "~", "!!null ''", "!!null ~"})
    EXPECT_EQ(value(text), "null") << text;
  for (const char* text : {"true", "True", "TRUE", "!!bool true", "!!bool 'True'"})
    EXPECT_EQ(value(text), "true") << text;
  for (const char* text : {"false", "False", "FALSE"}) EXPECT_EQ(value(text), "false") << text;
  for (const char* text :
       {"yes", "no", "on", "off", "y",  "tRUE",  "nULL", "12:30", "1_000", "2024-01-02", "0b11",     "0X1F", "0o8",
        "1e",  "e3", ".",  "+",   "-x", "1.2.3", "0x",   "-0x1",  ".e3",   "NaN",        "Infinity", "inf"}) {
    EXPECT_EQ(value(text), "\"" + std::string(text) + "\"") << text;
  }
  for (const char* text : {"null", "true", "12", "1.5", "~", "0x1F", ".inf"}) {
    EXPECT_EQ(value("'" + std::string(text) + "'"), "\"" + std::string(text) + "\"") << text;
    EXPECT_EQ(value("\"" + std::string(text) + "\""), "\"" + std::string(text) + "\"") << text;
    EXPECT_EQ(value("!!str " + std::string(text)), "\"" + std::string(text) + "\"") << text;
    EXPECT_EQ(value("! " + std::string(text)), "\"" + std::string(text) + "\"") << text;
  }
  EXPECT_EQ(value("!!str"), "\"\"");
}

TEST(YamlScalar, Integers) {
  EXPECT_EQ(value("017"), "17");
  EXPECT_EQ(value("0o17"), "15");
  EXPECT_EQ(value("0x1F"), "31");
  EXPECT_EQ(value("0xdeadBEEF"), "3735928559");
  EXPECT_EQ(value("+5"), "5");
  EXPECT_EQ(value("-05"), "-5");
  EXPECT_EQ(value("-0"), "0");
  EXPECT_EQ(value("0"), "0");
  EXPECT_EQ(value("000"), "0");
  EXPECT_EQ(value("0o0"), "0");
  EXPECT_EQ(value("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(value("-0123456789012345678901234567890"), "-123456789012345678901234567890");
  EXPECT_EQ(value("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(value("0x7fffffffffffffff"), "9223372036854775807");
  EXPECT_EQ(value("0xffffffffffffffffffffffffffffffff"), "340282366920938463463374607431768211455");
  EXPECT_EQ(value("0o2000000000000000000000"), "18446744073709551616");
  EXPECT_EQ(value("!!int 3"), "3");
  EXPECT_EQ(value("!!int '0x10'"), "16");
}

TEST(YamlScalar, Reals) {
  EXPECT_EQ(value("1e-3"), "0.001");
  EXPECT_EQ(value("1E3"), "1000.0");
  EXPECT_EQ(value("+.5"), "0.5");
  EXPECT_EQ(value("-.5e+1"), "-5.0");
  EXPECT_EQ(value("2."), "2.0");
  EXPECT_EQ(value("2.0"), "2.0");
  EXPECT_EQ(value("007.50"), "7.5");
  EXPECT_EQ(value("-0.0"), "-0.0");
  EXPECT_EQ(value("1e22"), "1e+22");
  EXPECT_EQ(value("5e-324"), "5e-324");
  EXPECT_EQ(value("1e-400"), "0.0");
  EXPECT_EQ(value("!!float 3"), "3.0");
  EXPECT_EQ(value("!!float '3e0'"), "3.0");
}

TEST(YamlScalar, RefusesWhatJsonCannotSay) {
  const std::string place = "f: line 1, column 10: ";
  for (const std::string text : {".inf", "-.inf", "+.INF", ".Inf", ".nan", ".NaN", ".NAN"}) {
    EXPECT_EQ(value(text), place + "'" + text + "' is no value a configuration can have (JSON cannot write it)");
  }
  EXPECT_EQ(value("1e999"), place + "'1e999' is too large for a number (the largest is about 1.8e308)");
  EXPECT_EQ(value("!!float .inf"), place + "'.inf' is no value a configuration can have (JSON cannot write it)");
  EXPECT_EQ(value("!!int 3.5"), place + "'3.5' is not what its tag !!int says");
  EXPECT_EQ(value("!!int x"), place + "'x' is not what its tag !!int says");
  EXPECT_EQ(value("!!bool yes"), place + "'yes' is not what its tag !!bool says");
  EXPECT_EQ(value("!!null 0"), place + "'0' is not what its tag !!null says");
  EXPECT_TRUE(contains(value("!!float x"), "'x' is not what its tag !!float says"));
  EXPECT_EQ(value("!!binary aGk="),
            place + "the tag !!binary is not known (known are !!str, !!int, !!float, !!bool and !!null)");
  EXPECT_TRUE(contains(value("!mine 3"), "the tag !mine is not known"));
  EXPECT_TRUE(contains(value("!!set {a: 1}"), "the tag !!set is not known here"));
  EXPECT_TRUE(contains(value("0x" + std::string(5000, 'f')), "too many digits"));
}

// ---- Structure of YAML ---------------------------------------------------------------------------------------------

TEST(Yaml, KeysAreText) {
  EXPECT_EQ(yaml("x: {1: a, true: b, 0x1F: c, 'q': d, null text: e}"),
            "strategy_0 {\"x\":{\"1\":\"a\",\"true\":\"b\",\"0x1F\":\"c\",\"q\":\"d\",\"null text\":\"e\"}}\n");
  EXPECT_EQ(yaml("x:\n  [a, b]: 1"), "s.yaml: line 2, column 3: a key must be a name, not a list or a mapping");
  EXPECT_EQ(yaml("x:\n  ? {a: 1}\n  : 1"), "s.yaml: line 2, column 5: a key must be a name, not a list or a mapping");
  EXPECT_EQ(yaml("x:\n  ~: 1"),
            "s.yaml: line 2, column 3: a key must be a name; put null in quotes if that is the name");
  EXPECT_EQ(yaml("x:\n  : 1"),
            "s.yaml: line 2, column 3: a key must be a name; put null in quotes if that is the name");
  EXPECT_EQ(yaml("x: {a: &k b, *k : 1}"), "s.yaml: line 1, column 14: an alias cannot be a key; write the key out");
  EXPECT_EQ(yaml("x: {&k a: 1, b: *k}"), "strategy_0 {\"x\":{\"a\":1,\"b\":\"a\"}}\n");
  EXPECT_EQ(yaml("x:\n  a: 1\n  b: 2\n  'a': 3"), "s.yaml: line 4, column 3: the key 'a' is given twice");
  EXPECT_EQ(yaml("{x: {}, x: {}}"), "s.yaml: line 1, column 9: the key 'x' is given twice");
  EXPECT_EQ(yaml("x: &a {p: 1}\ny:\n  <<: *a"),
            "s.yaml: line 3, column 3: the merge key << is not part of YAML 1.2; write the keys out");
  EXPECT_EQ(yaml("x: {'<<': 1}"), "strategy_0 {\"x\":{\"<<\":1}}\n");
}

TEST(Yaml, OneDocumentOnly) {
  EXPECT_EQ(yaml("rsi: {}\n---\nsma: {}"),
            "s.yaml: line 2, column 1: a second document begins; write all strategies into one, as a list");
  EXPECT_EQ(yaml("- rsi: {}\nsma: {}"),
            "s.yaml: line 2, column 1: this belongs to nothing (what stands before it is complete); is the indentation "
            "right?");
  EXPECT_TRUE(yaml(",").starts_with("s.yaml: line 1, column 1: this belongs to nothing"));
  EXPECT_TRUE(yaml("\"a\" \"b\"").starts_with("s.yaml: line 1, column 5: this belongs to nothing"));
}

TEST(Yaml, NamesThePlaceOfWhatIsMalformed) {
  EXPECT_EQ(yaml("- rsi: {period: 7\n- x"), "s.yaml: line 2, column 1: end of map flow not found");
  EXPECT_EQ(yaml("a: 1\nb: c: d"), "s.yaml: line 2, column 5: illegal map value");
  EXPECT_EQ(yaml("a: 1\nb: 'x"), "s.yaml: line 2, column 6: illegal EOF in scalar");
  EXPECT_EQ(yaml("a:\n\t- b"), "s.yaml: line 2, column 2: illegal block entry");
  EXPECT_EQ(yaml("a: *b"), "s.yaml: line 1, column 4: the referenced anchor is not defined");
  EXPECT_EQ(yaml("x: {v: [10, , 20]}"), "s.yaml: line 1, column 13: a value is missing between commas");
  EXPECT_EQ(yaml("x: {v: [10, ~, null, ]}"),
            "strategy_0 {\"x\":{\"v\":10}}\nstrategy_1 {\"x\":{\"v\":null}}\nstrategy_2 {\"x\":{\"v\":null}}\n");
  // Columns count characters and not bytes.
  EXPECT_EQ(yaml("x: {é: ü, ö: !!int ä}"), "s.yaml: line 1, column 14: 'ä' is not what its tag !!int says");
}

TEST(Yaml, TextIsUtf8WithoutControlCharacters) {
  EXPECT_EQ(yaml("a: b\nc: é\xFF"), "s.yaml: line 2, column 5: these bytes are no UTF-8");
  for (const std::string bad : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                "\xF5\x80\x80\x80", "\xE2\x82", "\xC3", "\xF0\x9F\x98"}) {
    EXPECT_EQ(yaml("a: " + bad), "s.yaml: line 1, column 4: these bytes are no UTF-8");
  }
  EXPECT_EQ(yaml("a: \U0001F600 \u20AC \u00E9"), "strategy_0 {\"a\":\"\\ud83d\\ude00 \\u20ac \\u00e9\"}\n");
  EXPECT_EQ(yaml(std::string("a: x\x04")), "s.yaml: line 1, column 5: a control character; YAML text has none");
  EXPECT_EQ(yaml(std::string("a\0b", 3)), "s.yaml: line 1, column 2: a control character; YAML text has none");
  EXPECT_EQ(yaml("\xFF\xFE" + std::string("a\0:\0", 4)), "s.yaml: line 1, column 1: these bytes are no UTF-8");
  EXPECT_EQ(yaml("a: \"\\0\\x04\\t\""), "strategy_0 {\"a\":\"\\u0000\\u0004\\t\"}\n");
}

TEST(Json, NamesThePlaceOfWhatIsMalformed) {
  EXPECT_TRUE(json("[{\"rsi\":{}},\n {\"rsi\" 7}]").starts_with("s.json: line 2, column 9: "));
  EXPECT_TRUE(json("[{\"rsi\":{\"p\":NaN}}]").starts_with("s.json: line 1, column 14: "));
  EXPECT_TRUE(json("{\"a\":1} {\"b\":2}").starts_with("s.json: line 1, column 9: "));
  EXPECT_TRUE(json_lines("{}\n\n{\"a\":1,\n}").starts_with("s.jsonl: line 3, column 8: "));
  EXPECT_TRUE(json_lines("{}\n{} {}").starts_with("s.jsonl: line 2, column 4: "));
}

// ---- Files that want to hurt ---------------------------------------------------------------------------------------

TEST(Hostile, AliasesOfAliasesAreCounted) {
  std::string laughs = "_a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "_a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeat(before + ", ", 9) + before + "]\n";
  }
  EXPECT_EQ(yaml(laughs + "strategies: [{x: {v: *a29}}]"),
            "s.yaml: line 6, column 46: aliases make too many values of this file (over 1,000,000)");
  std::string mappings = "_m0: &m0 {a: 1}\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*m" + std::to_string(i - 1);
    mappings += "_m" + std::to_string(i) + ": &m" + std::to_string(i) + " {a: " + before + ", b: " + before + "}\n";
  }
  EXPECT_TRUE(contains(yaml(mappings), "aliases make too many values"));
}

TEST(Hostile, ValuesInsideThemselvesAreRefused) {
  EXPECT_EQ(yaml("&a [*a]"), "s.yaml: line 1, column 5: this alias stands inside the value that it refers to");
  EXPECT_EQ(yaml("x: &a {b: {c: [1, *a]}}"),
            "s.yaml: line 1, column 19: this alias stands inside the value that it refers to");
  std::string chain = "_0: &n0 [1]\n";  // each a level deeper than the one before
  for (int i = 1; i < 3000; ++i) {
    chain += "_" + std::to_string(i) + ": &n" + std::to_string(i) + " [*n" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_TRUE(contains(yaml(chain), "nested deeper than 500"));
}

TEST(Hostile, MegabytesOfOpeningsAreRefusedAtOnce) {
  for (const char* part : {"[",    "{",  "- ",   "? ",     "[{",      "{a: ", "{? ",   "a: [",   "&a [", "!!seq [",
                           "? - ", ": ", "[[],", "- - ? ", "{\"a\":", "[?",   "{a: [", "- a: [", "-\n ", "? ? : "}) {
    for (const size_t size : {size_t{2'000}, size_t{1'000'000}}) {
      const std::string text = repeat(part, size / std::string(part).size() + 1);
      EXPECT_TRUE(yaml(text).starts_with("s.yaml: line ")) << part << ": " << yaml(text).substr(0, 200);
    }
  }
  std::string stairs;  // block style, a level a line
  for (size_t i = 0; i < 1400; ++i) stairs += std::string(i, ' ') + "a:\n";
  EXPECT_TRUE(contains(yaml(stairs), "nested")) << yaml(stairs);
  for (const char* part : {"[", "{\"a\":", "[{\"a\":"}) {
    EXPECT_TRUE(contains(json(repeat(part, 300'000)), "nested deeper")) << json(repeat(part, 300'000));
  }
}

TEST(Hostile, DepthsUpToTheLimitAreRead) {
  for (const size_t depth : {10u, 100u, 480u}) {
    const std::string text = "{x: " + repeat("[", depth) + repeat("]", depth) + "}";
    EXPECT_TRUE(yaml("{type: t, y: " + text + "}").starts_with("strategy_0 ")) << depth;
  }
  for (const size_t depth : {498u, 499u, 500u, 501u, 502u}) {  // refused by yaml-cpp or by us, in words
    const std::string result = yaml("{type: t, y: " + repeat("[", depth) + repeat("]", depth) + "}");
    EXPECT_TRUE(result.starts_with("strategy_0 ") || contains(result, "nested")) << result;
  }
}

TEST(Hostile, LongFilesOfAnythingEnd) {
  for (const char* part :
       {",",     "a",     "a ",  "\"",  "'",      "|\n",   "#",          "%",     "\n",     "a: b\n",  "- 1\n",
        "---\n", "...\n", "&a ", "*a ", "!!str ", "é",     "\t",         "[],",   "{},",    "a,",      "!",
        "&",     "*",     "]",   "}",   "? a\n",  "\"a\"", "a: |\n x\n", "-",     ":",      "a:",      "%a\n",
        "''",    "'' ",   "\\",  "@",   "`",      "<<: ",  ">\n",        "[a]: ", "range(", "range(1,"}) {
    yaml(repeat(part, 500'000 / std::string(part).size()));
    yaml("x: [" + repeat(part, 300'000 / std::string(part).size()));
    yaml("x: \"" + repeat(part, 300'000 / std::string(part).size()));
    yaml("x: |\n  " + repeat(part, 300'000 / std::string(part).size()));
  }
}

TEST(Hostile, SweepsAreCountedBeforeTheyAreMade) {
  EXPECT_EQ(yaml("- rsi: {}\n- bands: {period: 'range(1,100)', std_dev: 'range(1,1000)', k: 'range(1,100)'}"),
            "s.yaml: line 2, column 3: 10,000,000 configurations (period 100 x std_dev 1000 x k 100), more than the "
            "2,000,000 that one file may have");
  EXPECT_EQ(yaml("x: {a: 'range(1, 1e30)', b: 'range(1,1e30)'}"),
            "s.yaml: line 1, column 1: over 10^19 configurations (a (over 10^19) x b (over 10^19)), more than the "
            "2,000,000 that "
            "one file may have");
  EXPECT_EQ(yaml("- x: {a: 'range(1,1500000)'}\n- x: {a: 'range(1,1500000)'}"),
            "s.yaml: 3,000,000 configurations in all, more than the 2,000,000 that one file may have");
  std::string large = "x: {n: 'range(1, 2000000)', v: [[";
  for (int i = 0; i < 100; ++i) large += "1, ";
  EXPECT_EQ(
      yaml(large + "1]]}"),
      "s.yaml: line 1, column 1: 2,000,000 configurations with over 100,000,000 values together; shorten the lists "
      "that are values");
  std::string power = "x: {";  // 2^200
  for (int i = 0; i < 200; ++i) power += "p" + std::to_string(i) + ": [1, 2], ";
  EXPECT_TRUE(contains(yaml(power + "}"), "over 10^19 configurations (p0 2 x p1 2 x"));
  EXPECT_TRUE(contains(json_lines(repeat("{}\n", 2'000'001)), "2,000,001 configurations"));
  EXPECT_TRUE(contains(json("[" + repeat("{},", 2'000'000) + "{}]"), "2,000,001 configurations"));
}

TEST(Hostile, TheLargestSweepIsMade) {
  const auto entries =
      parse_strategies("x: {a: 'range(1, 2000)', b: 'range(0.001, 1, 0.001)'}", StrategyFormat::yaml, "s.yaml");
  ASSERT_TRUE(entries.ok()) << entries.status().message();
  ASSERT_EQ(entries->size(), kMaxStrategies);
  EXPECT_EQ(to_json(entries->back().config), "{\"x\":{\"a\":2000,\"b\":1.0}}");
  EXPECT_EQ(to_json((*entries)[1'234'566].config), "{\"x\":{\"a\":1235,\"b\":0.567}}");
}

// A file that ends too early, or has a byte changed, is read or refused.
TEST(Hostile, DamagedFilesDoNotCrash) {
  const std::string good_yaml = R"J(%YAML 1.2
--- # grid
name: "gr\u00efd \x41"
_shared: &p !!seq [7, 0o16, +1.5e1, ~, 'it''s']
strategies:
  - type: rsi
    strategy_id: é
    params:
      - {oversold: 30, overbought: "range(70, 80, 5)"}
      - {levels: [[1, 2], [[]]]}
  - strategy: [{sma: {fast: *p, weight: 0.5}}, {threshold: "0.5"}]
    threshold: |
      text
      more
  - ? bands
    : period: range(10, 20,
        5)
    constraints:
    - intraday
    - >-
      folded
      text
    - null
...
)J";
  const std::string good_json =
      R"({"name": "x", "strategies": [{"rsi": {"p": [1, 2.5e-3, null, "\u00e9\ud83d\ude00é"]}},
    {"strategy_id": "a", "type": "b", "parameters": {"c": {"d": true}}}]})";
  EXPECT_EQ(parse_strategies(good_yaml, StrategyFormat::yaml, "s")->size(), 5u + 5u + 9u);
  EXPECT_EQ(parse_strategies(good_json, StrategyFormat::json, "s")->size(), 2u);
  for (const std::string& good : {good_yaml, good_json}) {
    for (const StrategyFormat format : {StrategyFormat::json, StrategyFormat::json_lines, StrategyFormat::yaml}) {
      for (size_t size = 0; size <= good.size(); ++size) {
        read(good.substr(0, size), format);
        read(good.substr(size), format);
      }
      uint64_t seed = 3;
      for (int round = 0; round < 4000; ++round) {
        std::string bad = good;
        for (int change = 0; change < 3; ++change) {
          seed = seed * 6364136223846793005u + 1442695040888963407u;
          const size_t at = (seed >> 33) % bad.size();
          const char byte = "[]{},:-?&*!|>'\"%@`#\n \t\\x0\xFF~<="[(seed >> 20) % 30];
          if (seed >> 60 < 6)
            bad[at] = byte;
          else if (seed >> 60 < 11)
            bad.insert(at, 1, byte);
          else
            bad.erase(at, 1 + (seed >> 50) % 5);
        }
        read(bad, format);
      }
    }
  }
}

// ---- Files on disk -------------------------------------------------------------------------------------------------

class StrategyFileOnDisk : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name, std::ios::binary) << text;
    return (directory_ / name).string();
  }
  std::string read_file(const std::string& name, const std::string& text) const {
    const std::string path = write(name, text);
    const auto entries = read_strategy_file(path);
    if (!entries.ok()) return entries.status().message().substr(path.size());
    std::string lines;
    for (const StrategyEntry& entry : *entries) lines += entry.strategy_id + " " + to_json(entry.config) + "\n";
    return lines;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("strategy_file_test_" + std::to_string(::getpid()));
};

TEST_F(StrategyFileOnDisk, FormatIsToldByTheEndingElseByTheBeginning) {
  const std::string list = "[{\"rsi\":{\"period\":[7,14]}}]", line = "{\"rsi\":{\"period\":[7,14]}}\n";
  const std::string one = "strategy_0 {\"rsi\":{\"period\":[7,14]}}\n";
  EXPECT_EQ(read_file("a.json", list), one);
  EXPECT_EQ(read_file("a.JSON", list), one);
  EXPECT_EQ(read_file("a.jsonl", line), one);
  EXPECT_EQ(read_file("a.ndjson", line), one);
  EXPECT_EQ(read_file("a.yaml", list), kTwo);
  EXPECT_EQ(read_file("a.yml", line), kTwo);
  EXPECT_EQ(read_file("a.txt", list), one);
  EXPECT_EQ(read_file("a", "\xEF\xBB\xBF " + list), one);
  EXPECT_EQ(read_file("b", line), one);
  EXPECT_EQ(read_file("c", line + line), one + "strategy_1 {\"rsi\":{\"period\":[7,14]}}\n");
  EXPECT_EQ(read_file("d", "{\n\"rsi\":{\"period\":[7,14]}\n}\n"), one);
  EXPECT_EQ(read_file("e", "rsi: {period: [7, 14]}"), kTwo);
}

TEST_F(StrategyFileOnDisk, LargeFilesAreReadWhole) {
  const auto entries = read_strategy_file(write("a.jsonl", repeat("{\"rsi\":{\"period\":7}}\n", 50'000)));
  EXPECT_EQ(entries->size(), 50'000u);
}

TEST_F(StrategyFileOnDisk, WhatCannotBeReadIsNamed) {
  const std::string missing = (directory_ / "missing.yaml").string();
  EXPECT_EQ(read_strategy_file(missing).status().code(), StatusCode::not_found);
  EXPECT_EQ(read_strategy_file(missing).status().message(), missing + ": there is no such file");
  EXPECT_EQ(read_strategy_file(directory_.string()).status().code(), StatusCode::io_error);
  const std::string bad = write("bad.yaml", "rsi: {period: .nan}");
  EXPECT_TRUE(read_strategy_file(bad).status().message().starts_with(bad + ": line 1, column 15: "));
}

}  // namespace
}  // namespace signalbook
