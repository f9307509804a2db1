// read_parquet over a column, and calls that are rewritten: src/query/path_calls.h, trace_reader.h, database.h.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "query/arrow_c_stream.h"
#include "query/database.h"
#include "query/sql_engine.h"
#include "query/sql_statement.h"
#include "support/query_store.h"

namespace signalbook {
namespace {

using test::ask;
using test::Column;
using test::InDirectory;
using test::QueryStore;
using test::write_parquet;
using test::write_text;

std::unique_ptr<SqlEngine> open(const Scope& scope, bool confined = true) {
  Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(posix_file_system(), scope, {.confined = confined});
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(engine).value();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A run of the format whose index names traces of `lengths` rows; its paths are named by the view.
void add_run(QueryStore& store, const std::string& run_id, const std::vector<int>& lengths, bool classifiers = false) {
  std::string paths = "[", ids = "[", hashes = "[", kinds = "[";
  const std::string folder = classifiers ? "classifiers" : "signals";
  for (size_t i = 0; i < lengths.size(); ++i) {
    const std::string comma = i == 0 ? "" : ",";
    const std::string path = "traces/SPY_5m/" + folder + "/ma/t" + std::to_string(i) + ".parquet";
    paths += comma + "\"" + path + "\"";
    ids += comma + "\"strategy_" + std::to_string(i) + "\"";
    hashes += comma + "\"hash" + std::to_string(i) + "\"";
    kinds += comma + (classifiers ? "\"classifier\"" : "\"signal\"");
    std::vector<std::string> cells(8, "[");
    for (int row = 0; row < lengths[i]; ++row) {
      const std::string next = row == 0 ? "" : ",";
      const std::string number = std::to_string(row * 3 + static_cast<int>(i) % 5);
      cells[0] += next + number;
      cells[1] += next + std::to_string(1'704'067'200'000'000 + row * 300'000'000LL);
      cells[2] += next + "\"SPY\"";
      cells[3] += next + (classifiers ? "\"label" + number + "\"" : std::to_string(row % 3 - 1));
      cells[4] += next + "\"strategy_" + std::to_string(i) + "\"";
      cells[5] += next + "47" + number + ".25";
      cells[6] += next + "\"hash" + std::to_string(i) + "\"";
      cells[7] += next + (row == 0 ? "\"{}\"" : "null");
    }
    const char* names[] = {"idx", "ts", "sym", "val", "strat", "px", "strategy_hash", "metadata"};
    const char* types[] = {"int", "time", "text", classifiers ? "text" : "double", "text", "double", "text", "text"};
    std::vector<Column> columns;
    for (size_t c = 0; c < 8; ++c) columns.push_back({names[c], types[c], cells[c] + "]"});
    write_parquet(store.run_path(run_id) + "/" + path, columns);
  }
  write_parquet(store.run_path(run_id) + "/strategy_index.parquet", {{"strategy_id", "text", ids + "]"},
                                                                     {"strategy_hash", "text", hashes + "]"},
                                                                     {"kind", "text", kinds + "]"},
                                                                     {"trace_path", "text", paths + "]"}});
  store.add_description(run_id);
}

// ---- The rows are those of a join -----------------------------------------------------------------------------------

void expect_rows_of_a_join(size_t trace_count, uint32_t seed) {
  std::mt19937 random(seed);
  QueryStore store;
  for (const char* run : {"run_1", "run_2"}) {
    std::vector<int> lengths;
    for (size_t i = 0; i < trace_count / 2; ++i) lengths.push_back(static_cast<int>(random() % 40));
    lengths[0] = 0;     // a file without rows
    lengths[1] = 5000;  // one of several vectors
    add_run(store, run, lengths);
  }
  const std::unique_ptr<SqlEngine> engine = open(store.scope());
  // Some twice, some NULL, some not at all; by their names and not their paths, which are others each time.
  const std::string paths =
      "WITH p AS (SELECT CASE WHEN hash(run_id, strategy_id, n) % 7 = 0 THEN NULL ELSE trace_path END AS path, n FROM "
      "strategies, "
      "range(2) r(n) WHERE hash(run_id, strategy_id) % 5 <> 0 OR strategy_id IN ('strategy_0', 'strategy_1')), ";
  const std::string columns = "path, n, idx, ts, sym, val, strat, px, strategy_hash, metadata";
  const std::string joined = "joined AS (SELECT " + columns +
                             " FROM p JOIN read_parquet('run_*/traces/**/*.parquet', "
                             "filename = true) f ON path = f.filename)";  // the store's path is absolute
  for (const std::string lateral : {"p CROSS JOIN read_parquet(p.path)", "p, parquet_scan(path)",
                                    "p, read_parquet([path])", "p, LATERAL (SELECT * FROM read_parquet(p.path))",
                                    "p, read_parquet([NULL, p.path, NULL], union_by_name = true)",
                                    "p JOIN LATERAL (FROM read_parquet(path)) ON true"}) {
    const std::string both = paths + joined + ", lat AS (SELECT " + columns + " FROM " + lateral + ") ";
    EXPECT_EQ(ask(*engine, both + "SELECT (SELECT count(*) FROM joined) > 10000 AS many, (SELECT count(*) FROM (FROM "
                                  "joined EXCEPT ALL FROM lat)) AS missing, (SELECT count(*) FROM (FROM lat EXCEPT ALL "
                                  "FROM joined)) AS more"),
              "many,missing,more\ntrue,0,0\n")
        << lateral;
  }
  // A row that names no trace stays in an outer join.
  EXPECT_EQ(ask(*engine, paths + joined +
                             " SELECT (SELECT count(*) FROM p LEFT JOIN read_parquet(path) ON true) = "
                             "(SELECT count(*) FROM joined) + (SELECT count(*) FROM p WHERE path IS NULL "
                             "OR path NOT IN (SELECT path FROM joined)) AS same"),
            "same\ntrue\n");
}

TEST(SqlLateral, GivesTheRowsOfAJoin) {
  for (uint32_t seed = 1; seed <= 2; ++seed) expect_rows_of_a_join(20, seed);
  expect_rows_of_a_join(1000, 4);
}

// Minutes, so only when it is asked for.
TEST(SqlLateral, GivesTheRowsOfAJoinOfVeryMany) {
  if (std::getenv("SIGNALBOOK_LONG_TESTS") == nullptr) GTEST_SKIP() << "SIGNALBOOK_LONG_TESTS is not set";
  expect_rows_of_a_join(10'000, 5);
}

// ---- Only the columns that a statement uses -------------------------------------------------------------------------

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

TEST(SqlLateral, AnswersLikeAJoinWhicheverColumnsAreUsed) {
  QueryStore store;
  add_run(store, "run_1", {3, 0, 9, 4});
  add_run(store, "run_2", {7, 1});
  const std::unique_ptr<SqlEngine> engine = open(store.scope());
  const std::string ids = "(SELECT strategy_id, trace_path FROM strategies) s CROSS JOIN ";
  const std::string lateral = ids + "read_parquet(s.trace_path) t";
  const std::string join = ids +
                           "LATERAL (SELECT idx, ts, sym, val, strat, px, strategy_hash, metadata FROM "
                           "read_parquet('run_*/traces/**/*.parquet', filename = true) f WHERE f.filename = "
                           "s.trace_path) t";
  const std::vector<std::string> forms = {
      "SELECT count(*) AS n, sum(hash(E1, E2) % 1000003) AS h FROM $ WHERE E3 IS NOT NULL",
      "SELECT E1::VARCHAR AS e, count(E2) AS n FROM $ GROUP BY ALL ORDER BY 1, 2",
      "SELECT E1::VARCHAR AS e, E2::VARCHAR AS f FROM $ ORDER BY ALL",
      "SELECT count(*) AS n, max(x.e::VARCHAR) AS m FROM (SELECT E1 AS e FROM $ WHERE E2 IS NOT NULL) x",
      "SELECT count(*) AS n FROM (SELECT DISTINCT E1 FROM $)",
      "SELECT count(*) AS n, sum(hash(x) % 1000003) AS h FROM (SELECT *, E1 AS e FROM $) x",
      "SELECT count(*) AS n, sum(hash(x) % 1000003) AS h FROM (SELECT t.*, s.strategy_id FROM $) x",
      "SELECT count(*) AS n, sum(hash(x) % 1000003) AS h FROM (SELECT t AS r, E1 AS e FROM $) x",
      "SELECT sum(hash(x.r.px, x.r.sym) % 1000003) AS h FROM (SELECT T AS r FROM $) x",
      "SELECT max(COLUMNS('^(p|i)')) FROM $ WHERE E1 IS NOT NULL",
      "SELECT max(COLUMNS(c -> c LIKE 'v%')) FROM $",
      "SELECT sum(px) AS s, count(E1) AS n FROM $ JOIN (SELECT 3::BIGINT AS idx) u USING (idx)",
      "SELECT count(*) AS n FROM $ JOIN (SELECT 3::BIGINT AS \"IDX\") u USING (\"IDX\")",
      "SELECT count(*) AS n FROM $ NATURAL JOIN (SELECT 3::BIGINT AS idx, u FROM range(2) r(u)) v",
      "SELECT count(*) AS n, count(E1) AS e FROM $ NATURAL JOIN strategies",
      "SELECT count(*) AS n FROM $ PIVOT (count(px) FOR val IN (0, 1))",
      "SELECT count(*) AS n FROM $ SEMI JOIN (SELECT 3::BIGINT AS idx) u USING (idx)",
      "SELECT sum((SELECT max(i + idx) FROM range(2) r(i))) AS n, count(E1) AS e FROM $",
      "SELECT sum(hash(d, b) % 1000003) AS n FROM $(a, b, c, d)",
      "SELECT count(*) AS n FROM (DESCRIBE SELECT t.* FROM $)",
      "SELECT sum(hash(e) % 1000003) AS h FROM (SELECT E1::VARCHAR AS e FROM $ UNION ALL SELECT E2::VARCHAR FROM $)",
      "FROM $ SELECT count(*) AS n, sum(val) AS v, max(E1::VARCHAR) AS e",
      "SELECT count(*) AS n, sum(hash(x) % 1000003) AS h FROM (FROM $) x",
      "SELECT sum(#6) AS n FROM $",
      "SELECT idx FROM $ QUALIFY row_number() OVER (PARTITION BY E1 ORDER BY ts, strategy_id) = 1 ORDER BY 1",
      "WITH w AS (SELECT strategy_id, E1 AS e FROM $) SELECT count(e) AS n, min(e::VARCHAR) AS m FROM w",
      "SELECT count(*) AS n FROM strategies o WHERE EXISTS (SELECT 1 FROM $ WHERE t.strategy_hash = o.strategy_hash)",
      "SELECT sum(hash(x) % 1000003) AS h FROM (SELECT * FROM (SELECT idx, val, px FROM $) PIVOT (sum(px) FOR val IN "
      "(0, 1))) x",
      "SELECT sum(hash(x) % 1000003) AS h FROM (SELECT * FROM $ PIVOT (count(px) FOR val IN (0, 1))) x",
  };
  const std::vector<std::string> expressions = {"idx",
                                                "t.val",
                                                "T.\"PX\"",
                                                "\"Sym\"",
                                                "t",
                                                "t.metadata",
                                                "TS",
                                                "strategy_id",
                                                "1",
                                                "strat || sym",
                                                "struct_extract(t, 'px')",
                                                "t['val']",
                                                "list_transform([idx], lambda x: x + VAL)",
                                                "strategy_hash",
                                                "trace_path",
                                                "CASE WHEN \"idx\" > 2 THEN px END",
                                                "row(t.idx, metadata)",
                                                "s",
                                                "coalesce(metadata, strat)"};
  std::mt19937 random(7);
  size_t answers = 0, all = 0;
  for (const std::string& form : forms) {
    for (int i = 0; i < 12; ++i) {
      std::string sql = form;
      for (const char* name : {"E1", "E2", "E3"}) sql = replaced(sql, name, expressions[random() % expressions.size()]);
      const std::string expected = ask(*engine, replaced(sql, "$", join));
      const std::string answer = ask(*engine, replaced(sql, "$", lateral));
      const bool is_error = expected.starts_with("error");
      if (is_error ? !answer.starts_with("error") : answer != expected) ADD_FAILURE() << sql << answer << expected;
      answers += is_error ? 0 : 1;
      ++all;
    }
  }
  EXPECT_GE(answers, all * 9 / 10);  // few of them are errors of the statement
}

TEST(SqlLateral, DoesNotReadWhatAStatementDoesNotUse) {
  QueryStore store;
  add_run(store, "run_1", {3});
  write_parquet(store.run_path("other") + "/strategy_index.parquet",
                {{"strategy_id", "text", "[\"a\"]"}, {"trace_path", "text", "[\"traces/x.parquet\"]"}});
  write_parquet(store.run_path("other") + "/traces/x.parquet",
                {{"idx", "int", "[1, 2]"}, {"px", "text", "[\"abc\", \"2\"]"}});
  const std::unique_ptr<SqlEngine> engine = open(store.scope());
  const std::string from = " FROM (SELECT unnest(['other/traces/x.parquet']) AS p) s, read_parquet(s.p) t";
  EXPECT_EQ(ask(*engine, "SELECT count(*) AS n, sum(idx) AS i" + from), "n,i\n2,3\n");
  for (const char* used : {"max(px)", "max(t.\"PX\")", "max(t)::VARCHAR", "max(COLUMNS(*))", "max(t['px'])"}) {
    const std::string answer = ask(*engine, "SELECT " + std::string(used) + from);
    EXPECT_TRUE(answer.starts_with("error") && contains(answer, "abc")) << used << answer;
  }
}

// ---- What a column may name -----------------------------------------------------------------------------------------

class SqlLateralTest : public testing::Test {
 protected:
  SqlLateralTest() {
    add_run(store_, "run_1", {2, 3});
    add_run(store_, "run_2", {4, 5});
  }
  std::string count(const std::string& path, const Scope& scope) {
    return ask(scope, "SELECT count(*) AS n FROM (SELECT " + path + " AS p) s, read_parquet(s.p) t");
  }

  QueryStore store_;
};

TEST_F(SqlLateralTest, FindsPathsFromAnyDirectory) {
  struct Case {
    const char* path;
    const char* from_store;
    const char* from_run_1;
  };
  const std::string nothing = "error 2: read_parquet('traces/SPY_5m/signals/ma/t1.parquet'): is in 2 places";
  const Case cases[] = {
      {"run_1/traces/SPY_5m/signals/ma/t1.parquet", "n\n3\n", "n\n3\n"},
      {"results/run_2/traces/SPY_5m/signals/ma/t1.parquet", "n\n5\n", "n\n5\n"},
      {"./run_2/./traces/SPY_5m/../SPY_5m/signals/ma/t1.parquet", "n\n5\n", "n\n5\n"},
      {"run_2/traces/signals/ma/t1.parquet", "n\n5\n", "n\n5\n"},
      {"traces/SPY_5m/signals/ma/t1.parquet", "error 2: ", "n\n3\n"},
      {"traces/signals/ma/t1.parquet", "error 2: ", "n\n3\n"},
  };
  for (const std::string& directory : {std::string("/"), store_.directory(), store_.path(), store_.run_path("run_2"),
                                       store_.run_path("run_2") + "/traces/SPY_5m"}) {
    const InDirectory there(directory);
    for (const Case& c : cases) {
      const std::string path = "'" + std::string(c.path) + "'";
      EXPECT_EQ(count(path, store_.scope()).substr(0, std::string(c.from_store).size()), c.from_store)
          << directory << path;
      EXPECT_EQ(count(path, store_.scope_of("run_1")), c.from_run_1) << directory << path;
    }
    const std::string absolute = "'" + store_.run_path("run_2") + "/traces/SPY_5m/signals/ma/t0.parquet'";
    EXPECT_EQ(count(absolute, store_.scope()), "n\n4\n");
  }
  EXPECT_TRUE(contains(count("'traces/SPY_5m/signals/ma/t1.parquet'", store_.scope()), nothing));
  // As the views name them.
  for (const Scope& scope : {store_.scope(), store_.scope_of("run_2")}) {
    const std::string n = scope.run_path.has_value() ? "n\n9\n" : "n\n14\n";
    EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path) t"), n);
    EXPECT_EQ(ask(scope,
                  "SELECT count(*) AS n FROM strategies s, read_parquet('results/' || run_id || '/' || "
                  "s.run_trace_path) t"),
              n);
  }
  EXPECT_EQ(ask(store_.scope_of("run_2"), "SELECT count(*) AS n FROM strategies, read_parquet(run_trace_path)"),
            "n\n9\n");
}

TEST_F(SqlLateralTest, ReadsThroughALinkToTheStoreAndRefusesLinksOutOfIt) {
  const std::string link = store_.directory() + "/link";
  std::filesystem::create_directory_symlink(store_.path(), link);
  const Scope scope = {.store_path = link, .run_path = {}};
  for (const std::string& path : {link, store_.path()}) {
    EXPECT_EQ(count("'" + path + "/run_1/traces/SPY_5m/signals/ma/t1.parquet'", scope), "n\n3\n");
  }
  EXPECT_EQ(ask(scope, "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path) t"), "n\n14\n");

  const std::string folder = "/traces/SPY_5m/signals/ma/";
  const std::string outside = store_.directory() + "/outside.parquet";
  std::filesystem::copy_file(store_.run_path("run_1") + folder + "t1.parquet", outside);
  std::filesystem::create_symlink(outside, store_.run_path("run_1") + folder + "out.parquet");
  std::filesystem::create_symlink("t1.parquet", store_.run_path("run_1") + folder + "in.parquet");
  EXPECT_EQ(count("'run_1" + folder + "in.parquet'", store_.scope()), "n\n3\n");
  EXPECT_EQ(count("'run_1" + folder + "out.parquet'", store_.scope()),
            "error 2: read_parquet('run_1" + folder + "out.parquet'): leads out of the store " + store_.path());
  EXPECT_EQ(ask(*open(store_.scope(), false),
                "SELECT count(*) AS n FROM (SELECT '" + outside + "' AS p) s, read_parquet(s.p)"),
            "n\n3\n");
}

TEST_F(SqlLateralTest, SaysWhichPathIsWrong) {
  write_text(store_.run_path("run_1") + "/traces/broken.parquet", "PAR1 nothing PAR1");
  write_text(store_.directory() + "/outside.parquet", "");
  store_.add_bars("d1", 3);
  struct Case {
    std::string path;
    std::string answer;
  };
  const Case cases[] = {
      {"run_1/traces/none.parquet", "error 3: read_parquet('run_1/traces/none.parquet'): the trace is missing"},
      {"none.parquet", "error 1: read_parquet('none.parquet'): there is no such file in " + store_.path()},
      {"bars/none.parquet", "error 1: read_parquet('bars/none.parquet'): there is no such file in"},
      {"run_1", "error 2: read_parquet('run_1'): is a directory"},
      {"traces", "error 2: read_parquet('traces'): is in 2 places"},
      {"run_1/", "error 2: read_parquet('run_1/'): is a directory"},
      {".", "error 2: read_parquet('.'): "},
      {"", "error 2: read_parquet(''): is no path"},
      {"results/", "error 2: read_parquet('results/'): "},
      {"run_1/traces/*.parquet", "error 2: read_parquet('run_1/traces/*.parquet'): is a pattern"},
      {"*/strategy_index.parquet", "error 2: read_parquet('*/strategy_index.parquet'): is a pattern"},
      {"run_1/strategy_index.parquet",
       "error 2: read_parquet('run_1/strategy_index.parquet'): it has a column 'strategy_id'"},
      {"bars/d1.parquet", "error 2: read_parquet('bars/d1.parquet'): it has a column 'data_id'"},
      {"/etc/passwd", "error 2: read_parquet('/etc/passwd'): leads out of the store"},
      {"../outside.parquet", "error 2: read_parquet('../outside.parquet'): "},
      {"run_1/../../outside.parquet", "error 2: read_parquet('run_1/../../outside.parquet'): "},
      {"traces/../../../outside.parquet", "error 2: read_parquet('traces/../../../outside.parquet'): leads out of"},
      {store_.path() + "/../outside.parquet",
       "error 2: read_parquet('" + store_.path() + "/../outside.parquet'): leads"},
      {store_.path() + "2/outside.parquet", "error 2: read_parquet('" + store_.path() + "2/outside.parquet'): leads"},
      {"~/outside.parquet", "error 1: read_parquet('~/outside.parquet'): there is no such file"},
      {"s3://bucket/x.parquet", "error 1: read_parquet('s3://bucket/x.parquet'): there is no such file"},
  };
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const std::string& directory : {std::string("/"), store_.path()}) {
    const InDirectory there(directory);
    for (const Case& c : cases) {
      // Also where other rows of the chunk name what is there.
      const std::string good = "run_1/traces/SPY_5m/signals/ma/t1.parquet";
      for (const std::string& values : {"('" + c.path + "')", "('" + good + "'), ('" + c.path + "')"}) {
        const std::string answer = ask(*engine, "SELECT count(*) FROM (VALUES " + values + ") s(p), read_parquet(s.p)");
        EXPECT_EQ(answer.substr(0, c.answer.size()), c.answer) << directory << " " << answer;
      }
    }
    const std::string broken =
        ask(*engine, "SELECT * FROM (VALUES ('run_1/traces/broken.parquet')) s(p), read_parquet(s.p)");
    EXPECT_TRUE(broken.starts_with("error 3") && contains(broken, "broken.parquet")) << broken;
  }
  EXPECT_EQ(ask(*engine, "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path)"), "n\n14\n");
}

TEST_F(SqlLateralTest, AMissingTraceIsAnErrorAndNoRowLess) {
  std::filesystem::remove(store_.run_path("run_2") + "/traces/SPY_5m/signals/ma/t1.parquet");
  const std::string answer = ask(store_.scope(), "SELECT * FROM strategies s, read_parquet(s.trace_path)");
  EXPECT_TRUE(answer.starts_with("error 3")) << answer;
  EXPECT_TRUE(contains(answer, "run_2/traces/SPY_5m/signals/ma/t1.parquet'): the trace is missing")) << answer;
}

TEST_F(SqlLateralTest, RefusesOptionsThatItCannotHonour) {
  for (const char* option : {"file_row_number = true", "hive_partitioning = true", "binary_as_string := true",
                             "filename = strategy_id", "union_by_name = 1", "'x'"}) {
    const std::string answer =
        ask(store_.scope(), std::string("SELECT * FROM strategies s, read_parquet(s.trace_path, ") + option + ")");
    EXPECT_TRUE(contains(answer, "read_parquet(<column>) takes union_by_name, filename and hive_partitioning = false"))
        << option << answer;
  }
  EXPECT_EQ(ask(store_.scope(),
                "SELECT DISTINCT f.filename AS f, g.src AS g FROM strategies s, "
                "read_parquet(s.trace_path, filename = true, hive_partitioning = false) f, "
                "parquet_scan(s.trace_path, filename := 'src') g WHERE s.run_id = 'run_1' ORDER BY 1")
                .substr(0, 4),
            "f,g\n");
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path, filename = true) t "
                "WHERE t.filename = s.trace_path"),
            "n\n14\n");
}

