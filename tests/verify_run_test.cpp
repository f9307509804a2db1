#include "store/verify_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "format/content_hash.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "store/bars_file.h"
#include "store/metric_set.h"
#include "store/run_reader.h"
#include "store/strategy_components.h"
#include "store/table_file.h"
#include "store/verify_trace.h"
#include "support/layouts.h"
#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

namespace fs = std::filesystem;

class VerifyRun : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* run : {"run_1", "run_2"})
      ASSERT_TRUE(record_small_run(posix_file_system(), store_ / run, layout_, commit_).ok());
  }

  // "damage run_1 traces/...: missing", in the order in which they were told.
  std::vector<std::string> findings(const std::string& place = "", VerifyDepth depth = VerifyDepth::bytes) {
    const std::string directory = place.empty() ? store_.path() : store_ / place;
    const Result<Scope> scope = locate_scope(posix_file_system(), directory, StoreCheck::none);
    EXPECT_TRUE(scope.ok()) << scope.status().message();
    std::vector<std::string> told;
    const char* const kinds[] = {"damage", "problem", "remark"};
    const auto keep = [&](const Finding& finding) {
      told.push_back(std::string(kinds[static_cast<int>(finding.kind)]) + " " + finding.run_id + " " + finding.what);
    };
    const Result<VerifySummary> summary =
        verify_scope(posix_file_system(), *scope, keep, {.depth = depth, .threads = threads_});
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
  RunLayout layout_ = RunLayout::files;
  CommitOptions commit_;
  size_t threads_ = 0;
  VerifySummary summary_;
};

class VerifyLayouts : public VerifyRun, public testing::WithParamInterface<test::TestLayout> {
 protected:
  void SetUp() override {
    layout_ = GetParam().layout;
    commit_.pack_bytes = GetParam().pack_bytes;
    VerifyRun::SetUp();
  }
};

INSTANTIATE_TEST_SUITE_P(Layouts, VerifyLayouts, test::all_layouts(), test::layout_name);

TEST_P(VerifyLayouts, FindsNothingInWhatWasRecorded) {
  EXPECT_EQ(findings(), std::vector<std::string>());
  EXPECT_EQ(summary_.run_count, 2);
  EXPECT_EQ(summary_.trace_count, 8);
  EXPECT_EQ(summary_.bars_count, 1);
  EXPECT_EQ(findings("run_2"), std::vector<std::string>());
  EXPECT_EQ(summary_.run_count, 1);
}

TEST_P(VerifyLayouts, FindsNothingWrongInWhatWasRecorded) {
  EXPECT_EQ(findings("", VerifyDepth::contents), std::vector<std::string>());
  EXPECT_EQ(summary_.trace_count, 8);
}

// Every byte of a run and its store is vouched for: change any, one at a time, or cut the file anywhere, and there is
// one finding, which names the file. All bytes with SIGNALBOOK_LONG_TESTS, else some of each file.
TEST_P(VerifyLayouts, FindsAnyFlippedByteAndAnyCutOfAnyFile) {
  fs::remove_all(store_ / "run_2");
  const bool all = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  std::mt19937 random(20240327);
  size_t file_count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(store_.path())) {
    if (!entry.is_regular_file()) continue;
    ++file_count;
    const fs::path path = entry.path();
    const std::string whole = read(path);
    const size_t step = all ? 1 : std::max<size_t>(1, whole.size() / 60);
    const auto expect_one_finding = [&](const std::string& harmed, const std::string& how) {
      write(path, harmed);
      const std::vector<std::string> told = findings();
      ASSERT_EQ(told.size(), 1u) << path << " " << how;
      EXPECT_FALSE(told[0].starts_with("remark")) << told[0];
      EXPECT_NE(told[0].find(path.filename().string()), std::string::npos) << how << ": " << told[0];
    };
    for (size_t block = 0; block < whole.size(); block += step) {
      const size_t at = std::min(whole.size() - 1, block + random() % step);
      std::string harmed = whole;
      harmed[at] = static_cast<char>(harmed[at] ^ (1 << random() % 8));
      expect_one_finding(harmed, "byte " + std::to_string(at));
      expect_one_finding(whole.substr(0, at), "cut at " + std::to_string(at));
      if (HasFatalFailure()) return;
    }
    expect_one_finding(whole + "\n", "with more");
    fs::remove(path);
    // Without an index there is no run, only something that looks like one.
    const std::vector<std::string> told = findings();
    ASSERT_GE(told.size(), 1u) << path;
    EXPECT_NE(told[0].find(path.filename().string() + ": missing"), std::string::npos) << told[0];
    EXPECT_TRUE(told[0].starts_with("damage")) << told[0];
    write(path, whole);
  }
  // Four traces, or their packs, index, components, run.json, bars, store.json.
  EXPECT_EQ(file_count, layout_ == RunLayout::packed && commit_.pack_bytes > 0 ? 7u : 9u);
  EXPECT_EQ(findings(), std::vector<std::string>());
}

