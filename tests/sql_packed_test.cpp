// Traces in packs, as SQL sees them: src/query/packed_traces.h. What the program answers over runs of every layout is
// compared by tests/python/test_packed_runs.py; here are runs that no command leaves behind for long.

#include <gtest/gtest.h>

#include <filesystem>

#include "format/trace_schema.h"
#include "query/packed_traces.h"
#include "store/metric_set.h"
#include "store/repack_run.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "support/query_store.h"
#include "support/small_run.h"

namespace signalbook {
namespace {

using test::ask;
using test::TemporaryDirectory;
using test::write_text;

class SqlPackedTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* store : {"files", "packed"}) {
      write_text(path(store) + "/.signalbook/store.json", R"({"format_version":1})");
      const Result<RunSummary> summary = record(path(store) + "/run_1");
      ASSERT_TRUE(summary.ok()) << summary.status().message();
    }
    const auto packed = repack_run(posix_file_system(), run("packed"), {.to_packs = true, .packs = {}, .threads = 1});
    ASSERT_TRUE(packed.ok()) << packed.status().message();
  }

  static Result<RunSummary> record(const std::string& run_path) {
    SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunWriter> run, RunWriter::create(posix_file_system(), run_path, {}));
    SB_ASSIGN_OR_RETURN(const size_t feed, run->add_feed(make_small_bars(40)));
    for (int number = 0; number < 12; ++number) {
      const std::string type = number % 2 == 0 ? "rsi" : "ma";
      SB_ASSIGN_OR_RETURN(const size_t strategy,
                          run->add_strategy("strategy_" + std::to_string(number),
                                            parse("{\"" + type + "\":{\"period\":" + std::to_string(number) + "}}")));
      const size_t trace = run->add_trace(strategy, feed);
      // The last one is silent; the one before has prices of its own.
      for (BarIndex bar = 0; bar < 40 && number < 11; ++bar) {
        const double value = static_cast<double>((bar + number) / (1 + number % 4) % 3) - 1.0;
        if (number == 10) {
          SB_RETURN_IF_ERROR(run->record(trace, bar, value, 100.0 + static_cast<double>(bar)));
        } else {
          SB_RETURN_IF_ERROR(run->record(trace, bar, value));
        }
      }
    }
    SB_ASSIGN_OR_RETURN(const size_t regime, run->add_strategy("regime", parse(R"({"regime":{"lookback":3}})")));
    const size_t trace = run->add_trace(regime, feed);
    for (BarIndex bar = 2; bar < 12; ++bar) {
      SB_RETURN_IF_ERROR(run->record_label(trace, bar, bar < 7 ? "ranging" : "trending"));
    }
    return run->commit();
  }

  std::string path(const std::string& store) const { return directory_.path() + "/" + store + "/results"; }
  std::string run(const std::string& store) const { return path(store) + "/run_1"; }
  Scope scope(const std::string& store) const { return {.store_path = path(store), .run_path = {}}; }

  // The packed run, with another index.
  void replace_index(const std::vector<IndexRow>& rows) const {
    const Result<std::string> bytes = encode_index(rows, MetricSet());
    ASSERT_TRUE(bytes.ok());
    Result<RunDescription> description = read_run_description(posix_file_system(), run("packed"));
    ASSERT_TRUE(description.ok());
    for (RunDescription::File& file : description->files) {
      if (file.path != file::kStrategyIndex) continue;
      const RunDescription::FileVersion version = version_of(*bytes);
      file = {.path = file.path, .size = version.size, .sha256 = version.sha256};
    }
    write_text(run("packed") + "/" + file::kStrategyIndex, *bytes);
    write_text(run("packed") + "/" + file::kRunDescription, encode_run_description(*description));
  }

  std::vector<IndexRow> rows(const std::string& store) const {
    const auto reader = RunReader::open(posix_file_system(), run(store));
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    return reader.ok() ? (*reader)->rows() : std::vector<IndexRow>();
  }

  TemporaryDirectory directory_;
};

const char* const kQuestions[] = {
    "SELECT * FROM traces ORDER BY ALL",
    "SELECT count(*) AS n FROM traces",
    "SELECT strat, list(idx) AS in_order, list(px) AS prices FROM traces GROUP BY ALL ORDER BY ALL",
    "SELECT strat, ts, px FROM traces WHERE px > 471 AND ts > TIMESTAMPTZ '2024-01-02 15:00:00+00' ORDER BY ALL",
    "SELECT * FROM 'traces/signals/*/*.parquet' ORDER BY ALL",
    "SELECT * FROM read_parquet('traces/SPY_5m/signals/rsi/*.parquet') ORDER BY ALL",
    "SELECT * FROM read_parquet(['traces/signals/rsi/*.parquet', 'traces/signals/ma/*.parquet']) ORDER BY ALL",
    "SELECT * FROM read_parquet('traces/*/classifiers/**/*.parquet') ORDER BY ALL",
    "SELECT s.strategy_id, t.* FROM strategies s, read_parquet(s.trace_path) t ORDER BY ALL",
    "SELECT list(t.strat || ' ' || t.idx) AS in_order FROM (SELECT list(trace_path ORDER BY strategy_digest) AS paths "
    "FROM strategies) s, read_parquet(s.paths) t",
    "SELECT * FROM trades ORDER BY ALL",
};