TEST_F(SqlLateralTest, NamesWhatIsNoPath) {
  for (const char* value : {"NULL", "NULL::VARCHAR", "[]::VARCHAR[]", "[NULL]::VARCHAR[]", "NULL::VARCHAR[]"}) {
    EXPECT_EQ(count(value, store_.scope()), "n\n0\n") << value;
  }
  EXPECT_TRUE(count("5", store_.scope()).starts_with("error 2"));
  EXPECT_EQ(ask(store_.scope(), "SELECT count(*) AS n FROM (SELECT 'x' AS p WHERE false) s, read_parquet(s.p)"),
            "n\n0\n");
  EXPECT_EQ(ask(store_.scope(),
                "SELECT sym, val, typeof(val) AS t FROM (SELECT 'x' AS p WHERE false) s "
                "CROSS JOIN read_parquet(s.p)"),
            "sym,val,t\n");
}

// ---- Columns --------------------------------------------------------------------------------------------------------

TEST_F(SqlLateralTest, BringsLabelsWhereThereAreClassifiers) {
  const char* all =
      "SELECT * FROM (SELECT trace_path FROM strategies ORDER BY 1 LIMIT 1) s, read_parquet(s.trace_path)";
  const std::string plain = "trace_path,idx,ts,sym,val,strat,px,strategy_hash,metadata\n";
  EXPECT_EQ(ask(store_.scope(), all).substr(0, plain.size()), plain);
  add_run(store_, "run_3", {6}, true);
  const std::string with_label = "trace_path,idx,ts,sym,val,strat,px,strategy_hash,metadata,label\n";
  EXPECT_EQ(ask(store_.scope(), all).substr(0, with_label.size()), with_label);
  EXPECT_EQ(ask(store_.scope_of("run_1"), all).substr(0, plain.size()), plain);
  const std::string counts = "SELECT count(*) AS n, count(val) AS v, count(label) AS l FROM ";
  EXPECT_EQ(ask(store_.scope(), counts + "strategies s, read_parquet(s.trace_path)"), "n,v,l\n20,14,6\n");
  // One row that names both kinds.
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(*) AS n, count(t.val) AS v, count(t.label) AS l FROM (SELECT "
                "list(trace_path ORDER BY strategy_id) AS l FROM strategies) s, read_parquet(s.l) t"),
            "n,v,l\n20,14,6\n");
  // And many such rows at once.
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(*) AS n, count(t.val) AS v, count(t.label) AS l FROM (SELECT flatten("
                "list_transform(range(i + 1), lambda x: ['run_1/traces/SPY_5m/signals/ma/t1.parquet', "
                "'run_3/traces/SPY_5m/classifiers/ma/t0.parquet'])) AS l FROM range(20) r(i)) s, "
                "read_parquet(s.l) t"),
            "n,v,l\n1890,630,1260\n");
  // A run's traces are its own, unless the statement names others.
  const Scope run_1 = store_.scope_of("run_1");
  EXPECT_EQ(ask(run_1, counts + "'results/*/strategy_index.parquet' s, read_parquet(s.trace_path)"),
            "n,v,l\n20,14,6\n");
  EXPECT_EQ(ask(run_1, counts + "parquet_scan(['run_3/strategy_index.parquet']) s, read_parquet(s.trace_path)"),
            "n,v,l\n6,0,6\n");
  const std::string hidden =
      ask(run_1, "SELECT * FROM (SELECT 'run_3/traces/SPY_5m/classifiers/ma/t0.parquet' AS p) s, read_parquet(s.p)");
  EXPECT_TRUE(contains(hidden, "t0.parquet'): its val is text")) << hidden;
}

