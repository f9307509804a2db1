#include "store/trace_file.h"

#include <gtest/gtest.h>

#include <random>

#include "store/table_file.h"

namespace signalbook {
namespace {

const TraceDescription kAbout = {.strategy_id = "strategy_0",
                                 .strategy_hash = "39a6426ec117",
                                 .strategy_digest = std::string(64, 'a'),
                                 .strategy_config = R"({"rsi":{"text":"\u00e9"}})",
                                 .symbol = "BTC/USDT",
                                 .timeframe = "5m",
                                 .data_id = std::string(64, 'b'),
                                 .trace_hash = std::string(32, 'c'),
                                 .creation_time = "2024-01-02T00:00:00Z"};

struct Rows {
  SignalChanges changes;
  std::vector<int64_t> ts;
  std::vector<double> px;
};

Rows random_rows(size_t count, SignalKind kind, uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows rows;
  rows.changes.kind = kind;
  BarIndex bar = 0;
  for (size_t i = 0; i < count; ++i) {
    rows.changes.idx.push_back(bar += 1 + static_cast<BarIndex>(random() % 50));
    rows.ts.push_back(1'704'205'800'000'000 + bar * 60'000'000);
    rows.px.push_back(static_cast<double>(random() % 100'000) / 100.0);
    if (kind == SignalKind::label) {
      rows.changes.labels.push_back(std::string(random() % 20, static_cast<char>('a' + random() % 26)));
    } else {
      rows.changes.values.push_back(static_cast<double>(random() % 7) / 3.0 - 1.0);
    }
  }
  return rows;
}

TEST(TraceFile, ReadsBackWhatItWrote) {
  TraceFileEncoder encoder;
  for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
    for (const size_t count : {0, 1, 2, 127, 128, 129, 1000, 200'000}) {
      const Rows rows = random_rows(count, kind, count);
      const Result<std::string_view> bytes = encoder.encode(kAbout, rows.changes, rows.ts, rows.px);
      ASSERT_TRUE(bytes.ok()) << bytes.status().message();
      const Result<Trace> trace = decode_trace_file(std::string(*bytes), "x.parquet");
      ASSERT_TRUE(trace.ok()) << trace.status().message();
      EXPECT_EQ(trace->changes, rows.changes);
      EXPECT_EQ(trace->ts, rows.ts);
      EXPECT_EQ(trace->px, rows.px);
      EXPECT_EQ(trace->about.strategy_id, kAbout.strategy_id);
      EXPECT_EQ(trace->about.strategy_config, kAbout.strategy_config);
      EXPECT_EQ(trace->about.symbol, kAbout.symbol);
      EXPECT_EQ(trace->about.trace_hash, kAbout.trace_hash);
      EXPECT_EQ(trace->about.data_id, kAbout.data_id);
    }
  }
}

// Of many pages, too: a page holds 20,000 rows.
TEST(TraceFile, ChangesAloneAreThoseOfTheTrace) {
  TraceFileEncoder encoder;
  for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
    for (const size_t count : {0, 1, 127, 1023, 1024, 1025, 100'000}) {
      const Rows rows = random_rows(count, kind, count);
      const std::string bytes(encoder.encode(kAbout, rows.changes, rows.ts, rows.px).value());
      for (const bool with_prices : {false, true}) {
        const Result<TraceChanges> trace = decode_trace_changes(bytes, "x.parquet", with_prices);
        ASSERT_TRUE(trace.ok()) << trace.status().message();
        EXPECT_EQ(trace->changes, rows.changes);
        EXPECT_EQ(trace->px, with_prices ? rows.px : std::vector<double>());
      }
    }
  }
}

TEST(TraceFile, SameInputSameBytes) {
  const Rows rows = random_rows(500, SignalKind::number, 9);
  TraceFileEncoder used, fresh;
  (void)used.encode(kAbout, random_rows(3000, SignalKind::label, 1).changes, std::vector<int64_t>(3000),
                    std::vector<double>(3000));
  const std::string first(used.encode(kAbout, rows.changes, rows.ts, rows.px).value());
  EXPECT_EQ(first, fresh.encode(kAbout, rows.changes, rows.ts, rows.px).value());
}

TEST(TraceFile, OlderFilesAreReadToo) {
  Table table;  // the six columns of old, val an integer and ts text
  table.add("idx", ColumnType::int64).integers = {0, 45, 127};
  table.add("ts", ColumnType::text).texts = {"2024-01-02 14:30:00", "2024-01-02T18:15:00+00:00",
                                             "2024-01-03T01:05:00Z"};
  table.add("sym", ColumnType::text).texts = {"SPY", "SPY", "SPY"};
  table.add("val", ColumnType::int64).integers = {1, 0, -1};
  table.add("strat", ColumnType::text).texts = {"strategy_0", "strategy_0", "strategy_0"};
  table.add("px", ColumnType::real).reals = {470.5, 471.2, 469.8};
  const Result<Trace> trace = decode_trace_file(encode_table_file(table).value(), "old.parquet");
  ASSERT_TRUE(trace.ok()) << trace.status().message();
  EXPECT_EQ(trace->changes.values, (std::vector<double>{1, 0, -1}));
  EXPECT_EQ(trace->ts, (std::vector<int64_t>{1'704'205'800'000'000, 1'704'219'300'000'000, 1'704'243'900'000'000}));
  EXPECT_EQ(trace->about.strategy_id, "strategy_0");
  EXPECT_EQ(trace->about.symbol, "SPY");
  EXPECT_EQ(trace->about.strategy_hash, "");
  const Result<TraceChanges> changes = decode_trace_changes(encode_table_file(table).value(), "old.parquet", true);
  ASSERT_TRUE(changes.ok()) << changes.status().message();
  EXPECT_EQ(changes->changes, trace->changes);
  EXPECT_EQ(changes->px, trace->px);
  EXPECT_EQ(decode_trace_changes(encode_table_file(table).value(), "old.parquet", false)->px, std::vector<double>());
}

TEST(TraceFile, WhatIsNoTraceIsDamage) {
  const auto code = [](const std::string& bytes) {
    const StatusCode whole = decode_trace_file(bytes, "x.parquet").status().code();
    EXPECT_EQ(decode_trace_changes(bytes, "x.parquet", true).status().code(), whole);
    return whole;
  };
  EXPECT_EQ(code(""), StatusCode::damaged);
  EXPECT_EQ(code("PAR1 nothing PAR1"), StatusCode::damaged);
  Table table;
  table.add("idx", ColumnType::int64).integers = {3, 2};
  EXPECT_EQ(code(encode_table_file(table).value()), StatusCode::damaged) << "no val";
  table.add("val", ColumnType::int64).integers = {1, 0};
  EXPECT_EQ(code(encode_table_file(table).value()), StatusCode::damaged) << "idx goes back";
}

TEST(TraceFile, CutAtAnyByteIsDamageAndNoCrash) {
  const Rows rows = random_rows(40, SignalKind::number, 2);
  TraceFileEncoder encoder;
  const std::string bytes(encoder.encode(kAbout, rows.changes, rows.ts, rows.px).value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_EQ(decode_trace_file(cut, "x.parquet").status().code(), StatusCode::damaged) << size;
    EXPECT_EQ(decode_trace_changes(cut, "x.parquet", true).status().code(), StatusCode::damaged) << size;
  }
}

// Without the checksums of pages some damage is not seen, but none of it may crash.
TEST(TraceFile, ChangesOfADamagedFileAreNoCrash) {
  TraceFileEncoder encoder;
  for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
    const Rows rows = random_rows(40, kind, 3);
    const std::string good(encoder.encode(kAbout, rows.changes, rows.ts, rows.px).value());
    for (size_t place = 0; place < good.size(); ++place) {
      for (const int flip : {1, 0x80, 0xff}) {
        std::string bytes = good;
        bytes[place] = static_cast<char>(bytes[place] ^ flip);
        const Result<TraceChanges> trace = decode_trace_changes(bytes, "x.parquet", true);
        if (!trace.ok()) {
          EXPECT_EQ(trace.status().code(), StatusCode::damaged) << place;
        } else {
          EXPECT_EQ(trace->px.size(), trace->changes.size()) << place;
        }
      }
    }
  }
}

}  // namespace
}  // namespace signalbook
