#include "store/rebuild_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "store/pack_rows.h"
#include "store/recover_run.h"
#include "store/run_reader.h"
#include "store/trace_row.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

class RebuildIndex : public WithLayouts {};

INSTANTIATE_TEST_SUITE_P(Layouts, RebuildIndex, all_layouts(), layout_name);

constexpr int64_t kNow = 1'750'000'000'000'000;
const std::string kIndex = "strategy_index.parquet", kComponents = "strategy_components.parquet",
                  kDescription = "run.json";

Result<RebuildReport> rebuild(FileSystem& files) { return rebuild_index(files, kRun, {.is_dry = false, .now = kNow}); }

void remove(FileSystem& files, const std::string& name) { ASSERT_TRUE(files.remove_file(join_path(kRun, name)).ok()); }

// A run of many kinds of traces: two feeds, numbers and labels, prices, nested strategies, names that clash, traces
// that end before the last bar, that say one thing only, or nothing.
CrashDisk make_random_run(uint32_t seed) {
  CrashDisk disk;
  std::mt19937 random(seed);
  const auto pick = [&](int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); };
  const auto run = RunWriter::create(disk, kRun, writer_options()).value();
  const size_t feeds[] = {run->add_feed(make_small_bars(40)).value(),
                          run->add_feed(make_small_bars(25, "a symbol/with ~ odd signs")).value()};
  const int strategy_count = 1 + pick(12);
  for (int i = 0; i < strategy_count; ++i) {
    const std::string types[] = {"rsi", "RSI", "a type/with ~ odd signs"};
    std::string config = R"({"type":")" + types[pick(3)] + R"(","period":)" + std::to_string(i) +
                         (pick(2) == 0 ? R"(,"ratio":2.0)" : R"(,"ratio":"x")") +
                         (pick(3) == 0 ? R"(,"constraints":"intraday","threshold":0.5)" : "") + "}";
    if (pick(3) == 0) config = R"({"type":"ensemble","strategies":[)" + config + R"(,{"momentum":{"n":5}}]})";
    const size_t strategy = run->add_strategy("strategy_" + std::to_string(i), parse(config)).value();
    for (const size_t feed : feeds) {
      if (pick(4) == 0) continue;
      const size_t trace = run->add_trace(strategy, feed);
      const auto bar_count = static_cast<BarIndex>(run->bars(feed).size());
      const BarIndex end = pick(3) == 0 ? pick(20) : bar_count;
      const bool says_labels = pick(4) == 0;
      for (BarIndex bar = pick(5); bar < end; ++bar) {
        const Status status =
            says_labels ? run->record_label(trace, bar, "label_" + std::to_string(pick(3)))
                        : run->record(trace, bar, pick(3) - 1.0, pick(5) == 0 ? std::optional(1.25) : std::nullopt);
        EXPECT_TRUE(status.ok()) << status.message();
      }
    }
  }
  const size_t trace = run->add_trace(run->add_strategy("last", parse(R"({"macd":{}})")).value(), feeds[0]);
  EXPECT_TRUE(run->record(trace, 39, 1.0).ok());
  if (pick(2) == 0) {
    EXPECT_TRUE(run->commit(commit_options()).ok());
  } else {
    EXPECT_TRUE(run->close().ok());
    EXPECT_TRUE(recover_run(disk, kRun, {.commit = commit_options()}).ok());
  }
  return disk.after_crash(0);
}

// A pack has no row for a trace without any change: of the others nothing is lost.
void expect_the_others(FileSystem& files, std::vector<IndexRow> wanted) {
  std::erase_if(wanted, [](const IndexRow& row) { return row.change_count == 0; });
  const auto run = RunReader::open(files, kRun).value();
  const auto& rows = run->rows();
  ASSERT_EQ(rows.size(), wanted.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i].trace_id, wanted[i].trace_id);
    EXPECT_EQ(rows[i].strategy_id, wanted[i].strategy_id);
    EXPECT_EQ(rows[i].trace_hash, wanted[i].trace_hash);
    EXPECT_EQ(rows[i].pack, wanted[i].pack);
    EXPECT_EQ(rows[i].row_start, wanted[i].row_start);
    EXPECT_EQ(rows[i].complete, wanted[i].complete);
    EXPECT_EQ(rows[i].last_ts, wanted[i].last_ts);
    EXPECT_TRUE(run->read_trace(rows[i]).ok());
  }
}