TEST_F(SqlLateralTest, ReadsFilesOfOtherOrigin) {
  const auto add_old = [&](const std::string& name, std::vector<Column> more, const std::string& type,
                           const std::string& values) {
    std::vector<Column> columns = {{"IDX", "int32", "[3, 7]"},
                                   {"ts", "text", R"(["2025-06-15T10:57:17.67", "2025-06-15 10:58:00+00"])"},
                                   {"val", type, values}};
    columns.insert(columns.end(), more.begin(), more.end());
    write_parquet(store_.run_path("old") + "/traces/" + name, columns);
  };
  add_old("SPY_1m/signals/a/x.parquet", {{"note", "text", R"(["a", "b"])"}}, "int", "[1, -1]");
  add_old("SPY_1m/signals/a/y.parquet", {{"size", "int", "[5, 6]"}}, "double", "[0.5, -0.5]");
  add_old("SPY_1m/regimes/z.parquet", {}, "text", R"(["calm", "wild"])");
  write_parquet(store_.run_path("old") + "/strategy_index.parquet",
                {{"trace_path", "text", R"(["traces/SPY_1m/signals/a/x.parquet", "traces/SPY_1m/signals/a/y.parquet",
                                            "traces/SPY_1m/regimes/z.parquet"])"}});
  const std::string rows =
      "idx,ts,val,px,label,note,size\n"
      "3,2025-06-15T10:57:17.670000Z,,,calm,,\n3,2025-06-15T10:57:17.670000Z,0.5,,,,5\n"
      "3,2025-06-15T10:57:17.670000Z,1.0,,,a,\n7,2025-06-15T10:58:00Z,,,wild,,\n"
      "7,2025-06-15T10:58:00Z,-1.0,,,b,\n7,2025-06-15T10:58:00Z,-0.5,,,,6\n";
  for (const char* source :
       {"strategies s, read_parquet(s.trace_path) t",
        "(SELECT list(trace_path ORDER BY trace_path) AS l FROM strategies) s, read_parquet(s.l) t"}) {
    EXPECT_EQ(
        ask(store_.scope_of("old"), std::string("SELECT t.idx, t.ts, t.val, t.px, t.label, t.note, t.size FROM ") +
                                        source + " ORDER BY 1, 3 NULLS FIRST"),
        rows);
  }
  EXPECT_EQ(ask(store_.scope(),
                "SELECT count(*) AS n, count(note) AS o, sum(size) AS s FROM strategies s, "
                "read_parquet(s.trace_path) t"),
            "n,o,s\n20,2,11\n");
  // Where the scope did not show it, the column is missed and not dropped.
  const std::string missed = ask(store_.scope_of("run_1"),
                                 "SELECT count(*) FROM (SELECT "
                                 "'results/old/traces/SPY_1m/signals/a/y.parquet' AS p) s, read_parquet(s.p)");
  EXPECT_TRUE(contains(missed, "a/y.parquet'): it has a column 'size'")) << missed;
}

TEST_F(SqlLateralTest, AColumnThatAFileOfOursHasBesideIsAnError) {
  const std::string folder = store_.run_path("run_2") + "/traces/SPY_5m/signals/ma/";
  write_parquet(folder + "t1.parquet", {{"idx", "int", "[1]"}, {"surprise", "int", "[1]"}});
  const std::string answer = ask(store_.scope(), "SELECT count(*) FROM strategies s, read_parquet(s.trace_path) t");
  EXPECT_TRUE(contains(answer, "run_2/traces/SPY_5m/signals/ma/t1.parquet'): it has a column 'surprise'")) << answer;
}

// ---- Texts that look alike ------------------------------------------------------------------------------------------

TEST_F(SqlLateralTest, RewritesCallsAndNothingElse) {
  struct Case {
    const char* sql;
    const char* answer;
  };
  const Case cases[] = {
      {"SELECT 'read_parquet(s.p)' AS t, count(*) AS n FROM strategies s, read_parquet(s.trace_path)",
       "t,n\nread_parquet(s.p),14\n"},
      {"SELECT count(*) AS n -- read_parquet(s.trace_path)\nFROM strategies s, read_parquet(s.trace_path)", "n\n14\n"},
      {"SELECT count(*) AS n /* read_parquet(s.p) /* 'x */ */ FROM strategies s, read_parquet/**/(s.trace_path)",
       "n\n14\n"},
      {"SELECT '株式🚀' AS t, count(*) AS \"é\" FROM strategies s, read_parquet(s.trace_path)", "t,é\n株式🚀,14\n"},
      {"SELECT\u00a0count(*)\u3000AS\u2003n FROM strategies\u00a0s, read_parquet(s.trace_path)", "n\n14\n"},
      {"SELECT $$read_parquet(s.p)$$ AS t, $a$'$a$ AS u, count(*) AS n FROM strategies s, read_parquet(s.trace_path)",
       "t,u,n\nread_parquet(s.p),',14\n"},
      {"SELECT e'it\\'s read_parquet(' AS t, count(*) AS n FROM strategies s, read_parquet(s.trace_path)",
       "t,n\nit's read_parquet(,14\n"},
      {"WITH read_parquet AS (SELECT 1 AS x) SELECT x, count(*) AS n FROM read_parquet, strategies s, "
       "read_parquet(s.trace_path) GROUP BY x",
       "x,n\n1,14\n"},
      {"SELECT count(read_parquet) AS n FROM (SELECT trace_path AS read_parquet FROM strategies), "
       "read_parquet(read_parquet)",
       "n\n14\n"},
      {"SELECT count(*) AS n FROM strategies s, \"read_parquet\"(s.trace_path), READ_PARQUET(s.trace_path) AS u WHERE "
       "u.idx = 0",
       "n\n6\n"},
      {"SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path) a, read_parquet(s.trace_path) b", "n\n54\n"},
      {"SELECT count(*) AS n FROM (SELECT idx FROM strategies s, read_parquet(s.trace_path) UNION ALL SELECT idx FROM "
       "strategies s, parquet_scan([s.trace_path]) UNION ALL FROM (SELECT idx FROM "
       "read_parquet('traces/signals/*/*')))",
       "n\n42\n"},
      {"WITH a AS (SELECT trace_path FROM strategies), b AS (SELECT * FROM a, read_parquet(a.trace_path)) SELECT "
       "count(*) AS n FROM b",
       "n\n14\n"},
      {"SELECT sum(m) AS n FROM (SELECT (SELECT count(*) FROM read_parquet(s.trace_path)) AS m FROM strategies s)",
       "n\n14\n"},
      {"SELECT count(*) AS n FROM strategies s WHERE EXISTS (FROM read_parquet(s.trace_path) t WHERE t.idx > 9)",
       "n\n1\n"},
      {"SELECT count(*) AS n FROM read_parquet((SELECT max(trace_path) FROM strategies))", "n\n5\n"},
      {"SELECT count(*) AS n FROM strategies s, read_parquet(replace(s.trace_path, 't1', 't0')) t", "n\n12\n"},
      {"SELECT count(*) AS n FROM strategies s, read_parquet(CASE WHEN run_id = 'run_1' THEN s.trace_path END)",
       "n\n5\n"},
      {"SELECT count(x) AS n FROM strategies s, read_parquet(s.trace_path) AS t(x)", "n\n14\n"},
      {"SELECT count(*) AS n FROM strategies s, read_parquet(list_value(s.trace_path, s.trace_path))", "n\n28\n"},
      {"SELECT count(*) AS n FROM (SELECT list(trace_path) AS l, run_id FROM strategies GROUP BY ALL) s, "
       "read_parquet(s.l)",
       "n\n14\n"},
  };
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const Case& c : cases) {
    EXPECT_EQ(ask(*engine, c.sql), c.answer) << c.sql;
    const std::string plan = ask(*engine, "EXPLAIN " + std::string(c.sql));
    EXPECT_FALSE(plan.starts_with("error")) << plan;
  }
}

