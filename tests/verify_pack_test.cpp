#include "store/verify_pack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "format/file_names.h"
#include "store/pack_file.h"
#include "store/recover_run.h"
#include "store/repack_run.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/store.h"
#include "store/verify_run.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

std::vector<std::string> verify(FileSystem& files, VerifyDepth depth = VerifyDepth::bytes, size_t threads = 0) {
  std::vector<std::string> told;
  const char* const kinds[] = {"damage", "problem", "remark"};
  const auto keep = [&](const Finding& finding) {
    told.push_back(std::string(kinds[static_cast<int>(finding.kind)]) + " " + finding.what);
  };
  const auto summary =
      verify_scope(files, {.store_path = kStore, .run_path = kRun}, keep, {.depth = depth, .threads = threads});
  EXPECT_TRUE(summary.ok()) << summary.status().message();
  return told;
}

class PackedRun : public WithLayouts {
 protected:
  void SetUp() override {
    WithLayouts::SetUp();
    disk_ = committed_run();
    const auto run = RunReader::open(disk_, kRun).value();
    rows_ = run->rows();
    description_ = run->description();
  }

  std::string pack() const { return rows_.front().pack; }
  std::string pack_path_of_run() const { return join_path(kRun, pack()); }

  // Writes run.json anew, for files that were changed.
  void describe() {
    for (RunDescription::File& file : description_.files) {
      const auto version = read_file_version(disk_, join_path(kRun, file.path));
      if (!version.ok()) continue;
      file.size = version->size;
      file.sha256 = version->sha256;
    }
    replace(disk_, join_path(kRun, "run.json"), encode_run_description(description_));
  }

  CrashDisk disk_;
  std::vector<IndexRow> rows_;
  RunDescription description_;
};

INSTANTIATE_TEST_SUITE_P(Layouts, PackedRun,
                         testing::Values(TestLayout{"packed", RunLayout::packed, int64_t{1} << 30},
                                         TestLayout{"many_packs", RunLayout::packed, 0},
                                         TestLayout{"full_packs", RunLayout::packed_full, int64_t{1} << 30}),
                         layout_name);

TEST_P(PackedRun, ADamagedPackTellsHowMuchOfItCanBeRead) {
  const std::string bytes = disk_.read_file(pack_path_of_run()).value();
  replace(disk_, pack_path_of_run(), bytes.substr(0, bytes.size() / 2));
  std::vector<std::string> told = verify(disk_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("damage " + pack() + ": ")) << told[0];
  EXPECT_NE(told[0].find("; 0 of its "), std::string::npos) << told[0];
  ASSERT_TRUE(disk_.remove_file(pack_path_of_run()).ok());
  told = verify(disk_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("damage " + pack() + ": missing (")) << told[0];
}

TEST_P(PackedRun, RunJsonAndTheIndexNameTheSamePacks) {
  RunDescription without = description_;
  std::erase_if(without.files, [&](const auto& file) { return file.path == pack(); });
  replace(disk_, join_path(kRun, "run.json"), encode_run_description(without));
  std::vector<std::string> told = verify(disk_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("damage " + pack() + ": run.json does not vouch for it")) << told[0];

  // One that no row needs, named or not.
  const std::string more = pack_path(feed_directory(pack()), SignalKind::number, 7);
  replace(disk_, join_path(kRun, more), disk_.read_file(pack_path_of_run()).value());
  for (const bool is_named : {false, true}) {
    RunDescription with = description_;
    if (is_named) with.files.push_back({.path = more, .size = 1, .sha256 = std::string(64, '0')});
    replace(disk_, join_path(kRun, "run.json"), encode_run_description(with));
    told = verify(disk_);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0], "problem " + more + ": left behind by pack or unpack; recover takes it away");
  }
  const auto report = recover_run(disk_, kRun);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->moved.empty());
  ASSERT_EQ(report->remarks.size(), 1u);
  EXPECT_NE(report->remarks[0].find(more + ": left behind by pack or unpack"), std::string::npos);
  EXPECT_EQ(verify(disk_, VerifyDepth::contents), std::vector<std::string>());
}