TEST_P(RebuildIndex, GivesTheSameBytes) {
  const uint32_t rounds = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 500 : 25;
  size_t incomplete = 0, lossy = 0;
  for (uint32_t seed = 0; seed < rounds; ++seed) {
    SCOPED_TRACE(seed);
    CrashDisk disk = make_random_run(seed);
    const Files before = all_files(disk, kStore);
    const auto run = RunReader::open(disk, kRun).value();
    for (const IndexRow& row : run->rows()) incomplete += row.complete ? 0u : 1u;
    remove(disk, kIndex);
    if (seed % 2 == 0) remove(disk, kComponents);
    const bool is_described = seed % 3 != 0;
    if (!is_described) remove(disk, kDescription);
    const Result<RebuildReport> report = rebuild(disk);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_TRUE(report->damage.empty() && report->missing.empty());
    const bool says_nothing =
        std::ranges::any_of(run->rows(), [](const IndexRow& row) { return row.change_count == 0; });
    if (GetParam().is_packed() && says_nothing) {
      ++lossy;
      expect_the_others(disk, run->rows());
      continue;
    }
    Files after = all_files(disk, kStore), wanted = before;
    if (!is_described) {
      after.erase("run_1/" + kDescription);
      wanted.erase("run_1/" + kDescription);
    }
    EXPECT_EQ(after, wanted);
    EXPECT_TRUE(RunReader::open(disk, kRun).ok());
  }
  EXPECT_GT(incomplete, 0u);
  EXPECT_LT(lossy, rounds);
  EXPECT_EQ(lossy > 0, GetParam().is_packed());
}

TEST_P(RebuildIndex, SaysWhatOnlyRunJsonKnew) {
  CrashDisk disk = committed_run();
  const RunDescription::Feed feed = RunReader::open(disk, kRun).value()->description().feeds.at(0);
  ASSERT_TRUE(feed.bars_sha256.has_value());
  remove(disk, kDescription);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->remarks.size(), 1u);
  EXPECT_NE(report->remarks[0].find("tags, note and code_version"), std::string::npos);
  const RunDescription description = RunReader::open(disk, kRun).value()->description();
  EXPECT_EQ(description.created_at, writer_options().created_at);
  EXPECT_TRUE(description.tags.empty());
  ASSERT_EQ(description.feeds.size(), 1u);
  EXPECT_EQ(description.feeds[0].bar_count, 12);
  EXPECT_EQ(description.feeds[0].bars_sha256, feed.bars_sha256);
  EXPECT_EQ(description.feeds[0].bars_size, feed.bars_size);
}

TEST_P(RebuildIndex, OfAWholeRunChangesNothing) {
  CrashDisk disk = committed_run();
  const Files before = all_files(disk, kStore);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_FALSE(report->changed);
  EXPECT_EQ(all_files(disk, kStore), before);
}

std::vector<std::string> aliases_of_first(FileSystem& files) {
  return RunReader::open(files, kRun).value()->rows().at(0).aliases;
}

// Two ids of one configuration: the second stands in the index alone.
TEST_P(RebuildIndex, KeepsAliasesOfAnIndexThatIsThere) {
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options()).value();
    const size_t feed = run->add_feed(make_small_bars(12)).value();
    for (const char* id : {"a", "b"}) {
      const size_t trace = run->add_trace(run->add_strategy(id, parse(R"({"rsi":{}})")).value(), feed);
      ASSERT_TRUE(run->record(trace, 3, 1.0).ok());
    }
    ASSERT_TRUE(run->commit(commit_options()).ok());
  }
  const Files before = all_files(disk, kStore);
  remove(disk, kDescription);
  ASSERT_TRUE(rebuild(disk).ok());
  EXPECT_EQ(all_files(disk, kStore).at("run_1/" + kIndex), before.at("run_1/" + kIndex));
  EXPECT_EQ(aliases_of_first(disk), std::vector<std::string>{"b"});

  remove(disk, kIndex);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->remarks.size(), 1u);
  EXPECT_NE(report->remarks[0].find("aliases"), std::string::npos);
  EXPECT_TRUE(aliases_of_first(disk).empty());
}

