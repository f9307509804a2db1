#include "store/strategy_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "format/strategy_identity.h"
#include "store/parameter_columns.h"
#include "store/table_file.h"
#include "support/small_run.h"

namespace signalbook {
namespace {

std::vector<IndexRow> rows_with(const std::vector<std::string>& parameters) {
  std::vector<IndexRow> rows;
  for (const std::string& text : parameters) {
    IndexRow& row = rows.emplace_back();
    row.parameters = *parse(text).object();
    row.strategy_type = "x";
    row.strategy_id = "s" + std::to_string(rows.size());
    row.strategy_digest = sha256(text);
  }
  return rows;
}

const TableColumn* find(const std::vector<TableColumn>& columns, const std::string& name) {
  for (const TableColumn& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

std::vector<std::string> names_of(const std::vector<TableColumn>& columns) {
  std::vector<std::string> names;
  for (const TableColumn& column : columns) names.push_back(column.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(ParameterColumns, NumbersAreDoubles) {
  const auto columns = make_parameter_columns(rows_with({R"({"p":20})", R"({"p":2.5})", "{}", R"({"p":null})"}));
  ASSERT_EQ(names_of(columns), Names{"param_p"});
  EXPECT_EQ(columns[0].type, ColumnType::real);
  EXPECT_EQ(columns[0].reals[0], 20.0);
  EXPECT_EQ(columns[0].reals[1], 2.5);
  EXPECT_TRUE(columns[0].is_null(2));
  EXPECT_TRUE(columns[0].is_null(3));
}

TEST(ParameterColumns, TypesStandApart) {
  const auto columns = make_parameter_columns(rows_with({R"({"p":20})", R"({"p":"fast"})", R"({"p":true})"}));
  ASSERT_EQ(names_of(columns), (Names{"param_p", "param_p__str", "param_p__bool"}));
  EXPECT_EQ(find(columns, "param_p")->reals[0], 20.0);
  EXPECT_EQ(find(columns, "param_p__str")->texts[1], "fast");
  EXPECT_EQ(find(columns, "param_p__bool")->integers[2], 1);
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"p":"a"})"}))), Names{"param_p"});
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"p":true})"}))), Names{"param_p"});
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"p":true})", R"({"p":"a"})"}))),
            (Names{"param_p__str", "param_p__bool"}));
}

TEST(ParameterColumns, NoIntegerIsRounded) {
  const auto columns =
      make_parameter_columns(rows_with({R"({"p":9007199254740992})", R"({"p":9007199254740993})",
                                        R"({"p":123456789012345678901234567890})", R"({"p":1180591620717411303424})"}));
  ASSERT_EQ(names_of(columns), (Names{"param_p", "param_p__str"}));
  EXPECT_EQ(columns[0].reals[0], 9007199254740992.0);
  EXPECT_EQ(columns[1].texts[1], "9007199254740993");
  EXPECT_EQ(columns[1].texts[2], "123456789012345678901234567890");
  EXPECT_EQ(columns[0].reals[3], 0x1p70);
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"p":9007199254740993})"}))), Names{"param_p__str"});
}

TEST(ParameterColumns, ListsAndObjectsAreJson) {
  const auto columns = make_parameter_columns(rows_with({R"({"p":[30, 70.0]})", R"({"p":{"b":1}})"}));
  ASSERT_EQ(names_of(columns), Names{"param_p"});
  EXPECT_EQ(columns[0].texts, (Names{"[30,70.0]", R"({"b":1})"}));
}

TEST(ParameterColumns, NamesThatSqlWouldConfuse) {
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"Period":1,"period":2,"PERIOD":3})"}))),
            (Names{"param_PERIOD", "param_Period__2", "param_period__3"}));
  EXPECT_EQ(names_of(make_parameter_columns(rows_with({R"({"p":1,"p__str":2})", R"({"p":"a"})"}))),
            (Names{"param_p", "param_p__str", "param_p__str__2"}));
}

