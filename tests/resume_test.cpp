#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include "store/commit_run.h"
#include "store/run_journals.h"
#include "store/run_reader.h"
#include "store/run_writer.h"
#include "support/crash_disk.h"
#include "support/layouts.h"
#include "support/small_run.h"

namespace signalbook {
namespace {

using test::commit_options;
using test::current_layout;

class Resume : public test::WithLayouts {};

INSTANTIATE_TEST_SUITE_P(Layouts, Resume, test::all_layouts(), test::layout_name);

constexpr const char* kRun = "/results/run_1";
constexpr int kStrategies = 3;
constexpr BarIndex kBars = 40;

// What the strategies say: the truth that no crash may change.
double signal_of(int strategy, BarIndex bar) {
  return static_cast<double>((bar * (strategy + 2) / 7 + strategy) % 3) - 1.0;
}
const char* label_of(BarIndex bar) { return bar / 11 % 2 == 0 ? "ranging" : "trending"; }

// Every file of a directory by its path in it.
void collect(FileSystem& disk, const std::string& directory, const std::string& name,
             std::map<std::string, std::string>* files) {
  const std::vector<DirectoryEntry> entries = disk.list_directory(directory).value();
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(directory, entry.name), inner = join_path(name, entry.name);
    if (entry.is_directory) {
      collect(disk, path, inner, files);
    } else {
      (*files)[inner] = disk.read_file(path).value();
    }
  }
}

std::map<std::string, std::string> all_files(FileSystem& disk) {
  std::map<std::string, std::string> files;
  collect(disk, "/results", "", &files);
  return files;
}

// A sweep bar by bar over all strategies, as it begins and as it goes on: three strategies and a classifier. Position
// counts bars. `acknowledged` is what the caller was told to be durable.
Result<RunSummary> sweep(FileSystem& disk, int64_t* acknowledged) {
  RunOptions options = {
      .created_at = 1'700'000'000'000'000, .layout = current_layout().layout, .opening = RunOpening::resume};
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run, RunWriter::create(disk, kRun, options));
  *acknowledged = std::max(*acknowledged, run->durable_position());
  SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(make_small_bars(kBars)));
  std::vector<size_t> traces;
  for (int s = 0; s < kStrategies; ++s) {
    SB_ASSIGN_OR_RETURN(
        const size_t strategy,
        run->add_strategy("strategy_" + std::to_string(s), parse(R"({"rsi":{"period":)" + std::to_string(s) + "}}")));
    traces.push_back(run->add_trace(strategy, feed));
  }
  SB_ASSIGN_OR_RETURN(const size_t regime, run->add_strategy("regime_0", parse(R"({"regime":{}})")));
  const size_t labels = run->add_trace(regime, feed);
  for (BarIndex bar = run->position(); bar < kBars; ++bar) {
    for (int s = 0; s < kStrategies; ++s) {
      const std::optional<double> price = bar % 5 == 0 ? std::optional(100.0 + static_cast<double>(bar)) : std::nullopt;
      SB_RETURN_IF_ERROR(run->record(traces[static_cast<size_t>(s)], bar, signal_of(s, bar), price));
    }
    if (bar >= 3) SB_RETURN_IF_ERROR(run->record_label(labels, bar, label_of(bar)));
    SB_RETURN_IF_ERROR(run->set_position(bar + 1));
    if (bar % 6 == 5) {
      SB_RETURN_IF_ERROR(run->sync());
      *acknowledged = run->durable_position();
    }
  }
  return run->commit(commit_options());
}

std::map<std::string, std::string> uninterrupted() {
  CrashDisk disk;
  int64_t acknowledged = 0;
  EXPECT_TRUE(disk.create_directory("/results").ok());
  const auto summary = sweep(disk, &acknowledged);
  EXPECT_TRUE(summary.ok()) << summary.status().message();
  return all_files(disk);
}

