#include "query/sql_engine.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "query/arrow_c_stream.h"
#include "query/sql_statement.h"
#include "support/query_store.h"

namespace signalbook {
namespace {

using test::ask;
using test::InDirectory;
using test::QueryStore;
using test::write_parquet;
using test::write_text;

std::unique_ptr<SqlEngine> open(const Scope& scope) {
  Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(posix_file_system(), scope);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(engine).value();
}

// Two runs that hold what the specification's examples look for.
class SqlEngineTest : public testing::Test {
 protected:
  SqlEngineTest() {
    for (const char* run : {"run_1", "run_2"}) {
      store_.add_index(run, 2,
                       {{"strategy_type", "text", R"(["bollinger_bands", "ma"])"},
                        {"param_period", "double", "[20, 25]"},
                        {"param_std_dev", "double", "[2, null]"},
                        {"sharpe_ratio", "double", "[1.75, 0.5]"},
                        {"change_count", "int", "[20, 22]"}});
      store_.add_description(run, {"d1"});
      store_.add_trace(run, "signals", "hash0");
      store_.add_trace(run, "signals", "hash1");
    }
    store_.add_bars("d1", 3);
  }

  // In the store and in each run.
  std::vector<Scope> scopes() const { return {store_.scope(), store_.scope_of("run_1"), store_.scope_of("run_2")}; }

