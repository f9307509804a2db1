#include "store/repack_run.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "store/metric_set.h"
#include "store/replace_run_file.h"
#include "store/run_reader.h"
#include "support/crash_disk.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

bool is_long() { return std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr; }

RepackOptions options(bool to_packs) { return {.to_packs = to_packs, .packs = {}, .threads = 2}; }

Status repack(FileSystem& files, bool to_packs) { return repack_run(files, kRun, options(to_packs)).status(); }

// A run whose traces have prices of their own, aliases, labels and nothing.
CrashDisk run_with_all_kinds(RunLayout layout) {
  CrashDisk disk;
  RunOptions given = writer_options();
  given.layout = layout;
  {
    const auto run = RunWriter::create(disk, kRun, given);
    EXPECT_TRUE(run.ok() && record_states_run(**run, 11).ok());
    const size_t priced =
        (*run)->add_trace((*run)->add_strategy("priced", parse(R"({"rsi":{"period":3}})")).value(), 0);
    EXPECT_TRUE((*run)->record(priced, 2, 1.0, 123.5).ok() && (*run)->record(priced, 5, -1.0).ok());
    const size_t twin = (*run)->add_trace((*run)->add_strategy("twin", parse(R"({"rsi":{"period":3}})")).value(), 0);
    EXPECT_TRUE((*run)->record(twin, 2, 1.0, 123.5).ok() && (*run)->record(twin, 5, -1.0).ok());
    (*run)->add_trace((*run)->add_strategy("silent", parse(R"({"rsi":{"period":99}})")).value(), 0);
    const Result<RunSummary> summary = (*run)->commit();
    EXPECT_TRUE(summary.ok()) << summary.status().message();
  }
  return disk.after_crash(0);
}

// All that the run says, whatever the layout; empty where it cannot be read.
struct Content {
  std::vector<std::string> rows;

  bool operator==(const Content&) const = default;
};

Content content_of(FileSystem& files) {
  Content content;
  const auto run = RunReader::open(files, kRun);
  EXPECT_TRUE(run.ok()) << run.status().message();
  if (!run.ok()) return content;
  for (const IndexRow& row : (*run)->rows()) {
    const Result<Trace> trace = (*run)->read_trace(row);
    EXPECT_TRUE(trace.ok()) << trace.status().message();
    if (!trace.ok()) return {};
    std::string text = row.strategy_id + " " + row.strategy_config + " " + row.trace_path + " " +
                       std::to_string(row.trace_id) + " " + std::to_string(row.aliases.size()) +
                       (row.complete ? " complete" : "") + " " + trace->about.strategy_config +
                       trace->about.creation_time;
    for (size_t k = 0; k < trace->changes.size(); ++k) {
      text += " " + std::to_string(trace->changes.idx[k]) + ":" + std::to_string(trace->ts[k]) + ":" +
              std::to_string(trace->px[k]) + ":" +
              (row.kind == SignalKind::label ? trace->changes.labels[k] : std::to_string(trace->changes.values[k]));
    }
    content.rows.push_back(text);
  }
  return content;
}

TEST(RepackRun, ThereAndBackGivesTheSameBytes) {
  CrashDisk files = run_with_all_kinds(RunLayout::files), packed = run_with_all_kinds(RunLayout::packed);
  const Files as_files = files_of_store(files), as_packs = files_of_store(packed);
  ASSERT_EQ(as_packs.contains("run_1/traces/SPY_5m/signals-00000.parquet"), true);
  ASSERT_EQ(as_packs.contains("run_1/traces/SPY_5m/classifiers-00000.parquet"), true);
  const Content content = content_of(files);
  EXPECT_EQ(content_of(packed), content);
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_TRUE(repack(files, true).ok());
    EXPECT_TRUE(files_of_store(files) == as_packs);
    EXPECT_EQ(content_of(files), content);
    ASSERT_TRUE(repack(files, false).ok());
    EXPECT_TRUE(files_of_store(files) == as_files);
  }
  ASSERT_TRUE(repack(packed, false).ok());
  EXPECT_TRUE(files_of_store(packed) == as_files);
}

TEST(RepackRun, MetricsStay) {
  CrashDisk disk = run_with_all_kinds(RunLayout::files);
  const auto rows = RunReader::open(disk, kRun).value()->rows();
  MetricSet set(rows.size());
  set.set_definition(0, "terms");
  set.figures[0].total_return = 0.25;
  ASSERT_TRUE(replace_run_file(disk, kRun, "strategy_index.parquet", encode_index(rows, set).value()).ok());
  ASSERT_TRUE(repack(disk, true).ok());
  const MetricSet after =
      decode_index_metrics(disk.read_file(kRun + "/strategy_index.parquet").value(), "index").value();
  EXPECT_EQ(after.figures[0].total_return, 0.25);
  EXPECT_EQ(*after.definition(0), "terms");
}

TEST(RepackRun, SeveralPacksWhereOneIsTooLarge) {
  CrashDisk disk = run_with_all_kinds(RunLayout::files);
  const Content content = content_of(disk);
  RepackOptions small = options(true);
  small.packs.most_bytes = 0;  // a row group each
  ASSERT_TRUE(repack_run(disk, kRun, small).ok());
  EXPECT_EQ(content_of(disk), content);
  EXPECT_TRUE(files_of_store(disk).contains("run_1/traces/SPY_5m/signals-00000.parquet"));
}

