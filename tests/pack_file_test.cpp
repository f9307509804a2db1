#include "store/pack_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <random>

#include "base/digest.h"
#include "store/table_file.h"
#include "support/crash_disk.h"
#include "support/random_positions.h"

namespace signalbook {
namespace {

using namespace signalbook::test;

struct Traces {
  std::vector<SignalChanges> changes;
  std::vector<std::vector<double>> px;  // empty, or NaN where it is the close
};

Traces make_traces(uint64_t seed, size_t count, int64_t bar_count, SignalKind kind) {
  std::mt19937_64 random(seed);
  Traces traces;
  for (size_t i = 0; i < count; ++i) {
    const double share = i % 7 == 0 ? 0.0 : i % 5 == 0 ? 0.9 : 0.05;
    SignalChanges changes = random_positions(random, bar_count, share, {-1, 0, 1, 0.5});
    if (i % 11 == 3) changes = SignalChanges();
    std::vector<double> px;
    if (i % 4 == 1) {
      for (size_t k = 0; k < changes.size(); ++k)
        px.push_back(k % 3 == 0 ? std::nan("") : 100.0 + static_cast<double>(k));
    }
    if (kind == SignalKind::label) {
      changes.kind = kind;
      for (const double value : changes.values) changes.labels.push_back(value > 0 ? "trending" : "ranging");
      changes.values.clear();
    }
    traces.changes.push_back(std::move(changes));
    traces.px.push_back(std::move(px));
  }
  return traces;
}

std::string encode(const Traces& traces, const PackDescription& about, size_t threads = 0) {
  std::string bytes;
  const auto keep = [&](std::string_view piece) {
    bytes += piece;
    return Status();
  };
  PackFileEncoder encoder(about, keep, threads);
  for (size_t i = 0; i < traces.changes.size(); ++i) {
    const std::string hash = to_hex(sha256(std::to_string(i / 2))).substr(0, 12);  // each of two traces
    const Status status = encoder.append({.trace_id = static_cast<int64_t>(i),
                                          .strategy_hash = hash,
                                          .strategy_config = R"({"rsi":{}})",
                                          .strategy_id = "s",
                                          .bar_count = 100,
                                          .changes = &traces.changes[i],
                                          .px = traces.px[i]});
    EXPECT_TRUE(status.ok()) << status.message();
  }
  EXPECT_TRUE(encoder.finish().ok());
  return bytes;
}

PackDescription description(SignalKind kind) {
  return {.symbol = "SPY", .timeframe = "5m", .data_id = "d", .kind = kind, .creation_time = "2024-01-02T00:00:00Z"};
}

// Every trace read page by page is what went in, wherever pages and row groups end.
void expect_round_trip(const Traces& traces, SignalKind kind) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("/p.parquet", encode(traces, description(kind))).ok());
  const auto pack = PackFile::open(disk, "/p.parquet");
  ASSERT_TRUE(pack.ok()) << pack.status().message();
  EXPECT_EQ((*pack)->kind(), kind);
  int64_t row = 0;
  for (size_t i = 0; i < traces.changes.size(); ++i) {
    const SignalChanges& changes = traces.changes[i];
    for (size_t k = 0; k < changes.size(); ++k, ++row) {
      static thread_local PackRows page;
      if (row == 0 || row >= page.end_row()) {
        page = (*pack)->read_page((*pack)->page_of(row).value()).value();
        ASSERT_LE(page.first_row, row);
        ASSERT_LE(page.idx.size(), static_cast<size_t>(PackFileEncoder::kRowsPerPage));
      }
      const auto place = static_cast<size_t>(row - page.first_row);
      ASSERT_EQ(page.idx[place], changes.idx[k]) << "trace " << i << ", change " << k;
      const bool is_same = kind == SignalKind::number ? page.values[place] == changes.values[k]
                                                      : page.labels[place] == changes.labels[k];
      ASSERT_TRUE(is_same) << "trace " << i << ", change " << k;
      const double px = traces.px[i].empty() ? std::nan("") : traces.px[i][k];
      const double found = page.px.empty() ? std::nan("") : page.px[place];
      ASSERT_TRUE(px == found || (std::isnan(px) && std::isnan(found))) << "trace " << i << ", change " << k;
    }
  }
  EXPECT_EQ((*pack)->row_count(), row);
}