  QueryStore store_;
};

// ---- The specification's queries, as they are written ---------------------------------------------------------------

TEST_F(SqlEngineTest, FindsStrategiesByTheirParameters) {
  for (const char* sql :
       {"SELECT * FROM strategy_index.parquet\nWHERE strategy_type = 'bollinger_bands'\n  AND period = 20\n  AND "
        "std_dev = 2.0",
        "SELECT * FROM read_parquet('strategy_index.parquet')\nWHERE strategy_type = 'bollinger_bands'\n"
        "  AND param_period = 20\n  AND param_std_dev = 2.0",
        "SELECT * FROM 'strategy_index.parquet' WHERE period = 20",
        "SELECT * FROM \"strategy_index.parquet\" WHERE period = 20"}) {
    const std::string counted = std::string("SELECT count(*) AS n, min(strategy_id) AS id FROM (") + sql + ")";
    EXPECT_EQ(ask(store_.scope(), counted), "n,id\n2,strategy_0\n") << sql;
    EXPECT_EQ(ask(store_.scope_of("run_2"), counted), "n,id\n1,strategy_0\n") << sql;
  }
}

TEST_F(SqlEngineTest, FindsStrategiesOfSeveralRuns) {
  for (const Scope& scope : scopes()) {  // results/* is the store also in a run
    EXPECT_EQ(ask(scope,
                  "SELECT strategy_hash, COUNT(*) as run_count\nFROM 'results/*/strategy_index.parquet'\n"
                  "GROUP BY strategy_hash\nHAVING run_count > 1 ORDER BY 1"),
              "strategy_hash,run_count\nhash0,2\nhash1,2\n");
    EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM read_parquet('results/*/strategy_index.parquet')"), "n\n4\n");
    EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM read_parquet('results/run_2/strategy_index.parquet')"), "n\n2\n");
    EXPECT_EQ(ask(scope, "SELECT DISTINCT run_id FROM 'results/run_2*/strategy_index.parquet'"), "run_id\nrun_2\n");
  }
}

TEST_F(SqlEngineTest, FindsTracesByTheirHash) {
  const char* sql =
      "SELECT count(*) AS n FROM (SELECT * FROM read_parquet('traces/signals/*/*.parquet')\nWHERE strategy_hash = "
      "'hash1')";
  EXPECT_EQ(ask(store_.scope(), sql), "n\n4\n");
  EXPECT_EQ(ask(store_.scope_of("run_1"), sql), "n\n2\n");
}

TEST_F(SqlEngineTest, TakesACteWithTheNameOfAView) {
  EXPECT_EQ(ask(store_.scope(),
                "WITH strategies AS (SELECT * FROM read_parquet('strategy_index.parquet') WHERE "
                "param_period = 20) SELECT count(*) AS n FROM strategies"),
            "n\n2\n");
}

// ---- Paths ----------------------------------------------------------------------------------------------------------

struct PathCase {
  const char* path;
  int from_store;  // rows in the store's scope, -1 for none found
  int from_run;    // in that of run_1
};

TEST_F(SqlEngineTest, ReadsPathsFromAnyDirectory) {
  const PathCase cases[] = {
      {"traces/SPY_5m/signals/ma/*.parquet", 8, 4},
      {"traces/*/signals/*/hash0.parquet", 4, 2},
      {"./traces/signals/*/*.parquet", 8, 4},
      {"traces/**/*.parquet", 8, 4},
      {"results/*/traces/signals/*/*.parquet", 8, 8},
      {"results/run_2/traces/signals/ma/hash0.parquet", 2, 2},
      {"run_2/traces/signals/ma/hash0.parquet", 2, 2},
      {"run_*/traces/signals/ma/hash0.parquet", 4, 4},
      {"bars/d1.parquet", 3, 3},
      {"results/bars/d1.parquet", 3, 3},
      {"traces/QQQ_5m/signals/*/*.parquet", -1, -1},
      {"results/run_3/traces/signals/*/*.parquet", -1, -1},
  };
  for (const std::string& directory : {std::string("/"), store_.directory(), store_.path(), store_.run_path("run_2"),
                                       store_.run_path("run_2") + "/traces/SPY_5m"}) {
    const InDirectory there(directory);
    const std::unique_ptr<SqlEngine> in_store = open(store_.scope());
    const std::unique_ptr<SqlEngine> in_run = open(store_.scope_of("run_1"));
    for (const PathCase& c : cases) {
      const std::string path = c.path;
      const auto expected = [](int rows) {
        return rows < 0 ? std::string("error 1:") : "n\n" + std::to_string(rows) + "\n";
      };
      for (const std::string& source :
           {"read_parquet('" + path + "')", "'" + path + "'", "parquet_scan(['" + path + "'])"}) {
        const std::string sql = "SELECT count(*) AS n FROM " + source;
        EXPECT_EQ(ask(*in_store, sql).substr(0, 8), expected(c.from_store).substr(0, 8)) << directory << ": " << sql;
        EXPECT_EQ(ask(*in_run, sql).substr(0, 8), expected(c.from_run).substr(0, 8)) << directory << ": " << sql;
      }
    }
  }
}

TEST_F(SqlEngineTest, OpensTheTracePathsThatItShows) {
  const std::string other = store_.directory() + "/elsewhere/deep";
  std::filesystem::create_directories(other);
  // A directory to stand in, and how the store and a run are spelled from there.
  const struct {
    std::string directory, store, run;
  } cases[] = {{store_.directory(), "results", "results/run_1"},
               {store_.path(), ".", "run_1"},
               {store_.run_path("run_1"), "..", "."},
               {other, "../../results", "../../results/run_1"},
               {"/", store_.path(), store_.run_path("run_1")}};
  for (const auto& c : cases) {
    const InDirectory there(c.directory);
    for (const Scope& scope :
         {*locate_scope(posix_file_system(), c.store), *locate_scope(posix_file_system(), c.run)}) {
      const std::string answer =
          ask(scope,
              "SELECT replace(trace_path, 'SPY_5m_ma_0', 'hash0') || '.parquet' AS p FROM strategies "
              "WHERE run_id = 'run_1' AND strategy_id = 'strategy_0'");
      ASSERT_EQ(answer.substr(0, 2), "p\n") << answer;
      const std::string path = answer.substr(2, answer.size() - 3);
      EXPECT_TRUE(std::filesystem::exists(path)) << c.directory << ": " << path;
      EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM read_parquet('" + path + "')"), "n\n2\n")
          << c.directory << ": " << path;
    }
  }
}

TEST_F(SqlEngineTest, TakesOptionsAndListsOfPaths) {
  EXPECT_EQ(ask(store_.scope_of("run_1"),
                "SELECT count(*) AS n FROM read_parquet(['traces/signals/ma/hash0.parquet', "
                "'results/run_2/traces/signals/ma/*'])"),
            "n\n6\n");
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(DISTINCT filename) AS n FROM read_parquet(['traces/signals/ma/hash0.parquet', "
                "'run_1/traces/signals/ma/hash1.parquet'], filename = true)"),
            "n\n3\n");
  EXPECT_EQ(
      ask(store_.scope(), "SELECT count(*) AS n FROM read_parquet('strategy_index.parquet', file_row_number = true)"),
      "n\n4\n");
  EXPECT_EQ(ask(store_.scope_of("run_1"), "SELECT size > 0 AS ok FROM read_text('run.json')"), "ok\ntrue\n");
  EXPECT_EQ(ask(store_.scope(), "SELECT count(*) AS n FROM parquet_schema('traces/signals/ma/hash0.parquet')"),
            "n\n18\n");
  EXPECT_EQ(
      ask(store_.scope(),
          "SELECT 'read_parquet(''x'')' AS t, '株', count(*) AS n FROM read_parquet('bars/d1.parquet') -- 'it''s'"),
      "t,'株',n\nread_parquet('x'),株,3\n");
}

// DuckDB turns no-break spaces into spaces before it parses, so that its positions are not those of the text.
TEST_F(SqlEngineTest, ReplacesNothingButWhatItMeans) {
  const std::string answer = ask(store_.scope(),
                                 "SELECT\u00a0count(*)\u00a0AS n FROM "
                                 "read_parquet(['bars/d1.parquet','bars/d1.parquet'])");
  EXPECT_EQ(answer, "n\n6\n");
  // Those inside a text stay, so that no place fits all: it says so, and replaces nothing.
  const std::string mixed =
      ask(store_.scope(), "SELECT\u00a0'\u00a0' AS t FROM read_parquet('strategy_index.parquet')");
  EXPECT_TRUE(mixed.starts_with("t\n") || mixed.find("unusual white space") != std::string::npos ||
              mixed.find("Cannot access file") != std::string::npos)
      << mixed;
  EXPECT_EQ(ask(store_.scope(), "SELECT\u00a0count(*) AS n FROM 'bars/d1.parquet'"), "n\n3\n");
}

TEST_F(SqlEngineTest, PassesOverRunsWithoutSuchFiles) {
  store_.add_trace("run_2", "classifiers", "c0");
  for (const char* source :
       {"read_parquet('traces/classifiers/*/*.parquet')", "'results/*/traces/classifiers/*/*.parquet'"}) {
    EXPECT_EQ(ask(store_.scope(), std::string("SELECT count(*) AS n FROM ") + source), "n\n2\n");
  }
}

TEST_F(SqlEngineTest, MatchesColumnsByNameWhereSomeFilesAreOld) {
  store_.add_index("old", 1);
  write_parquet(store_.run_path("old") + "/traces/SPY_5m/signals/ma/o.parquet",
                {{"idx", "int", "[0]"}, {"val", "int", "[1]"}, {"px", "double", "[1]"}});
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(*) AS n, count(strategy_hash) AS h FROM read_parquet('traces/signals/*/*.parquet')"),
            "n,h\n9,8\n");
}

TEST_F(SqlEngineTest, DoesNotShowUnfinishedRuns) {
  store_.add_trace("run_3", "signals", "hash0");  // no index
  EXPECT_EQ(ask(store_.scope(), "SELECT count(DISTINCT run_id) AS n FROM traces"), "n\n2\n");
  EXPECT_EQ(ask(store_.scope(), "SELECT count(*) AS n FROM read_parquet('results/*/traces/signals/*/hash0.parquet')"),
            "n\n4\n");
}

// ---- What it refuses ------------------------------------------------------------------------------------------------

TEST_F(SqlEngineTest, OnlyReads) {
  const std::string target = store_.path() + "/written";
  const std::string sql[] = {
      "COPY (SELECT 1) TO '" + target + "'",
      "EXPLAIN ANALYZE COPY (SELECT 1) TO '" + target + "'",
      "EXPLAIN COPY (SELECT 1) TO '" + target + "'",
      "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '" + target + "'",
      "EXPLAIN /* SELECT */ ANALYZE -- SELECT\n COPY (SELECT 1) TO '" + target + "'",
      "/* SELECT 1 */ COPY (SELECT 1) TO '" + target + "'",
      "SELECT 1; COPY (SELECT 1) TO '" + target + "'",
      "COPY (SELECT 1) TO '" + target + "'; SELECT 1",
      "ATTACH '" + target + "'",
      "DETACH memory",
      "CREATE TABLE t AS SELECT 1",
      "CREATE VIEW v AS SELECT 1",
      "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
      "CREATE OR REPLACE MACRO m() AS 1",
      "CREATE PERSISTENT SECRET s (TYPE s3)",
      "INSERT INTO strategies SELECT 1",
      "UPDATE strategies SET period = 1",
      "DELETE FROM strategies",
      "DROP VIEW strategies",
      "ALTER VIEW strategies RENAME TO s",
      "TRUNCATE strategies",
      "INSTALL httpfs",
      "LOAD httpfs",
      "PRAGMA version",
      "PRAGMA enable_profiling",
      "PRAGMA database_list",
      "SET threads = 1",
      "SET lock_configuration = false",
      "RESET threads",
      "CALL pragma_version()",
      "CALL enable_logging()",
      "CHECKPOINT",
      "VACUUM",
      "ANALYZE",
      "BEGIN",
      "COMMIT",
      "USE memory",
      "PREPARE p AS SELECT 1",
      "EXECUTE p",
      "DEALLOCATE p",
      "EXPORT DATABASE '" + target + "'",
      "IMPORT DATABASE '" + store_.path() + "'",
      "FROM enable_logging(storage = 'file', storage_path = '" + target + "')",
      "SELECT * FROM (SELECT * FROM enable_logging(storage = 'file', storage_path = '" + target + "'))",
      "WITH x AS (FROM system.main.enable_logging(storage = 'file', storage_path = '" + target + "')) FROM x",
      "SELECT (SELECT count(*) FROM \"enable_logging\"(storage = 'file', storage_path = '" + target + "'))",
      "EXPLAIN ANALYZE FROM ENABLE_LOGGING(storage = 'file', storage_path = '" + target + "')",
      "DESCRIBE FROM enable_logging(storage = 'file', storage_path = '" + target + "')",
      "SUMMARIZE FROM enable_logging(storage = 'file', storage_path = '" + target + "')",
      "FROM query('FROM enable_logging()')",
      "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
      "FROM force_checkpoint()",
      "FROM disable_logging()",
      "FROM enable_profiling()",
      "PIVOT strategies ON strategy_type USING count(*)",
      "SELECT 1; SELECT 2",
      "",
      " ;; ",
      "-- nothing",
  };
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const std::string& statement : sql) {
    const std::string answer = ask(*engine, statement);
    EXPECT_EQ(answer.substr(0, 34), "error 2: signalbook sql only reads") << statement << "\n" << answer;
    EXPECT_FALSE(std::filesystem::exists(target)) << statement;
  }
  EXPECT_NE(ask(*engine, "COPY (SELECT 1) TO 'x'").find("this is COPY"), std::string::npos);
  EXPECT_NE(ask(*engine, "FROM enable_logging()").find("it may not call enable_logging()"), std::string::npos);
  EXPECT_NE(ask(*engine, "PIVOT strategies ON strategy_type USING count(*)").find("IN (1, 2)"), std::string::npos);
  EXPECT_EQ(ask(*engine, "SELECT count(*) AS n FROM strategies"), "n\n4\n");  // and nothing was broken
  const std::string with_nul("SELECT 1\0; COPY (SELECT 1) TO 'x'", 33);
  EXPECT_EQ(ask(*engine, with_nul).substr(0, 8), "error 2:");
}