// Positions that point at a comment that looks like the call: nothing is guessed.
TEST_F(SqlLateralTest, RefusesWhatItCannotPlace) {
  std::string spaces;
  for (size_t i = 0; i < std::string_view("read_parquet*/").size(); ++i) spaces += "\u00a0";
  const std::string answer = ask(store_.scope(), "SELECT count(*) AS n" + spaces +
                                                     "FROM strategies s, /*read_parquet*/read_parquet(s.trace_path)");
  EXPECT_TRUE(contains(answer, "cannot tell where the paths stand in the statement")) << answer;
  const std::string schema = ask(store_.scope(), "SELECT * FROM strategies s, main.read_parquet(s.trace_path)");
  EXPECT_TRUE(contains(schema, "cannot tell where read_parquet(<column>) stands")) << schema;
}

TEST_F(SqlLateralTest, CallsOfIndexesAreTheView) {
  struct Case {
    const char* source;
    const char* count;
  };
  const Case cases[] = {
      {"read_parquet('strategy_index.parquet')", "4"},
      {"read_parquet('results/*/strategy_index.parquet', union_by_name = true)", "4"},
      {"read_parquet('results/*/strategy_index.parquet', union_by_name := true, hive_partitioning := false)", "4"},
      {"parquet_scan(['run_1/strategy_index.parquet','run_2/strategy_index.parquet'])", "4"},
      {"read_parquet(['run_2/strategy_index.parquet'], union_by_name = false)", "2"},
      {"read_parquet($$strategy_index.parquet$$)", "4"},
      {"read_parquet($x$strategy_index.parquet$x$)", "4"},
      {"read_parquet(e'strategy_index.parquet')", "4"},
      {"read_parquet(\"strategy_index.parquet\")", "4"},
      {"read_parquet ( /* 'x' */ 'strategy_index.parquet' )", "4"},
      {"'results/*/strategy_index.parquet'", "4"},
  };
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const Case& c : cases) {
    const std::string sql = "SELECT count(run_id) AS n, min(strat_hash) AS h FROM " + std::string(c.source);
    EXPECT_EQ(ask(*engine, sql), "n,h\n" + std::string(c.count) + ",hash0\n") << c.source;
    EXPECT_EQ(ask(*engine, "SELECT\u00a0'é' AS e, x.n FROM (" + sql + ") x"), "e,n\né," + std::string(c.count) + "\n")
        << c.source;
  }
  EXPECT_EQ(ask(*engine,
                "SELECT DISTINCT filename FROM read_parquet('results/*/strategy_index.parquet', filename = true) "
                "ORDER BY 1"),
            "filename\n" + store_.run_path("run_1") + "/strategy_index.parquet\n" + store_.run_path("run_2") +
                "/strategy_index.parquet\n");
  EXPECT_EQ(ask(*engine, "SELECT count(src) AS n FROM read_parquet('strategy_index.parquet', filename := 'src')"),
            "n\n4\n");
  // Options that only DuckDB knows, and files beside indexes: the files as they are.
  EXPECT_EQ(ask(*engine,
                "SELECT max(file_row_number) AS n FROM read_parquet('strategy_index.parquet', "
                "file_row_number = true)"),
            "n\n1\n");
  EXPECT_EQ(ask(*engine,
                "SELECT count(*) AS n FROM read_parquet(['run_1/strategy_index.parquet', "
                "'run_1/strategy_index.parquet'])"),
            "n\n4\n");
}