// A pack whose traces the run has not is nobody's to throw away.
TEST_P(PackedRun, APackOfAnotherRunIsKept) {
  CrashDisk other;
  {
    const auto run = RunWriter::create(other, kRun, writer_options()).value();
    const size_t feed = run->add_feed(make_small_bars(12)).value();
    const size_t trace = run->add_trace(run->add_strategy("x", parse(R"({"macd":{}})")).value(), feed);
    ASSERT_TRUE(run->record(trace, 3, 1.0).ok());
    ASSERT_TRUE(run->commit(commit_options()).ok());
  }
  const std::string stranger = RunReader::open(other, kRun).value()->rows()[0].pack;
  const std::string place = pack_path(feed_directory(pack()), SignalKind::number, 9);
  const std::string bytes = other.read_file(join_path(kRun, stranger)).value();
  for (const std::string& content : {bytes, std::string("no pack at all")}) {
    CrashDisk disk = disk_.after_kill();
    replace(disk, join_path(kRun, place), content);
    const auto report = recover_run(disk, kRun);
    ASSERT_TRUE(report.ok()) << report.status().message();
    ASSERT_EQ(report->moved.size(), 1u);
    EXPECT_EQ(disk.read_file(kStore + "/.signalbook/lost+found/run_1-1/" + place).value(), content);
    EXPECT_EQ(verify(disk, VerifyDepth::contents), std::vector<std::string>());
  }
}

// Every digest is right, and what stands in the pack is not: what a bug or another program would write.
TEST_P(PackedRun, ADeepCheckFindsWhatIsRecordedWrong) {
  struct Case {
    const char* expected;
    std::function<void(PackDescription&, PackedTrace&, SignalChanges&)> forge;
  };
  const Case cases[] = {
      {"trace_id is 77", [](auto&, PackedTrace& trace, auto&) { trace.trace_id = 77; }},
      {"strategy_hash is 'abc'", [](auto&, PackedTrace& trace, auto&) { trace.strategy_hash = "abc"; }},
      {"metadata is {}", [](auto&, PackedTrace& trace, auto&) { trace.strategy_config = "{}"; }},
      {"strategy_id is x", [](auto&, PackedTrace& trace, auto&) { trace.strategy_id = "x"; }},
      {"bar_count is 999", [](auto&, PackedTrace& trace, auto&) { trace.bar_count = 999; }},
      {"idx 40 lies outside", [](auto&, auto&, SignalChanges& changes) { changes.idx.back() = 40; }},
      {"does not lie after", [](auto&, auto&, SignalChanges& changes) { changes.idx.back() = changes.idx.front(); }},
      {"no change: val",
       [](auto&, auto&, SignalChanges& changes) {
         if (!changes.values.empty()) changes.values.back() = changes.values[changes.size() - 2];
         if (!changes.labels.empty()) changes.labels.back() = changes.labels[changes.size() - 2];
       }},
      {"do not have the trace_hash",
       [](auto&, auto&, SignalChanges& changes) {
         if (!changes.values.empty()) changes.values.back() += 10;
         if (!changes.labels.empty()) changes.labels.back() += "x";
       }},
      {"px is no finite number",
       [](auto&, PackedTrace& trace, SignalChanges& changes) {
         trace.px.assign(changes.size(), 1.0);
         trace.px.back() = std::numeric_limits<double>::infinity();
       }},
      {"the metadata say timeframe '1h', not '5m'",
       [](PackDescription& about, auto&, auto&) { about.timeframe = "1h"; }},
      {"the metadata say data_id 'x'", [](PackDescription& about, auto&, auto&) { about.data_id = "x"; }},
      {"the metadata say creation_time", [](PackDescription& about, auto&, auto&) { about.creation_time = "x"; }},
  };
  const Bars bars = make_small_bars(12);
  const auto run = RunReader::open(disk_, kRun).value();
  for (const Case& one : cases) {
    SCOPED_TRACE(one.expected);
    PackDescription about = {.symbol = "SPY", .timeframe = "5m", .data_id = rows_[0].data_id, .kind = rows_[0].kind};
    about.creation_time = "2023-11-14T22:13:20Z";
    if (GetParam().layout == RunLayout::packed_full) about.ts = &bars.ts, about.close = &bars.close;
    std::vector<std::pair<PackedTrace, SignalChanges>> traces;
    std::vector<std::string> hashes(rows_.size());
    for (const IndexRow& row : rows_) {
      if (row.pack != pack()) continue;
      hashes[traces.size()] = row.strategy_hash();
      PackedTrace trace = {.trace_id = row.trace_id,
                           .strategy_hash = hashes[traces.size()],
                           .strategy_config = row.strategy_config,
                           .strategy_id = row.strategy_id,
                           .bar_count = row.bar_count};
      traces.emplace_back(trace, run->read_changes(row)->changes);
    }
    one.forge(about, traces.back().first, traces.back().second);
    // Bars that are not there have no time to be written.
    if (about.ts != nullptr && traces.back().second.idx.back() >= 12) continue;
    std::string bytes;
    PackFileEncoder encoder(about, [&](std::string_view piece) {
      bytes += piece;
      return Status();
    });
    for (auto& [trace, changes] : traces) {
      trace.changes = &changes;
      ASSERT_TRUE(encoder.append(trace).ok());
    }
    ASSERT_TRUE(encoder.finish().ok());
    replace(disk_, pack_path_of_run(), bytes);
    describe();
    EXPECT_EQ(verify(disk_), std::vector<std::string>());
    const std::vector<std::string> told = verify(disk_, VerifyDepth::contents);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_TRUE(told[0].starts_with("damage " + pack() + ": ")) << told[0];
    EXPECT_NE(told[0].find(one.expected), std::string::npos) << told[0];
  }
}