TEST_F(SqlEngineTest, ReadsInEveryForm) {
  const char* sql[] = {"SELECT 1",
                       "select 1;",
                       "(SELECT 1)",
                       "VALUES (1)",
                       "FROM strategies",
                       "TABLE strategies",
                       "WITH x AS (SELECT 1) SELECT * FROM x",
                       "SELECT 1 UNION ALL SELECT 2",
                       "DESCRIBE strategies",
                       "DESC strategies",
                       "DESCRIBE SELECT 1",
                       "SHOW TABLES",
                       "SHOW ALL TABLES",
                       "SUMMARIZE strategies",
                       "SHOW strategies",
                       "EXPLAIN SELECT 1",
                       "EXPLAIN ANALYZE SELECT * FROM traces",
                       "explain (format json) SELECT 1",
                       "EXPLAIN (SELECT 1)",
                       "EXPLAIN (FORMAT json, ANALYZE) SELECT 1",
                       "EXPLAIN FROM read_parquet('strategy_index.parquet')",
                       "PIVOT strategies ON strategy_type IN ('ma') USING count(*) GROUP BY run_id",
                       "SELECT * FROM strategies, LATERAL (SELECT period)",
                       "FROM range(3)",
                       "SELECT unnest([1, 2])",
                       "SELECT * FROM information_schema.tables",
                       "FROM duckdb_views()",
                       "FROM pragma_table_info('strategies')",
                       "FROM query_table('strategies')",
                       "FROM glob('run_1/*')",
                       "/* a /* b */ c */ -- d\nEXPLAIN SELECT 1",
                       "SELECT s.strategy_id FROM strategies s JOIN traces t USING (run_id, strategy_hash)",
                       "FROM main.strategies",
                       "SELECT * FROM STRATEGIES",
                       "SELECT sha256('x'), [1], {'a': 1}, MAP {'k': 2}, INTERVAL 1 DAY, 'x'::BLOB"};
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const char* statement : sql) {
    const std::string answer = ask(*engine, statement);
    EXPECT_NE(answer.substr(0, 6), "error ") << statement << "\n" << answer;
  }
  EXPECT_EQ(ask(*engine, "SHOW TABLES"),
            "name\nbars\ncomponents\nhash_history\nmetrics\nruns\nstrategies\ntraces\ntrades\n");
}