// By DuckDB itself the whole numbers of the first run would truncate those of the second, and run_id would lack.
TEST(SqlPaths, AnAbsolutePathIntoTheStoreIsTheOneFromTheStore) {
  QueryStore store("results[1]");
  store.add_index("run_0", 2, {{"period", "int", "[1, 2]"}});
  store.add_index("run_1", 2, {{"period", "double", "[2.5, null]"}});
  for (const char* run : {"run_0", "run_1"}) {
    store.add_description(run);
    store.add_trace(run, "signals", "a");
  }
  const std::string link = store.directory() + "/link";
  std::filesystem::create_directory_symlink(store.path(), link);
  const std::string real = store.path();
  const std::string folder = store.directory() + "/results[[]1]";  // the same as a pattern
  const std::unique_ptr<SqlEngine> engine = open({.store_path = link, .run_path = {}});
  for (const std::string path :
       {"?/strategy_index.parquet", "run_?/strategy_index.parquet", "run_1/../*/strategy_index.parquet",
        "run_1/strategy_index.parquet", "*/traces/*/signals/*/*.parquet", "run_0/traces/signals/*/*.parquet"}) {
    for (const std::string form : {"'$'", "\"$\"", "read_parquet('$')", "read_parquet(['$'])", "parquet_scan('$')",
                                   "read_parquet('$', filename = true)"}) {
      const auto answer = [&](const std::string& inside) {
        std::string sql = "SELECT * FROM " + form + " ORDER BY ALL";
        const std::string text = ask(*engine, sql.replace(sql.find('$'), 1, inside + path));
        return text.starts_with("error") ? text.substr(0, text.find('\n')) : text;  // DuckDB shows its own line
      };
      const std::string expected = answer("");
      EXPECT_EQ(expected.starts_with("error"), path.starts_with("?/")) << expected;
      for (const std::string& inside : {real + "/", link + "/", link + "/../link/", folder + "/", link + "//./"}) {
        EXPECT_EQ(answer(inside), expected) << form << inside << path;
      }
    }
  }
  const auto both = [&](const std::string& a, const std::string& b) {
    return ask(*engine, "SELECT run_id, sum(period) AS s FROM read_parquet(['" + a +
                            "/run_0/strategy_index.parquet', '" + b +
                            "/run_1/strategy_index.parquet']) GROUP BY ALL ORDER BY ALL");
  };
  EXPECT_EQ(both(real, real), "run_id,s\nrun_0,3.0\nrun_1,2.5\n");
  EXPECT_EQ(both(link, real), both(real, real));
  EXPECT_EQ(both("results", link), both(real, real));
  // What is beside the store, and the store's own folder, are no paths into it.
  write_parquet(store.directory() + "/strategy_index.parquet", {{"a", "int", "[1]"}});
  for (const std::string& outside : {link + "/../strategy_index.parquet", link + "2/run_0/strategy_index.parquet",
                                     real + "/../strategy_index.parquet", real, link + "/strategy_index.parquet"}) {
    const std::string answer = ask(*engine, "SELECT * FROM read_parquet('" + outside + "')");
    EXPECT_TRUE(answer.starts_with("error")) << outside << answer;
  }
}

