#include "store/verify_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

namespace fs = std::filesystem;

class VerifyRun : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* run : {"run_1", "run_2"}) ASSERT_TRUE(record_small_run(posix_file_system(), store_ / run).ok());
  }

  // "damage run_1 traces/...: missing", in the order in which they were told.
  std::vector<std::string> findings(const std::string& place = "") {
    const Result<Scope> scope = locate_scope(posix_file_system(), place.empty() ? store_.path() : store_ / place);
    EXPECT_TRUE(scope.ok()) << scope.status().message();
    std::vector<std::string> told;
    const char* const kinds[] = {"damage", "problem", "remark"};
    const Result<VerifySummary> summary = verify_scope(posix_file_system(), *scope, [&](const Finding& finding) {
      told.push_back(std::string(kinds[static_cast<int>(finding.kind)]) + " " + finding.run_id + " " + finding.what);
    });
    EXPECT_TRUE(summary.ok()) << summary.status().message();
    if (summary.ok()) summary_ = *summary;
    EXPECT_EQ(summary_.damage_count + summary_.problem_count + summary_.remark_count,
              static_cast<int64_t>(told.size()));
    return told;
  }

  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  static void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  TemporaryDirectory store_;
  VerifySummary summary_;
};

TEST_F(VerifyRun, FindsNothingInWhatWasRecorded) {
  EXPECT_EQ(findings(), std::vector<std::string>());
  EXPECT_EQ(summary_.run_count, 2);
  EXPECT_EQ(summary_.trace_count, 8);
  EXPECT_EQ(summary_.bars_count, 1);
  EXPECT_EQ(findings("run_2"), std::vector<std::string>());
  EXPECT_EQ(summary_.run_count, 1);
}

// Every byte of a run and its bars is vouched for: change any, one at a time, and it is damage that names the file.
TEST_F(VerifyRun, FindsAnyFlippedByteOfAnyFile) {
  fs::remove_all(store_ / "run_2");
  for (const auto& entry : fs::recursive_directory_iterator(store_.path())) {
    const fs::path path = entry.path();
    // What a run.json says in its note or times, nothing else repeats.
    if (!entry.is_regular_file() || path.filename() == "store.json" || path.filename() == "run.json") continue;
    const std::string whole = read(path);
    const size_t step = std::max<size_t>(1, whole.size() / 40);
    for (size_t at = 0; at < whole.size(); at += step) {
      std::string harmed = whole;
      harmed[at] = static_cast<char>(harmed[at] ^ 0x20);
      write(path, harmed);
      const std::vector<std::string> told = findings();
      if (path.parent_path().filename() == "bars" && told.empty()) continue;  // bytes that no reader looks at
      ASSERT_EQ(told.size(), 1u) << path << " byte " << at;
      EXPECT_TRUE(told[0].starts_with("damage run_1 ")) << told[0];
      EXPECT_NE(told[0].find(path.filename().string()), std::string::npos) << told[0];
    }
    write(path, whole.substr(0, whole.size() - 1));
    EXPECT_EQ(findings().size(), 1u) << path << " cut";
    fs::remove(path);
    // Without an index there is no run, only something that looks like one.
    const std::vector<std::string> told = findings();
    ASSERT_GE(told.size(), 1u) << path;
    EXPECT_NE(told[0].find(path.filename().string() + ": missing"), std::string::npos) << told[0];
    EXPECT_TRUE(told[0].starts_with("damage")) << told[0];
    write(path, whole);
  }
  EXPECT_EQ(findings(), std::vector<std::string>());
}

TEST_F(VerifyRun, GoesOnAfterAFinding) {
  fs::remove(store_ / "run_1/run.json");
  for (const auto& entry : fs::recursive_directory_iterator(store_ / "run_2/traces")) {
    if (entry.is_regular_file()) write(entry.path(), "");
  }
  const std::vector<std::string> told = findings();
  ASSERT_EQ(told.size(), 5u);
  EXPECT_EQ(told[0], "damage run_1 run.json: missing");
  for (size_t i = 1; i < 5; ++i) EXPECT_NE(told[i].find("0 bytes, "), std::string::npos) << told[i];
}

TEST_F(VerifyRun, NamesWhatBelongsToNothing) {
  write(store_ / "run_1/traces/SPY_5m/signals/rsi/stray.parquet", "x");
  write(store_ / "run_1/notes.txt", "x");
  write(store_ / "run_2/run.json.tmp", "x");
  write(store_ / "bars/feed.parquet", "x");
  fs::create_directories(store_ / "half/traces");
  fs::create_directories(store_ / "something_else");
  EXPECT_EQ(findings(),
            (std::vector<std::string>{
                "problem run_1 notes.txt: belongs to nothing in the index or run.json",
                "problem run_1 traces/SPY_5m/signals/rsi/stray.parquet: belongs to nothing in the index or run.json",
                "problem run_2 run.json.tmp: left behind by a recording that did not finish; it can be removed",
                "problem half no finished run: a recording that died, or is still going on",
                "problem  bars/feed.parquet: no run of this store refers to it"}));
}