TEST_F(SqlEngineTest, IsConfinedToTheStore) {
  const std::string outside = store_.directory() + "/outside.csv";
  write_text(outside, "secret\n1\n");
  write_text(store_.directory() + "/results2/outside.csv", "secret\n1\n");
  std::filesystem::create_directories(store_.path() + "/outside");
  const InDirectory there(store_.directory());
  const std::unique_ptr<SqlEngine> engines[] = {open(store_.scope()), open(store_.scope_of("run_1"))};
  for (const std::string& path :
       {outside, std::string("/etc/passwd"), std::string("outside.csv"), std::string("../outside.csv"),
        std::string("results/../outside.csv"), store_.path() + "/../outside.csv",
        store_.path() + "/outside/../../outside.csv", std::string("results2/outside.csv"),
        std::string("traces/../../../outside.csv"), std::string("~/outside.csv"), std::string("/etc/*")}) {
    for (const std::unique_ptr<SqlEngine>& engine : engines) {
      for (const std::string& source :
           {"read_csv('" + path + "')", "'" + path + "'", "read_text('" + path + "')", "glob('" + path + "')",
            "read_blob(['" + path + "'])", "read_csv(concat('" + path + "', ''))"}) {
        const std::string answer = ask(*engine, "SELECT * FROM " + source);
        // A message, or no row where a path means a file of the store that is not there.
        EXPECT_TRUE(answer.starts_with("error") || answer == "file\n" ||
                    answer == "filename,content,size,last_modified\n")
            << source << "\n"
            << answer;
      }
    }
  }
  const std::string refused = ask(store_.scope(), "FROM read_csv('/etc/passwd')");
  EXPECT_NE(refused.find("reads only files of " + store_.path()), std::string::npos) << refused;
}