// What others have written need not vouch for itself, but it is told.
TEST_F(VerifyRun, TellsWhatDoesNotVouchForItself) {
  for (const char* name : {"run_1/run.json", ".signalbook/store.json"}) {
    std::string text = read(store_ / name);
    const size_t place = text.rfind(",\n  \"sha256\"");
    ASSERT_NE(place, std::string::npos);
    write(store_ / name, text.substr(0, place) + "\n}\n");
  }
  const std::vector<std::string> told = findings();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_TRUE(told[0].starts_with("problem  .signalbook/store.json: does not vouch for itself")) << told[0];
  EXPECT_TRUE(told[1].starts_with("problem run_1 run.json: does not vouch for itself")) << told[1];
  EXPECT_TRUE(RunReader::open(posix_file_system(), store_ / "run_1").ok());
}

TEST_F(VerifyRun, AReaderRefusesARunJsonThatWasEdited) {
  std::string text = read(store_ / "run_1/run.json");
  text.replace(text.find("\"note\": null"), 12, "\"note\": \"x\"");
  write(store_ / "run_1/run.json", text);
  const auto run = RunReader::open(posix_file_system(), store_ / "run_1");
  EXPECT_EQ(run.status().code(), StatusCode::damaged);
  EXPECT_NE(run.status().message().find("run_1/run.json"), std::string::npos) << run.status().message();
}

// The same bars as another version of a library may write them.
TEST_F(VerifyRun, TellsBarsInOtherBytes) {
  const fs::path path = fs::directory_iterator(store_ / "bars")->path();
  Result<Table> table = decode_table_file(read(path), "bars");
  ASSERT_TRUE(table.ok());
  const std::string other = encode_table_file(*table).value();
  ASSERT_NE(other, read(path));
  write(path, other);
  const std::string line =
      " bars/" + path.filename().string() + ": other bytes than this run recorded, but the same bars";
  EXPECT_EQ(findings(), (std::vector<std::string>{"problem run_1" + line, "problem run_2" + line}));
  // Looked at closely, the file's own metadata are not there.
  EXPECT_EQ(findings("", VerifyDepth::contents).size(), 2u);
  EXPECT_EQ(summary_.damage_count, 2);
}

// Stock tools join traces with bars by idx: a file whose bars are the same and whose rows are not is damaged, and a
// recording puts a whole one in its place.
TEST_F(VerifyRun, TellsBarsWithOtherRows) {
  const fs::path path = fs::directory_iterator(store_ / "bars")->path();
  const std::string whole = read(path);
  const std::function<void(Table&)> changes[] = {
      [](Table& table) { ++table.find("idx")->integers.back(); },
      [](Table& table) { std::ranges::reverse(table.find("idx")->integers); },
      [](Table& table) { std::erase_if(table.columns, [](const auto& column) { return column.name == "idx"; }); },
      [](Table& table) { table.find("symbol")->texts.back() = "QQQ"; },
      [](Table& table) { std::erase_if(table.columns, [](const auto& c) { return c.name == "timeframe"; }); }};
  for (const auto& change : changes) {
    Table table = decode_table_file(whole, "bars").value();
    change(table);
    write(path, encode_table_file(table).value());
    EXPECT_FALSE(decode_bars_file(read(path), "bars").ok());
    findings();
    EXPECT_EQ(summary_.damage_count, 2);
  }
}