IndexRow full_row() {
  IndexRow row;
  row.strategy_id = "strategy_0";
  row.strategy_digest = sha256("a");
  row.value_digest = sha256("b");
  row.strategy_type = "rsi";
  row.symbol = "SPY";
  row.timeframe = "5m";
  row.parameters = *parse(R"({"period":14})").object();
  row.constraints = "intraday";
  row.trace_path = "traces/x.parquet";
  row.trace_hash.fill(7);
  row.data_id = std::string(64, 'd');
  row.bar_count = 10;
  row.observed_from = 2;
  row.observed_to = 9;
  row.complete = true;
  row.change_count = 3;
  row.first_ts = 5;
  row.last_ts = 6;
  row.strategy_config = R"({"rsi":{"period":14}})";
  row.aliases = {"a", "b"};
  row.file_size = 2000;
  row.file_sha256 = sha256("c");
  row.created_at = 1'700'000'000'000'000;
  return row;
}

TEST(StrategyIndex, ReadsBackWhatItWrote) {
  IndexRow empty;
  empty.strategy_id = "silent";
  empty.strategy_type = "rsi";
  std::vector<IndexRow> rows = {full_row(), empty};
  sort_index(rows);
  const auto read = decode_index(encode_index(rows).value(), "strategy_index.parquet");
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const IndexRow &a = rows[i], &b = (*read)[i];
    EXPECT_EQ(b.trace_id, static_cast<int64_t>(i));
    EXPECT_EQ(a.strategy_id, b.strategy_id);
    EXPECT_EQ(a.strategy_digest, b.strategy_digest);
    EXPECT_EQ(std::vector(a.value_digest.begin(), a.value_digest.begin() + 8),
              std::vector(b.value_digest.begin(), b.value_digest.begin() + 8));
    EXPECT_EQ(a.constraints, b.constraints);
    EXPECT_EQ(a.threshold, b.threshold);
    EXPECT_EQ(a.trace_hash, b.trace_hash);
    EXPECT_EQ(a.observed_from, b.observed_from);
    EXPECT_EQ(a.observed_to, b.observed_to);
    EXPECT_EQ(a.complete, b.complete);
    EXPECT_EQ(a.first_ts, b.first_ts);
    EXPECT_EQ(a.aliases, b.aliases);
    EXPECT_EQ(a.file_sha256, b.file_sha256);
    EXPECT_EQ(a.strategy_config, b.strategy_config);
    EXPECT_EQ(a.created_at, b.created_at);
  }
}

TEST(StrategyIndex, OrderDoesNotDependOnTheOrderOfRecording) {
  std::vector<IndexRow> rows;
  for (int period = 9; period < 30; ++period) {
    for (const char* extra : {"", R"(,"mode":"a")", R"(,"mode":2)", R"(,"mode":null)"}) {
      IndexRow row = full_row();
      row.parameters = *parse(R"({"period":)" + std::to_string(period) + extra + "}").object();
      row.strategy_digest = sha256(std::to_string(period) + extra);
      rows.push_back(row);
    }
  }
  sort_index(rows);
  for (size_t i = 1; i < rows.size(); ++i) {  // as numbers: 9 before 10
    const auto period = [&](size_t k) { return *rows[k].parameters[0].second.integer(); };
    const bool sorted_by_name_first = rows[i - 1].parameters.size() <= 2;
    EXPECT_TRUE(sorted_by_name_first);
    if (rows[i - 1].parameters.size() == rows[i].parameters.size() && rows[i].parameters.size() == 1) {
      EXPECT_LT(period(i - 1), period(i));
    }
  }
  std::vector<IndexRow> shuffled = rows;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(1));
  sort_index(shuffled);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].strategy_digest, shuffled[i].strategy_digest);
}

TEST(StrategyIndex, AnotherFileIsDamage) {
  Table table;
  table.add("strategy_id", ColumnType::text).texts = {"a"};
  const auto read = decode_index(encode_table_file(table).value(), "strategy_index.parquet");
  EXPECT_EQ(read.status().code(), StatusCode::damaged);
  EXPECT_NE(read.status().message().find("strategy_index.parquet"), std::string::npos);
  EXPECT_NE(read.status().message().find("strategy_digest"), std::string::npos);
}

}  // namespace
}  // namespace signalbook