TEST_P(RebuildIndex, ADamagedTraceIsLeftOut) {
  CrashDisk disk = committed_run();
  const IndexRow first = RunReader::open(disk, kRun).value()->rows().front();
  const std::string path = first.is_packed() ? first.pack : first.trace_path;
  const Files before = all_files(disk, kStore);
  const std::string torn = before.at("run_1/" + path).substr(0, 700);
  replace(disk, join_path(kRun, path), torn);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->damage.size(), 1u);
  EXPECT_NE(report->damage[0].find(path), std::string::npos);
  const auto run = RunReader::open(disk, kRun).value();
  EXPECT_EQ(run->rows().size(), std::string(GetParam().name) == "packed" ? 1u : 2u);
  EXPECT_EQ(run->description().tags, writer_options().tags);
  const Files after = all_files(disk, kStore);
  const std::string place = ".signalbook/lost+found/run_1-1/";
  EXPECT_EQ(after.at(place + path), torn);
  for (const std::string& name : {kIndex, kDescription}) EXPECT_EQ(after.at(place + name), before.at("run_1/" + name));
  for (const std::string& name : {path, kIndex, kDescription}) {
    EXPECT_NE(after.at(place + "NOTE.txt").find("run_1/" + name), std::string::npos);
  }
  EXPECT_FALSE(rebuild(disk)->changed);
}

std::string place_of(const IndexRow& row) { return row.is_packed() ? row.pack : row.trace_path; }

// Each file or pack in turn is gone; index and run.json are there, one of them, or the index is half of what it was.
TEST_P(RebuildIndex, WhatIsMissingIsSaid) {
  CrashDisk whole = committed_run();
  const Files before = all_files(whole, kStore);
  const std::vector<IndexRow> rows = RunReader::open(whole, kRun).value()->rows();
  std::map<std::string, size_t> counts;
  for (const IndexRow& row : rows) ++counts[place_of(row)];
  if (counts.size() == 1) return;  // then no trace is left
  for (const auto& [place, count] : counts) {
    for (const std::string& lost : {std::string(), kDescription, kIndex}) {
      SCOPED_TRACE(place + " and " + lost);
      CrashDisk disk = whole.after_kill();
      remove(disk, place);
      if (!lost.empty()) remove(disk, lost);
      CrashDisk recovered = disk.after_kill();
      const Result<RebuildReport> report = rebuild(disk);
      ASSERT_TRUE(report.ok()) << report.status().message();
      ASSERT_EQ(report->missing.size(), 1u);
      EXPECT_TRUE(report->damage.empty());
      const bool is_named = lost != kIndex || rows.front().is_packed();
      EXPECT_TRUE(report->missing[0].starts_with(is_named ? place + ": missing" : "run.json speaks of more traces (1)"))
          << report->missing[0];
      const auto left = RunReader::open(disk, kRun).value();
      EXPECT_EQ(left->rows().size(), rows.size() - count);
      for (const IndexRow& row : left->rows()) EXPECT_TRUE(left->read_trace(row).ok());
      EXPECT_TRUE(rebuild(disk)->missing.empty());
      replace(disk, join_path(kRun, place), before.at("run_1/" + place));
      EXPECT_TRUE(rebuild(disk)->missing.empty());
      EXPECT_EQ(RunReader::open(disk, kRun).value()->rows().size(), rows.size());
      if (lost != kIndex) continue;
      const Result<RecoveryReport> recovery = recover_run(recovered, kRun, {.now = kNow});
      ASSERT_TRUE(recovery.ok());
      EXPECT_EQ(recovery->damage, report->missing);
    }
  }
}

// A file where that of another trace belongs, and a pack where one of fewer traces does.
TEST_P(RebuildIndex, ATraceThatIsNotWhereItWasIsSaid) {
  CrashDisk disk = committed_run();
  const std::vector<IndexRow> rows = RunReader::open(disk, kRun).value()->rows();
  const std::string place = place_of(rows[0]), other = place_of(rows[1]);
  if (place == other) return;
  replace(disk, join_path(kRun, place), disk.read_file(join_path(kRun, other)).value());
  remove(disk, kDescription);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->missing.size(), 1u);
  EXPECT_TRUE(report->missing[0].starts_with(place + ": 1 trace of the index not in it")) << report->missing[0];
}

TEST_P(RebuildIndex, WithoutBarsCompletenessIsNotKnown) {
  CrashDisk disk = committed_run();
  const std::string bars = "/results/bars/" + RunReader::open(disk, kRun).value()->rows()[0].data_id + ".parquet";
  const std::string bytes = disk.read_file(bars).value();
  const std::string index = disk.read_file(join_path(kRun, kIndex)).value();
  ASSERT_TRUE(disk.remove_file(bars).ok());
  remove(disk, kIndex);
  const Result<RebuildReport> report = rebuild(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->summary.incomplete_count, 3);
  EXPECT_EQ(report->remarks.size(), 2u);
  replace(disk, bars, bytes);
  ASSERT_TRUE(rebuild(disk).ok());
  EXPECT_EQ(disk.read_file(join_path(kRun, kIndex)).value(), index);
}