TEST_F(VerifyRun, GoesOnAfterAFinding) {
  fs::remove(store_ / "run_1/run.json");
  for (const auto& entry : fs::recursive_directory_iterator(store_ / "run_2/traces")) {
    if (entry.is_regular_file()) write(entry.path(), "");
  }
  const std::vector<std::string> told = findings();
  ASSERT_EQ(told.size(), 5u);
  EXPECT_EQ(told[0], "damage run_1 run.json: missing");  // its traces are looked at all the same
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

// A run whose files are wrong, though every digest of them is right: what a bug or another program would record.
class ForgedRun : public VerifyRun {
 protected:
  void SetUp() override {
    VerifyRun::SetUp();
    fs::remove_all(store_ / "run_2");
    const auto run = RunReader::open(posix_file_system(), run_path());
    ASSERT_TRUE(run.ok()) << run.status().message();
    description_ = (*run)->description();
    rows_ = (*run)->rows();
    for (IndexRow& row : rows_) {
      row.parameters = queryable_parameters(normalize_strategy(parse(row.strategy_config)).value());
      traces_.push_back((*run)->read_trace(row).value());
    }
    components_ = (*run)->read_components().value();
  }

  std::string run_path() const { return store_ / "run_1"; }
  std::string trace_path(size_t i) const { return run_path() + "/" + rows_[i].trace_path; }

  void write_trace(size_t i) {
    const Trace& trace = traces_[i];
    TraceFileEncoder encoder;
    write_trace_bytes(i, std::string(encoder.encode(trace.about, trace.changes, trace.ts, trace.px).value()));
  }
  void write_trace_bytes(size_t i, const std::string& bytes) {
    write(trace_path(i), bytes);
    rows_[i].file_size = static_cast<int64_t>(bytes.size());
    rows_[i].file_sha256 = sha256(bytes);
  }
  void write_tables() {
    description_.files.clear();
    description_.trace_count = static_cast<int64_t>(rows_.size());
    description_.change_count = 0;
    for (const IndexRow& row : rows_) description_.change_count += row.change_count;
    const std::pair<const char*, std::string> tables[] = {
        {"strategy_components.parquet", encode_components(components_).value()},
        {"strategy_index.parquet", encode_index(rows_, {}).value()}};
    for (const auto& [name, bytes] : tables) {
      write(run_path() + "/" + name, bytes);
      description_.files.push_back(
          {.path = name, .size = static_cast<int64_t>(bytes.size()), .sha256 = to_hex(sha256(bytes))});
    }
    write(run_path() + "/run.json", encode_run_description(description_));
  }

  RunDescription description_;
  std::vector<IndexRow> rows_;
  std::vector<Trace> traces_;
  std::vector<ComponentRow> components_;
};

TEST_F(ForgedRun, IsRightAsItWas) {
  for (size_t i = 0; i < rows_.size(); ++i) write_trace(i);
  write_tables();
  EXPECT_EQ(findings("", VerifyDepth::contents), std::vector<std::string>());
}

// A price that came with a signal is another than the close.
TEST_F(ForgedRun, MayHaveOtherPrices) {
  traces_[1].px[0] += 1.0;
  write_trace(1);
  write_tables();
  EXPECT_EQ(findings("", VerifyDepth::contents), std::vector<std::string>());
}

struct Forgery {
  const char* name;
  std::function<void(Trace&, IndexRow&)> forge;
  const char* told;
};

const Forgery kForgeries[] = {
    {"swapped", [](Trace& t, IndexRow&) { std::swap(t.changes.idx[1], t.changes.idx[2]); }, "row 3: idx "},
    {"outside", [](Trace& t, IndexRow&) { t.changes.idx.back() = 12; }, "lies outside the 12 bars"},
    {"ts", [](Trace& t, IndexRow&) { t.ts[1] += 1; }, "row 2: ts is "},
    {"nan", [](Trace& t, IndexRow&) { t.changes.values[1] = std::nan(""); }, "row 2: val is no finite number"},
    {"minus zero",
     [](Trace& t, IndexRow&) {
       for (double& value : t.changes.values) value = value == 0.0 ? -0.0 : value;
     },
     "val is -0.0"},
    {"no change", [](Trace& t, IndexRow&) { t.changes.values[1] = t.changes.values[0]; }, "row 2: no change"},
    {"px", [](Trace& t, IndexRow&) { t.px[1] = std::numeric_limits<double>::infinity(); }, "row 2: px is no finite"},
    {"another value", [](Trace& t, IndexRow&) { t.changes.values[0] = 7.0; }, "do not have the trace_hash"},
    {"one less",
     [](Trace& t, IndexRow&) {
       t.changes.idx.pop_back(), t.changes.values.pop_back(), t.ts.pop_back(), t.px.pop_back();
     },
     "the index says change_count "},
    {"id", [](Trace& t, IndexRow&) { t.about.strategy_id = "x"; }, "row 1: strat is 'x'"},
    {"id in metadata", [](Trace& t, IndexRow&) { t.about.strategy_id = "x"; }, "the metadata say strategy_id 'x'"},
    {"symbol", [](Trace& t, IndexRow&) { t.about.symbol = "QQQ"; }, "row 1: sym is 'QQQ'"},
    {"hash", [](Trace& t, IndexRow&) { t.about.strategy_hash = "000000000000"; }, "row 1: strategy_hash is"},
    {"digest", [](Trace& t, IndexRow&) { t.about.strategy_digest[0] ^= 1; }, "the metadata say strategy_digest"},
    {"config", [](Trace& t, IndexRow&) { t.about.strategy_config = R"({"rsi":{}})"; }, "row 1: metadata is"},
    {"bar_count", [](Trace& t, IndexRow&) { t.about.bar_count = 11; }, "the metadata say bar_count '11'"},
    {"no bar_count", [](Trace& t, IndexRow&) { t.about.bar_count.reset(); }, "the metadata have no 'bar_count'"},
    {"data_id", [](Trace& t, IndexRow&) { t.about.data_id = "x"; }, "the metadata say data_id"},
    {"time", [](Trace& t, IndexRow&) { t.about.creation_time = "now"; }, "the metadata say creation_time"},
    {"trace_hash", [](Trace& t, IndexRow&) { t.about.trace_hash[0] ^= 1; }, "the metadata say trace_hash"},
    {"index: first_ts", [](Trace&, IndexRow& r) { *r.first_ts += 1; }, "the index says first_ts"},
    {"index: last_ts", [](Trace&, IndexRow& r) { r.last_ts.reset(); }, "the index says last_ts NULL"},
    {"index: observed_from", [](Trace&, IndexRow& r) { r.observed_from = 1; }, "the index says observed_from 1"},
    {"index: observed_to", [](Trace&, IndexRow& r) { r.observed_to = 10; }, "the index says observed_to 10"},
    {"index: bar_count", [](Trace&, IndexRow& r) { r.bar_count = 99; }, "the index says bar_count 99, the feed has 12"},
    {"index: trace_hash", [](Trace&, IndexRow& r) { r.trace_hash[3] ^= 1; }, "do not have the trace_hash"},
    {"index: kind", [](Trace&, IndexRow& r) { r.kind = SignalKind::label; }, "a classifier has BYTE_ARRAY STRING"},
    {"index: digest", [](Trace&, IndexRow& r) { r.strategy_digest[31] ^= 1; },
     "strategy_index.parquet: row 2: column 'strategy_digest' is"},
    {"index: value_digest", [](Trace&, IndexRow& r) { r.value_digest[0] ^= 1; }, "row 2: column 'value_digest' is"},
    {"index: type", [](Trace&, IndexRow& r) { r.strategy_type = "rsj"; }, "row 2: column 'strategy_type' is 'rsj'"},
    {"index: parameter", [](Trace&, IndexRow& r) { r.parameters[0].second = JsonValue(99.0); },
     "row 2: column 'param_period' is 99, the configuration gives 11"},
    {"index: another parameter", [](Trace&, IndexRow& r) { r.parameters.emplace_back("x", JsonValue(1.0)); },
     "column 'param_x' is a parameter of no configuration"},
    {"index: no configuration", [](Trace&, IndexRow& r) { r.strategy_config = "{"; }, "row 2: strategy_config: "},
    {"index: constraints", [](Trace&, IndexRow& r) { r.constraints = "intraday"; }, "row 2: column 'constraints' is"},
};

TEST_F(ForgedRun, IsFoundByItsContents) {
  const std::vector<Trace> traces = traces_;
  const std::vector<IndexRow> rows = rows_;
  for (const Forgery& forgery : kForgeries) {
    traces_ = traces;
    rows_ = rows;
    forgery.forge(traces_[1], rows_[1]);
    write_trace(1);
    write_tables();
    EXPECT_EQ(findings(), std::vector<std::string>()) << forgery.name;
    const std::vector<std::string> told = findings("", VerifyDepth::contents);
    const auto fits = [&](const std::string& line) { return line.find(forgery.told) != std::string::npos; };
    EXPECT_TRUE(std::any_of(told.begin(), told.end(), fits)) << forgery.name;
    for (const std::string& line : told) {
      EXPECT_TRUE(line.starts_with("damage run_1 strategy_index.parquet: ") ||
                  line.starts_with("damage run_1 " + rows_[1].trace_path + ": "))
          << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    }
    if (HasFailure()) {
      for (const std::string& line : told) ADD_FAILURE() << line;
      return;
    }
  }
}

TEST_F(ForgedRun, IsFoundByItsColumns) {
  Table table = decode_table_file(read(trace_path(1)), "trace").value();
  const auto told_of = [&](const Table& forged) {
    write_trace_bytes(1, encode_table_file(forged).value());
    write_tables();
    std::string all;
    for (const std::string& line : findings("", VerifyDepth::contents)) all += line + "\n";
    return all;
  };
  EXPECT_NE(told_of(table).find("column 'idx' is INT64, may be NULL; a signal has INT64, required"), std::string::npos);
  Table forged = table;
  forged.columns.erase(forged.columns.begin() + 5);
  EXPECT_NE(told_of(forged).find("column 'px' is missing"), std::string::npos);
  forged = table;
  forged.columns[1].type = ColumnType::int64;
  EXPECT_NE(told_of(forged).find("column 'ts' is INT64, may be NULL; a signal has INT64 TIMESTAMP"), std::string::npos);
  forged = table;
  forged.columns.push_back(table.columns[0]);
  forged.columns.back().name = "extra";
  EXPECT_NE(told_of(forged).find("column 'extra' is none of a trace"), std::string::npos);
  std::swap(table.columns[0], table.columns[1]);
  EXPECT_NE(told_of(table).find("a signal has INT64, required"), std::string::npos);
}

TEST_F(ForgedRun, IsFoundByTheOrderOfItsIndex) {
  std::swap(rows_[0], rows_[1]);
  std::swap(rows_[0].trace_id, rows_[1].trace_id);
  write_tables();
  const std::vector<std::string> told = findings("", VerifyDepth::contents);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0],
            "damage run_1 strategy_index.parquet: row 1: strategy strategy_11 stands where strategy_10 belongs (and 1 "
            "more row like it)");
  rows_[1].trace_path = rows_[0].trace_path;
  write_tables();
  EXPECT_GE(findings("", VerifyDepth::contents).size(), 2u);
}