TEST_P(PackedRun, RowsOfThePackAreSharedOut) {
  std::vector<const IndexRow*> rows;
  for (const IndexRow& row : rows_) {
    if (row.pack == pack()) rows.push_back(&row);
  }
  const int64_t count = rows.back()->row_start + rows.back()->change_count;
  EXPECT_EQ(check_pack_ranges(rows, count), std::vector<std::string>());
  std::vector<std::string> found = check_pack_ranges(rows, count + 2);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("no row of the index tells whose they are"), std::string::npos);
  EXPECT_GE(check_pack_ranges(rows, count - 1).size(), 1u);
  IndexRow moved = *rows.back();
  ++moved.row_start;
  rows.back() = &moved;
  EXPECT_NE(check_pack_ranges(rows, count + 1)[0].find("no row of the index"), std::string::npos);
  if (rows.size() == 1) return;
  moved.row_start -= 2;
  found = check_pack_ranges(rows, count);
  ASSERT_GE(found.size(), 1u);
  EXPECT_NE(found[0].find("are of other traces"), std::string::npos) << found[0];
}

// Findings and their order do not depend on the number of threads.
TEST_P(PackedRun, AnyNumberOfThreadsFindsTheSame) {
  for (const auto& [path, bytes] : all_files(disk_, kRun)) {
    if (!path.starts_with("traces/")) continue;
    std::string other = bytes;
    other[other.size() / 3] = static_cast<char>(other[other.size() / 3] ^ 1);
    replace(disk_, join_path(kRun, path), other);
  }
  const std::vector<std::string> told = verify(disk_, VerifyDepth::contents, 1);
  EXPECT_GE(told.size(), 2u);
  for (const size_t threads : {2, 3, 8}) EXPECT_EQ(verify(disk_, VerifyDepth::contents, threads), told);
}