TEST_F(SqlPackedTest, PacksAnswerLikeFiles) {
  for (const char* question : kQuestions) {
    const std::string expected = ask(scope("files"), question);
    EXPECT_FALSE(expected.starts_with("error")) << expected;
    std::string answer = ask(scope("packed"), question);
    for (size_t at; (at = answer.find(path("packed"))) != std::string::npos;) {
      answer.replace(at, path("packed").size(), path("files"));
    }
    EXPECT_EQ(answer, expected) << question;
  }
}

TEST_F(SqlPackedTest, EachRowOfTheIndexSaysWhereItsTraceLies) {
  const std::vector<IndexRow> in_files = rows("files"), in_packs = rows("packed");
  ASSERT_EQ(in_files.size(), in_packs.size());
  for (const size_t step : {2, 3, 5}) {
    std::vector<IndexRow> mixed = in_packs;
    for (size_t i = 0; i < mixed.size(); i += step) {
      mixed[i] = in_files[i];
      const std::filesystem::path to = run("packed") + "/" + mixed[i].trace_path;
      std::filesystem::create_directories(to.parent_path());
      std::filesystem::copy_file(run("files") + "/" + mixed[i].trace_path, to,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    replace_index(mixed);
    for (const char* question : kQuestions) {
      std::string answer = ask(scope("packed"), question);
      for (size_t at; (at = answer.find(path("packed"))) != std::string::npos;) {
        answer.replace(at, path("packed").size(), path("files"));
      }
      EXPECT_EQ(answer, ask(scope("files"), question)) << step << " " << question;
    }
  }
}

TEST_F(SqlPackedTest, ATraceThatThePackDoesNotHaveIsAnError) {
  const std::vector<IndexRow> whole = rows("packed");
  std::vector<IndexRow> more = whole;  // by the index there are more changes
  more[3].change_count += 1;
  replace_index(more);
  for (const char* question : {"SELECT count(*) FROM traces", "SELECT count(*) FROM 'traces/signals/*/*.parquet'",
                               "SELECT count(t.idx) FROM strategies s, read_parquet(s.trace_path) t"}) {
    const std::string answer = ask(scope("packed"), question);
    EXPECT_TRUE(answer.starts_with("error 3: ") && answer.find("by the index") != std::string::npos) << answer;
  }
  // As many, but of other traces each.
  std::vector<IndexRow> moved = whole;
  moved[3].change_count += 1;
  moved[4].change_count -= 1;
  replace_index(moved);
  const std::string answer =
      ask(scope("packed"), "SELECT count(t.idx) FROM strategies s, read_parquet(s.trace_path) t");
  EXPECT_TRUE(answer.starts_with("error 3: ") && answer.find("were recorded") != std::string::npos) << answer;
}

TEST_F(SqlPackedTest, ATraceThatIsAnothersByTheIndexIsAnError) {
  std::vector<IndexRow> rows_of_index = rows("packed");
  std::swap(rows_of_index[2].strategy_digest, rows_of_index[3].strategy_digest);
  replace_index(rows_of_index);
  EXPECT_FALSE(ask(scope("packed"), "SELECT count(*) FROM traces").starts_with("error"));
  const std::string answer = ask(scope("packed"), "SELECT max(strat) FROM traces");
  EXPECT_TRUE(answer.starts_with("error 3: ") && answer.find("and the index another") != std::string::npos) << answer;
}

TEST_F(SqlPackedTest, ABarThatIsMissingIsAnError) {
  // Bars of the same name, cut off: their digest is not the data_id any more.
  for (const auto& entry : std::filesystem::directory_iterator(path("packed") + "/bars")) {
    std::filesystem::remove(entry.path());
  }
  for (const char* question : {"SELECT max(ts) FROM traces", "SELECT count(*) FROM traces WHERE px IS NULL",
                               "SELECT count(t.ts) FROM strategies s, read_parquet(s.trace_path) t"}) {
    const std::string answer = ask(scope("packed"), question);
    EXPECT_TRUE(answer.starts_with("error 3: ") && answer.find("missing from the store") != std::string::npos)
        << answer;
  }
  EXPECT_EQ(ask(scope("packed"), "SELECT count(*) AS n, max(strat) AS s FROM traces"),
            ask(scope("files"), "SELECT count(*) AS n, max(strat) AS s FROM traces"));
}

}  // namespace
}  // namespace signalbook