TEST_F(SqlEngineTest, ReadsAbsolutePathsOfTheStoreThroughLinksToo) {
  const std::string link = store_.directory() + "/link";
  std::filesystem::create_directory_symlink(store_.path(), link);
  const Scope scope = {.store_path = link, .run_path = {}};
  for (const std::string& path : {link, store_.path()}) {
    EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM read_parquet('" + path + "/run_1/strategy_index.parquet')"),
              "n\n2\n");
  }
  EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM traces"), "n\n8\n");
}

// ---- Messages -------------------------------------------------------------------------------------------------------

TEST_F(SqlEngineTest, SaysWhatIsThere) {
  const std::string no_table = ask(store_.scope(), "SELECT * FROM strategys");
  EXPECT_NE(no_table.find("strategies, components, runs, traces, trades, bars, metrics and hash_history"),
            std::string::npos)
      << no_table;
  const std::string no_column = ask(store_.scope(), "SELECT perid FROM strategies");
  EXPECT_NE(no_column.find("period"), std::string::npos) << no_column;
  const std::string syntax = ask(store_.scope(), "SELEC 1");
  EXPECT_EQ(syntax.substr(0, 8), "error 2:");
  EXPECT_NE(syntax.find("LINE 1: SELEC 1"), std::string::npos) << syntax;
}