// A run whose index is torn, with its run.json, is left out like anywhere else.
TEST_F(SqlLateralTest, ARunThatIsLeftOutSpoilsNoOther) {
  std::filesystem::copy(store_.run_path("run_2"), store_.run_path("bad"), std::filesystem::copy_options::recursive);
  std::filesystem::resize_file(store_.run_path("bad") + "/strategy_index.parquet", 300);
  const std::string one = "'run_1/traces/SPY_5m/signals/ma/t0.parquet'";
  const std::string from_run = "SELECT count(*) AS n FROM read_parquet('run_1/strategy_index.parquet') s, ";
  for (const std::string& sql : {
           std::string("SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path) t WHERE run_id = 'run_1'"),
           "SELECT count(*) + 3 AS n FROM (VALUES (" + one + ")) s(p), read_parquet(s.p) t",  // without any view
           from_run + "read_parquet(s.trace_path) t",
       }) {
    EXPECT_EQ(ask(store_.scope(), sql), "n\n5\n") << sql;
  }
  EXPECT_EQ(ask(store_.scope(), "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path)"), "n\n14\n");
  // Also from a run that is well, in whose scope the bad one is not.
  EXPECT_EQ(ask(store_.scope_of("run_1"), "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path)"),
            "n\n5\n");
  const std::string into = ask(store_.scope(),
                               "SELECT count(*) AS n FROM (SELECT replace(trace_path, 'run_2/', 'bad/') AS p FROM "
                               "strategies) s, read_parquet(s.p) t");
  EXPECT_TRUE(into.starts_with("error 3: ") && contains(into, "bad is left out, because it cannot be read: ")) << into;
  const std::string alone =
      ask(store_.scope_of("bad"), "SELECT count(*) AS n FROM (VALUES (" + one + ")) s(p), read_parquet(s.p) t");
  EXPECT_TRUE(alone.starts_with("error ") && contains(alone, "bad")) << alone;
}

