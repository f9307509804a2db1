#include "store/strategy_components.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "format/strategy_identity.h"
#include "store/run_reader.h"
#include "store/run_writer.h"
#include "store/table_file.h"
#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

constexpr const char* kColumns[] = {"strategy_hash",
                                    "strategy_digest",
                                    "path",
                                    "parent_path",
                                    "depth",
                                    "role",
                                    "component_hash",
                                    "component_digest",
                                    "parent_hash",
                                    "parent_digest",
                                    "component_type",
                                    "is_leaf",
                                    "weight",
                                    "weight_sum",
                                    "effective_weight",
                                    "threshold",
                                    "component_config"};

std::vector<ComponentRow> rows_of(const std::string& config) {
  const JsonValue node = normalize_strategy(parse(config)).value();
  std::vector<ComponentRow> rows;
  for (StrategyComponent& component : list_components(node)) {
    rows.push_back({identify_normalized(node).digest, std::move(component)});
  }
  return rows;
}

constexpr const char* kVote = R"({"strategy":[{"rsi":{"period":14,"mode":"fast"},"weight":0.4},
    {"weight":0.5,"threshold":"0.3","strategy":[{"sma":{"period":20.5}},{"macd":{"period":"slow"}}]},
    {"weight":0.1,"conditional":{"if":"x","if_true":{"a":{"on":true}}}}]})";

void expect_equal(const ComponentRow& a, const ComponentRow& b) {
  const StrategyComponent &x = a.component, &y = b.component;
  EXPECT_EQ(a.strategy_digest, b.strategy_digest);
  EXPECT_EQ(x.path, y.path);
  EXPECT_EQ(x.parent_path, y.parent_path);
  EXPECT_EQ(x.depth, y.depth);
  EXPECT_EQ(x.role, y.role);
  EXPECT_EQ(x.type, y.type);
  EXPECT_EQ(x.config, y.config);
  EXPECT_EQ(x.digest, y.digest);
  EXPECT_EQ(x.parent_digest, y.parent_digest);
  EXPECT_EQ(x.is_leaf, y.is_leaf);
  EXPECT_EQ(x.weight, y.weight);
  EXPECT_EQ(x.weight_sum, y.weight_sum);
  EXPECT_EQ(x.effective_weight, y.effective_weight);
  EXPECT_EQ(x.threshold, y.threshold);
}

TEST(StrategyComponents, WhatIsWrittenIsReadBack) {
  const auto rows = rows_of(kVote);
  ASSERT_EQ(rows.size(), 6u);
  const std::string bytes = encode_components(rows).value();
  EXPECT_EQ(bytes, encode_components(rows).value()) << "same rows, same bytes";
  const auto read = decode_components(bytes, "c.parquet").value();
  ASSERT_EQ(read.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(rows[i].component.path);
    expect_equal(read[i], rows[i]);
    EXPECT_TRUE(read[i].component.parameters.empty());
  }
}

TEST(StrategyComponents, ParametersAreColumnsByTheRulesOfTheIndex) {
  const Table table = decode_table_file(encode_components(rows_of(kVote)).value(), "c.parquet").value();
  std::vector<std::string> names;
  for (const TableColumn& column : table.columns) names.push_back(column.name);
  std::vector<std::string> expected(std::begin(kColumns), std::end(kColumns) - 1);
  for (const char* name : {"if", "if_true", "mode", "on", "period", "period__str"}) {
    expected.push_back(std::string("param_") + name);
  }
  expected.emplace_back("component_config");
  EXPECT_EQ(names, expected);
  EXPECT_EQ(table.find("param_period")->reals[0], 14.0);
  EXPECT_EQ(table.find("param_period")->reals[2], 20.5);
  EXPECT_TRUE(table.find("param_period")->is_null(3));
  EXPECT_EQ(table.find("param_period__str")->texts[3], "slow");
  EXPECT_EQ(table.find("param_on")->integers[5], 1);
  EXPECT_EQ(table.find("param_if_true")->texts[4], R"({"a":{"on":true}})");
}

TEST(StrategyComponents, WithoutRowsTheColumnsAreThere) {
  const std::string bytes = encode_components({}).value();
  const Table table = decode_table_file(bytes, "c.parquet").value();
  ASSERT_EQ(table.columns.size(), std::size(kColumns));
  for (size_t i = 0; i < table.columns.size(); ++i) EXPECT_EQ(table.columns[i].name, kColumns[i]);
  EXPECT_TRUE(decode_components(bytes, "c.parquet").value().empty());
}

TEST(StrategyComponents, AMissingColumnOrOneOfAnotherTypeIsDamage) {
  const Table whole = decode_table_file(encode_components(rows_of(kVote)).value(), "c.parquet").value();
  size_t refused = 0;
  for (const TableColumn& column : whole.columns) {
    for (const bool missing : {true, false}) {
      Table table = whole;
      std::erase_if(table.columns, [&](const TableColumn& c) { return c.name == column.name; });
      if (!missing) {
        TableColumn& other = table.add(column.name, ColumnType::timestamp);
        for (size_t i = 0; i < whole.row_count(); ++i) other.append_integer(0);
      }
      const auto read = decode_components(encode_table_file(table).value(), "c.parquet");
      if (read.ok()) continue;
      ++refused;
      EXPECT_EQ(read.status().code(), StatusCode::damaged);
      EXPECT_NE(read.status().message().find("'" + column.name + "'"), std::string::npos) << read.status().message();
    }
  }
  EXPECT_EQ(refused, 2 * (std::size(kColumns) - 3));  // the three *_hash columns say what the digests say
  EXPECT_EQ(decode_components("no Parquet", "c.parquet").status().code(), StatusCode::damaged);
}