TEST(SqlEngineStore, SaysThatNoRunIsFinished) {
  QueryStore store;
  store.add_trace("run_1", "signals", "half");
  const std::string answer = ask(store.scope(), "SELECT 1");
  EXPECT_EQ(answer.substr(0, 9 + 18), "error 1: no finished run in") << answer;
  EXPECT_NE(answer.find(store.path()), std::string::npos) << answer;
}

TEST(SqlEngineStore, ReadsARunOutsideAStore) {
  QueryStore store;
  store.add_index("run_1", 1);
  std::filesystem::remove_all(store.path() + "/.signalbook");
  const Result<Scope> scope = locate_scope(posix_file_system(), store.run_path("run_1"));
  ASSERT_TRUE(scope.ok());
  EXPECT_EQ(ask(*scope, "SELECT run_id, strategy_id FROM strategy_index.parquet"),
            "run_id,strategy_id\nrun_1,strategy_0\n");
}

// ---- Results --------------------------------------------------------------------------------------------------------

TEST_F(SqlEngineTest, WholeNumbersLeaveAsInt64) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  ArrowArrayStream stream;
  ASSERT_TRUE(engine
                  ->query("SELECT sum(change_count) AS s, count(*), (-5)::HUGEINT, NULL::HUGEINT, 7::UHUGEINT, "
                          "9223372036854775807::HUGEINT, (-9223372036854775808)::HUGEINT FROM strategies",
                          &stream)
                  .ok());
  ArrowSchema schema;
  ASSERT_EQ(stream.get_schema(&stream, &schema), 0);
  for (int64_t i = 0; i < schema.n_children; ++i) EXPECT_STREQ(schema.children[i]->format, "l") << i;
  EXPECT_STREQ(schema.children[0]->name, "s");
  schema.release(&schema);
  stream.release(&stream);
  EXPECT_EQ(ask(*engine,
                "SELECT sum(change_count) AS s, (-5)::HUGEINT AS m, NULL::HUGEINT AS n, 7::UHUGEINT AS u, "
                "9223372036854775807::HUGEINT AS a, (-9223372036854775808)::HUGEINT AS b, 'x' AS t FROM strategies"),
            "s,m,n,u,a,b,t\n84,-5,,7,9223372036854775807,-9223372036854775808,x\n");
  // Many chunks, some values NULL, order kept.
  std::string expected = "x,i\n";
  for (int i = 0; i < 10'000; ++i) {
    expected += (i % 3 == 0 ? "" : std::to_string(i)) + "," + std::to_string(i) + "\n";
  }
  EXPECT_EQ(ask(*engine, "SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE i END::HUGEINT AS x, i FROM range(10000) t(i)"),
            expected);
}

