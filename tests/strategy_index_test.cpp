#include "store/strategy_index.h"

#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/bloom_filter.h>
#include <parquet/bloom_filter_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <tuple>

#include "format/strategy_identity.h"
#include "store/metric_set.h"
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

std::vector<TableColumn> make_columns(const std::vector<IndexRow>& rows) {
  std::vector<const JsonValue::Object*> parameters;
  for (const IndexRow& row : rows) parameters.push_back(&row.parameters);
  return make_parameter_columns(parameters);
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
  const auto columns = make_columns(rows_with({R"({"p":20})", R"({"p":2.5})", "{}", R"({"p":null})"}));
  ASSERT_EQ(names_of(columns), Names{"param_p"});
  EXPECT_EQ(columns[0].type, ColumnType::real);
  EXPECT_EQ(columns[0].reals[0], 20.0);
  EXPECT_EQ(columns[0].reals[1], 2.5);
  EXPECT_TRUE(columns[0].is_null(2));
  EXPECT_TRUE(columns[0].is_null(3));
}

TEST(ParameterColumns, TypesStandApart) {
  const auto columns = make_columns(rows_with({R"({"p":20})", R"({"p":"fast"})", R"({"p":true})"}));
  ASSERT_EQ(names_of(columns), (Names{"param_p", "param_p__str", "param_p__bool"}));
  EXPECT_EQ(find(columns, "param_p")->reals[0], 20.0);
  EXPECT_EQ(find(columns, "param_p__str")->texts[1], "fast");
  EXPECT_EQ(find(columns, "param_p__bool")->integers[2], 1);
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"p":"a"})"}))), Names{"param_p"});
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"p":true})"}))), Names{"param_p"});
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"p":true})", R"({"p":"a"})"}))),
            (Names{"param_p__str", "param_p__bool"}));
}

TEST(ParameterColumns, NoIntegerIsRounded) {
  const auto columns =
      make_columns(rows_with({R"({"p":9007199254740992})", R"({"p":9007199254740993})",
                              R"({"p":123456789012345678901234567890})", R"({"p":1180591620717411303424})"}));
  ASSERT_EQ(names_of(columns), (Names{"param_p", "param_p__str"}));
  EXPECT_EQ(columns[0].reals[0], 9007199254740992.0);
  EXPECT_EQ(columns[1].texts[1], "9007199254740993");
  EXPECT_EQ(columns[1].texts[2], "123456789012345678901234567890");
  EXPECT_EQ(columns[0].reals[3], 0x1p70);
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"p":9007199254740993})"}))), Names{"param_p__str"});
}

TEST(ParameterColumns, ListsAndObjectsAreJson) {
  const auto columns = make_columns(rows_with({R"({"p":[30, 70.0]})", R"({"p":{"b":1}})"}));
  ASSERT_EQ(names_of(columns), Names{"param_p"});
  EXPECT_EQ(columns[0].texts, (Names{"[30,70.0]", R"({"b":1})"}));
}