// A run of these configurations, each with a signal of its own.
struct Recorded {
  TemporaryDirectory directory;
  RunSummary summary;
  std::unique_ptr<RunReader> run;
  std::string components_path;

  explicit Recorded(const std::vector<std::string>& configs) {
    const std::string path = directory / "results/run_1";
    components_path = path + "/strategy_components.parquet";
    auto writer = RunWriter::create(posix_file_system(), path, {}).value();
    const size_t feed = writer->add_feed(make_small_bars(10)).value();
    for (size_t i = 0; i < configs.size(); ++i) {
      const size_t strategy = writer->add_strategy("s" + std::to_string(i), parse(configs[i])).value();
      EXPECT_TRUE(writer->record(writer->add_trace(strategy, feed), 0, static_cast<double>(i)).ok());
    }
    summary = writer->commit().value();
    run = RunReader::open(posix_file_system(), path).value();
  }
};

TEST(StrategyComponents, ARunHasThemOnceForEachConfigurationInTheOrderOfItsIndex) {
  const std::string pair = R"({"strategy":[{"rsi":{"period":7}},{"rsi":{"period":14}}]})";
  const std::string same =
      R"({"type":"ensemble","strategy":[{"rsi":{"period":7}},{"type":"rsi","parameters":{"period":14}}]})";
  const Recorded recorded({R"({"zeta":{}})", kVote, pair, R"({"alpha":{}})", same, kVote});
  const auto components = recorded.run->read_components().value();

  std::vector<ComponentRow> expected;
  std::set<Digest> known;
  for (const IndexRow& row : recorded.run->rows()) {
    if (!known.insert(row.strategy_digest).second) continue;
    for (ComponentRow& component : rows_of(row.strategy_config)) expected.push_back(std::move(component));
  }
  ASSERT_EQ(expected.size(), 8u);
  ASSERT_EQ(components.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) expect_equal(components[i], expected[i]);
}

TEST(StrategyComponents, WeightsThatDoNotSumToOneAreWarnedOf) {
  const auto configs = [](const std::string& type, const std::string& a, const std::string& b) {
    return R"({"strategy":[{"weight":1,"strategy":[{")" + type + R"(":{"weight":)" + a + R"(}},{"rsi":{"weight":)" + b +
           "}}]}]}";
  };
  EXPECT_TRUE(Recorded({configs("a", "0.4", "0.6"), configs("a", "0.25", "0.75")}).summary.warnings.empty());
  const auto one = Recorded({configs("a", "0.4", "0.6"), configs("a", "0.4", "0.5")}).summary.warnings;
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0], "strategy s1: weights of 0 sum to 0.9, not 1; kept as given");
  EXPECT_EQ(
      Recorded({R"({"strategy":[{"a":{"weight":1}},{"weight":1,"strategy":[{"b":{"weight":2}}]}]})"}).summary.warnings,
      std::vector<std::string>{
          "strategy s0: weights of the root sum to 2, not 1; kept as given (one of 2 such lists)"});
  std::vector<std::string> many;
  for (int i = 0; i < 9; ++i) many.push_back(configs("t" + std::to_string(i), "1", "1"));
  const auto warnings = Recorded(many).summary.warnings;
  ASSERT_EQ(warnings.size(), 4u);
  EXPECT_EQ(warnings.back(), "6 more configurations have weights that do not sum to 1");
}

TEST(StrategyComponents, BytesThatRunJsonDoesNotVouchForAreDamage) {
  const Recorded recorded({kVote});
  std::ifstream in(recorded.components_path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  const auto read_with = [&](const std::string& bytes) {
    std::ofstream(recorded.components_path, std::ios::binary | std::ios::trunc) << bytes;
    return recorded.run->read_components().status();
  };
  EXPECT_TRUE(read_with(whole).ok());
  for (size_t i = 0; i < whole.size(); i += 97) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_EQ(read_with(flipped).code(), StatusCode::damaged) << "byte " << i;
  }
  // A whole file, but not the one that was recorded.
  EXPECT_EQ(read_with(encode_components({}).value()).code(), StatusCode::damaged);
  std::filesystem::remove(recorded.components_path);
  EXPECT_EQ(recorded.run->read_components().status().code(), StatusCode::damaged);
}

TEST(StrategyComponents, ARunFromBeforeThisFileHasNone) {
  Recorded recorded({kVote});
  const std::string path = recorded.directory / "results/run_1/run.json";
  RunDescription description = recorded.run->description();
  std::erase_if(description.files, [](const auto& file) { return file.path == "strategy_components.parquet"; });
  std::ofstream(path, std::ios::trunc) << encode_run_description(description);
  std::filesystem::remove(recorded.components_path);
  recorded.run = RunReader::open(posix_file_system(), recorded.directory / "results/run_1").value();
  const auto components = recorded.run->read_components();
  ASSERT_TRUE(components.ok()) << components.status().message();
  EXPECT_TRUE(components->empty());
}

}  // namespace
}  // namespace signalbook