TEST(PackFile, EveryTraceComesBack) {
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  for (uint64_t seed = 1; seed <= (is_long ? 40u : 3u); ++seed) {
    for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
      expect_round_trip(make_traces(seed, 60, 10'000, kind), kind);  // several row groups of several pages
      expect_round_trip(make_traces(seed, 40, 50, kind), kind);
    }
  }
}

TEST(PackFile, HasTheSameBytesWhateverTheNumberOfThreads) {
  for (const SignalKind kind : {SignalKind::number, SignalKind::label}) {
    const Traces traces = make_traces(9, 60, 10'000, kind);
    std::vector<int64_t> ts(10'000);
    std::iota(ts.begin(), ts.end(), 0);
    const std::vector<double> close(ts.size(), 1.5);
    for (const bool is_full : {false, true}) {
      PackDescription about = description(kind);
      if (is_full) {
        about.ts = &ts;
        about.close = &close;
      }
      const std::string one = encode(traces, about, 1);
      for (const size_t threads : {0, 2, 3, 16}) ASSERT_EQ(encode(traces, about, threads), one) << threads;
    }
  }
}

// A hash stands on every row of its traces, whichever way it gets there.
TEST(PackFile, EveryRowHasTheHashOfItsTrace) {
  const Traces traces = make_traces(11, 60, 10'000, SignalKind::number);
  const Table table = decode_table_file(encode(traces, description(SignalKind::number)), "p").value();
  const TableColumn &trace_ids = *table.find("trace_id"), &hashes = *table.find("strategy_hash");
  ASSERT_GT(table.row_count(), 0u);
  for (size_t row = 0; row < table.row_count(); ++row) {
    const std::string hash = to_hex(sha256(std::to_string(trace_ids.integers[row] / 2))).substr(0, 12);
    ASSERT_EQ(hashes.texts[row], hash) << row;
  }
}

TEST(PackFile, ALongTraceHasALongRowGroup) {
  Traces traces = make_traces(1, 3, 300'000, SignalKind::number);
  std::mt19937_64 random(2);
  traces.changes[1] = random_positions(random, 300'000, 1.0, {-1, 1});
  traces.px[1].clear();
  ASSERT_GT(traces.changes[1].size(), PackFileEncoder::kRowsPerGroup);
  expect_round_trip(traces, SignalKind::number);
}

TEST(PackFile, RowGroupsEndWhereATraceEnds) {
  const Traces traces = make_traces(5, 60, 10'000, SignalKind::number);
  const std::string bytes = encode(traces, description(SignalKind::number));
  const Table table = decode_table_file(bytes, "p").value();
  const std::vector<int64_t>& trace_ids = table.find("trace_id")->integers;
  EXPECT_TRUE(std::ranges::is_sorted(trace_ids));
  // A configuration stands on the first row of each trace, and on no other.
  const TableColumn& metadata = *table.find("metadata");
  for (size_t row = 0; row < trace_ids.size(); ++row) {
    const bool is_first = row == 0 || trace_ids[row] != trace_ids[row - 1];
    ASSERT_EQ(metadata.is_null(row), !is_first) << row;
  }
}

TEST(PackFile, WithoutARowItCanBeRead) {
  Traces traces;
  traces.changes.resize(2);
  traces.px.resize(2);
  expect_round_trip(traces, SignalKind::number);
}

TEST(PackFile, SameTracesSameBytes) {
  const Traces traces = make_traces(3, 60, 10'000, SignalKind::number);
  EXPECT_EQ(encode(traces, description(SignalKind::number)), encode(traces, description(SignalKind::number)));
}

TEST(PackFile, FullColumnsTellWhatTheBarsTell) {
  std::vector<int64_t> ts;
  std::vector<double> close;
  for (int64_t bar = 0; bar < 50; ++bar) {
    ts.push_back(1'704'205'800'000'000 + bar * 300'000'000);
    close.push_back(470.0 + static_cast<double>(bar));
  }
  const Traces traces = make_traces(1, 10, 50, SignalKind::number);
  PackDescription about = description(SignalKind::number);
  about.ts = &ts;
  about.close = &close;
  const Table table = decode_table_file(encode(traces, about), "p").value();
  const std::vector<int64_t>& idx = table.find("idx")->integers;
  for (size_t row = 0; row < idx.size(); ++row) {
    EXPECT_EQ(table.find("ts")->integers[row], ts[static_cast<size_t>(idx[row])]);
    EXPECT_EQ(table.find("sym")->texts[row], "SPY");
    EXPECT_EQ(table.find("strat")->texts[row], "s");
    EXPECT_FALSE(table.find("px")->is_null(row));
  }
}

// Whatever a bad disk gives, reading ends with rows or with an error.
TEST(PackFile, DamageIsNoCrash) {
  const std::string bytes = encode(make_traces(7, 20, 2'000, SignalKind::number), description(SignalKind::number));
  std::mt19937_64 random(1);
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  for (int i = 0; i < (is_long ? 20'000 : 400); ++i) {
    std::string damaged = bytes;
    if (i % 4 == 0) damaged.resize(random() % damaged.size());
    for (int flips = 0; flips < 1 + i % 3 && !damaged.empty(); ++flips) {
      // The footer is short, and most of it matters.
      const size_t from_end = i % 2 == 0 ? std::min<size_t>(damaged.size(), 4'000) : damaged.size();
      damaged[damaged.size() - 1 - random() % from_end] ^= static_cast<char>(1 << random() % 8);
    }
    CrashDisk disk;
    ASSERT_TRUE(disk.write_new_file("/p.parquet", damaged).ok());
    const auto pack = PackFile::open(disk, "/p.parquet");
    if (!pack.ok()) {
      EXPECT_EQ(pack.status().code(), StatusCode::damaged);
      continue;
    }
    const Result<size_t> pages = (*pack)->page_count();
    for (size_t page = 0; pages.ok() && page < *pages; ++page) {
      const Result<PackRows> rows = (*pack)->read_page(page);
      EXPECT_TRUE(rows.ok() || rows.status().code() == StatusCode::damaged) << rows.status().message();
    }
  }
}

}  // namespace
}  // namespace signalbook