TEST_F(ForgedRun, IsFoundByItsComponents) {
  const std::string config = R"({"strategy":[{"rsi":{"period":3},"weight":0.5},{"macd":{},"weight":0.5}]})";
  const JsonValue node = normalize_strategy(parse(config)).value();
  for (StrategyComponent& component : list_components(node)) {
    components_.push_back({identify_normalized(node).digest, component});
  }
  write_tables();
  std::vector<std::string> told = findings("", VerifyDepth::contents);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0], "damage run_1 strategy_components.parquet: 2 rows, the configurations give 0");
}

TEST_F(ForgedRun, IsFoundByItsFeed) {
  description_.feeds[0].bar_count = 13;
  write_tables();
  const std::vector<std::string> told = findings("", VerifyDepth::contents);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].starts_with("damage run_1 run.json: has a feed SPY 5m with 13 bars")) << told[0];
}

TEST_F(ForgedRun, ATraceFileAloneIsHeldToWhatItSays) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    EXPECT_EQ(check_trace_file_alone(read(trace_path(i))), std::vector<std::string>()) << rows_[i].trace_path;
  }
  traces_[1].changes.values[0] = 7.0;
  traces_[2].about.strategy_digest[5] = '_';
  write_trace(1);
  write_trace(2);
  EXPECT_EQ(check_trace_file_alone(read(trace_path(1))).size(), 1u);
  EXPECT_EQ(check_trace_file_alone(read(trace_path(2))).size(), 1u);
  EXPECT_EQ(check_trace_file_alone("PAR1").size(), 1u);
}