TEST_F(SqlEngineTest, AWholeNumberPast64BitsIsAnError) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const char* value :
       {"9223372036854775808::HUGEINT", "(-9223372036854775809)::HUGEINT", "18446744073709551615::UHUGEINT",
        "18446744073709551616::HUGEINT", "9223372036854775808::UHUGEINT"}) {
    const std::string answer = ask(*engine, std::string("SELECT ") + value + " AS big");
    EXPECT_NE(answer.find("column \"big\" holds a whole number of more than 64 bits"), std::string::npos)
        << value << answer;
  }
  EXPECT_EQ(ask(*engine, "SELECT 18446744073709551616::HUGEINT::DOUBLE AS d"), "d\n1.8446744073709552e+19\n");
}

struct Drained {
  int code = 0;
  int64_t row_count = 0;
  int64_t longest_batch = 0;
  std::string error;
};

Drained drain(ArrowArrayStream* stream) {
  Drained result;
  for (;;) {
    ArrowArray array;
    result.code = stream->get_next(stream, &array);
    if (result.code != 0) {
      result.error = stream->get_last_error(stream);
      break;
    }
    if (array.release == nullptr) break;
    result.row_count += array.length;
    result.longest_batch = std::max(result.longest_batch, array.length);
    array.release(&array);
  }
  return result;
}

int64_t peak_memory_kb() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(SqlEngineTest, StreamsAResultWithoutHoldingIt) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  ArrowArrayStream stream;
  ASSERT_TRUE(engine->query("SELECT i, i * 2 AS j, repeat('x', 50) AS t FROM range(5000000) r(i)", &stream).ok());
  const int64_t before = peak_memory_kb();
  const Drained result = drain(&stream);
  [[maybe_unused]] const int64_t grown = peak_memory_kb() - before;
  stream.release(&stream);
  EXPECT_EQ(result.code, 0) << result.error;
  EXPECT_EQ(result.row_count, 5'000'000);
  EXPECT_LE(result.longest_batch, 10'000);
#ifndef __SANITIZE_ADDRESS__  // it keeps freed memory for a while
  EXPECT_LT(grown, 100'000);  // all of it is 330 MB
#endif
}

TEST_F(SqlEngineTest, AFailureInTheMiddleIsNoEnd) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  ArrowArrayStream stream;
  ASSERT_TRUE(
      engine->query("SELECT CASE WHEN i = 3000000 THEN error('boom') ELSE 'x' END FROM range(5000000) t(i)", &stream)
          .ok());
  const Drained result = drain(&stream);
  EXPECT_NE(result.code, 0);
  EXPECT_NE(result.error.find("boom"), std::string::npos) << result.error;
  EXPECT_GT(result.row_count, 0);
  ArrowArray array;
  EXPECT_NE(stream.get_next(&stream, &array), 0);  // and it stays one
  EXPECT_EQ(array.release, nullptr);
  stream.release(&stream);
  EXPECT_EQ(stream.release, nullptr);
}

// A file that fails after others were read.
TEST_F(SqlEngineTest, ADamagedFileInTheMiddleIsNoEnd) {
  write_text(store_.run_path("run_2") + "/traces/SPY_5m/signals/ma/zz.parquet", "PAR1 nothing PAR1");
  const std::string answer = ask(store_.scope(), "SELECT * FROM traces");
  EXPECT_EQ(answer.substr(0, 6), "error ") << answer;
  EXPECT_NE(answer.find("zz.parquet"), std::string::npos) << answer;
}

TEST_F(SqlEngineTest, AStreamOutlivesTheEngineAndOtherQueries) {
  std::unique_ptr<SqlEngine> engine = open(store_.scope());
  ArrowArrayStream first, second;
  ASSERT_TRUE(engine->query("SELECT i FROM range(1000000) t(i)", &first).ok());
  ASSERT_TRUE(engine->query("SELECT * FROM traces", &second).ok());
  EXPECT_EQ(ask(*engine, "SELECT count(*) AS n FROM strategies"), "n\n4\n");
  engine.reset();
  EXPECT_EQ(drain(&second).row_count, 8);
  second.release(&second);
  EXPECT_EQ(drain(&first).row_count, 1'000'000);
  ArrowSchema schema;
  ASSERT_EQ(first.get_schema(&first, &schema), 0);
  EXPECT_STREQ(schema.children[0]->name, "i");
  schema.release(&schema);
  first.release(&first);
}