TEST(ParameterColumns, NamesThatSqlWouldConfuse) {
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"Period":1,"period":2,"PERIOD":3})"}))),
            (Names{"param_PERIOD", "param_Period__2", "param_period__3"}));
  EXPECT_EQ(names_of(make_columns(rows_with({R"({"p":1,"p__str":2})", R"({"p":"a"})"}))),
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
  const auto read = decode_index(encode_index(rows, {}).value(), "strategy_index.parquet");
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

// All that the index keeps of a row, but for the parameters.
auto kept(const IndexRow& row) {
  return std::tuple(row.trace_id, row.strategy_id, row.strategy_digest,
                    std::vector(row.value_digest.begin(), row.value_digest.begin() + 8), row.strategy_type, row.symbol,
                    row.timeframe, row.kind, row.constraints, row.threshold, row.trace_path, row.trace_hash,
                    row.data_id, row.bar_count, row.observed_from, row.observed_to, row.complete, row.change_count,
                    row.first_ts, row.last_ts, row.strategy_config, row.aliases, row.file_size, row.file_sha256,
                    row.created_at);
}

// Enough for two row groups and a bit. Of the last hundred strategies only some have text for the parameter.
std::vector<IndexRow> many_rows() {
  constexpr int64_t kCount = 130'000;
  std::mt19937_64 random(7);
  std::vector<IndexRow> rows;
  for (int64_t i = 0; i < kCount; ++i) {
    IndexRow row = full_row();
    const bool odd = random() % 2 == 1;
    row.trace_id = i;
    row.strategy_id = "strategy_" + std::to_string(random() % 1'000'000);
    row.strategy_type = i < kCount / 2 ? "bollinger_bands" : "rsi";
    for (auto& byte : row.strategy_digest) byte = static_cast<uint8_t>(random());
    for (auto& byte : row.value_digest) byte = static_cast<uint8_t>(random());
    for (auto& byte : row.trace_hash) byte = static_cast<uint8_t>(random());
    for (auto& byte : row.file_sha256) byte = static_cast<uint8_t>(random());
    row.kind = odd ? SignalKind::label : SignalKind::number;
    row.parameters = {{"period", JsonValue(i / 1'000)}};
    if (odd) row.parameters.emplace_back("mode", i < kCount - 100 ? JsonValue(i) : JsonValue("fast"));
    row.constraints = odd ? std::optional("intraday") : std::nullopt;
    row.threshold = odd ? std::nullopt : std::optional(std::to_string(i));
    row.trace_path = "traces/" + std::to_string(i) + ".parquet";
    row.bar_count = static_cast<int64_t>(random() % 10'000);
    row.observed_from = odd ? std::optional<BarIndex>(i % 7) : std::nullopt;
    row.observed_to = odd ? std::optional<BarIndex>(row.bar_count) : std::nullopt;
    row.complete = random() % 2 == 1;
    row.change_count = static_cast<int64_t>(random() % 3'000);
    row.first_ts = odd ? std::optional<int64_t>(i) : std::nullopt;
    row.last_ts = odd ? std::optional<int64_t>(i * 2) : std::nullopt;
    row.strategy_config = "{\"seed\":" + std::to_string(i) + "}";
    row.aliases.assign(random() % 3, "alias_" + std::to_string(i));
    row.file_size = static_cast<int64_t>(random() % 60'000);
    rows.push_back(std::move(row));
  }
  return rows;
}

struct OpenIndex {
  std::string bytes;
  std::unique_ptr<parquet::ParquetFileReader> reader;
};

OpenIndex open_index(const std::vector<IndexRow>& rows) {
  OpenIndex index = {.bytes = encode_index(rows, {}).value(), .reader = nullptr};
  index.reader = parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(index.bytes.data()), index.bytes.size())));
  return index;
}

TEST(StrategyIndex, ReadsBackSeveralRowGroups) {
  const std::vector<IndexRow> rows = many_rows();
  const OpenIndex index = open_index(rows);
  ASSERT_GE(index.reader->metadata()->num_row_groups(), 3);
  const auto read = decode_index(index.bytes, "strategy_index.parquet");
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(kept((*read)[i]), kept(rows[i])) << i;

  const Table table = decode_table_file(index.bytes, "i", {"param_period", "param_mode", "param_mode__str"}).value();
  const TableColumn &period = *table.find("param_period"), &mode = *table.find("param_mode"),
                    &text = *table.find("param_mode__str");
  for (size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(period.reals[i], static_cast<double>(*rows[i].parameters[0].second.integer())) << i;
    const JsonValue value = rows[i].parameters.size() > 1 ? rows[i].parameters[1].second : JsonValue();
    ASSERT_EQ(mode.is_null(i), value.integer() == nullptr) << i;
    ASSERT_EQ(text.is_null(i), value.text() == nullptr) << i;
    if (value.integer() != nullptr) {
      ASSERT_EQ(mode.reals[i], static_cast<double>(*value.integer())) << i;
    }
    if (value.text() != nullptr) {
      ASSERT_EQ(text.texts[i], *value.text()) << i;
    }
  }
}

// What lets a reader leave most of a large index alone (docs/format.md).
TEST(StrategyIndex, RowGroupsCanBeLeftOut) {
  const std::vector<IndexRow> rows = many_rows();
  const OpenIndex index = open_index(rows);
  const auto metadata = index.reader->metadata();
  const std::set<std::string> opaque = {"strategy_id", "strategy_digest", "value_digest", "trace_path",
                                        "trace_hash",  "strategy_config", "file_sha256"};
  size_t first = 0;
  for (int g = 0; g < metadata->num_row_groups(); ++g) {
    const auto group = metadata->RowGroup(g);
    const auto count = static_cast<size_t>(group->num_rows());
    EXPECT_TRUE(count == 61'440 || g + 1 == metadata->num_row_groups());
    for (int c = 0; c < group->num_columns(); ++c) {
      const auto chunk = group->ColumnChunk(c);
      const std::string name = chunk->path_in_schema()->ToDotString();
      EXPECT_EQ(chunk->compression(), parquet::Compression::ZSTD) << name;
      EXPECT_TRUE(chunk->GetOffsetIndexLocation().has_value()) << name;
      EXPECT_EQ(chunk->is_stats_set(), !opaque.contains(name)) << name;
      const bool plain = opaque.contains(name) || name == "strategy_hash" || name == "trace_id";
      if (chunk->type() != parquet::Type::BOOLEAN) {
        EXPECT_EQ(chunk->has_dictionary_page(), !plain) << name;
      }
    }
    const auto statistics = [&](const char* name) {
      return group->ColumnChunk(metadata->schema()->ColumnIndex(name))->statistics();
    };
    const auto period = std::static_pointer_cast<parquet::DoubleStatistics>(statistics("param_period"));
    EXPECT_EQ(period->min(), static_cast<double>(*rows[first].parameters[0].second.integer()));
    EXPECT_EQ(period->max(), static_cast<double>(*rows[first + count - 1].parameters[0].second.integer()));
    const auto type = std::static_pointer_cast<parquet::ByteArrayStatistics>(statistics("strategy_type"));
    EXPECT_EQ(parquet::ByteArrayToString(type->min()), rows[first].strategy_type);
    EXPECT_EQ(parquet::ByteArrayToString(type->max()), rows[first + count - 1].strategy_type);
    first += count;
  }
  EXPECT_EQ(first, rows.size());
}

TEST(StrategyIndex, ABloomFilterKnowsTheHashes) {
  std::vector<IndexRow> rows = many_rows();
  rows.resize(2'000);
  const OpenIndex index = open_index(rows);
  const int column = index.reader->metadata()->schema()->ColumnIndex("strategy_hash");
  const auto filter = index.reader->GetBloomFilterReader().RowGroup(0)->GetColumnBloomFilter(column);
  ASSERT_NE(filter, nullptr);
  EXPECT_LT(filter->GetBitsetSize(), 8'192u) << "folded to what 2,000 rows need";
  const auto has = [&](const std::string& hash) {
    const parquet::ByteArray value(hash);
    return filter->FindHash(filter->Hash(&value));
  };
  for (const IndexRow& row : rows) ASSERT_TRUE(has(row.strategy_hash()));
  int wrong = 0;
  for (int i = 0; i < 2'000; ++i) wrong += has(to_hex(sha256(std::to_string(i))).substr(0, 12));
  EXPECT_LT(wrong, 200);
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