TEST_F(SqlLateralTest, ComponentsAreReadFromEveryRunThatHasThem) {
  for (const char* run : {"run_1", "run_2"}) {
    write_parquet(store_.run_path(run) + "/strategy_components.parquet",
                  {{"strategy_hash", "text", R"(["a", "b"])"}, {"depth", "int", "[0, 1]"}});
  }
  add_run(store_, "run_3", {1, 1});
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  for (const char* source :
       {"'strategy_components.parquet'", "\"results/*/strategy_components.parquet\"",
        "read_parquet('strategy_components.parquet')", "read_parquet('results/*/strategy_components.parquet')"}) {
    EXPECT_EQ(ask(*engine, "SELECT count(*) AS n, sum(depth) AS d FROM " + std::string(source)), "n,d\n4,2\n")
        << source;
  }
}

TEST_F(SqlLateralTest, LeavesOtherStatementsAsTheyAre) {
  // DuckDB shows the line of an error as it got it.
  const std::string answer = ask(store_.scope(), "SELECT   nope/* x */ , 'it''s'FROM  strategies");
  EXPECT_TRUE(contains(answer, "LINE 1: SELECT   nope/* x */ , 'it''s'FROM  strategies")) << answer;
}

TEST(SqlStatement, SeesWhetherARewrittenStatementIsTheSame) {
  const auto database = Database::open({});
  ASSERT_TRUE(database.ok());
  const std::shared_ptr<Connection> connection = (*database)->connect().value();
  const auto is_same = [&](const char* before, const char* after, const std::vector<ExpectedCall>& expected) {
    return *is_same_but_for(*serialize_statement(*connection, before), *serialize_statement(*connection, after),
                            expected);
  };
  const char* before = "SELECT 'f(x)' FROM f(x), g('y')";
  EXPECT_TRUE(is_same(before, "SELECT  'f(x)' FROM h(x), g('y')", {{.name = "h"}, {.name = "g"}}));
  EXPECT_FALSE(is_same(before, "SELECT 'h(x)' FROM f(x), g('y')", {{.name = "h"}, {.name = "g"}}));
  EXPECT_FALSE(is_same(before, "SELECT 'h(x)' FROM h(x), g('y')", {{.name = "h"}, {.name = "g"}}));
  EXPECT_FALSE(is_same(before, "SELECT 'f(x)' FROM f(x), h('y')", {{.name = "h"}, {.name = "g"}}));
  EXPECT_FALSE(is_same(before, "SELECT 'f(x)' FROM h(x), g('z')", {{.name = "h"}, {.name = "g"}}));
  EXPECT_TRUE(
      is_same(before, "SELECT 'f(x)' FROM h(x), g(['z'])", {{.name = "h"}, {.name = "g", .other_arguments = true}}));
  EXPECT_FALSE(is_same(before, "SELECT 'f(x)' FROM h(x)", {{.name = "h"}, {.name = "g"}}));
}

// ---- Several at once ------------------------------------------------------------------------------------------------

TEST_F(SqlLateralTest, AnswersSeveralThreads) {
  const std::unique_ptr<SqlEngine> engine = open(store_.scope());
  std::vector<std::string> answers(24);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < answers.size(); i += 4) {
        answers[i] =
            ask(*engine, i % 3 == 0 ? "SELECT count(*) AS n FROM strategies s, read_parquet('nope' || s.run_id)"
                                    : "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path), "
                                      "range(20)");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].substr(0, 6), i % 3 == 0 ? "error " : "n\n280\n") << answers[i];
  }
}