TEST_F(SqlEngineTest, AStreamMayBeLeftEarly) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (int batches = 0; batches < 3; ++batches) {
    ArrowArrayStream stream;
    ASSERT_TRUE(engine->query("SELECT i FROM range(100000000) t(i)", &stream).ok());
    for (int i = 0; i < batches; ++i) {
      ArrowArray array;
      ASSERT_EQ(stream.get_next(&stream, &array), 0);
      array.release(&array);
    }
    stream.release(&stream);
  }
}

TEST_F(SqlEngineTest, TimesAreUtc) {
  EXPECT_EQ(ask(store_.scope(),
                "SELECT ts, ts::VARCHAR AS t, hour(ts) AS h, current_setting('TimeZone') AS zone FROM "
                "bars ORDER BY ts LIMIT 1"),
            "ts,t,h,zone\n2024-01-01T00:00:00Z,2024-01-01 00:00:00+00,0,UTC\n");
}

// ---- The reader of statements ---------------------------------------------------------------------------------------

TEST(SqlStatement, TrustsAPositionOnlyWhereTheTextAgrees) {
  const std::string text = "SELECT 'a' FROM read_parquet('it''s')";
  const auto paths_at = [&](size_t offset) {
    const std::string serialized =
        R"({"error":false,"statements":[{"type":"TABLE_FUNCTION","function":{"function_name":"read_parquet",)"
        R"("query_location":16,"schema":"","children":[{"type":"VALUE_CONSTANT","query_location":)" +
        std::to_string(offset) + R"(,"value":{"value":"it's"}}]}}]})";
    return names_in_statement(text, serialized)->value().functions[0].paths;
  };
  ASSERT_EQ(paths_at(29).size(), 1U);
  EXPECT_EQ(text.substr(paths_at(29)[0].offset, paths_at(29)[0].length), "'it''s'");
  for (size_t offset = 0; offset < text.size() + 3; ++offset) {
    if (offset == 29) continue;
    EXPECT_TRUE(paths_at(offset).empty()) << offset;
  }
}

TEST(SqlStatement, FindsTheExplainedStatement) {
  const auto split = [](const char* text) {
    const ExplainedStatement s = split_explain(text);
    return s.prefix + "|" + s.statement;
  };
  EXPECT_EQ(split("SELECT 1"), "|SELECT 1");
  EXPECT_EQ(split("EXPLAIN SELECT 1"), "EXPLAIN |SELECT 1");
  EXPECT_EQ(split(" explain\n analyze SELECT 1"), "EXPLAIN ANALYZE |SELECT 1");
  EXPECT_EQ(split("/* x */ EXPLAIN -- y\n(ANALYZE, FORMAT json) SELECT 1"), "EXPLAIN (ANALYZE, FORMAT json) |SELECT 1");
  EXPECT_EQ(split("EXPLAIN (SELECT 1)"), "EXPLAIN |(SELECT 1)");
  EXPECT_EQ(split("EXPLAIN"), "EXPLAIN |");
  EXPECT_EQ(split("EXPLAINED"), "|EXPLAINED");
  EXPECT_EQ(split("EXPLAIN (FORMAT 'x;y') SELECT 1"), "|EXPLAIN (FORMAT 'x;y') SELECT 1");
  EXPECT_EQ(split("/* open"), "|/* open");
  EXPECT_EQ(split("/* a /* b */"), "|/* a /* b */");
  EXPECT_EQ(split("EXPLAIN (FORMAT"), "|EXPLAIN (FORMAT");
  EXPECT_EQ(first_keyword(" -- c\n copy x"), "COPY");
  EXPECT_EQ(first_keyword("(SELECT 1)"), "");
}

}  // namespace
}  // namespace signalbook
