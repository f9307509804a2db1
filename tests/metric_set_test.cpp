#include "store/metric_set.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "analytics/metric_names.h"
#include "base/digest.h"
#include "format/file_names.h"
#include "study/metric_terms.h"

namespace signalbook {
namespace {

std::vector<IndexRow> make_rows(size_t count) {
  std::vector<IndexRow> rows;
  for (size_t i = 0; i < count; ++i) {
    IndexRow row;
    row.strategy_id = "strategy_" + std::to_string(i);
    row.strategy_digest = sha256(row.strategy_id);
    row.strategy_type = i % 3 == 0 ? "regime" : "rsi";
    row.kind = i % 3 == 0 ? SignalKind::label : SignalKind::number;
    row.parameters = {{"period", JsonValue(static_cast<int64_t>(i))}};
    if (i % 2 == 0) row.parameters.emplace_back("mode", JsonValue("fast"));
    row.symbol = "SPY";
    row.timeframe = "5m";
    row.trace_path = "traces/" + row.strategy_id + ".parquet";
    row.strategy_config = R"({"rsi":{"period":)" + std::to_string(i) + "}}";
    if (i % 4 == 1) row.aliases = {"other_" + std::to_string(i)};
    row.data_id = std::string(64, 'd');
    rows.push_back(std::move(row));
  }
  sort_index(rows);
  return rows;
}

// Every third row has no figures, and of the others some figures are NULL.
MetricSet make_set(const std::vector<IndexRow>& rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  MetricSet set(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].kind == SignalKind::label) continue;
    set.set_definition(i, i % 2 == 0 ? R"({"equation":1})" : R"({"equation":1,"window":[1,2]})");
    for (const RealMetric& metric : kRealMetrics) {
      if (random() % 4 != 0) set.figures[i].*metric.value = std::normal_distribution<double>()(random);
    }
    for (const CountMetric& metric : kCountMetrics) {
      if (random() % 4 != 0) set.figures[i].*metric.value = static_cast<int64_t>(random() % 1000);
    }
  }
  return set;
}

void expect_same(const MetricSet& a, const MetricSet& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a.figures[i], b.figures[i]) << i;
    ASSERT_EQ(a.definition(i) == nullptr, b.definition(i) == nullptr) << i;
    if (a.definition(i) == nullptr) continue;
    EXPECT_EQ(*a.definition(i), *b.definition(i)) << i;
  }
}

TEST(MetricSet, StandsInTheIndexAndBesideIt) {
  const std::vector<IndexRow> rows = make_rows(50);
  const MetricSet set = make_set(rows, 1);
  const auto in_index = decode_index_metrics(encode_index(rows, set).value(), "strategy_index.parquet");
  ASSERT_TRUE(in_index.ok()) << in_index.status().message();
  expect_same(*in_index, set);
  const auto beside = decode_metric_set(encode_metric_set(set, rows).value(), "metrics/x.parquet", rows);
  ASSERT_TRUE(beside.ok()) << beside.status().message();
  expect_same(*beside, set);
  EXPECT_FALSE(set.is_empty());
}

TEST(MetricSet, IsEmptyInAnIndexWithoutFigures) {
  const auto none = decode_index_metrics(encode_index(make_rows(5), {}).value(), "strategy_index.parquet");
  ASSERT_TRUE(none.ok()) << none.status().message();
  EXPECT_EQ(none->size(), 5u);
  EXPECT_TRUE(none->is_empty());
}

