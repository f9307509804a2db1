#include "query/sql_views.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/query_store.h"

namespace signalbook {
namespace {

using test::ask;
using test::Column;
using test::QueryStore;
using test::write_parquet;
using test::write_text;

TEST(SqlViews, QuotesWhateverANameHolds) {
  EXPECT_EQ(quote_sql_text("it's"), "'it''s'");
  EXPECT_EQ(quote_sql_text(""), "''");
  EXPECT_EQ(quote_sql_text("a\\\"b"), "'a\\\"b'");
  EXPECT_EQ(quote_sql_name("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(escape_glob("/we[i]rd *?/x"), "/we[[]i]rd [*][?]/x");
}

// ---- strategies -----------------------------------------------------------------------------------------------------

TEST(StrategiesView, HasTheRunAndItsPathsBesideTheIndex) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_index("run_2", 2);
  EXPECT_EQ(
      ask(store.scope(), "SELECT run_id, strategy_id, replace(trace_path, '" + store.directory() +
                             "', '') AS trace_path, run_trace_path FROM strategies ORDER BY ALL"),
      "run_id,strategy_id,trace_path,run_trace_path\n"
      "run_1,strategy_0,/results/run_1/traces/SPY_5m/signals/ma/SPY_5m_ma_0,traces/SPY_5m/signals/ma/SPY_5m_ma_0\n"
      "run_2,strategy_0,/results/run_2/traces/SPY_5m/signals/ma/SPY_5m_ma_0,traces/SPY_5m/signals/ma/SPY_5m_ma_0\n"
      "run_2,strategy_1,/results/run_2/traces/SPY_5m/signals/ma/SPY_5m_ma_1,traces/SPY_5m/signals/ma/SPY_5m_ma_1\n");
}

TEST(StrategiesView, InARunIsThatRun) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_index("run_2", 2);
  EXPECT_EQ(ask(store.scope_of("run_2"), "SELECT run_id, count(*) AS n FROM strategies GROUP BY ALL"),
            "run_id,n\nrun_2,2\n");
}

TEST(StrategiesView, GivesShortNamesWhereTheyAreFree) {
  QueryStore store;
  store.add_index("run_1", 1,
                  {{"param_period", "double", "[20]"},
                   {"param_Symbol", "text", R"(["mine"])"},
                   {"param_run_id", "text", R"(["theirs"])"},
                   {"symbol", "text", R"(["SPY"])"},
                   {"sharpe_ratio", "double", "[1.5]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT period, sharpe, strat_hash, symbol, run_id FROM strategies"),
            "period,sharpe,strat_hash,symbol,run_id\n20.0,1.5,hash0,SPY,run_1\n");
  // The index keeps its order; what the format has besides follows, and short names come last.
  const std::string names =
      ask(store.scope(), "SELECT string_agg(column_name, ' ') AS names FROM (DESCRIBE strategies)");
  EXPECT_TRUE(
      names.starts_with("names\nrun_id run_path strategy_id strategy_hash trace_path run_trace_path param_period "
                        "param_Symbol param_run_id symbol sharpe_ratio trace_id "))
      << names;
  EXPECT_TRUE(names.ends_with(" created_at strat_hash period sharpe\n")) << names;
}

TEST(StrategiesView, KeepsTheIndexesOwnSharpe) {
  QueryStore store;
  store.add_index("run_1", 1, {{"sharpe_ratio", "double", "[1.5]"}, {"Sharpe", "double", "[9]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT sharpe, sharpe_ratio FROM strategies"), "Sharpe,sharpe_ratio\n9.0,1.5\n");
}

TEST(StrategiesView, IgnoresARunIdColumnInAFile) {
  QueryStore store;
  store.add_index("run_1", 1, {{"run_id", "text", R"(["copied"])"}, {"filename_", "text", R"(["x"])"}});
  EXPECT_EQ(ask(store.scope(), "SELECT run_id FROM strategies"), "run_id\nrun_1\n");
}

struct MixedCase {
  const char* what;
  std::vector<std::vector<Column>> runs;
  const char* sql;
  const char* expected;
};

TEST(StrategiesView, SplitsParametersByTypeOverRuns) {
  const Column number = {"param_x", "double", "[2.5]"};
  const Column integer = {"param_x", "int", "[3]"};
  const Column text = {"param_x", "text", R"(["ema"])"};
  const Column boolean = {"param_x", "bool", "[true]"};
  const Column none = {"param_x", "null", "[null]"};
  const Column extra_text = {"param_x__str", "text", R"(["12345678901234567890"])"};
  const MixedCase cases[] = {
      {"one type stays", {{text}, {text}}, "SELECT param_x, x FROM strategies", "param_x,x\nema,ema\nema,ema\n"},
      {"booleans alone stay", {{boolean}}, "SELECT param_x FROM strategies", "param_x\ntrue\n"},
      {"numbers are DOUBLE",
       {{number}, {integer}},
       "SELECT param_x FROM strategies ORDER BY run_id",
       "param_x\n2.5\n3.0\n"},
      {"text leaves numbers",
       {{number}, {text}},
       "SELECT run_id, param_x, param_x__str, x__str FROM strategies ORDER BY run_id",
       "run_id,param_x,param_x__str,x__str\nrun_0,2.5,,\nrun_1,,ema,ema\n"},
      {"whichever run is first",
       {{text}, {number}},
       "SELECT run_id, param_x, param_x__str FROM strategies ORDER BY run_id",
       "run_id,param_x,param_x__str\nrun_0,,ema\nrun_1,2.5,\n"},
      {"booleans leave numbers and text",
       {{boolean}, {number}, {text}},
       "SELECT param_x, param_x__bool, param_x__str FROM strategies ORDER BY run_id",
       "param_x,param_x__bool,param_x__str\n,true,\n2.5,,\n,,ema\n"},
      {"text and booleans leave each other",
       {{boolean}, {text}},
       "SELECT param_x__bool, param_x__str FROM strategies ORDER BY run_id",
       "param_x__bool,param_x__str\ntrue,\n,ema\n"},
      {"a run's own split decides for others",
       {{text}, {number, extra_text}},
       "SELECT param_x, param_x__str FROM strategies ORDER BY run_id",
       "param_x,param_x__str\n,ema\n2.5,12345678901234567890\n"},
      {"nothing fits everything",
       {{none}, {number}, {none}},
       "SELECT typeof(param_x) AS t, param_x FROM strategies ORDER BY run_id",
       "t,param_x\nDOUBLE,\nDOUBLE,2.5\nDOUBLE,\n"},
      {"nothing at all", {{none}}, "SELECT param_x FROM strategies", "param_x\n\"\"\n"},
      {"not everywhere", {{}, {number}}, "SELECT param_x FROM strategies ORDER BY run_id", "param_x\n\"\"\n2.5\n"},
  };
  for (const MixedCase& c : cases) {
    QueryStore store;
    for (size_t i = 0; i < c.runs.size(); ++i) store.add_index("run_" + std::to_string(i), 1, c.runs[i]);
    EXPECT_EQ(ask(store.scope(), c.sql), c.expected) << c.what;
  }
}

// SQL does not see case: what one run calls Period and another period is one column, in whatever order they came.
TEST(StrategiesView, NamesThatDifferInCaseAreOneColumn) {
  QueryStore store;
  store.add_index("run_1", 1, {{"param_Period", "double", "[1]"}});
  store.add_index("run_2", 1, {{"param_period", "double", "[2]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT period FROM strategies ORDER BY run_id"), "Period\n1.0\n2.0\n");
  EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM strategies WHERE param_period = 2"), "n\n1\n");
}

// A metric of another type in one run stands beside the numbers of the others, and spoils no sum.
TEST(StrategiesView, MetricsStayNumbers) {
  QueryStore store;
  store.add_index("run_1", 1, {{"sharpe_ratio", "double", "[1.5]"}});
  store.add_index("run_2", 1, {{"sharpe_ratio", "text", R"(["n/a"])"}});
  store.add_index("run_3", 1, {{"sharpe_ratio", "bool", "[true]"}});
  EXPECT_EQ(ask(store.scope(),
                "SELECT sum(sharpe_ratio) AS s, max(sharpe_ratio__str) AS t, "
                "bool_or(sharpe_ratio__bool) AS b FROM strategies"),
            "s,t,b\n1.5,n/a,true\n");
  EXPECT_EQ(ask(store.scope(), "SELECT max(sharpe_ratio_max) AS s FROM hash_history"), "s\n1.5\n");
}

// Integers that no double holds stand as text; all others are numbers.
TEST(StrategiesView, LargeIntegersAreNotRounded) {
  QueryStore store;
  store.add_index("run_1", 2, {{"param_seed", "int", "[9007199254740993, 7]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT seed, seed__str FROM strategies ORDER BY strategy_id"),
            "seed,seed__str\n,9007199254740993\n7.0,\n");
  store.add_index("run_2", 1, {{"param_seed", "double", "[2.5]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT seed, seed__str FROM strategies ORDER BY run_id, strategy_id"),
            "seed,seed__str\n,9007199254740993\n7.0,\n2.5,\n");
}

// What a user wrote with read_parquet(..., filename = true) has a column of that name.
TEST(StrategiesView, AColumnFilenameIsNoObstacle) {
  QueryStore store;
  store.add_index("run_1", 1, {{"filename", "text", R"(["x"])"}});
  store.add_index("run_2", 1);
  EXPECT_EQ(ask(store.scope(), "SELECT run_id, filename FROM strategies ORDER BY run_id"),
            "run_id,filename\nrun_1,x\nrun_2,\n");
}

// A run that is a link out of the store is not in it.
TEST(StrategiesView, DoesNotFollowALinkOutOfTheStore) {
  QueryStore store;
  QueryStore other;
  other.add_index("run_9", 1);
  store.add_index("run_1", 1);
  for (int i = 0; i < 2; ++i) {  // by their own files, then by the catalogue
    std::filesystem::create_directory_symlink(other.run_path("run_9"), store.run_path("link"));
    EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM strategies WHERE run_id = 'link'"), "n\n0\n");
    std::filesystem::remove(store.run_path("link"));
    for (int run = 2; run < 30; ++run) store.add_index("run_" + std::to_string(run), 1);
  }
}

TEST(StrategiesView, JoinsFixedColumnsOfDifferentTypes) {
  QueryStore store;
  store.add_index("run_0", 1,
                  {{"trade_count", "int", "[7]"}, {"first_ts", "time", "[0]"}, {"note", "text", R"(["n"])"}});
  store.add_index("run_1", 1,
                  {{"trade_count", "double", "[7.5]"}, {"First_TS", "time", "[1000000]"}, {"note", "int", "[1]"}});
  EXPECT_EQ(ask(store.scope(), "SELECT trade_count, first_ts, note FROM strategies ORDER BY run_id"),
            "trade_count,first_ts,note\n7.0,1970-01-01T00:00:00Z,n\n7.5,1970-01-01T00:00:01Z,1\n");
}

TEST(StrategiesView, LivesInDirectoriesOfAnyName) {
  for (const char* name :
       {"it's a store", "st\"ore", "käse 株", "we[i]rd", "a*b?c", "year=2024", "px=7", "a,b", "50%"}) {
    QueryStore store(name);
    store.add_index("it's run [1]", 1);
    store.add_index("rün 2", 1);
    store.add_description("it's run [1]", {"d'1"});
    store.add_trace("it's run [1]", "signals", "t0");
    store.add_bars("d'1", 2);
    EXPECT_EQ(ask(store.scope(), "SELECT run_id FROM strategies ORDER BY 1"), "run_id\nit's run [1]\nrün 2\n") << name;
    EXPECT_EQ(ask(store.scope(), "SELECT run_id, sum(px) AS px FROM traces GROUP BY ALL"),
              "run_id,px\nit's run [1],941.75\n")
        << name;
    EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM bars"), "n\n2\n") << name;
    EXPECT_EQ(ask(store.scope(), "SELECT run_id FROM runs ORDER BY 1"), "run_id\nit's run [1]\nrün 2\n") << name;
    for (const char* source : {"read_parquet('traces/signals/*/*.parquet')", "'traces/signals/*/*.parquet'"}) {
      EXPECT_EQ(ask(store.scope_of("it's run [1]"), std::string("SELECT sum(px) AS px FROM ") + source), "px\n941.75\n")
          << name << source;
    }
  }
}

// A directory whose name, as a glob, matches its neighbour's.
TEST(StrategiesView, DoesNotReadANeighbour) {
  QueryStore store;
  store.add_index("run_[12]", 1);
  store.add_index("run_1", 3);
  EXPECT_EQ(ask(store.scope_of("run_[12]"), "SELECT run_id, count(*) AS n FROM strategies GROUP BY ALL"),
            "run_id,n\nrun_[12],1\n");
}

TEST(StrategiesView, ReadsOnlyTheRunsThatAFilterLeaves) {
  QueryStore store;
  for (int i = 0; i < 3; ++i) store.add_index("run_" + std::to_string(i), 1);
  const std::string plan = ask(store.scope(), "EXPLAIN ANALYZE SELECT * FROM strategies WHERE run_id = 'run_1'");
  EXPECT_NE(plan.find("Scanning Files: 1/3"), std::string::npos) << plan;
}

// Who asks a store gets what can be read, and is told what cannot.
TEST(StrategiesView, LeavesOutADamagedIndexAndNamesIt) {
  QueryStore store;
  store.add_index("run_0", 1);
  write_text(store.run_path("run_1") + "/strategy_index.parquet", "not a Parquet file at all");
  std::vector<std::string> notes;
  const Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(
      posix_file_system(), store.scope(), {.note = [&](const std::string& text) { notes.push_back(text); }});
  ASSERT_TRUE(engine.ok());
  for (int again = 0; again < 2; ++again) {
    for (const char* table : {"strategies", "strategy_index.parquet", "'strategy_index.parquet'"}) {
      EXPECT_EQ(ask(**engine, std::string("SELECT run_id FROM ") + table), "run_id\nrun_0\n");
      ASSERT_EQ(notes.size(), 1u) << "said once";
      EXPECT_TRUE(notes[0].starts_with("run_1 is left out: ")) << notes[0];
      EXPECT_NE(notes[0].find("run_1/strategy_index.parquet"), std::string::npos) << notes[0];
    }
  }
  const std::string answer = ask(store.scope_of("run_1"), "SELECT * FROM strategies");
  EXPECT_EQ(answer.substr(0, 8), "error 3:") << answer;
  EXPECT_NE(answer.find("run_1/strategy_index.parquet"), std::string::npos) << answer;
}

// ---- traces ---------------------------------------------------------------------------------------------------------

constexpr const char* kTraceTypes =
    "SELECT string_agg(column_name || ' ' || column_type, ', ') AS t FROM (DESCRIBE traces)";
constexpr const char* kExpectedTypes =
    "t\n\"run_id VARCHAR, idx BIGINT, ts TIMESTAMP WITH TIME ZONE, sym VARCHAR, val DOUBLE, strat VARCHAR, px DOUBLE, "
    "strategy_hash VARCHAR, metadata VARCHAR, label VARCHAR\"\n";

TEST(TracesView, ShowsSignalsAndLabels) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_description("run_1");
  store.add_trace("run_1", "signals", "s0");
  store.add_trace("run_1", "classifiers", "c0");
  EXPECT_EQ(ask(store.scope(), kTraceTypes), kExpectedTypes);
  EXPECT_EQ(ask(store.scope(), "SELECT * FROM traces ORDER BY strategy_hash, idx"),
            "run_id,idx,ts,sym,val,strat,px,strategy_hash,metadata,label\n"
            "run_1,0,2024-01-01T00:00:00Z,SPY,,strategy_0,470.5,c0,\"{\"\"ma\"\":{}}\",calm\n"
            "run_1,45,2024-01-01T03:45:00Z,SPY,,strategy_0,471.25,c0,,wild\n"
            "run_1,0,2024-01-01T00:00:00Z,SPY,1.0,strategy_0,470.5,s0,\"{\"\"ma\"\":{}}\",\n"
            "run_1,45,2024-01-01T03:45:00Z,SPY,-0.5,strategy_0,471.25,s0,,\n");
}

// Every combination of what runs have: nothing, signals, classifiers, both.
TEST(TracesView, TakesRunsWithAnyKindOfTraceOrNone) {
  for (int first = 0; first < 4; ++first) {
    for (int second = 0; second < 4; ++second) {
      QueryStore store;
      size_t rows[2] = {0, 0};
      for (int run = 0; run < 2; ++run) {
        const int kinds = run == 0 ? first : second;
        const std::string id = "run_" + std::to_string(run);
        store.add_index(id, 1);
        store.add_description(id);
        if (kinds & 1) store.add_trace(id, "signals", "s");
        if (kinds & 2) store.add_trace(id, "classifiers", "c");
        rows[run] = static_cast<size_t>((kinds & 1) + (kinds >> 1)) * 2;
      }
      EXPECT_EQ(ask(store.scope(), kTraceTypes), kExpectedTypes);
      const std::string sql =
          "SELECT count(*) FILTER (run_id = 'run_0') AS a, count(*) FILTER (run_id = 'run_1') AS b FROM traces";
      EXPECT_EQ(ask(store.scope(), sql), "a,b\n" + std::to_string(rows[0]) + "," + std::to_string(rows[1]) + "\n");
    }
  }
}

TEST(TracesView, PassesOverEmptyDirectoriesAndFilesInFlight) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_description("run_1");
  store.add_trace("run_1", "signals", "s0");
  std::filesystem::create_directories(store.run_path("run_1") + "/traces/QQQ_5m/classifiers/empty");
  write_text(store.run_path("run_1") + "/traces/SPY_5m/classifiers/ma/x.parquet.tmp", "half");
  EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM traces"), "n\n2\n");
}

void add_old_trace(const QueryStore& store, const std::string& run_id, const std::string& kind, const std::string& name,
                   const Column& ts, const Column& value) {
  write_parquet(store.run_path(run_id) + "/traces/SPY_5m/" + kind + "/ma/" + name + ".parquet",
                {{"idx", "int32", "[3]"},
                 ts,
                 {"sym", "text", R"(["SPY"])"},
                 value,
                 {"strat", "text", R"(["s"])"},
                 {"px", "double", "[1.5]"}});
}

TEST(TracesView, ReadsOldFilesBesideNewOnes) {
  QueryStore store;
  store.add_index("new", 1);
  store.add_description("new");
  store.add_trace("new", "signals", "s0");
  store.add_index("old", 1);  // no run.json: the format is not known
  const Column text_time = {"ts", "text", R"(["2024-03-26T13:30:00"])"};
  const Column zoned_time = {"ts", "text", R"(["2024-03-26 09:30:00-04:00"])"};
  const Column time = {"ts", "time", "[1711459800000000]"};
  add_old_trace(store, "old", "signals", "a", text_time, {"val", "int", "[-1]"});
  add_old_trace(store, "old", "signals", "b", time, {"val", "double", "[0.5]"});
  add_old_trace(store, "old", "signals", "c", zoned_time, {"val", "int32", "[1]"});
  add_old_trace(store, "old", "classifiers", "d", text_time, {"val", "text", R"(["up"])"});
  EXPECT_EQ(ask(store.scope(), kTraceTypes), kExpectedTypes);
  EXPECT_EQ(ask(store.scope(),
                "SELECT run_id, idx, ts, val, px, strategy_hash, metadata, label FROM traces ORDER BY run_id, idx, "
                "val, label"),
            "run_id,idx,ts,val,px,strategy_hash,metadata,label\n"
            "new,0,2024-01-01T00:00:00Z,1.0,470.5,s0,\"{\"\"ma\"\":{}}\",\n"
            "new,45,2024-01-01T03:45:00Z,-0.5,471.25,s0,,\n"
            "old,3,2024-03-26T13:30:00Z,-1.0,1.5,,,\n"
            "old,3,2024-03-26T13:30:00Z,0.5,1.5,,,\n"
            "old,3,2024-03-26T13:30:00Z,1.0,1.5,,,\n"
            "old,3,2024-03-26T13:30:00Z,,1.5,,,up\n");
}

TEST(TracesView, NamesADamagedTrace) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_description("run_1");
  store.add_trace("run_1", "signals", "a");
  for (const char* name : {"z", "0"}) {  // in the scan, and when the view is made
    write_text(store.run_path("run_1") + "/traces/SPY_5m/signals/ma/" + name + ".parquet", "PAR1 but no more");
    const Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(posix_file_system(), store.scope());
    ASSERT_TRUE(engine.ok());
    for (int again = 0; again < 2; ++again) {
      const std::string answer = ask(**engine, "SELECT sum(val) AS s FROM traces");
      EXPECT_EQ(answer.substr(0, 8), "error 3:") << answer;
      EXPECT_NE(answer.find(std::string(name) + ".parquet"), std::string::npos) << answer;
    }
  }
}

TEST(TracesView, RefusesADamagedRunDescription) {
  QueryStore store;
  store.add_index("run_1", 1);
  write_text(store.run_path("run_1") + "/run.json", "{");
  const std::string answer = ask(store.scope(), "SELECT * FROM traces");
  EXPECT_EQ(answer.substr(0, 8), "error 3:") << answer;
  EXPECT_NE(answer.find("run_1/run.json"), std::string::npos) << answer;
}

// ---- bars and runs --------------------------------------------------------------------------------------------------

TEST(BarsView, ShowsTheBarsThatTheRunsReferTo) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_index("run_2", 1);
  store.add_description("run_1", {"d1", "d2"});
  store.add_description("run_2", {"d2", "d3"});
  for (const char* id : {"d1", "d2", "d3", "unused"}) store.add_bars(id, 2);
  const char* sql = "SELECT data_id, idx, ts, close FROM bars ORDER BY ALL LIMIT 2";
  EXPECT_EQ(ask(store.scope(), sql),
            "data_id,idx,ts,close\nd1,0,2024-01-01T00:00:00Z,0.0\nd1,1,2024-01-01T00:05:00Z,1.0\n");
  const char* ids = "SELECT string_agg(DISTINCT data_id, ' ' ORDER BY data_id) AS ids, count(*) AS n FROM bars";
  EXPECT_EQ(ask(store.scope(), ids), "ids,n\nd1 d2 d3,6\n");  // a file that two runs share counts once
  EXPECT_EQ(ask(store.scope_of("run_1"), ids), "ids,n\nd1 d2,4\n");
}

TEST(BarsView, MissingBarsAreDamageAndNotMissingRows) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_description("run_1", {"d1", "gone"});
  store.add_bars("d1", 2);
  const std::string answer = ask(store.scope(), "SELECT count(*) FROM bars");
  EXPECT_EQ(answer.substr(0, 8), "error 3:") << answer;
  EXPECT_NE(answer.find("bars/gone.parquet"), std::string::npos) << answer;
  EXPECT_NE(answer.find("run_1"), std::string::npos) << answer;
  // What does not ask for bars goes on.
  EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM strategies"), "n\n1\n");
  EXPECT_EQ(ask(store.scope(), "SHOW TABLES"),
            "name\ncomponents\nhash_history\nmetrics\nruns\nstrategies\ntraces\ntrades\n");
  EXPECT_EQ(ask(store.scope(), "WITH bars AS (SELECT 7 AS n) SELECT n FROM bars"), "n\n7\n");
}

TEST(BarsView, IsEmptyWhereNoRunHasBars) {
  QueryStore store;
  store.add_index("run_1", 1);
  EXPECT_EQ(ask(store.scope(), "SELECT * FROM bars"), "data_id,symbol,timeframe,idx,ts,open,high,low,close,volume\n");
}

TEST(RunsView, ShowsWhatARunIs) {
  QueryStore store;
  store.add_index("run_1", 1);
  store.add_index("run_2", 1);
  store.add_description("run_1", {"d1"});
  EXPECT_EQ(ask(store.scope(),
                "SELECT run_id, created_at, code_version, note, tags, layout, strategies, traces, changes "
                "FROM runs ORDER BY run_id"),
            "run_id,created_at,code_version,note,tags,layout,strategies,traces,changes\n"
            "run_1,2024-12-24T12:34:56Z,v1.2,,\"{\"\"who\"\":\"\"it's me\"\",\"\"n\"\":\"\"3\"\"}\",files,2,2,40\n"
            "run_2,,,,,,,,\n");
  EXPECT_EQ(ask(store.scope(),
                "SELECT tags['who'] AS who, f.symbol, f.bar_count, f.last_ts FROM (SELECT tags, unnest(feeds) AS f "
                "FROM runs)"),
            "who,symbol,bar_count,last_ts\nit's me,SPY,100,2024-01-01T08:15:00Z\n");
  EXPECT_EQ(ask(store.scope(), "SELECT path = '" + store.path() + "/run_1' AS same FROM runs LIMIT 1"), "same\ntrue\n");
}

}  // namespace
}  // namespace signalbook