// Each byte of a trace file another one: the trace is left out, or its row says what it said. What no checksum of the
// file covers and nothing says twice is told by run.json's digests alone.
TEST_P(RebuildIndex, AnyByteOfATraceMayBeAnother) {
  CrashDisk disk = committed_run();
  const std::vector<IndexRow> all = RunReader::open(disk, kRun).value()->rows();
  const IndexRow wanted = all.front();
  const std::string path = join_path(kRun, wanted.is_packed() ? wanted.pack : wanted.trace_path);
  const Bars bars = make_small_bars(12);
  const auto bars_of = [&](const std::string& id) { return id == wanted.data_id ? &bars : nullptr; };
  const std::string bytes = disk.read_file(path).value();
  size_t refused = 0, looked_at = 0;
  for (size_t place = 0; place < bytes.size(); ++place) {
    std::string other = bytes;
    other[place] = static_cast<char>(other[place] ^ 0x01);
    replace(disk, path, other);
    ++looked_at;
    Result<IndexRow> row = wanted;
    if (wanted.is_packed()) {
      const Result<PackContents> contents = read_pack_rows(disk, kRun, wanted.pack, bars_of, 1);
      const bool is_there =
          contents.ok() && !contents->rows.empty() && contents->rows.front().trace_id == wanted.trace_id;
      row = is_there ? Result(contents->rows.front()) : Result<IndexRow>(Status::damaged("left out"));
      if (is_there && row->data_id != wanted.data_id) row = Status::damaged("other bars");
      if (row.ok()) {
        EXPECT_EQ(row->row_start, wanted.row_start) << place;
      }
    } else {
      row = read_index_row(disk, kRun, wanted.trace_path);
    }
    refused += row.ok() ? 0u : 1u;
    if (!row.ok()) continue;
    EXPECT_EQ(row->strategy_id, wanted.strategy_id) << place;
    EXPECT_EQ(row->strategy_digest, wanted.strategy_digest) << place;
    EXPECT_EQ(row->strategy_config, wanted.strategy_config) << place;
    EXPECT_EQ(row->symbol, wanted.symbol) << place;
    EXPECT_EQ(row->trace_hash, wanted.trace_hash) << place;
    EXPECT_EQ(row->change_count, wanted.change_count) << place;
    EXPECT_EQ(row->bar_count, wanted.bar_count) << place;
    EXPECT_EQ(row->first_ts, wanted.first_ts) << place;
    EXPECT_EQ(row->last_ts, wanted.last_ts) << place;
  }
  EXPECT_GT(refused * 2, looked_at);
}

TEST_P(RebuildIndex, DiesAnywhereAndGoesOn) {
  CrashDisk undisturbed = committed_run();
  const Files committed = all_files(undisturbed, kStore);
  bool has_failed = true;
  for (int64_t k = 0; has_failed; ++k) {
    SCOPED_TRACE(k);
    const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
    for (int way = is_long ? 0 : static_cast<int>(k % 3); way < 3; way += is_long ? 1 : 3) {
      CrashDisk disk = committed_run();
      const std::string index = committed.at("run_1/" + kIndex);
      replace(disk, join_path(kRun, kIndex), index.substr(0, index.size() / 2));
      disk = disk.after_crash(1);
      disk.fail_at(disk.operation_count() + k, /*for_good=*/true);
      has_failed = !rebuild(disk).ok();
      CrashDisk left = way == 0 ? disk.after_kill() : disk.after_crash(static_cast<uint64_t>(way + 5 * k));
      const Result<RebuildReport> report = rebuild(left);
      ASSERT_TRUE(report.ok()) << report.status().message();
      EXPECT_EQ(files_of_store(left), committed);
      EXPECT_FALSE(rebuild(left)->changed);
    }
  }
}

TEST_P(RebuildIndex, RefusesWhatIsNoFinishedRun) {
  CrashDisk disk = interrupted_run();
  EXPECT_EQ(rebuild(disk).status().code(), StatusCode::invalid);
  EXPECT_NE(rebuild(disk).status().message().find("signalbook recover"), std::string::npos);
  EXPECT_EQ(rebuild_index(disk, kStore, {}).status().code(), StatusCode::not_found);
  EXPECT_EQ(rebuild_index(disk, "/nothing", {}).status().code(), StatusCode::not_found);
  CrashDisk committed = committed_run();
  const auto lock = RunLock::take(committed, kRun, /*wait=*/false).value();
  EXPECT_EQ(rebuild(committed).status().code(), StatusCode::invalid);
}

}  // namespace
}  // namespace signalbook