// More rows than a row group has.
TEST(MetricSet, IsReplacedInAnIndexAsIfItHadBeenThereFromTheBeginning) {
  for (const size_t count : {size_t{1}, size_t{50}, size_t{61'450}}) {
    const std::vector<IndexRow> rows = make_rows(count);
    const MetricSet first = make_set(rows, 1), second = make_set(rows, 2);
    const std::string expected = encode_index(rows, second).value();
    for (const std::string& before : {encode_index(rows, {}).value(), encode_index(rows, first).value()}) {
      const auto replaced = replace_index_metrics(before, "strategy_index.parquet", second);
      ASSERT_TRUE(replaced.ok()) << replaced.status().message();
      EXPECT_TRUE(*replaced == expected) << count << " rows";
    }
  }
}

TEST(MetricSet, IsDamageWhenItIsThatOfOtherRows) {
  const std::vector<IndexRow> rows = make_rows(5);
  const std::string bytes = encode_metric_set(make_set(rows, 1), rows).value();
  std::vector<IndexRow> others = rows;
  others.back().trace_path = "traces/another.parquet";
  for (const std::vector<IndexRow>& wrong : {others, make_rows(4)}) {
    const auto read = decode_metric_set(bytes, "metrics/x.parquet", wrong);
    ASSERT_EQ(read.status().code(), StatusCode::damaged);
    EXPECT_NE(read.status().message().find("metrics/x.parquet"), std::string::npos);
  }
  EXPECT_EQ(replace_index_metrics(encode_index(rows, {}).value(), "i", make_set(make_rows(4), 1)).status().code(),
            StatusCode::damaged);
  EXPECT_EQ(decode_metric_set(bytes.substr(0, bytes.size() - 9), "m", rows).status().code(), StatusCode::damaged);
}

TEST(MetricSet, HasANameThatIsOneOfAFile) {
  for (const char* const name : {"cost5bp", "a", "2024", "in-sample_1.5"}) {
    EXPECT_TRUE(check_metric_set_name(name).ok()) << name;
    EXPECT_EQ(metric_set_name(metric_set_path(name)), name);
  }
  for (const std::string& name :
       {std::string(), std::string("A"), std::string("a/b"), std::string(".."), std::string("-a"), std::string("a b"),
        std::string("\xC3\xA4"), std::string(81, 'a')}) {
    EXPECT_EQ(check_metric_set_name(name).code(), StatusCode::invalid) << name;
    EXPECT_EQ(metric_set_name("metrics/" + name + ".parquet"), std::nullopt) << name;
  }
  for (const char* const path :
       {"metrics/a", "a.parquet", "metrics/a/b.parquet", "strategy_index.parquet", "metrics/"}) {
    EXPECT_EQ(metric_set_name(path), std::nullopt) << path;
  }
}

// ---- Names of terms -------------------------------------------------------------------------------------------------

constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
constexpr int64_t kJanuarySecond = int64_t{19'724} * kDay;  // 2024-01-02

TEST(NameOfTerms, TellsWhatIsNotAsUsual) {
  EXPECT_EQ(name_of_terms({}), "plain");
  EXPECT_EQ(name_of_terms({.cost = 0.0005}), "cost5bp");
  EXPECT_EQ(name_of_terms({.cost = 2.5 * 1e-4}), "cost2.5bp");
  EXPECT_EQ(name_of_terms({.cost = 7 * 1e-4}), "cost7bp");  // 7.000000000000001 when multiplied back
  EXPECT_EQ(name_of_terms({.risk_free_rate = 0.03, .bars_per_year = 252, .from = kJanuarySecond}),
            "rf0.03_bars252_from20240102");
  EXPECT_EQ(name_of_terms({.from = kJanuarySecond + 48'600'000'000, .to = kJanuarySecond + 2 * kDay}),
            "from20240102t1330_to20240103");
  EXPECT_EQ(name_of_terms({.to = kJanuarySecond + 48'600'000'001}), "to20240102t1330");  // that bar is in
  EXPECT_EQ(name_of_terms({.exits = {.stop = 0.01, .target = 0.02, .trail = 0.005, .slippage = 1e-4}}),
            "stop0.01_target0.02_trail0.005_slip1bp");
  EXPECT_EQ(name_of_terms({.cost = 0.0005, .without_bars = true}), "px_cost5bp");
}

// Otherwise the figures of one would be written over those of another.
TEST(NameOfTerms, IsAnotherForOtherTermsAndAlwaysAName) {
  std::mt19937_64 random(1);
  const auto one_of = [&](std::vector<double> values) { return values[random() % values.size()]; };
  const auto time = [&]() -> std::optional<int64_t> {
    const std::vector<int64_t> offsets = {
        0, 1, 1'000'000, 60'000'000, 600'000'000, 3'600'000'000, 36'000'000'000, kDay, 10 * kDay};
    if (random() % 3 == 0) return std::nullopt;
    return kJanuarySecond + offsets[random() % offsets.size()];
  };
  std::map<std::string, std::string> terms_of;
  for (int i = 0; i < 20'000; ++i) {
    const MetricTerms terms = {
        .cost = one_of({0, 1e-4, 1e-5, 1e-3, 1.5e-4, 1e-12}),
        .capital = one_of({100'000, 1, 1e6, 1e20, 100'000.5}),
        .risk_free_rate = one_of({0, 0.03, -0.03, 0.3}),
        .bars_per_year = random() % 2 == 0 ? std::optional(one_of({252, 19'656.5})) : std::nullopt,
        .from = time(),
        .to = time(),
        .exits = {.stop = one_of({0, 0.01, 0.001}),
                  .target = one_of({0, 0.01}),
                  .trail = one_of({0, 0.01}),
                  .slippage = one_of({0, 1e-4})}};
    const std::string name = name_of_terms(terms);
    EXPECT_TRUE(check_metric_set_name(name).ok()) << name;
    const auto number = [](auto value) { return value ? std::to_string(*value) : std::string("-"); };
    char text[400];
    std::snprintf(text, sizeof text, "%.17g %.17g %.17g %s %s %s %.17g %.17g %.17g %.17g", terms.cost, terms.capital,
                  terms.risk_free_rate, number(terms.bars_per_year).c_str(), number(terms.from).c_str(),
                  number(terms.to).c_str(), terms.exits.stop, terms.exits.target, terms.exits.trail,
                  terms.exits.slippage);
    const auto [known, is_new] = terms_of.emplace(name, text);
    ASSERT_EQ(known->second, text) << name;
  }
  EXPECT_GT(terms_of.size(), 10'000u);
}

}  // namespace
}  // namespace signalbook