// ---- Runs that are not finished -------------------------------------------------------------------------------------

class UnfinishedRun : public VerifyRun {
 protected:
  void SetUp() override {
    ASSERT_TRUE(record_small_run(posix_file_system(), store_ / "run_1").ok());
    writer_ = RunWriter::create(posix_file_system(), store_ / "half", {}).value();
    const size_t feed = writer_->add_feed(make_small_bars(12)).value();
    for (const char* id : {"a", "b"}) {
      const size_t strategy =
          writer_->add_strategy(id, parse(R"({"rsi":{"name_of":")" + std::string(id) + "\"}}")).value();
      const size_t trace = writer_->add_trace(strategy, feed);
      ASSERT_TRUE(writer_->record(trace, 0, 1.0).ok());
      ASSERT_TRUE(writer_->sync().ok());
      ASSERT_TRUE(writer_->record(trace, 5, -1.0).ok());
      ASSERT_TRUE(writer_->sync().ok());
    }
  }

  std::unique_ptr<RunWriter> writer_;
  const std::string waiting_ =
      "problem half no finished run: signalbook recover finishes it, record --resume goes on with it";
};

TEST_F(UnfinishedRun, IsBeingWrittenOrWaits) {
  EXPECT_EQ(findings(), (std::vector<std::string>{"problem half no finished run: it is being written by main"}));
  ASSERT_TRUE(writer_->close().ok());
  writer_.reset();
  EXPECT_EQ(findings(), (std::vector<std::string>{waiting_}));
  EXPECT_EQ(findings("", VerifyDepth::contents), (std::vector<std::string>{waiting_}));
}

