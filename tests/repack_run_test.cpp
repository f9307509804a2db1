#include "store/repack_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "store/metric_set.h"
#include "store/pack_rows.h"
#include "store/rebuild_index.h"
#include "store/recover_run.h"
#include "store/replace_run_file.h"
#include "store/run_reader.h"
#include "store/trace_row.h"
#include "support/crash_disk.h"
#include "support/hooked_file_system.h"
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

// The states in which laying a run out the other way may die, from each to the next.
std::vector<CrashDisk> states_of_repacking(bool to_packs) {
  std::vector<CrashDisk> states;
  CrashDisk working = run_with_all_kinds(to_packs ? RunLayout::files : RunLayout::packed);
  working.before_each([&](const CrashDisk::Operation&) { states.push_back(working.after_kill()); });
  EXPECT_TRUE(repack(working, to_packs).ok());
  return states;
}

using TraceName = std::pair<std::string, std::string>;  // strategy_id, data_id

// The traces that files and packs tell of, and those without any change that an index tells of whose pack is there.
std::set<TraceName> traces_there(FileSystem& files) {
  std::set<TraceName> found;
  std::set<std::string> packs;
  const std::vector<std::string> paths = list_trace_files(files, kRun).value();
  for (const std::string& path : paths) {
    if (path.find("-00000.parquet") == std::string::npos) {
      const Result<IndexRow> row = read_index_row(files, kRun, path);
      if (row.ok()) found.emplace(row->strategy_id, row->data_id);
      continue;
    }
    const auto no_bars = [](const std::string&) -> const Bars* { return nullptr; };
    const Result<PackContents> contents = read_pack_rows(files, kRun, path, no_bars, 1);
    if (!contents.ok()) continue;
    packs.insert(path);
    for (const IndexRow& row : contents->rows) found.emplace(row.strategy_id, row.data_id);
  }
  for (const std::string name : {"strategy_index.parquet", "strategy_index.parquet.tmp"}) {
    const Result<std::string> bytes = files.read_file(join_path(kRun, name));
    const auto rows = bytes.ok() ? decode_index(*bytes, name) : Result<std::vector<IndexRow>>(bytes.status());
    if (!rows.ok()) continue;
    for (const IndexRow& row : *rows) {
      if (row.change_count == 0 && packs.contains(row.pack)) found.emplace(row.strategy_id, row.data_id);
    }
  }
  return found;
}

void expect_each_trace_once(FileSystem& files, const std::set<TraceName>& wanted, const std::string& what) {
  const auto run = RunReader::open(files, kRun);
  ASSERT_TRUE(run.ok()) << what << ": " << run.status().message();
  std::multiset<TraceName> named;
  for (const IndexRow& row : (*run)->rows()) {
    named.emplace(row.strategy_id, row.data_id);
    EXPECT_TRUE((*run)->read_trace(row).ok()) << what << ": " << row.strategy_id;
  }
  EXPECT_EQ(named, std::multiset<TraceName>(wanted.begin(), wanted.end())) << what;
}