// Killed, or the power cut, before any operation: the run is whole in one layout or the other, and done again it ends
// as if nothing had been.
TEST(RepackRun, WhereverItDiesTheRunIsWholeAndGoesOn) {
  for (const bool to_packs : {true, false}) {
    CrashDisk before = run_with_all_kinds(to_packs ? RunLayout::files : RunLayout::packed);
    const Content content = content_of(before);
    CrashDisk after = before.after_kill();
    ASSERT_TRUE(repack(after, to_packs).ok());
    const Files done = files_of_store(after);

    std::vector<CrashDisk> states;
    CrashDisk working = before.after_kill();
    working.before_each([&](const CrashDisk::Operation&) {
      states.push_back(working.after_kill());
      for (uint64_t seed = 0; seed < (is_long() ? 12u : 2u); ++seed) states.push_back(working.after_crash(seed));
    });
    ASSERT_TRUE(repack(working, to_packs).ok());
    ASSERT_GT(states.size(), 60u);
    for (size_t i = 0; i < states.size(); ++i) {
      ASSERT_EQ(content_of(states[i]), content) << "state " << i << (to_packs ? " of packing" : " of unpacking");
      const Status again = repack(states[i], to_packs);
      ASSERT_TRUE(again.ok()) << "state " << i << ": " << again.message();
      ASSERT_TRUE(files_of_store(states[i]) == done) << "state " << i;
    }
  }
}

// Every operation fails once, and for good: an error, and nothing lost.
TEST(RepackRun, AFailingDiskLosesNothing) {
  for (const bool to_packs : {true, false}) {
    CrashDisk before = run_with_all_kinds(to_packs ? RunLayout::files : RunLayout::packed);
    const Content content = content_of(before);
    for (const bool for_good : {true, false}) {
      for (int64_t operation = 0;; ++operation) {
        CrashDisk disk = before.after_kill();
        disk.fail_at(operation, for_good);
        const Status status = repack(disk, to_packs);
        CrashDisk left = disk.after_kill();
        ASSERT_EQ(content_of(left), content) << operation;
        if (status.ok()) break;
        ASSERT_TRUE(repack(left, to_packs).ok()) << operation;
      }
    }
  }
}

// A flipped byte is an error and nothing changes, or it is one that no trace needs.
TEST(RepackRun, ADamagedTraceStopsItAndNothingChanges) {
  const CrashDisk whole = run_with_all_kinds(RunLayout::packed);
  CrashDisk read = whole.after_kill();
  const Content content = content_of(read);
  const std::string path = kRun + "/traces/SPY_5m/signals-00000.parquet";
  const std::string bytes = read.read_file(path).value();
  size_t refused = 0;
  for (size_t place = 0; place < bytes.size(); place += is_long() ? 3 : 23) {
    CrashDisk disk = whole.after_kill();
    std::string damaged = bytes;
    damaged[place] ^= 4;
    test::replace(disk, path, damaged);
    const Files before = files_of_store(disk);
    const Status status = repack(disk, false);
    if (status.ok()) {
      ASSERT_EQ(content_of(disk), content) << place;
      continue;
    }
    ++refused;
    ASSERT_EQ(status.code(), StatusCode::damaged) << status.message();
    ASSERT_TRUE(files_of_store(disk) == before) << place;
  }
  EXPECT_GT(refused, 5u);
}

// What an attempt that died has left may be the only copy of what is damaged now.
TEST(RepackRun, LeftoversStayAsLongAsTheyMayBeNeeded) {
  CrashDisk packed = run_with_all_kinds(RunLayout::packed);
  CrashDisk unpacked = packed.after_kill();
  ASSERT_TRUE(repack(unpacked, false).ok());
  const std::string pack = kRun + "/traces/SPY_5m/signals-00000.parquet";
  std::string bytes = packed.read_file(pack).value();
  bytes[100] ^= 4;
  test::replace(packed, pack, bytes);
  for (const auto& [path, content] : files_of_store(unpacked)) {
    if (path.find("/signals/") != std::string::npos) test::replace(packed, join_path(kStore, path), content);
  }
  const Files before = files_of_store(packed);
  const Status status = repack(packed, true);
  EXPECT_EQ(status.code(), StatusCode::damaged) << status.message();
  EXPECT_NE(status.message().find("nothing was removed"), std::string::npos) << status.message();
  EXPECT_TRUE(files_of_store(packed) == before);
}

TEST(RepackRun, OtherColumnsNeedAnUnpackedRun) {
  CrashDisk disk = run_with_all_kinds(RunLayout::packed);
  RepackOptions full = options(true);
  full.packs.columns = PackColumns::full;
  EXPECT_EQ(repack_run(disk, kRun, full).status().code(), StatusCode::invalid);
  ASSERT_TRUE(repack(disk, false).ok());
  ASSERT_TRUE(repack_run(disk, kRun, full).ok());
  EXPECT_TRUE(repack_run(disk, kRun, full)->was_so);
}

}  // namespace
}  // namespace signalbook