TEST_F(UnfinishedRun, NamesBarsAndSegmentsThatAreMissing) {
  ASSERT_TRUE(writer_->close().ok());
  writer_.reset();
  const fs::path journal = store_ / "half/.journal";
  fs::remove_all(store_ / "bars");
  fs::remove_all(store_ / "run_1");
  for (const auto& entry : fs::directory_iterator(journal)) {
    if (entry.path().extension() != ".bars") continue;
    const std::string name = ".journal/" + entry.path().filename().string();
    fs::remove(entry.path());
    EXPECT_EQ(findings(), (std::vector<std::string>{"damage half " + name +
                                                        ": missing, and the store has no bars like them (bars of SPY "
                                                        "5m)",
                                                    waiting_}));
    break;
  }
  fs::rename(journal / "main-0001.journal", journal / "main-0002.journal");
  const std::vector<std::string> told = findings();
  ASSERT_GE(told.size(), 2u);
  EXPECT_EQ(told[0], "damage half .journal/main-0002.journal: its header says that it is segment 1 of writer main");
  fs::rename(journal / "main-0002.journal", journal / "main-0001.journal");
  fs::create_directory(journal / "other-0001.journal");
  const std::vector<std::string> without = findings();
  EXPECT_NE(std::ranges::find(without, "damage half .journal/other-0001.journal: is no file"), without.end());
}

// The first commit of a store marks it; until then nothing is missing.
TEST_F(UnfinishedRun, NeedsNoMarkOfTheStore) {
  ASSERT_TRUE(writer_->close().ok());
  writer_.reset();
  fs::remove(store_ / ".signalbook/store.json");
  EXPECT_EQ(findings().size(), 2u);  // there is a run that was finished
  fs::remove_all(store_ / "run_1");
  fs::remove_all(store_ / "bars");
  EXPECT_EQ(findings(), (std::vector<std::string>{waiting_}));
}

// A cut is a crash, up to where frames were synced; any other change is damage, or cuts off what follows. Always the
// file is named, and nothing else.
TEST_F(UnfinishedRun, FindsAnyFlippedByteAndAnyCutOfItsFiles) {
  ASSERT_TRUE(writer_->close().ok());
  writer_.reset();
  const bool all = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  std::mt19937 random(7);
  for (const auto& entry : fs::directory_iterator(store_ / "half/.journal")) {
    const fs::path path = entry.path();
    const std::string whole = read(path), name = ".journal/" + path.filename().string();
    const size_t step = all ? 1 : std::max<size_t>(1, whole.size() / 100);
    for (size_t block = 0; block < whole.size(); block += step) {
      const size_t at = std::min(whole.size() - 1, block + random() % step);
      std::string harmed = whole;
      harmed[at] = static_cast<char>(harmed[at] ^ (1 << random() % 8));
      write(path, harmed);
      std::vector<std::string> told = findings();
      ASSERT_GE(told.size(), 2u) << path << " byte " << at;
      const auto expect_this_file = [&] {
        for (const std::string& line : told) {
          EXPECT_TRUE(line == waiting_ || line.find(name) != std::string::npos) << line;
        }
      };
      expect_this_file();
      write(path, whole.substr(0, at));
      told = findings();
      expect_this_file();
    }
    write(path, whole);
  }
  EXPECT_EQ(findings(), (std::vector<std::string>{waiting_}));
}

TEST_F(VerifyRun, TellsAJournalThatACommitLeftBehind) {
  fs::create_directories(store_ / "run_1/.journal");
  write(store_ / "run_1/.journal/main-0001.journal", "x");
  write(store_ / "run_1/.lock", "");
  EXPECT_EQ(
      findings(),
      (std::vector<std::string>{"problem run_1 .journal: left behind by the commit of this run; recover removes it"}));
}

}  // namespace
}  // namespace signalbook