TEST_F(SqlLateralTest, AStreamOutlivesTheEngine) {
  std::unique_ptr<SqlEngine> engine = open(store_.scope());
  ArrowArrayStream stream;
  ASSERT_TRUE(engine
                  ->query("SELECT i, t.* FROM range(1000) r(i), LATERAL (SELECT * FROM strategies s, "
                          "read_parquet(s.trace_path)) t",
                          &stream)
                  .ok());
  engine.reset();
  int64_t rows = 0;
  for (;;) {
    ArrowArray array;
    ASSERT_EQ(stream.get_next(&stream, &array), 0) << stream.get_last_error(&stream);
    if (array.release == nullptr) break;
    rows += array.length;
    array.release(&array);
  }
  stream.release(&stream);
  EXPECT_EQ(rows, 14'000);
}

// ---- The reader of rows, by itself ----------------------------------------------------------------------------------

// A row reader over made-up rows: path 'n' has n rows; each row i has the text "n/i".
std::shared_ptr<Connection> connection_with_reader(std::function<Result<std::string>(size_t)> select_of_count,
                                                   const std::vector<int64_t>& row_counts = {}) {
  const Result<std::shared_ptr<Database>> database = Database::open({});
  EXPECT_TRUE(database.ok());
  Result<std::shared_ptr<Connection>> connection = (*database)->connect();
  RowReader reader;
  reader.columns = {{"i", "BIGINT"}, {"t", "VARCHAR"}, {"l", "VARCHAR[]"}};
  reader.select = [=](Connection&, const std::vector<RowReader::Paths>& rows) -> Result<RowReader::Select> {
    std::string sql;
    if (select_of_count) {
      SB_ASSIGN_OR_RETURN(sql, select_of_count(rows.size()));
      return RowReader::Select{.sql = sql, .row_counts = row_counts};
    }
    for (size_t row = 0; row < rows.size(); ++row) {
      for (const std::string& path : rows[row]) {
        sql += (sql.empty() ? "" : " UNION ALL ") + std::string("SELECT ") + std::to_string(row) +
               "::BIGINT, i, CASE WHEN i % 3 = 1 THEN NULL ELSE '" + path + "/' || i END, CASE WHEN i % 2 = 0 THEN ['" +
               path + "', NULL] END FROM range(" + path + ") r(i)";
      }
    }
    return RowReader::Select{.sql = sql, .row_counts = row_counts};
  };
  reader.refuse = [](Connection&, const std::vector<RowReader::Paths>&, const std::string& column) {
    return Status::invalid("no " + column);
  };
  EXPECT_TRUE((*connection)->add_row_reader("rows", std::move(reader)).ok());
  struct Both {
    std::shared_ptr<Database> database;
    std::shared_ptr<Connection> connection;
  };
  auto both = std::make_shared<Both>(Both{*database, *connection});
  return {both, both->connection.get()};
}

std::string first_cell(Connection& connection, const std::string& sql) {
  const Result<TextRows> rows = connection.fetch(sql);
  return rows.ok() ? (*rows)[0][0] : "error: " + rows.status().message();
}

TEST(RowReader, GivesWhatItsSelectGives) {
  const std::shared_ptr<Connection> connection = connection_with_reader(nullptr);
  for (const char* paths : {"SELECT ((k * 7) % 50)::VARCHAR AS p FROM range(3000) r(k)", "SELECT '0' AS p",
                            "SELECT CASE WHEN k % 3 > 0 THEN (k % 9)::VARCHAR END AS p FROM range(100) r(k)",
                            "SELECT '5000' AS p FROM range(3)", "SELECT 'x' AS p WHERE false"}) {
    const std::string source = "(" + std::string(paths) + ")";
    const std::string expected =
        "SELECT p, i, CASE WHEN i % 3 = 1 THEN NULL ELSE p || '/' || i END AS t, CASE WHEN i % 2 "
        "= 0 THEN [p, NULL] END AS l FROM " +
        source + ", range(p::BIGINT) r(i) WHERE p IS NOT NULL";
    for (const char* argument : {"p", "[p]", "[NULL, p]"}) {
      const std::string lists = "CASE WHEN p IS NULL THEN NULL ELSE " + std::string(argument) + " END";
      const std::string actual =
          "SELECT p, unnest(r) FROM (SELECT p, unnest(rows(" + lists + ")) AS r FROM " + source + ")";
      EXPECT_EQ(
          first_cell(*connection, "SELECT count(*)::VARCHAR FROM ((" + expected + ") EXCEPT ALL (" + actual + "))"),
          "0")
          << paths << argument;
      EXPECT_EQ(
          first_cell(*connection, "SELECT count(*)::VARCHAR FROM ((" + actual + ") EXCEPT ALL (" + expected + "))"),
          "0")
          << paths << argument;
    }
  }
  EXPECT_EQ(
      first_cell(*connection, "SELECT string_agg(r.i, ',') FROM (SELECT unnest(rows(['2', '0', '3', '2'])) AS r)"),
      "0,1,0,1,2,0,1");
  EXPECT_EQ(first_cell(*connection, "SELECT len(rows(NULL::VARCHAR))::VARCHAR"), "0");
}

TEST(RowReader, SaysWhatIsWrong) {
  struct Case {
    std::function<Result<std::string>(size_t)> select;
    const char* message;
  };
  const Case cases[] = {
      {[](size_t) { return Result<std::string>(Status::invalid("not today")); }, "not today"},
      {[](size_t) { return std::string("SELECT nonsense"); }, "nonsense"},
      {[](size_t) { return std::string("SELECT error('boom'), 1, '', ['']"); }, "boom"},
      {[](size_t) { return std::string("SELECT 1::BIGINT, 1, '', [''], 5 AS five"); }, "no five"},
      {[](size_t n) { return "SELECT " + std::to_string(n) + "::BIGINT, 1::BIGINT, '', ['']"; }, "nobody asked for"},
      {[](size_t) { return std::string("SELECT -1::BIGINT, 1::BIGINT, '', ['']"); }, "nobody asked for"},
      {[](size_t) { return std::string("SELECT unnest([0, 1, 0])::BIGINT, 1::BIGINT, '', ['']"); }, "apart"},
  };
  for (const Case& c : cases) {
    const std::shared_ptr<Connection> connection = connection_with_reader(c.select);
    const std::string answer = first_cell(*connection, "SELECT rows(p)::VARCHAR FROM (VALUES ('a'), ('b')) s(p)");
    EXPECT_TRUE(answer.starts_with("error") && contains(answer, c.message)) << answer;
    EXPECT_EQ(first_cell(*connection, "SELECT 'fine'"), "fine");
  }
}

TEST(RowReader, MissesRowsThatMustBeThere) {
  const auto three_and_one = [](size_t) {
    return std::string("SELECT unnest([0, 0, 0, 1])::BIGINT, 1::BIGINT, '', ['']");
  };
  const auto answer = [&](const std::vector<int64_t>& row_counts) {
    const std::shared_ptr<Connection> connection = connection_with_reader(three_and_one, row_counts);
    return first_cell(*connection, "SELECT sum(len(rows(p)))::VARCHAR FROM (VALUES ('a'), ('b')) s(p)");
  };
  for (const std::vector<int64_t>& right : {std::vector<int64_t>{}, {3, 1}, {-1, 1}, {3, -1}})
    EXPECT_EQ(answer(right), "4");
  EXPECT_TRUE(contains(answer({4, 1}), "read_parquet('a'): 3 rows, 4 were recorded")) << answer({4, 1});
  EXPECT_TRUE(contains(answer({3, 0}), "read_parquet('b'): 1 rows, 0 were recorded")) << answer({3, 0});
}

// ---- Opened up ------------------------------------------------------------------------------------------------------

TEST_F(SqlLateralTest, OpenedUpItDoesWhatItRefusesOtherwise) {
  const std::string folder = store_.directory() + "/out";
  std::filesystem::create_directory(folder);
  write_text(store_.directory() + "/outside.csv", "a\n1\n");
  const std::string index = store_.run_path("run_2") + "/strategy_index.parquet";
  struct Case {
    std::string sql;
    std::string answer;  // when it is opened up
  };
  const Case cases[] = {
      {"COPY (SELECT strategy_id FROM strategies) TO '" + folder + "/a.parquet'", "Count\n4\n"},
      {"COPY (SELECT * FROM strategy_index.parquet) TO '" + folder + "/b.parquet'", "Count\n4\n"},
      {"CREATE TABLE t AS SELECT * FROM 'strategy_index.parquet'; SELECT count(*) AS n FROM t", "n\n4\n"},
      {"EXPORT DATABASE '" + folder + "/exported'", ""},
      {"ATTACH '" + folder + "/a.db' AS a", ""},
      {"CREATE TEMP TABLE u AS FROM traces", ""},
      {"PRAGMA version", "library_version"},
      {"SET threads = 1", ""},
      {"SELECT 1; SELECT 2 AS two", "two\n2\n"},
      {"SELECT * FROM read_csv('" + store_.directory() + "/outside.csv')", "a\n1\n"},
      {"COPY (SELECT 1 AS one) TO '" + index + "' (FORMAT parquet)", "Count\n1\n"},
  };
  const std::unique_ptr<SqlEngine> confined = open(store_.scope());
  for (const Case& c : cases) {
    const std::string answer = ask(*confined, c.sql);
    EXPECT_TRUE(answer.starts_with("error 2: ") && contains(answer, "--unconfined")) << c.sql << answer;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_EQ(ask(*confined, "SELECT count(*) AS n FROM strategies"), "n\n4\n");
  for (const Case& c : cases) {
    const std::unique_ptr<SqlEngine> opened = open(store_.scope(), false);
    const std::string answer = ask(*opened, c.sql);
    EXPECT_EQ(answer.substr(0, c.answer.size()), c.answer) << c.sql << answer;
    EXPECT_FALSE(answer.starts_with("error")) << c.sql << answer;
  }
  EXPECT_FALSE(std::filesystem::is_empty(folder));
}

TEST_F(SqlLateralTest, OpenedUpPathsMeanTheSame) {
  const InDirectory there(store_.directory());
  write_parquet(store_.directory() + "/mine.parquet", {{"a", "int", "[1, 2]"}});
  const std::unique_ptr<SqlEngine> opened = open(store_.scope(), false);
  EXPECT_EQ(ask(*opened, "SELECT count(*) AS n FROM 'mine.parquet'"), "n\n2\n");
  EXPECT_EQ(ask(*opened, "SELECT count(*) AS n FROM read_parquet('results/*/strategy_index.parquet')"), "n\n4\n");
  EXPECT_EQ(ask(*opened, "SELECT count(*) AS n FROM strategies s, read_parquet(s.trace_path)"), "n\n14\n");
  const std::string copied = ask(*opened, "COPY (SELECT * FROM strategies s, read_parquet(s.trace_path)) TO 'x.csv'");
  EXPECT_TRUE(contains(copied, "send the SELECT by itself")) << copied;
}

}  // namespace
}  // namespace signalbook
