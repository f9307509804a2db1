#include "format/content_hash.h"

#include <gtest/gtest.h>

#include "support/identity_golden.h"

namespace signalbook {
namespace {

// A trace_hash and a data_id are compared with those in stores of years ago: a change here is a change of format.
TEST(ContentHash, GoldenTraces) {
  const JsonValue rows = test::read_golden("traces.json");
  ASSERT_GE(rows.array()->size(), 15u);
  for (const JsonValue& row : *rows.array()) {
    EXPECT_EQ(to_hex(trace_hash(test::changes_of(row), test::integer_of(row, "bar_count"))),
              test::text_of(row, "trace_hash"))
        << to_json(row).substr(0, 200);
  }
}

TEST(ContentHash, GoldenBars) {
  const JsonValue rows = test::read_golden("bars.json");
  ASSERT_GE(rows.array()->size(), 8u);
  for (const JsonValue& row : *rows.array()) {
    EXPECT_EQ(to_hex(data_id(test::bars_of(row))), test::text_of(row, "data_id")) << to_json(row).substr(0, 200);
  }
}

TEST(ContentHash, ReferenceVectors) {
  const auto vectors = test::read_reference_vectors();
  if (!vectors) GTEST_SKIP() << "no reference/vectors.json in SIGNALBOOK_TEST_DATA";
  for (const JsonValue& row : *vectors->find("traces")->array()) {
    EXPECT_EQ(to_hex(trace_hash(test::changes_of(row), test::integer_of(row, "bar_count"))),
              test::text_of(row, "trace_hash"));
  }
  for (const JsonValue& row : *vectors->find("bars")->array()) {
    EXPECT_EQ(to_hex(data_id(test::bars_of(row))), test::text_of(row, "data_id"));
  }
}

TEST(ContentHash, EveryPartOfATraceCounts) {
  const SignalChanges changes{.idx = {0, 5}, .values = {1.0, -1.0}};
  const TraceHash hash = trace_hash(changes, 10);
  EXPECT_NE(trace_hash(changes, 11), hash);
  EXPECT_NE(trace_hash({.idx = {0, 6}, .values = {1.0, -1.0}}, 10), hash);
  EXPECT_NE(trace_hash({.idx = {0, 5}, .values = {1.0, -0.5}}, 10), hash);
  EXPECT_NE(trace_hash({.idx = {0}, .values = {1.0}}, 10), hash);
  EXPECT_NE(trace_hash({.kind = SignalKind::label, .idx = {0, 5}, .labels = {"1", "-1"}}, 10), hash);
}

TEST(ContentHash, MinusZeroIsZeroInEveryBlock) {
  for (const size_t n : {1u, 511u, 512u, 513u, 1024u, 1030u, 5000u}) {
    SignalChanges plus{.idx = std::vector<BarIndex>(n), .values = std::vector<double>(n, 1.0)};
    for (size_t i = 0; i < n; ++i) plus.idx[i] = static_cast<BarIndex>(i);
    plus.values.back() = 0.0;
    SignalChanges minus = plus;
    minus.values.back() = -0.0;
    EXPECT_EQ(trace_hash(plus, 9000), trace_hash(minus, 9000)) << n;
    minus.values.back() = 1e-9;
    EXPECT_NE(trace_hash(plus, 9000), trace_hash(minus, 9000)) << n;
  }
}

TEST(ContentHash, WithoutChangesTheKindDoesNotCount) {
  EXPECT_EQ(trace_hash({.kind = SignalKind::label}, 7), trace_hash({.kind = SignalKind::number}, 7));
}

TEST(ContentHash, EveryColumnOfBarsCounts) {
  Bars bars{.symbol = "SPY", .timeframe = "5m", .ts = {1, 2}};
  for (auto* column : {&bars.open, &bars.high, &bars.low, &bars.close, &bars.volume}) *column = {1.0, 2.0};
  const Digest id = data_id(bars);
  for (auto* column : {&bars.open, &bars.high, &bars.low, &bars.close, &bars.volume}) {
    (*column)[1] = 3.0;
    EXPECT_NE(data_id(bars), id);
    (*column)[1] = 2.0;
  }
  EXPECT_EQ(data_id(bars), id);
  bars.ts[1] = 3;
  EXPECT_NE(data_id(bars), id);
}

}  // namespace
}  // namespace signalbook