Result<std::unique_ptr<RunWriter>> resume(FileSystem& disk) {
  return RunWriter::create(
      disk, kRun,
      {.created_at = 1'700'000'000'000'000, .layout = current_layout().layout, .opening = RunOpening::resume});
}

// What is left is whole, or can be recovered: nothing that was acknowledged is missing, and nothing is made up.
void expect_saved(CrashDisk& disk, int64_t acknowledged, const std::string& what) {
  const bool is_finished = disk.file_exists(join_path(kRun, "strategy_index.parquet")).value();
  if (!is_finished) {
    const auto committed = commit_run(disk, kRun, commit_options());
    if (!committed.ok()) {
      EXPECT_EQ(acknowledged, 0) << what << ": " << committed.status().message();
      return;
    }
    EXPECT_TRUE(committed->damage.empty()) << what << ": " << committed->damage.front();
  }
  const auto run = RunReader::open(disk, kRun);
  ASSERT_TRUE(run.ok()) << what << ": " << run.status().message();
  std::map<std::string, const IndexRow*> rows;
  for (const IndexRow& row : (*run)->rows()) rows[row.strategy_id] = &row;
  for (int s = 0; s < kStrategies; ++s) {
    const IndexRow* row = rows["strategy_" + std::to_string(s)];
    if (row == nullptr) {
      EXPECT_EQ(acknowledged, 0) << what;
      continue;
    }
    EXPECT_GE(row->bar_count, acknowledged) << what;
    EXPECT_EQ(row->complete, row->bar_count == kBars) << what;
    const auto trace = (*run)->read_trace(*row);
    ASSERT_TRUE(trace.ok()) << what << ": " << trace.status().message();
    const std::vector<double> dense = decode(trace->changes, row->bar_count).value();
    for (BarIndex bar = 0; bar < row->bar_count; ++bar)
      ASSERT_EQ(dense[static_cast<size_t>(bar)], signal_of(s, bar)) << what << ": strategy " << s << ", bar " << bar;
    for (size_t k = 0; k < trace->changes.size(); ++k) {
      const BarIndex bar = trace->changes.idx[k];
      if (bar % 5 == 0) {
        EXPECT_EQ(trace->px[k], 100.0 + static_cast<double>(bar)) << what;
      }
    }
  }
}

void expect_goes_on(CrashDisk& disk, const std::map<std::string, std::string>& expected, int64_t acknowledged,
                    const std::string& what) {
  if (disk.file_exists(join_path(kRun, "strategy_index.parquet")).value()) {
    ASSERT_TRUE(remove_journals(disk, kRun).ok());
  } else {
    int64_t found = 0;
    const auto summary = sweep(disk, &found);
    ASSERT_TRUE(summary.ok()) << what << ": " << summary.status().message();
    EXPECT_GE(found, acknowledged);
  }
  auto files = all_files(disk);
  std::erase_if(files, [](const auto& file) { return file.first.ends_with(".lock"); });  // of processes that died
  for (const auto& [name, bytes] : expected) {
    EXPECT_TRUE(files.contains(name)) << what << ": " << name << " is missing";
    EXPECT_TRUE(files[name] == bytes) << what << ": " << name << ": not the bytes of an uninterrupted run";
  }
  for (const auto& [name, bytes] : files) EXPECT_TRUE(expected.contains(name)) << what << ": " << name << " is left";
}

// A process that was killed has written what may never get to the disk. Whoever goes on finds it and tells the caller
// that it is durable: then it must be.
void expect_resumed_is_durable(const CrashDisk& disk, const std::string& what) {
  CrashDisk left = disk.after_kill();
  if (!left.directory_exists(kRun).value() || left.file_exists(join_path(kRun, "strategy_index.parquet")).value())
    return;
  const auto run = resume(left);
  ASSERT_TRUE(run.ok()) << what << ": " << run.status().message();
  for (const uint64_t seed : {0, 2}) {
    CrashDisk cut = left.after_crash(seed);
    expect_saved(cut, (*run)->durable_position(), what + ", resumed, then a power cut, seed " + std::to_string(seed));
  }
}

TEST_P(Resume, AKillAtAnyOperationThenAPowerCut) {
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("/results").ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  int64_t acknowledged = 0;
  disk.before_each([&](const CrashDisk::Operation& operation) {
    expect_resumed_is_durable(disk, "killed before operation " + std::to_string(operation.number) + ", " +
                                        std::string(operation.action) + " " + operation.path);
  });
  ASSERT_TRUE(sweep(disk, &acknowledged).ok());
}

TEST_P(Resume, APowerCutAtAnyOperation) {
  const auto expected = uninterrupted();
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("/results").ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  int64_t acknowledged = 0, snapshots = 0;
  disk.before_each([&](const CrashDisk::Operation& operation) {
    const auto seeds = static_cast<uint64_t>(is_long ? 60 : 4);
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      const uint64_t chosen = seed < 2 ? seed : seed + 1000 * static_cast<uint64_t>(operation.number);
      const std::string what = "power cut before operation " + std::to_string(operation.number) + ", " +
                               std::string(operation.action) + " " + operation.path + ", seed " +
                               std::to_string(chosen);
      CrashDisk left = disk.after_crash(chosen);
      if (!left.directory_exists(kRun).value()) {
        EXPECT_EQ(acknowledged, 0) << what;
        continue;
      }
      ++snapshots;
      expect_saved(left, acknowledged, what);
      left = disk.after_crash(chosen);
      expect_goes_on(left, expected, acknowledged, what);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
  ASSERT_TRUE(sweep(disk, &acknowledged).ok());
  EXPECT_GT(snapshots, 150);
}

TEST_P(Resume, AnOperationThatFails) {
  const auto expected = uninterrupted();
  int64_t operations = 0;
  {
    CrashDisk disk;
    int64_t acknowledged = 0;
    ASSERT_TRUE(disk.create_directory("/results").ok());
    ASSERT_TRUE(sweep(disk, &acknowledged).ok());
    operations = disk.operation_count();
  }
  for (const bool for_good : {false, true}) {
    for (int64_t k = 1; k < operations; ++k) {
      CrashDisk disk;
      ASSERT_TRUE(disk.create_directory("/results").ok());
      ASSERT_TRUE(disk.sync_directory("/").ok());
      disk.fail_at(k + 1, for_good);
      int64_t acknowledged = 0;
      const auto summary = sweep(disk, &acknowledged);
      const std::string what = "operation " + std::to_string(k) + (for_good ? " fails for good" : " fails once");
      if (!summary.ok()) {
        EXPECT_EQ(summary.status().code(), StatusCode::io_error) << summary.status().message();
      }
      for (uint64_t seed = 0; seed < 4; ++seed) {
        CrashDisk left = disk.after_crash(seed);
        if (!left.directory_exists(kRun).value()) {
          EXPECT_EQ(acknowledged, 0) << what;
          continue;
        }
        expect_saved(left, acknowledged, what + ", then a power cut, seed " + std::to_string(seed));
      }
      expect_resumed_is_durable(disk, what);
      // The process goes away and another goes on, without a power cut and with one right after it.
      CrashDisk left = disk.after_kill();
      if (left.directory_exists(kRun).value()) expect_goes_on(left, expected, acknowledged, what);
      CrashDisk cut = left.after_crash(0);
      if (cut.directory_exists(kRun).value())
        expect_goes_on(cut, expected, acknowledged, what + ", power cut after it");
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// A disk with an empty store on it, and a run there that has said 1 on bar 7.
struct OneTrace {
  CrashDisk disk;
  std::unique_ptr<RunWriter> run;
  size_t trace = 0;

  OneTrace() {
    EXPECT_TRUE(disk.create_directory("/results").ok());
    EXPECT_TRUE(disk.sync_directory("/").ok());
    run = resume(disk).value();
    const size_t feed = run->add_feed(make_small_bars(kBars)).value();
    trace = run->add_trace(run->add_strategy("a", parse(R"({"rsi":{}})")).value(), feed);
    EXPECT_TRUE(run->record(trace, 7, 1.0, {}).ok());
  }
};

// Whoever goes on behind the end of the input must not wait for more of it; whoever does not know of it, must.
TEST_P(Resume, KnowsThatTheInputHasEnded) {
  for (const bool is_ended : {false, true}) {
    OneTrace before;
    EXPECT_FALSE(before.run->input_ended());
    if (is_ended) {
      ASSERT_TRUE(before.run->end_input().ok());
      EXPECT_TRUE(before.run->input_ended());
      EXPECT_FALSE(before.run->record(before.trace, 8, 0.0, {}).ok());
    }
    ASSERT_TRUE(before.run->sync().ok());
    CrashDisk left = before.disk.after_crash(1);
    const auto run = resume(left).value();
    EXPECT_EQ(run->input_ended(), is_ended);
    ASSERT_TRUE(run->add_feed(make_small_bars(kBars)).ok());
    ASSERT_TRUE(run->close().ok());
    ASSERT_TRUE(commit_run(left, kRun, commit_options()).ok());
    const auto finished = RunReader::open(left, kRun).value();
    ASSERT_EQ(finished->rows().size(), 1u);
    EXPECT_EQ(finished->rows()[0].complete, is_ended);
  }
}

// What was not synced is not known, and the writer says so after it was closed as well.
TEST_P(Resume, AnEndThatWasNotSyncedIsNone) {
  OneTrace before;
  const std::unique_ptr<RunWriter>& run = before.run;
  ASSERT_TRUE(run->set_position(3).ok());
  ASSERT_TRUE(run->sync().ok());
  ASSERT_TRUE(run->end_input().ok());
  ASSERT_TRUE(run->set_position(4).ok());
  CrashDisk left = before.disk.after_crash(1);
  EXPECT_FALSE(resume(left).value()->input_ended());
  EXPECT_EQ(run->durable_position(), 3);
  ASSERT_TRUE(run->close().ok());
  EXPECT_EQ(run->durable_position(), 4);
  EXPECT_TRUE(resume(before.disk).value()->input_ended());
}

// A part of the journals, taken for all of them, would make a smaller run.
TEST_P(Resume, JournalsAreRemovedAllAtOnce) {
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("/results").ok());
  for (const char* writer : {"a", "b", "c"}) {
    const RunOptions options = {.opening = RunOpening::join, .writer = writer};
    const auto run = RunWriter::create(disk, kRun, options).value();
    const size_t feed = run->add_feed(make_small_bars(kBars)).value();
    const size_t trace = run->add_trace(run->add_strategy(writer, parse(R"({"rsi":{}})")).value(), feed);
    ASSERT_TRUE(run->record(trace, 7, 1.0, {}).ok());
    ASSERT_TRUE(run->close().ok());
  }
  const std::string journals = journal_directory(kRun);
  const size_t all = disk.list_directory(journals).value().size();
  ASSERT_GE(all, 3u);
  int snapshots = 0;
  disk.before_each([&](const CrashDisk::Operation&) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      CrashDisk left = disk.after_crash(seed);
      ++snapshots;
      if (left.directory_exists(journals).value()) {
        EXPECT_EQ(left.list_directory(journals).value().size(), all);
      }
    }
  });
  ASSERT_TRUE(remove_journals(disk, kRun).ok());
  EXPECT_GT(snapshots, 100);
  EXPECT_FALSE(disk.directory_exists(journals).value());
}

}  // namespace
}  // namespace signalbook