TEST_F(VerifyRun, TellsBarsThatAreMissingOrOthersOfEachRun) {
  const fs::path bars = fs::directory_iterator(store_ / "bars")->path();
  fs::remove(bars);
  std::vector<std::string> told = findings();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1], "damage run_2 bars/" + bars.filename().string() + ": missing");
  // Whole, but those of another feed.
  ASSERT_TRUE(record_small_run(posix_file_system(), store_ / "third").ok());
  Result<std::unique_ptr<RunWriter>> run = RunWriter::create(posix_file_system(), store_ / "other", {});
  ASSERT_TRUE(run.ok());
  const size_t feed = (*run)->add_feed(make_small_bars(5, "QQQ")).value();
  const size_t strategy = (*run)->add_strategy("s", parse(R"({"rsi":{}})")).value();
  ASSERT_TRUE((*run)->record((*run)->add_trace(strategy, feed), 0, 1.0).ok());
  ASSERT_TRUE((*run)->commit().ok());
  for (const auto& entry : fs::directory_iterator(store_ / "bars")) {
    if (entry.path() != bars) fs::copy_file(entry.path(), bars, fs::copy_options::overwrite_existing);
  }
  told = findings("run_1");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("these are other bars"), std::string::npos) << told[0];
}

// Two pairs of configurations that share the 12 digits (tests/golden/collisions), and one that says another thing.
Status record_period(const std::string& run_path, const std::vector<int64_t>& periods, double value,
                     std::optional<std::string> code_version) {
  RunOptions options;
  options.code_version = std::move(code_version);
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run,
                      RunWriter::create(posix_file_system(), run_path, std::move(options)));
  SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(make_small_bars(12)));
  for (const int64_t period : periods) {
    SB_ASSIGN_OR_RETURN(const size_t strategy,
                        run->add_strategy("s" + std::to_string(period),
                                          parse(R"({"collide":{"period":)" + std::to_string(period) + "}}")));
    SB_RETURN_IF_ERROR(run->record(run->add_trace(strategy, feed), 0, value));
  }
  return run->commit().status();
}

TEST_F(VerifyRun, RemarksStrategiesThatShareTheirDigits) {
  ASSERT_TRUE(record_period(store_ / "x", {3456728, 12807715}, 1.0, "c").ok());
  ASSERT_TRUE(record_period(store_ / "y", {9527844, 33715165, 3456728}, 1.0, "c").ok());
  EXPECT_EQ(findings(), (std::vector<std::string>{
                            "remark  2 different strategies share the hash 031c650fa038; they are kept apart: "
                            "031c650fa0384852, 031c650fa0384c40",
                            "remark  2 different strategies share the hash c3946c2d020b; they are kept apart: "
                            "c3946c2d020bb8b2, c3946c2d020bf246"}));
}

// A component and a strategy, and two components of one strategy.
TEST_F(VerifyRun, RemarksComponentsThatShareTheirDigits) {
  const auto record_config = [&](const char* run_path, const std::string& config) -> Status {
    SB_ASSIGN_OR_RETURN(const auto run, RunWriter::create(posix_file_system(), store_ / run_path, RunOptions()));
    SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(make_small_bars(12)));
    SB_ASSIGN_OR_RETURN(const size_t strategy, run->add_strategy("s", parse(config)));
    SB_RETURN_IF_ERROR(run->record(run->add_trace(strategy, feed), 0, 1.0));
    return run->commit().status();
  };
  ASSERT_TRUE(record_config("x", R"({"collide":{"period":3456728}})").ok());
  const auto pair = [](const std::string& a, const std::string& b) {
    return R"({"strategy":[{"collide":{"period":)" + a + R"(}},{"collide":{"period":)" + b + "}}]}";
  };
  ASSERT_TRUE(record_config("y", pair("12807715", "3456728")).ok());
  EXPECT_EQ(findings().size(), 0u);
  ASSERT_TRUE(record_config("z", pair("9527844", "33715165")).ok());
  EXPECT_EQ(findings(), (std::vector<std::string>{
                            "remark  2 different strategies share the hash 031c650fa038; they are kept apart: "
                            "031c650fa0384852, 031c650fa0384c40",
                            "remark  2 different strategies share the hash c3946c2d020b; they are kept apart: "
                            "c3946c2d020bb8b2, c3946c2d020bf246"}));
}

TEST_F(VerifyRun, TellsTracesThatShouldBeEqual) {
  ASSERT_TRUE(record_period(store_ / "x", {7}, 1.0, "c").ok());
  ASSERT_TRUE(record_period(store_ / "y", {7}, 1.0, "c").ok());
  EXPECT_EQ(findings().size(), 0u);
  ASSERT_TRUE(record_period(store_ / "other_code", {7}, -1.0, "d").ok());
  ASSERT_TRUE(record_period(store_ / "unknown_code", {7}, -1.0, std::nullopt).ok());
  EXPECT_EQ(findings().size(), 0u);
  ASSERT_TRUE(record_period(store_ / "z", {7}, -1.0, "c").ok());
  std::vector<std::string> told = findings();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("problem  strategy ")) << told[0];
  EXPECT_NE(told[0].find("(z | x, y)"), std::string::npos) << told[0];
  // Two that do not say by which code count as one code.
  ASSERT_TRUE(record_period(store_ / "unknown_too", {7}, 0.0, std::nullopt).ok());
  told = findings();
  ASSERT_EQ(told.size(), 2u);
  const auto names_both = [](const std::string& line) {
    return line.find("no code_version") != std::string::npos &&
           line.find("(unknown_code | unknown_too)") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(told.begin(), told.end(), names_both), 1);
}

}  // namespace
}  // namespace signalbook