// Whoever lays the traces out the other way may die at any operation: verify finds nothing damaged, and recover leaves
// the run in one layout or the other, with nothing else.
TEST_P(PackedRun, APackOrUnpackThatDiedIsTidiedUp) {
  for (const bool to_packs : {false, true}) {
    CrashDisk before = disk_.after_kill();
    if (to_packs) {
      ASSERT_TRUE(repack_run(before, kRun, {.to_packs = false}).ok());
    }
    const RepackOptions options = {
        .to_packs = to_packs,
        .packs = {.columns = GetParam().layout == RunLayout::packed_full ? PackColumns::full : PackColumns::few,
                  .most_bytes = GetParam().pack_bytes}};
    before = before.after_crash(1);
    CrashDisk after = before.after_kill();
    ASSERT_TRUE(repack_run(after, kRun, options).ok());
    const Files old_files = files_of_store(before), new_files = files_of_store(after);
    int64_t tidied = 0;
    bool has_failed = true;
    for (int64_t k = 0; has_failed; ++k) {
      SCOPED_TRACE(k);
      CrashDisk disk = before.after_kill();
      disk.fail_at(disk.operation_count() + k, /*for_good=*/true);
      has_failed = !repack_run(disk, kRun, options).ok();
      for (uint64_t seed = 0; seed < 4; ++seed) {
        CrashDisk left =
            seed == 3 ? disk.after_kill() : disk.after_crash(seed + (seed > 1 ? 7 * static_cast<uint64_t>(k) : 0));
        for (const std::string& line : verify(left)) EXPECT_FALSE(line.starts_with("damage")) << line;
        const auto dry = recover_run(left, kRun, {.is_dry = true});
        const auto report = recover_run(left, kRun);
        ASSERT_TRUE(dry.ok() && report.ok()) << report.status().message();
        EXPECT_TRUE(report->is_whole());
        EXPECT_TRUE(report->damage.empty());
        tidied += report->remarks.empty() ? 0 : 1;
        const Files files = files_of_store(left);
        EXPECT_TRUE(files == old_files || files == new_files);
        EXPECT_EQ(verify(left, VerifyDepth::contents), std::vector<std::string>());
      }
    }
    EXPECT_GT(tidied, 3);
  }
}

// A run of a pack of which the index is lost, and with it a trace that says nothing; the others keep their trace_id.
TEST_P(PackedRun, TracesWithoutChangesAreLostWithTheIndexAlone) {
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options()).value();
    const size_t feed = run->add_feed(make_small_bars(12)).value();
    for (const char* id : {"a", "b", "c"}) {
      const std::string config = std::string(R"({"rsi":{"period":)") + std::to_string(id[0]) + "}}";
      const size_t trace = run->add_trace(run->add_strategy(id, parse(config)).value(), feed);
      ASSERT_TRUE(run->record(trace, 3, id[0] == 'b' ? std::nan("") : 1.0).ok());
    }
    ASSERT_TRUE(run->commit(commit_options()).ok());
  }
  const Files before = files_of_store(disk);
  const std::string index = join_path(kRun, "strategy_index.parquet"), described = join_path(kRun, "run.json");

  // With the old index all comes back.
  CrashDisk left = disk.after_kill();
  ASSERT_TRUE(left.remove_file(described).ok());
  ASSERT_TRUE(recover_run(left, kRun).ok());
  EXPECT_EQ(left.read_file(index).value(), before.at("run_1/strategy_index.parquet"));

  left = disk.after_kill();
  ASSERT_TRUE(left.remove_file(index).ok());
  const auto report = recover_run(left, kRun);
  ASSERT_TRUE(report.ok()) << report.status().message();
  std::string remarks;
  for (const std::string& line : report->remarks) remarks += line + '\n';
  EXPECT_NE(remarks.find("1 traces without any change"), std::string::npos) << remarks;
  const auto run = RunReader::open(left, kRun).value();
  ASSERT_EQ(run->rows().size(), 2u);
  EXPECT_EQ(run->rows()[0].trace_id, 0);
  EXPECT_EQ(run->rows()[1].trace_id, 2) << "as in the pack";
  for (const IndexRow& row : run->rows()) EXPECT_TRUE(run->read_trace(row).ok());
  // A pack that had nothing else is nobody's any more.
  for (const std::string& line : verify(left, VerifyDepth::contents)) ADD_FAILURE() << line;
}

}  // namespace
}  // namespace signalbook
