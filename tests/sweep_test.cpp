#include "ingest/sweep.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "ingest/number_range.h"
#include "ingest/yaml_value.h"

namespace signalbook {
namespace {

// The values of a range as JSON, or the message that refuses it.
std::string range(const std::string& text) {
  const Result<NumberRange> range = NumberRange::parse(text);
  if (!range.ok()) return range.status().message();
  JsonValue::Array values;
  for (uint64_t i = 0; i < range->count(); ++i) values.push_back(range->at(i));
  return to_json(JsonValue(std::move(values)));
}

// All configurations of one entry, a line each, or the message that refuses it.
std::string sweep(const std::string& yaml) {
  const TextSource source{"s.yaml", yaml};
  const auto root = parse_yaml(source);
  if (!root.ok()) return root.status().message();
  const Result<Sweep> sweep = Sweep::read(source, **root);
  if (!sweep.ok()) return sweep.status().message();
  std::string lines;
  for (uint64_t i = 0; i < sweep->count(); ++i) lines += to_json(sweep->at(i)) + "\n";
  return lines;
}

std::pair<uint64_t, std::string> count(const std::string& yaml) {
  const TextSource source{"s.yaml", yaml};
  const auto root = parse_yaml(source);
  const Result<Sweep> sweep = Sweep::read(source, **root);
  if (!sweep.ok()) return {0, sweep.status().message()};
  return {sweep->count(), sweep->describe()};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(NumberRange, IsIntegerWhereAllNumbersAre) {
  EXPECT_EQ(range("range(10,50,5)"), "[10,15,20,25,30,35,40,45,50]");
  EXPECT_EQ(range("range(1, 4)"), "[1,2,3,4]");
  EXPECT_EQ(range("range(5, 5)"), "[5]");
  EXPECT_EQ(range("range(-2, 2, 2)"), "[-2,0,2]");
  EXPECT_EQ(range("range(+1, 017, 8)"), "[1,9,17]");
  EXPECT_EQ(range(" range ( 1 , 3 ) "), "[1,2,3]");
  EXPECT_EQ(range("range(9223372036854775806, 9223372036854775809)"),
            "[9223372036854775806,9223372036854775807,9223372036854775808,9223372036854775809]");
}

TEST(NumberRange, IsRealWhereOneNumberIs) {
  EXPECT_EQ(range("range(1,3,0.5)"), "[1.0,1.5,2.0,2.5,3.0]");
  EXPECT_EQ(range("range(1.0,3)"), "[1.0,2.0,3.0]");
  EXPECT_EQ(range("range(1,3.0)"), "[1.0,2.0,3.0]");
  EXPECT_EQ(range("range(1e1, 3e1, 1e1)"), "[10.0,20.0,30.0]");
  EXPECT_EQ(range("range(1e-3, .003, 0.1e-2)"), "[0.001,0.002,0.003]");
  EXPECT_EQ(range("range(-0.2, 0.2, 0.1)"), "[-0.2,-0.1,0.0,0.1,0.2]");
  EXPECT_EQ(range("range(0.5, 0.7, 0.1)"), "[0.5,0.6,0.7]");  // 0.5 + 0.1 + 0.1 is 0.7 only in decimal
}

TEST(NumberRange, CountsDownAndStopsBeforeAnEndItDoesNotHit) {
  EXPECT_EQ(range("range(50, 10, -20)"), "[50,30,10]");
  EXPECT_EQ(range("range(3, 1, -0.5)"), "[3.0,2.5,2.0,1.5,1.0]");
  EXPECT_EQ(range("range(1, 10, 4)"), "[1,5,9]");
  EXPECT_EQ(range("range(1, 1.25, 0.1)"), "[1.0,1.1,1.2]");
  EXPECT_EQ(range("range(5, 1, -3)"), "[5,2]");
  EXPECT_EQ(range("range(1, 2, 5)"), "[1]");
}

TEST(NumberRange, SaysWhatIsWrong) {
  EXPECT_EQ(range("range(1, 5, 0)"), "'range(1, 5, 0)': the step is 0");
  EXPECT_EQ(range("range(5, 5, 0.0)"), "'range(5, 5, 0.0)': the step is 0");
  EXPECT_EQ(range("range(1, 5, -1)"), "'range(1, 5, -1)': the step leads away from the end");
  EXPECT_EQ(range("range(5, 1)"), "'range(5, 1)': the step leads away from the end (it is 1 where none is given)");
  EXPECT_EQ(range("range(5)"), "'range(5)': a range is range(from, to) or range(from, to, step)");
  EXPECT_EQ(range("range(1,2,3,4)"), "'range(1,2,3,4)': a range is range(from, to) or range(from, to, step)");
  EXPECT_EQ(range("range(1, x)"), "'range(1, x)': 'x' is no number");
  EXPECT_EQ(range("range(1, )"), "'range(1, )': '' is no number");
  EXPECT_EQ(range("range(1, 0x10)"), "'range(1, 0x10)': '0x10' is no number");
  EXPECT_EQ(range("range(1, .inf)"), "'range(1, .inf)': '.inf' is no number");
  EXPECT_TRUE(contains(range("range(1e-30, 1e30)"), "too far apart"));
  EXPECT_TRUE(contains(range("range(1, 1e999)"), "too many digits"));
  EXPECT_TRUE(contains(range("range(1, " + std::string(50, '9') + ")"), "too many digits"));
  EXPECT_TRUE(contains(range("range(1, 1e99999999999)"), "too many digits"));
  EXPECT_TRUE(contains(range("range(10"), "in quotes"));
}

TEST(NumberRange, CountsWithoutMakingValues) {
  EXPECT_EQ(NumberRange::parse("range(1, 1000000000000)")->count(), 1'000'000'000'000u);
  EXPECT_EQ(NumberRange::parse("range(0, 18446744073709551613)")->count(), UINT64_MAX - 1);
  EXPECT_EQ(NumberRange::parse("range(0, 18446744073709551615)")->count(), UINT64_MAX);
  EXPECT_EQ(NumberRange::parse("range(0, 99999999999999999999999999999999999)")->count(), UINT64_MAX);
  EXPECT_EQ(
      NumberRange::parse("range(-999999999999999999999999999999999999, 999999999999999999999999999999999999)")->count(),
      UINT64_MAX);
}

TEST(NumberRange, IsToldFromExpressions) {
  for (const char* meant : {"range(1,2)", " range(1,2) ", "range (1,2)", "range(", "range(10", "range(high, low)"}) {
    EXPECT_TRUE(NumberRange::is_meant_by(meant)) << meant;
  }
  for (const char* other : {"", "range", "ranging", "range 1,2", "a range(1,2)", "range(20) > 1.5", "Range(1,2)",
                            "range(1) - range(2)", "rangefinder(3)"}) {
    EXPECT_FALSE(NumberRange::is_meant_by(other)) << other;
  }
}

// Against literals: the value at i must be the double that a file with the number written out would give. The slow way
// prints integers and puts the decimal point in between.
TEST(NumberRange, EqualsLiteralsWrittenOut) {
  const auto literal = [](int64_t digits, int places) {
    std::string text = std::to_string(digits < 0 ? -digits : digits);
    while (static_cast<int>(text.size()) <= places) text.insert(0, "0");
    if (places > 0) text.insert(text.size() - static_cast<size_t>(places), ".");
    return (digits < 0 ? "-" : "") + text;
  };
  uint64_t seed = 1;
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
  };
  for (int round = 0; round < 3000; ++round) {
    const int places = static_cast<int>(random(8));
    int64_t step = static_cast<int64_t>(random(1000)) + 1;
    const int64_t first = static_cast<int64_t>(random(200'000)) - 100'000;
    if (random(2) == 0) step = -step;
    const int64_t steps = static_cast<int64_t>(random(60));
    const int64_t rest = static_cast<int64_t>(random(static_cast<uint64_t>(step > 0 ? step : -step)));
    const int64_t last = first + step * steps + (step > 0 ? rest : -rest);
    const std::string text =
        "range(" + literal(first, places) + ", " + literal(last, places) + ", " + literal(step, places) + ")";
    const Result<NumberRange> range = NumberRange::parse(text);
    ASSERT_TRUE(range.ok()) << range.status().message();
    ASSERT_EQ(range->count(), static_cast<uint64_t>(steps + 1)) << text;
    for (int64_t i = 0; i <= steps; ++i) {
      std::string expected = literal(first + i * step, places);
      if (first + i * step == 0 && expected.starts_with('-')) expected.erase(0, 1);
      ASSERT_EQ(range->at(static_cast<uint64_t>(i)), *parse_json(expected)) << text << " at " << i;
    }
  }
}

TEST(NumberRange, CountsTheTenthsOfTheWorkloadExactly) {
  const Result<NumberRange> range = NumberRange::parse("range(0.5,4.4,0.1)");
  ASSERT_EQ(range->count(), 40u);
  for (uint64_t i = 0; i < 40; ++i) {
    char literal[16];
    std::snprintf(literal, sizeof literal, "%d.%d", static_cast<int>((5 + i) / 10), static_cast<int>((5 + i) % 10));
    EXPECT_EQ(*range->at(i).real(), std::stod(literal));
  }
}

TEST(Sweep, ProductRunsTheLastParameterFastest) {
  EXPECT_EQ(sweep("bollinger_bands: {period: [20, 10], std_dev: 'range(1.5, 2.0, 0.5)'}"),
            R"({"bollinger_bands":{"period":20,"std_dev":1.5}}
{"bollinger_bands":{"period":20,"std_dev":2.0}}
{"bollinger_bands":{"period":10,"std_dev":1.5}}
{"bollinger_bands":{"period":10,"std_dev":2.0}}
)");
  EXPECT_EQ(sweep("type: rsi\nparameters:\n  period: range(7, 14, 7)\nconstraints: [intraday, volume > 1.2]"),
            R"({"type":"rsi","parameters":{"period":7},"constraints":"intraday"}
{"type":"rsi","parameters":{"period":7},"constraints":"volume > 1.2"}
{"type":"rsi","parameters":{"period":14},"constraints":"intraday"}
{"type":"rsi","parameters":{"period":14},"constraints":"volume > 1.2"}
)");
}

TEST(Sweep, OneConfigurationStaysAsItIs) {
  EXPECT_EQ(sweep("{rsi: {}}"), "{\"rsi\":{}}\n");
  EXPECT_EQ(sweep("rsi:"), "{\"rsi\":null}\n");
  EXPECT_EQ(sweep("rsi: {period: [14]}"), "{\"rsi\":{\"period\":14}}\n");
  EXPECT_EQ(sweep("rsi: 14"), "{\"rsi\":14}\n");  // wrong, but identity says so better
  EXPECT_EQ(sweep("rsi: {a: null, b: true, c: 1.5, d: text, e: -3}"),
            "{\"rsi\":{\"a\":null,\"b\":true,\"c\":1.5,\"d\":\"text\",\"e\":-3}}\n");
}

TEST(Sweep, ListInAListIsAValue) {
  EXPECT_EQ(sweep("rsi: {levels: [[30, 70], [20, 80]]}"),
            "{\"rsi\":{\"levels\":[30,70]}}\n{\"rsi\":{\"levels\":[20,80]}}\n");
  EXPECT_EQ(sweep("rsi: {levels: [[30, 70]]}"), "{\"rsi\":{\"levels\":[30,70]}}\n");
  EXPECT_EQ(sweep("rsi: {levels: [[]]}"), "{\"rsi\":{\"levels\":[]}}\n");
  EXPECT_EQ(sweep("rsi: {levels: [[{a: [1, 2]}]]}"), "{\"rsi\":{\"levels\":[{\"a\":[1,2]}]}}\n");
  EXPECT_EQ(sweep("rsi: {levels: [['range(1,2)']]}"), "{\"rsi\":{\"levels\":[\"range(1,2)\"]}}\n");
  EXPECT_EQ(sweep("rsi: {levels: []}"),
            "s.yaml: line 1, column 15: an empty list has no value to try; an empty list as a value is [[]]");
}

TEST(Sweep, RangeInAListAddsItsValues) {
  EXPECT_EQ(sweep("rsi: {p: [5, 'range(10, 20, 10)', null]}"),
            "{\"rsi\":{\"p\":5}}\n{\"rsi\":{\"p\":10}}\n{\"rsi\":{\"p\":20}}\n{\"rsi\":{\"p\":null}}\n");
}

TEST(Sweep, UnquotedRangeInFlowSaysToQuoteIt) {
  EXPECT_EQ(sweep("{rsi: {period: range(10, 50, 5)}}"),
            "s.yaml: line 1, column 16: 'range(10' is cut off at its comma: inside [ ] or { } write it in quotes, "
            "\"range(10, 50, 5)\"");
  EXPECT_EQ(sweep("rsi:\n  period: [range(1, 3)]").substr(0, 37), "s.yaml: line 2, column 12: 'range(1' ");
  EXPECT_EQ(sweep("rsi:\n  period: range(1, 0)"),
            "s.yaml: line 2, column 11: 'range(1, 0)': the step leads away from the end (it is 1 where none is given)");
}

TEST(Sweep, MappingsInParametersVaryInside) {
  EXPECT_EQ(
      sweep("rsi:\n  risk: {stop: [1, 2], take: 3}\n  p: [4, 5]"),
      "{\"rsi\":{\"risk\":{\"stop\":1,\"take\":3},\"p\":4}}\n{\"rsi\":{\"risk\":{\"stop\":1,\"take\":3},\"p\":5}}\n"
      "{\"rsi\":{\"risk\":{\"stop\":2,\"take\":3},\"p\":4}}\n{\"rsi\":{\"risk\":{\"stop\":2,\"take\":3},\"p\":5}}\n");
  EXPECT_EQ(sweep("rsi: {stop: [null, {kind: atr, n: [7, 14]}]}"),
            "{\"rsi\":{\"stop\":null}}\n{\"rsi\":{\"stop\":{\"kind\":\"atr\",\"n\":7}}}\n"
            "{\"rsi\":{\"stop\":{\"kind\":\"atr\",\"n\":14}}}\n");
  // A private key is not what a strategy is, so varying it would give the same strategy twice.
  EXPECT_EQ(sweep("rsi: {_risk: {stop: [1, 2]}}"), "{\"rsi\":{\"_risk\":{\"stop\":[1,2]}}}\n");
}

TEST(Sweep, ListOfMappingsInParametersIsAListOfParts) {
  EXPECT_EQ(
      sweep("x:\n  parts:\n    - {type: keltner, params: {period: [26, 30]}}\n    - {type: bands, params: {p: 11}}\n"),
      R"({"x":{"parts":[{"type":"keltner","parameters":{"period":26}},{"type":"bands","parameters":{"p":11}}]}}
{"x":{"parts":[{"type":"keltner","parameters":{"period":30}},{"type":"bands","parameters":{"p":11}}]}}
)");
}

TEST(Sweep, SiblingsVary) {
  EXPECT_EQ(sweep("rsi: {}\nthreshold: ['0.5', {long: a, short: b}]\nfilter: [null, x]"),
            "{\"rsi\":{},\"threshold\":\"0.5\",\"filter\":null}\n{\"rsi\":{},\"threshold\":\"0.5\",\"filter\":\"x\"}\n"
            "{\"rsi\":{},\"threshold\":{\"long\":\"a\",\"short\":\"b\"},\"filter\":null}\n"
            "{\"rsi\":{},\"threshold\":{\"long\":\"a\",\"short\":\"b\"},\"filter\":\"x\"}\n");
  EXPECT_EQ(sweep("{rsi: {}, risk: [{stop: 1}, {stop: 2}]}"),
            "{\"rsi\":{},\"risk\":{\"stop\":1}}\n{\"rsi\":{},\"risk\":{\"stop\":2}}\n");
  EXPECT_EQ(sweep("{rsi: {}, weight: 'range(0.2, 0.4, 0.2)', threshold: 'range(20) > 1.5'}"),
            "{\"rsi\":{},\"weight\":0.2,\"threshold\":\"range(20) > 1.5\"}\n"
            "{\"rsi\":{},\"weight\":0.4,\"threshold\":\"range(20) > 1.5\"}\n");
}

TEST(Sweep, OtherKeysAreValues) {
  EXPECT_EQ(
      sweep("type: rsi\nsymbols: [SPY, QQQ]\nname: range(1,2)\nexit: {bars: [1, 2]}\n_note: ['range(1,2)']"),
      R"J({"type":"rsi","symbols":["SPY","QQQ"],"name":"range(1,2)","exit":{"bars":[1,2]},"_note":["range(1,2)"]})J"
      "\n");
  EXPECT_EQ(sweep("type: rsi\nexit:\n  bars: range(1, 2)"),
            "s.yaml: line 3, column 9: a range under 'exit' is not counted; ranges belong into parameters");
}

TEST(Sweep, ParamsAreParameters) {
  EXPECT_EQ(sweep("type: rsi\nname: grid\nparams: {period: [7, 14]}"),
            "{\"type\":\"rsi\",\"name\":\"grid\",\"parameters\":{\"period\":7}}\n"
            "{\"type\":\"rsi\",\"name\":\"grid\",\"parameters\":{\"period\":14}}\n");
  EXPECT_EQ(sweep("rsi: {params: {period: [7, 14]}}"), "{\"rsi\":{\"period\":7}}\n{\"rsi\":{\"period\":14}}\n");
  EXPECT_EQ(sweep("rsi: {weight: 0.5, params: {period: 7}, z: 1}"),
            "{\"rsi\":{\"weight\":0.5,\"period\":7,\"z\":1}}\n");
  EXPECT_EQ(sweep("rsi: {params: }"), "{\"rsi\":{}}\n");
  EXPECT_EQ(sweep("{type: rsi, params: {}}"), "{\"type\":\"rsi\",\"parameters\":{}}\n");
  EXPECT_EQ(sweep("config: {type: rsi, params: {a: 1}}"), "{\"config\":{\"type\":\"rsi\",\"parameters\":{\"a\":1}}}\n");
  EXPECT_EQ(sweep("rsi: {}\nparams: {a: 1}"),
            "s.yaml: line 2, column 1: 'params' stands beside a type; write it inside, or write 'type: ...'");
  EXPECT_EQ(sweep("rsi: {params: 3}"), "s.yaml: line 1, column 15: 'params' is a mapping or a list of mappings");
}

TEST(Sweep, ListOfParamsAreCombinations) {
  EXPECT_EQ(sweep("rsi:\n  period: [7, 14]\n  params:\n    - {oversold: 30, overbought: 70}\n    - {oversold: 20, "
                  "overbought: 80}\n"),
            "{\"rsi\":{\"period\":7,\"oversold\":30,\"overbought\":70}}\n{\"rsi\":{\"period\":7,\"oversold\":20,"
            "\"overbought\":80}}\n"
            "{\"rsi\":{\"period\":14,\"oversold\":30,\"overbought\":70}}\n{\"rsi\":{\"period\":14,\"oversold\":20,"
            "\"overbought\":80}}\n");
  const std::string expected =
      "{\"type\":\"rsi\",\"parameters\":{\"p\":7,\"a\":1}}\n{\"type\":\"rsi\",\"parameters\":{\"p\":7,\"a\":2}}\n"
      "{\"type\":\"rsi\",\"parameters\":{\"p\":7,\"b\":3}}\n";
  EXPECT_EQ(sweep("{type: rsi, parameters: {p: 7, params: [{a: [1, 2]}, {b: 3}]}}"), expected);
  EXPECT_EQ(sweep("{type: rsi, parameters: {p: 7}, params: [{a: 'range(1,2)'}, {b: 3}]}"), expected);
  EXPECT_EQ(sweep("{type: rsi, params: [{p: 7, a: 1}, {p: 7, a: 2}, {p: 7, b: 3}]}"), expected);
  EXPECT_EQ(sweep("{type: rsi, parameters: [{p: 7, a: [1, 2]}, {p: 7, b: 3}]}"), expected);
  EXPECT_EQ(sweep("rsi: [{a: 1}, {a: 2}]"), "{\"rsi\":{\"a\":1}}\n{\"rsi\":{\"a\":2}}\n");
}

TEST(Sweep, ParameterInAndBesideParamsIsAnError) {
  for (const char* yaml : {"rsi: {a: 1, params: [{b: 1}, {a: 2}]}", "rsi: {params: {a: 1}, a: 2}",
                           "{type: rsi, parameters: {a: 1}, params: [{a: 2}]}", "rsi: {a: 1, params: {a: [1, 2]}}"}) {
    EXPECT_TRUE(contains(sweep(yaml), "'a' is given in 'params' and beside it")) << sweep(yaml);
    EXPECT_TRUE(sweep(yaml).starts_with("s.yaml: line 1, column ")) << sweep(yaml);
  }
}

TEST(Sweep, NestedStrategiesVaryOverAllLeaves) {
  const std::string expected =
      R"({"strategy":[{"sma":{"n":1,"weight":0.4}},{"strategy":[{"rsi":{"n":7}}]},{"threshold":"a"}]}
{"strategy":[{"sma":{"n":1,"weight":0.4}},{"strategy":[{"rsi":{"n":7}}]},{"threshold":"b"}]}
{"strategy":[{"sma":{"n":1,"weight":0.4}},{"strategy":[{"rsi":{"n":14}}]},{"threshold":"a"}]}
{"strategy":[{"sma":{"n":1,"weight":0.4}},{"strategy":[{"rsi":{"n":14}}]},{"threshold":"b"}]}
{"strategy":[{"sma":{"n":2,"weight":0.4}},{"strategy":[{"rsi":{"n":7}}]},{"threshold":"a"}]}
{"strategy":[{"sma":{"n":2,"weight":0.4}},{"strategy":[{"rsi":{"n":7}}]},{"threshold":"b"}]}
{"strategy":[{"sma":{"n":2,"weight":0.4}},{"strategy":[{"rsi":{"n":14}}]},{"threshold":"a"}]}
{"strategy":[{"sma":{"n":2,"weight":0.4}},{"strategy":[{"rsi":{"n":14}}]},{"threshold":"b"}]}
)";
  EXPECT_EQ(sweep(R"J(
strategy: [
  {sma: {n: [1, 2], weight: 0.4}},
  {strategy: [{rsi: {params: {n: "range(7, 14, 7)"}}}]},
  {threshold: [a, b]}
])J"),
            expected);
  EXPECT_EQ(sweep(R"J(
strategy:
  - sma: {weight: 0.4, n: [1]}
    weight: [1, 2]
    threshold: range(0.3, 0.5, 0.2)
)J"),
            R"({"strategy":[{"sma":{"weight":0.4,"n":1},"weight":1,"threshold":0.3}]}
{"strategy":[{"sma":{"weight":0.4,"n":1},"weight":1,"threshold":0.5}]}
{"strategy":[{"sma":{"weight":0.4,"n":1},"weight":2,"threshold":0.3}]}
{"strategy":[{"sma":{"weight":0.4,"n":1},"weight":2,"threshold":0.5}]}
)");
  EXPECT_EQ(sweep("strategy: []"), "{\"strategy\":[]}\n");
  EXPECT_EQ(sweep("strategy: [7]"), "{\"strategy\":[7]}\n");
}

TEST(Sweep, ConditionalStrategiesVaryInside) {
  EXPECT_EQ(
      sweep("strategy: {if_else: {if: a, then: {all: {strategies: [{weight: 1, strategy: "
            "{rsi: {n: [7, 14]}}}]}}}}"),
      R"({"strategy":{"if_else":{"if":"a","then":{"all":{"strategies":[{"weight":1,"strategy":{"rsi":{"n":7}}}]}}}}}
{"strategy":{"if_else":{"if":"a","then":{"all":{"strategies":[{"weight":1,"strategy":{"rsi":{"n":14}}}]}}}}}
)");
}

TEST(Sweep, TwoVaryingTypesInOneMappingAreAnError) {
  EXPECT_EQ(sweep("strategy:\n  sma: {fast: [5, 10]}\n  bands: {period: [15, 20]}"),
            "s.yaml: line 3, column 3: 'sma' and 'bands' in one mapping, both with several values: alternatives are "
            "entries of the file, each with its own '- '");
}

TEST(Sweep, RefusesWhatIsNoMapping) {
  EXPECT_EQ(sweep("14"), "s.yaml: line 1, column 1: a configuration is a mapping, such as {rsi: {period: 14}}");
  EXPECT_EQ(sweep("- rsi"), "s.yaml: line 1, column 1: a configuration is a mapping, such as {rsi: {period: 14}}");
}

TEST(Sweep, IsCountedAndDescribedWithoutBeingMade) {
  using Pair = std::pair<uint64_t, std::string>;
  EXPECT_EQ(count("rsi: {period: 14}"), Pair(1, ""));
  EXPECT_EQ(count("x: {period: 'range(1,100)', std_dev: 'range(1,1000)', k: [1, 2], one: [3]}"),
            Pair(200'000, "period 100 x std_dev 1000 x k 2"));
  EXPECT_EQ(count("x: {params: [{a: [1, 2]}, {b: 3}], c: [4, 5]}"), Pair(6, "params 3 x c 2"));
  EXPECT_EQ(count("x: {a: 'range(1,10000000000)', b: 'range(1,10000000000)', c: [1, 2]}"),
            Pair(UINT64_MAX, "a 10000000000 x b 10000000000 x c 2"));
  EXPECT_EQ(count("x: {a: 'range(1,1e30)'}"), Pair(UINT64_MAX, "a (over 10^19)"));
  EXPECT_EQ(count("x: {a: ['range(1,1e30)', 1]}").first, UINT64_MAX);
  EXPECT_EQ(count("x: {a: [1,2], b: [1,2], c: [1,2], d: [1,2], e: [1,2], f: [1,2], g: [1,2]}"),
            Pair(128, "a 2 x b 2 x c 2 x d 2 x e 2 x f 2 x ..."));
}

// Against the obvious way: nested loops over what a random grid says.
TEST(Sweep, EqualsNestedLoops) {
  uint64_t seed = 7;
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<std::string>> dimensions(random(4) + 1);
    std::string yaml = "x: {";
    for (size_t d = 0; d < dimensions.size(); ++d) {
      const uint64_t first = random(50), size = random(4) + 1;
      std::string list;
      for (uint64_t i = 0; i < size; ++i) {
        dimensions[d].push_back(std::to_string(first + 3 * i));
        list += (i > 0 ? ", " : "") + dimensions[d].back();
      }
      const bool as_range = random(2) == 0;
      yaml += (d > 0 ? ", p" : "p") + std::to_string(d) + ": " +
              (as_range ? "'range(" + dimensions[d].front() + "," + dimensions[d].back() + ",3)'" : "[" + list + "]");
    }
    std::vector<std::string> lines{""};
    for (size_t d = 0; d < dimensions.size(); ++d) {
      std::vector<std::string> longer;
      for (const std::string& line : lines) {
        for (const std::string& value : dimensions[d]) {
          longer.push_back(line + (d > 0 ? ",\"p" : "\"p") + std::to_string(d) + "\":" + value);
        }
      }
      lines = longer;
    }
    std::string expected;
    for (const std::string& line : lines) expected += "{\"x\":{" + line + "}}\n";
    ASSERT_EQ(sweep(yaml + "}"), expected) << yaml;
  }
}

}  // namespace
}  // namespace signalbook
