#include "store/run_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "store/run_reader.h"
#include "store/store.h"
#include "support/failing_file_system.h"
#include "support/layouts.h"
#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A writer with one feed of `bars` bars.
struct OneFeed {
  TemporaryDirectory directory;
  std::unique_ptr<RunWriter> run;
  size_t feed = 0;

  explicit OneFeed(size_t bars = 10, RunOptions options = {}) {
    run = RunWriter::create(posix_file_system(), directory / "results/run_1", options).value();
    feed = run->add_feed(make_small_bars(bars)).value();
  }
  size_t add(const std::string& id, const std::string& config) {
    return run->add_trace(run->add_strategy(id, parse(config)).value(), feed);
  }
  std::unique_ptr<RunReader> commit() {
    const Result<RunSummary> summary = run->commit();
    EXPECT_TRUE(summary.ok()) << summary.status().message();
    warnings = summary->warnings;
    return RunReader::open(posix_file_system(), directory / "results/run_1").value();
  }
  std::vector<std::string> warnings;
};

TEST(RunWriter, WhatIsRecordedIsReadBack) {
  OneFeed one(10,
              {.code_version = "abc", .note = "a note", .tags = {{"k", "v=w"}}, .created_at = 1'700'000'000'000'000});
  const size_t rsi = one.add("strategy_0", R"({"rsi":{"period":14}})");
  const std::vector<double> signals = {kNaN, 0, 0, 1, 1, -1, -1, -1, 0.5, 0.5};
  for (size_t bar = 0; bar < signals.size(); ++bar) {
    ASSERT_TRUE(
        one.run->record(rsi, static_cast<BarIndex>(bar), signals[bar], bar == 3 ? std::optional(1.5) : std::nullopt)
            .ok());
  }
  const auto run = one.commit();
  ASSERT_EQ(run->rows().size(), 1u);
  const IndexRow& row = run->rows()[0];
  EXPECT_EQ(row.bar_count, 10);
  EXPECT_EQ(row.observed_from, 1);
  EXPECT_EQ(row.observed_to, 9);
  EXPECT_TRUE(row.complete);
  EXPECT_EQ(row.change_count, 4);
  const Trace trace = run->read_trace(row).value();
  EXPECT_EQ(trace.changes.idx, (std::vector<BarIndex>{1, 3, 5, 8}));
  EXPECT_EQ(trace.changes.values, (std::vector<double>{0, 1, -1, 0.5}));
  const Bars bars = run->read_bars(row.data_id).value();
  EXPECT_EQ(trace.px, (std::vector<double>{bars.close[1], 1.5, bars.close[5], bars.close[8]}));
  EXPECT_EQ(trace.ts, (std::vector<int64_t>{bars.ts[1], bars.ts[3], bars.ts[5], bars.ts[8]}));
  EXPECT_EQ(trace.about.strategy_config, R"({"rsi":{"period":14}})");
  EXPECT_EQ(run->description().code_version, "abc");
  EXPECT_EQ(run->description().note, "a note");
  EXPECT_EQ(run->description().tags, (std::vector<std::pair<std::string, std::string>>{{"k", "v=w"}}));
  EXPECT_EQ(run->description().created_at, 1'700'000'000'000'000);
}

// Every file of a directory by its path in it.
std::map<std::string, std::string> all_files(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    files[std::filesystem::relative(entry.path(), directory)] = posix_file_system().read_file(entry.path()).value();
  }
  return files;
}

TEST(RunWriter, EventsBarsAndMatricesGiveTheSameBytes) {
  constexpr size_t kBars = 600, kStrategies = 70;
  std::mt19937_64 random(3);
  std::vector<double> matrix(kBars * kStrategies, kNaN);  // a row a bar
  for (size_t s = 0; s < kStrategies; ++s) {
    for (size_t bar = random() % 5; bar < kBars; ++bar) {
      const bool changes = bar == 0 || std::isnan(matrix[(bar - 1) * kStrategies + s]) || random() % 9 == 0;
      matrix[bar * kStrategies + s] =
          changes ? static_cast<double>(random() % 3) - 1.0 : matrix[(bar - 1) * kStrategies + s];
    }
  }
  std::map<std::string, std::string> expected;
  for (const char* way : {"events by strategy", "events by bar", "bars", "matrix", "halves of a matrix", "columns"}) {
    OneFeed one(kBars, {.created_at = 1'700'000'000'000'000});
    std::vector<size_t> traces;
    for (size_t s = 0; s < kStrategies; ++s) {
      traces.push_back(one.add("strategy_" + std::to_string(s), R"({"rsi":{"period":)" + std::to_string(s) + "}}"));
    }
    const auto value = [&](size_t bar, size_t s) { return matrix[bar * kStrategies + s]; };
    const auto rows = [&](size_t begin, size_t end) {
      return SignalMatrix{.data = matrix.data() + begin * kStrategies,
                          .type = ElementType::float64,
                          .bar_count = static_cast<int64_t>(end - begin),
                          .strategy_count = kStrategies,
                          .bar_stride = kStrategies * sizeof(double),
                          .strategy_stride = sizeof(double)};
    };
    const std::string name = way;
    if (name == "events by strategy") {
      for (size_t s = 0; s < kStrategies; ++s) {
        for (size_t bar = 0; bar < kBars; ++bar)
          ASSERT_TRUE(one.run->record(traces[s], static_cast<BarIndex>(bar), value(bar, s)).ok());
      }
    } else if (name == "events by bar") {
      for (size_t bar = 0; bar < kBars; ++bar) {
        for (size_t s = 0; s < kStrategies; ++s)
          ASSERT_TRUE(one.run->record(traces[s], static_cast<BarIndex>(bar), value(bar, s)).ok());
      }
    } else if (name == "bars") {
      for (size_t bar = 0; bar < kBars; ++bar) {
        const std::span values(matrix.data() + bar * kStrategies, kStrategies);
        ASSERT_TRUE(one.run->record_bar(traces, static_cast<BarIndex>(bar), values).ok());
      }
    } else if (name == "matrix") {
      ASSERT_TRUE(one.run->record_matrix(traces, 0, rows(0, kBars)).ok());
    } else if (name == "halves of a matrix") {
      ASSERT_TRUE(one.run->record_matrix(traces, 0, rows(0, 301)).ok());
      ASSERT_TRUE(one.run->record_matrix(traces, 301, rows(301, kBars)).ok());
    } else {
      for (size_t s = 0; s < kStrategies; ++s) {
        SignalMatrix column = rows(0, kBars);
        column.data = matrix.data() + s;
        column.strategy_count = 1;
        ASSERT_TRUE(one.run->record_matrix(std::span(&traces[s], 1), 0, column).ok());
        ASSERT_TRUE(one.run->finish_trace(traces[s]).ok());
      }
    }
    one.commit();
    const auto files = all_files(one.directory.path());
    if (expected.empty()) expected = files;
    EXPECT_EQ(files.size(), kStrategies + 5) << way;  // the traces, index, components, run.json, bars, store.json
    EXPECT_TRUE(files == expected) << way;
  }
}

class RunWriterLayouts : public test::WithLayouts {};

// On the real disk, which takes its time.
INSTANTIATE_TEST_SUITE_P(Layouts, RunWriterLayouts,
                         testing::Values(test::kFilesLayout, test::TestLayout{"many_packs", RunLayout::packed, 0}),
                         test::layout_name);

Result<RunSummary> record_run(FileSystem& files, const std::string& run_path) {
  return record_small_run(files, run_path, test::current_layout().layout, test::commit_options());
}

// Whichever change to the disk fails: the error arrives, and nobody can take what is left for a run.
TEST_P(RunWriterLayouts, AFailureAnywhereLeavesNoHalfRunAndAnEarlierOneWhole) {
  int64_t operations = 0;
  {
    TemporaryDirectory directory;
    FailingFileSystem disk(std::numeric_limits<int64_t>::max(), true);
    ASSERT_TRUE(record_run(disk, directory / "results/run_1").ok());
    operations = disk.operation_count();
  }
  ASSERT_GT(operations, 30);
  for (const bool for_good : {true, false}) {
    for (int64_t k = 0; k < operations; ++k) {
      TemporaryDirectory directory;
      ASSERT_TRUE(record_run(posix_file_system(), directory / "results/run_0").ok());
      FailingFileSystem disk(k, for_good);
      const Result<RunSummary> summary = record_run(disk, directory / "results/run_1");
      if (!disk.has_failed()) continue;  // the store and the bars are there already, so there is less to do
      const auto runs = list_runs(posix_file_system(), directory / "results").value();
      const bool visible = runs.size() == 2;
      if (visible) {
        // From the moment the run is visible, it is whole; what fails then is the removal of its journals.
        const auto run = RunReader::open(posix_file_system(), directory / "results/run_1").value();
        for (const IndexRow& row : run->rows()) EXPECT_TRUE(run->read_trace(row).ok());
      } else {
        EXPECT_FALSE(summary.ok()) << "operation " << k << " failed and nobody was told";
        EXPECT_EQ(summary.status().code(), StatusCode::io_error) << summary.status().message();
      }
      const auto earlier = RunReader::open(posix_file_system(), directory / "results/run_0").value();
      for (const IndexRow& row : earlier->rows()) EXPECT_TRUE(earlier->read_trace(row).ok());
    }
  }
}

TEST(RunWriter, WhatIsDiscardedLeavesNothing) {
  TemporaryDirectory directory;
  const auto run = RunWriter::create(posix_file_system(), directory / "above/results/run_1", {}).value();
  const size_t feed = run->add_feed(make_small_bars(5)).value();
  const size_t trace = run->add_trace(run->add_strategy("s", parse(R"({"rsi":{}})")).value(), feed);
  ASSERT_TRUE(run->record(trace, 0, 1.0).ok());
  ASSERT_TRUE(run->sync().ok());
  ASSERT_TRUE(run->discard().ok());
  EXPECT_FALSE(std::filesystem::exists(directory / "above"));
}

TEST(RunWriter, ARunThatOthersWriteToIsNotDiscarded) {
  TemporaryDirectory directory;
  const auto first = RunWriter::create(posix_file_system(), directory / "results/run_1", {.writer = "first"}).value();
  const auto other = RunWriter::create(posix_file_system(), directory / "results/run_1",
                                       {.opening = RunOpening::join, .writer = "other"})
                         .value();
  ASSERT_TRUE(first->discard().ok());
  EXPECT_TRUE(std::filesystem::exists(directory / "results/run_1/.journal/other-0001.journal"));
}

TEST(RunWriter, ARunIsWrittenOnce) {
  TemporaryDirectory directory;
  ASSERT_TRUE(record_small_run(posix_file_system(), directory / "results/run_1").ok());
  const Result<RunSummary> again = record_small_run(posix_file_system(), directory / "results/run_1");
  EXPECT_EQ(again.status().code(), StatusCode::invalid);
  EXPECT_NE(again.status().message().find("run_1"), std::string::npos);
  EXPECT_EQ(RunReader::open(posix_file_system(), directory / "results/run_1").value()->rows().size(), 4u);
}

TEST(RunWriter, OneConfigurationUnderTwoIds) {
  OneFeed one;
  const std::string config = R"({"rsi":{"period":14}})", respelled = R"({"type":"rsi","parameters":{"period":14}})";
  const size_t first = one.add("first", config), same = one.add("same", respelled), other = one.add("other", config);
  for (BarIndex bar = 0; bar < 10; ++bar) {
    ASSERT_TRUE(one.run->record(first, bar, bar < 5 ? 1 : 0).ok());
    ASSERT_TRUE(one.run->record(same, bar, bar < 5 ? 1 : 0).ok());
    ASSERT_TRUE(one.run->record(other, bar, bar < 6 ? 1 : 0).ok());
  }
  const auto run = one.commit();
  ASSERT_EQ(run->rows().size(), 2u) << "equal traces are one row, different ones are both kept";
  EXPECT_EQ(run->rows()[0].aliases, std::vector<std::string>{"same"});
  EXPECT_EQ(run->rows()[1].strategy_id, "other");
  EXPECT_NE(run->rows()[0].trace_path, run->rows()[1].trace_path);
  ASSERT_EQ(one.warnings.size(), 1u);
  EXPECT_NE(one.warnings[0].find("first and other"), std::string::npos) << one.warnings[0];
  EXPECT_EQ(run->find("same").value()[0], &run->rows()[0]);
}

TEST(RunWriter, RefusalsNameStrategyAndBar) {
  OneFeed one;
  const size_t trace = one.add("strategy_7", R"({"rsi":{}})");
  ASSERT_TRUE(one.run->record(trace, 3, 1.0).ok());
  const auto expect = [&](const Status& status, const char* a, const char* b) {
    EXPECT_EQ(status.code(), StatusCode::invalid);
    EXPECT_NE(status.message().find("strategy_7"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(a), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(b), std::string::npos) << status.message();
  };
  expect(one.run->record(trace, 10, 1.0), "bar 10", "outside");
  expect(one.run->record(trace, -1, 1.0), "bar -1", "outside");
  expect(one.run->record(trace, 2, 1.0), "bar 2", "forward");
  expect(one.run->record(trace, 4, kNaN), "bar 4", "NaN");
  expect(one.run->record(trace, 4, std::numeric_limits<double>::infinity()), "bar 4", "infinite");
  expect(one.run->record(trace, 4, 1.0, kNaN), "bar 4", "price");
  expect(one.run->record_label(trace, 4, "trending"), "bar 4", "labels where there were numbers");
  const Result<size_t> conflict = one.run->add_strategy("strategy_7", parse(R"({"rsi":{"period":1}})"));
  expect(conflict.status(), "twice", R"({"rsi":{"period":1}})");
  EXPECT_TRUE(one.run->add_strategy("strategy_7", parse(R"({"type":"rsi"})")).ok())
      << "another spelling is no conflict";
}

TEST(RunWriter, BarsMustBeSortedAndFinite) {
  TemporaryDirectory directory;
  const auto run = RunWriter::create(posix_file_system(), directory / "results/run_1", {}).value();
  Bars unsorted = make_small_bars(4), twice = make_small_bars(4), broken = make_small_bars(4);
  std::swap(unsorted.ts[1], unsorted.ts[2]);
  twice.ts[3] = twice.ts[2];
  broken.low[1] = kNaN;
  EXPECT_NE(run->add_feed(unsorted).status().message().find("row 3"), std::string::npos);
  EXPECT_NE(run->add_feed(twice).status().message().find("row 4"), std::string::npos);
  EXPECT_NE(run->add_feed(broken).status().message().find("row 2: column 'low'"), std::string::npos);
  EXPECT_FALSE(run->add_feed(Bars{}).ok());
  ASSERT_TRUE(run->add_feed(make_small_bars(4)).ok());
  EXPECT_FALSE(run->add_feed(make_small_bars(5)).ok()) << "the same symbol and timeframe again";
}

TEST(RunReader, FindsByPrefixAndNeverGuesses) {
  OneFeed one;
  for (int i = 0; i < 300; ++i) {  // enough that four digits are shared by none, but one digit by many
    const size_t trace = one.add("s" + std::to_string(i), R"({"rsi":{"period":)" + std::to_string(i) + "}}");
    ASSERT_TRUE(one.run->record(trace, 0, 1.0).ok());
  }
  const auto run = one.commit();
  for (const IndexRow& row : run->rows()) {
    const std::string digest = to_hex(row.strategy_digest);
    EXPECT_EQ(run->find(digest).value()[0], &row);
    EXPECT_EQ(run->find(digest.substr(0, 12)).value()[0], &row);
  }
  EXPECT_EQ(run->find("abc").status().code(), StatusCode::not_found) << "three digits are too few";
  EXPECT_EQ(run->find("s300").status().code(), StatusCode::not_found);
}

TEST(RunReader, AChangedByteIsDamage) {
  TemporaryDirectory directory;
  ASSERT_TRUE(record_small_run(posix_file_system(), directory / "results/run_1").ok());
  const auto run = RunReader::open(posix_file_system(), directory / "results/run_1").value();
  const IndexRow& row = run->rows()[0];
  const std::string path = directory / ("results/run_1/" + row.trace_path);
  const std::string bytes = posix_file_system().read_file(path).value();
  for (size_t place = 0; place < bytes.size(); place += 13) {
    std::string damaged = bytes;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    ASSERT_TRUE(posix_file_system().remove_file(path).ok());
    ASSERT_TRUE(posix_file_system().write_new_file(path, damaged).ok());
    const Result<Trace> trace = run->read_trace(row);
    EXPECT_EQ(trace.status().code(), StatusCode::damaged);
    EXPECT_NE(trace.status().message().find(row.trace_path), std::string::npos);
    EXPECT_EQ(run->read_changes(row).status().message(), trace.status().message());
  }
}

TEST(RunReader, ReadsChangesAsTheTraceHasThem) {
  TemporaryDirectory directory;
  ASSERT_TRUE(record_small_run(posix_file_system(), directory / "results/run_1").ok());
  const auto run = RunReader::open(posix_file_system(), directory / "results/run_1").value();
  for (const IndexRow& row : run->rows()) {
    const Trace trace = run->read_trace(row).value();
    EXPECT_EQ(run->read_changes(row)->changes, trace.changes);
    EXPECT_EQ(run->read_changes(row, true)->px, trace.px);
    EXPECT_EQ(run->read_changes(row)->px, std::vector<double>());
  }
  IndexRow wrong = run->rows()[0];
  ++wrong.change_count;
  EXPECT_EQ(run->read_changes(wrong).status().code(), StatusCode::damaged);
}

}  // namespace
}  // namespace signalbook