// Traces are there in files, in packs, in both, or as rows of one index; one of them is lost after that.
TEST(RepackRun, AnIndexMadeAnewHasEachTraceOnce) {
  for (const bool to_packs : {true, false}) {
    const std::vector<CrashDisk> states = states_of_repacking(to_packs);
    for (const std::string lost : {"strategy_index.parquet", "run.json"}) {
      for (size_t i = 0; i < states.size(); ++i) {
        CrashDisk state = states[i].after_kill();
        const std::vector<std::string> paths = list_trace_files(state, kRun).value();
        for (size_t emptied = is_long() ? 0 : i % paths.size(); emptied < paths.size();
             emptied += is_long() ? 1 : paths.size()) {
          CrashDisk disk = states[i].after_kill();
          test::replace(disk, join_path(kRun, paths[emptied]), "");
          ASSERT_TRUE(disk.remove_file(join_path(kRun, lost)).ok());
          const std::set<TraceName> wanted = traces_there(disk);
          const std::string what = std::string(to_packs ? "packing, " : "unpacking, ") + lost + ", state " +
                                   std::to_string(i) + ", " + paths[emptied];
          bool is_said = false;
          if (lost == "run.json") {
            const Result<RebuildReport> report = rebuild_index(disk, kRun, {});
            ASSERT_TRUE(report.ok()) << what << ": " << report.status().message();
            is_said = !report->damage.empty();
            EXPECT_TRUE(report->missing.empty()) << what << ": " << report->missing.front();
          } else {
            const Result<RecoveryReport> report = recover_run(disk, kRun, {});
            ASSERT_TRUE(report.ok()) << what << ": " << report.status().message();
            is_said = !report->damage.empty();
          }
          EXPECT_TRUE(is_said || !paths[emptied].ends_with(".parquet")) << what;
          expect_each_trace_once(disk, wanted, what);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

// Somebody died before the small packs of an earlier attempt were removed.
TEST(RepackRun, AnIndexMadeAnewHasTracesOfTwoPacksOnce) {
  CrashDisk one = run_with_all_kinds(RunLayout::files), many = one.after_kill();
  RepackOptions small = options(true);
  small.packs.most_bytes = 0;
  ASSERT_TRUE(repack(one, true).ok() && repack_run(many, kRun, small).ok());
  const Content content = content_of(one);
  const Files whole = files_of_store(one);
  size_t added = 0;
  for (const auto& [path, bytes] : files_of_store(many)) {
    if (path.find("signals-") == std::string::npos || whole.contains(path)) continue;
    test::replace(one, join_path(kStore, path), bytes);
    ++added;
  }
  ASSERT_GT(added, 0u);
  ASSERT_TRUE(one.remove_file(kRun + "/run.json").ok());
  ASSERT_TRUE(recover_run(one, kRun, {}).ok());
  EXPECT_EQ(content_of(one), content);
}

std::string text_of(const Result<Trace>& trace, const Result<TraceChanges>& changes) {
  if (!trace.ok()) return "trace: " + trace.status().message();
  if (!changes.ok()) return "changes: " + changes.status().message();
  if (changes->changes.idx != trace->changes.idx || changes->px.size() != trace->px.size()) return "they differ";
  std::string text = trace->about.strategy_id + trace->about.strategy_config;
  for (size_t k = 0; k < trace->changes.size(); ++k)
    text += " " + std::to_string(trace->changes.idx[k]) + ":" + std::to_string(trace->px[k]);
  return text;
}

std::vector<std::string> texts_of(RunReader& run) {
  std::vector<std::string> texts;
  for (const IndexRow& row : run.rows())
    texts.push_back(text_of(run.read_trace(row), run.read_changes(row, /*with_prices=*/true)));
  return texts;
}

// Before any operation of a reader, which has read the index already.
TEST(RepackRun, AReaderFindsTracesThatWereLaidOutTheOtherWayMeanwhile) {
  for (const bool to_packs : {true, false}) {
    const CrashDisk before = run_with_all_kinds(to_packs ? RunLayout::files : RunLayout::packed);
    std::vector<std::string> wanted;
    for (int64_t when = 0, last = 0; when <= last; ++when) {
      CrashDisk disk = before.after_kill();
      HookedFileSystem files(disk);
      const auto run = RunReader::open(files, kRun).value();
      if (wanted.empty()) wanted = texts_of(*run);
      const int64_t begin = files.operation_count();
      files.before_each([&](int64_t operation) {
        if (operation != begin + when) return;
        const Status status = repack(disk, to_packs);
        EXPECT_TRUE(status.ok()) << status.message();
      });
      ASSERT_EQ(texts_of(*run), wanted) << "before operation " << when;
      last = std::min<int64_t>(files.operation_count() - begin, is_long() ? 1000 : 40);
    }
    ASSERT_GT(wanted.size(), 3u);
    for (const std::string& text : wanted) ASSERT_EQ(text.find("trace: "), std::string::npos) << text;
  }
}

// One that stays open for long, in whatever way the run is laid out meanwhile.
TEST(RepackRun, AReaderThatStaysOpenFindsTracesWhereverTheyLie) {
  for (const RunLayout layout : {RunLayout::files, RunLayout::packed}) {
    CrashDisk disk = run_with_all_kinds(layout);
    const auto run = RunReader::open(disk, kRun).value();
    RunReader& first = *run;
    const std::vector<std::string> wanted = texts_of(*RunReader::open(disk, kRun).value());
    RepackOptions full = options(true);
    full.packs.columns = PackColumns::full;
    for (const RepackOptions& next : {options(false), full, options(false), options(true), options(false), full}) {
      ASSERT_TRUE(repack_run(disk, kRun, next).ok());
      const auto late = RunReader::open(disk, kRun).value();
      EXPECT_EQ(texts_of(first), wanted);
      EXPECT_EQ(texts_of(*late), wanted);
    }
  }
}

// The index is read again only to look where the trace lies: what is missing or damaged there is said.
TEST(RepackRun, AReaderSaysWhatIsMissingWhereTheIndexSaysNow) {
  CrashDisk disk = run_with_all_kinds(RunLayout::files);
  const auto run = RunReader::open(disk, kRun).value();
  const IndexRow& row = run->rows().front();
  CrashDisk lacking = disk.after_kill();
  ASSERT_TRUE(lacking.remove_file(join_path(kRun, row.trace_path)).ok());
  const Status missing = RunReader::open(lacking, kRun).value()->read_trace(row).status();
  EXPECT_EQ(missing.code(), StatusCode::damaged);
  EXPECT_NE(missing.message().find(row.trace_path + ": the trace is missing"), std::string::npos) << missing.message();

  ASSERT_TRUE(repack(disk, true).ok());
  const std::string pack = RunReader::open(disk, kRun).value()->rows().front().pack;
  ASSERT_TRUE(disk.remove_file(join_path(kRun, pack)).ok());
  const Status status = run->read_trace(row).status();
  EXPECT_EQ(status.code(), StatusCode::damaged);
  EXPECT_NE(status.message().find(pack + ": the pack is missing"), std::string::npos) << status.message();
}

bool is_anywhere(FileSystem& files, const std::string& bytes) {
  return std::ranges::any_of(all_files(files, kStore), [&](const auto& file) { return file.second == bytes; });
}

// Somebody has renamed a pack that the run needs: it is no leftover of whoever laid out traces, and stays in the store.
TEST(RepackRun, APackUnderATemporaryNameIsKeptWhereTracesAreMissing) {
  const std::string pack = kRun + "/traces/SPY_5m/signals-00000.parquet", index = kRun + "/strategy_index.parquet";
  for (const bool is_torn : {false, true}) {
    for (const std::string& damaged : {index, kRun + "/run.json"}) {
      for (const bool is_there : {true, false}) {
        SCOPED_TRACE(damaged + (is_there ? " is damaged" : " is gone") + (is_torn ? ", torn" : ""));
        CrashDisk disk = run_with_all_kinds(RunLayout::packed);
        std::string bytes = disk.read_file(pack).value();
        if (is_torn) bytes.resize(bytes.size() / 2);
        test::replace(disk, pack + ".tmp", bytes);
        ASSERT_TRUE(disk.remove_file(pack).ok());
        test::replace(disk, damaged, disk.read_file(damaged)->substr(0, is_there ? 100 : 0));
        if (!is_there) {
          ASSERT_TRUE(disk.remove_file(damaged).ok());
        }
        for (int turn = 0; turn < 3; ++turn) {
          ASSERT_TRUE(recover_run(disk, kRun, {}).ok());
          EXPECT_TRUE(is_anywhere(disk, bytes)) << turn;
        }
      }
    }
  }
}

// What the run does not have is kept, and what it has is removed.
TEST(RepackRun, OfPacksUnderTemporaryNamesThoseAreRemovedThatTheRunHas) {
  CrashDisk disk = run_with_all_kinds(RunLayout::packed), other;
  {
    const auto run = RunWriter::create(other, kRun, writer_options());
    ASSERT_TRUE(run.ok());
    const size_t feed = (*run)->add_feed(make_small_bars(12)).value();
    const size_t trace = (*run)->add_trace((*run)->add_strategy("a", parse(R"({"macd":{}})")).value(), feed);
    ASSERT_TRUE((*run)->record(trace, 2, 1.0).ok() && (*run)->commit().ok() && repack(other, true).ok());
  }
  const std::string pack = kRun + "/traces/SPY_5m/signals-00000.parquet", theirs = other.read_file(pack).value();
  const std::string next = kRun + "/traces/SPY_5m/signals-00001.parquet.tmp";
  const Files before = files_of_store(disk);
  const std::string ours = disk.read_file(pack).value();
  for (const std::string& bytes : {ours, ours.substr(0, ours.size() / 2), theirs}) {
    test::replace(disk, next, bytes);
    ASSERT_TRUE(recover_run(disk, kRun, {}).ok());
    EXPECT_TRUE(files_of_store(disk) == before);
    EXPECT_EQ(is_anywhere(disk, bytes), bytes == ours || bytes == theirs);
  }
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
