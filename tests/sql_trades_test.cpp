// The view `trades`: src/query/trades_view.h, trade_reader.h, recently_used.h, and list functions of database.h.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "analytics/trades.h"
#include "base/recently_used.h"
#include "query/arrow_c_stream.h"
#include "query/database.h"
#include "query/sql_engine.h"
#include "query/sql_text.h"
#include "query/trade_reader.h"
#include "query/trades_view.h"
#include "store/run_reader.h"
#include "store/table.h"
#include "support/query_store.h"
#include "support/random_prices.h"
#include "support/small_run.h"

namespace signalbook {
namespace {

using test::ask;
using test::QueryStore;
using test::TemporaryDirectory;
using test::write_text;

constexpr int64_t kBars[] = {1500, 90};  // of the two feeds of a run

// A store with runs of random positions on two feeds: more trades in a trace than one part holds, exactly as many, and
// none; some filled at prices of their own, and labels beside them.
class SqlTradesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory();
    write_text(store_path() + "/.signalbook/store.json", R"({"format_version":1})");
    Random random(7);
    for (const char* run : {"run_1", "run_2"}) record(random, run);
  }
  static void TearDownTestSuite() { delete directory_; }

  static std::string store_path() { return directory_->path() + "/results"; }
  static Scope scope() { return {.store_path = store_path(), .run_path = {}}; }
  static Scope scope_of(const std::string& run_id) {
    return {.store_path = store_path(), .run_path = store_path() + "/" + run_id};
  }

  static void record(Random& random, const std::string& run_id) {
    const auto created = RunWriter::create(posix_file_system(), store_path() + "/" + run_id, {});
    ASSERT_TRUE(created.ok()) << created.status().message();
    RunWriter& run = **created;
    for (const int64_t bar_count : kBars) {
      Bars bars = random_bars(random, bar_count);
      bars.symbol = bar_count == kBars[0] ? "SPY" : "QQQ";
      bars.timeframe = "5m";
      for (int64_t bar = 0; bar < bar_count; ++bar) bars.ts.push_back(1'704'205'800'000'000 + bar * 300'000'000);
      bars.volume.assign(bars.close.size(), 1000);
      const size_t feed = run.add_feed(bars).value();
      for (int i = 0; i < 12; ++i) {
        const size_t strategy =
            run.add_strategy("strategy_" + std::to_string(i), parse("{\"ma\":{\"n\":" + std::to_string(i) + "}}"))
                .value();
        const size_t trace = run.add_trace(strategy, feed);
        double value = 0;
        for (int64_t bar = 0; bar < bar_count; ++bar) {
          // Exactly one and two parts, none, and by chance.
          const int64_t flips = i == 0 ? kTradesOfAPart : i == 1 ? 2 * kTradesOfAPart : -1;
          if (i == 10) value = std::nan("");  // observed, and never a value: a trace without a change
          if (flips > 0) value = bar < flips ? (bar % 2 == 0 ? 1 : -1) : 0;
          if (flips < 0 && i != 2 && i != 10 && uniform(random, 0, 1) < 0.08 * i)
            value = one_of(random, {-1.0, 0.0, 0.5, 1.0});
          const bool has_price = i == 3 && bar % 3 == 0;
          ASSERT_TRUE(run.record(trace, bar, value, has_price ? std::optional(50.25) : std::nullopt).ok());
        }
      }
      const size_t regime = run.add_strategy("regime", parse(R"({"regime":{}})")).value();
      const size_t trace = run.add_trace(regime, feed);
      for (int64_t bar = 0; bar < bar_count; ++bar) {
        ASSERT_TRUE(run.record_label(trace, bar, bar % 7 < 3 ? "calm" : "wild").ok());
      }
    }
    ASSERT_TRUE(run.commit().ok());
  }

  static TemporaryDirectory* directory_;
};

TemporaryDirectory* SqlTradesTest::directory_ = nullptr;

std::unique_ptr<SqlEngine> open(const Scope& scope, bool confined = true) {
  Result<std::unique_ptr<SqlEngine>> engine = SqlEngine::open(posix_file_system(), scope, {.confined = confined});
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(engine).value();
}

Table rows_of(SqlEngine& engine, const std::string& sql) {
  ArrowArrayStream stream;
  const Status asked = engine.query(sql, &stream);
  EXPECT_TRUE(asked.ok()) << sql << "\n" << asked.message();
  if (!asked.ok()) return Table();
  const Result<Table> table = table_from_stream(&stream);
  EXPECT_TRUE(table.ok()) << table.status().message();
  return table.ok() ? *table : Table();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// ---- The rows -------------------------------------------------------------------------------------------------------

void expect_trades(const Table& rows, const std::vector<Trade>& trades, const Bars& bars, const std::string& what) {
  ASSERT_EQ(rows.row_count(), trades.size()) << what;
  const auto real = [&](const char* name, size_t i) {
    const TableColumn& column = *rows.find(name);
    return column.is_null(i) ? std::optional<double>() : column.reals[i];
  };
  for (size_t i = 0; i < trades.size(); ++i) {
    const auto integer = [&](const char* name) { return rows.find(name)->integers[i]; };
    const Trade& trade = trades[i];
    ASSERT_EQ(integer("trade"), static_cast<int64_t>(i)) << what;
    EXPECT_EQ(integer("entry_idx"), trade.entry_idx) << what;
    EXPECT_EQ(integer("entry_ts"), bars.ts[static_cast<size_t>(trade.entry_idx)]) << what;
    EXPECT_EQ(real("entry_px", i), trade.entry_price) << what;
    EXPECT_EQ(integer("exit_idx"), trade.exit_idx) << what;
    EXPECT_EQ(integer("exit_ts"), bars.ts[static_cast<size_t>(trade.exit_idx)]) << what;
    EXPECT_EQ(real("exit_px", i), trade.exit_price) << what;
    EXPECT_EQ(rows.find("direction")->texts[i], trade.direction > 0 ? "long" : "short") << what;
    EXPECT_EQ(real("size", i), trade.size) << what;
    EXPECT_EQ(real("return", i), trade.net_return) << what;
    EXPECT_EQ(integer("bars_held"), trade.bars_held) << what;
    EXPECT_EQ(real("mae", i), trade.mae) << what;
    EXPECT_EQ(real("mfe", i), trade.mfe) << what;
    EXPECT_EQ(integer("is_open") != 0, trade.is_open) << what;
  }
}

TEST_F(SqlTradesTest, AreThoseOfEachTrace) {
  const std::unique_ptr<SqlEngine> engine = open(scope());
  std::map<size_t, int> traces_by_trades;
  size_t total = 0;
  for (const std::string run_id : {"run_1", "run_2"}) {
    const auto run = RunReader::open(posix_file_system(), store_path() + "/" + run_id).value();
    for (const IndexRow& row : run->rows()) {
      const std::string trace_path = store_path() + "/" + run_id + "/" + row.trace_path;
      const std::string where = " WHERE trace_path = " + quote_sql_text(trace_path) + " ORDER BY trade";
      if (row.kind == SignalKind::label) {
        EXPECT_EQ(rows_of(*engine, "SELECT * FROM trades" + where).row_count(), 0U);
        continue;
      }
      const Trace trace = run->read_trace(row).value();
      const Bars bars = run->read_bars(row.data_id).value();
      const PriceSeries series = PriceSeries::make(bars).value();
      for (const bool with_cost : {false, true}) {
        const Table rows =
            rows_of(*engine, std::string("SELECT * FROM ") + (with_cost ? "trades_at(7.5)" : "trades") + where);
        const std::vector<Trade> trades =
            list_trades(trace.changes, series, with_cost ? 7.5 * 1e-4 : 0, trace.px).value();
        expect_trades(rows, trades, bars, trace_path);
        for (size_t i = 0; i < rows.row_count(); ++i) {
          EXPECT_EQ(rows.find("run_id")->texts[i], run_id);
          EXPECT_EQ(rows.find("strategy_id")->texts[i], row.strategy_id);
          EXPECT_EQ(rows.find("strategy_hash")->texts[i], row.strategy_hash());
          EXPECT_EQ(rows.find("strategy_type")->texts[i], row.strategy_type);
          EXPECT_EQ(rows.find("symbol")->texts[i], row.symbol);
          EXPECT_EQ(rows.find("timeframe")->texts[i], row.timeframe);
        }
        ++traces_by_trades[trades.size()];
        total += with_cost ? 0 : trades.size();
      }
    }
  }
  // The sizes that matter were there.
  for (const int count : {0, kTradesOfAPart, 2 * kTradesOfAPart}) {
    EXPECT_GT(traces_by_trades[static_cast<size_t>(count)], 0) << count;
  }
  EXPECT_GT(total, 5000U);
  // One statement for all: every trace's trades are numbered from 0, and none is there twice.
  EXPECT_EQ(ask(*engine,
                "SELECT sum(n)::BIGINT AS n, bool_and(n = highest + 1 AND n = numbers) AS numbered FROM (SELECT "
                "count(*) AS n, max(trade) AS highest, count(DISTINCT trade) AS numbers FROM trades GROUP BY "
                "trace_path)"),
            "n,numbered\n" + std::to_string(total) + ",true\n");
}

TEST_F(SqlTradesTest, JoinTheStrategies) {
  const std::string counts =
      "SELECT s.run_id, s.strategy_id, s.symbol, count(t.trade) AS n FROM strategies s LEFT JOIN trades t USING "
      "(trace_path) GROUP BY ALL";
  const std::string same = "SELECT run_id, strategy_id, symbol, count(*) AS n FROM trades GROUP BY ALL";
  for (const Scope& there : {scope(), scope_of("run_2")}) {
    EXPECT_EQ(ask(there, "SELECT count(*) AS n FROM ((" + counts + ") EXCEPT (" + same + ")) WHERE n > 0"), "n\n0\n");
    EXPECT_EQ(ask(there, "SELECT count(*) AS n FROM ((" + same + ") EXCEPT (" + counts + "))"), "n\n0\n");
  }
  EXPECT_EQ(ask(scope_of("run_2"), "SELECT DISTINCT run_id FROM trades"), "run_id\nrun_2\n");
}

TEST_F(SqlTradesTest, AreTheSameWhetherTheTracesAreATableOrAView) {
  const std::string run_path = store_path() + "/run_1";
  std::vector<TextRows> answers;
  for (const int64_t most_copied : {0, 1000}) {
    const std::shared_ptr<Database> database = Database::open({}).value();
    const std::shared_ptr<Connection> connection = database->connect().value();
    const TradesPlace place = {.runs = {{.run_id = "run_1", .path = run_path}},
                               .confined_to = std::nullopt,
                               .strategies_sql = "SELECT 'run_1' AS run_id, *, trace_path AS run_trace_path FROM " +
                                                 quote_sql_text(run_path + "/strategy_index.parquet"),
                               .most_copied = most_copied};
    const Status prepared = prepare_trades(*connection, posix_file_system(), place);
    ASSERT_TRUE(prepared.ok()) << prepared.message();
    const TextRows kind = connection->fetch("SELECT table_type FROM information_schema.tables").value();
    EXPECT_EQ(kind[0][0], most_copied == 0 ? "VIEW" : "BASE TABLE");
    answers.push_back(
        connection
            ->fetch("SELECT t::VARCHAR FROM (" + trades_sql("2") + ") t WHERE strategy_id <> 'strategy_5' ORDER BY ALL")
            .value());
    EXPECT_GT(answers.back().size(), 2000U);
  }
  EXPECT_EQ(answers[0], answers[1]);
}

// ---- Only what a statement asks for is read -------------------------------------------------------------------------

class SqlTradesOfADamagedStore : public SqlTradesTest {
 protected:
  void SetUp() override {
    std::filesystem::copy(SqlTradesTest::store_path(), path_, std::filesystem::copy_options::recursive);
  }
  Scope damaged() const { return {.store_path = path_, .run_path = {}}; }
  std::string file_of(const std::string& run_id, const std::string& strategy_id, const std::string& symbol) const {
    const auto run = RunReader::open(posix_file_system(), path_ + "/" + run_id).value();
    const std::vector<const IndexRow*> rows = run->find(strategy_id).value();
    for (const IndexRow* row : rows) {
      if (row->symbol == symbol) return path_ + "/" + run_id + "/" + row->trace_path;
    }
    return "";
  }
  static void flip_a_byte(const std::string& path) {
    std::string bytes = posix_file_system().read_file(path).value();
    bytes[bytes.size() / 2] ^= 1;
    write_text(path, bytes);
  }

  TemporaryDirectory folder_;
  const std::string path_ = folder_.path() + "/results";
};

TEST_F(SqlTradesOfADamagedStore, ReadsOnlyTheTracesThatAreAskedFor) {
  std::set<std::string> needed;
  for (const char* symbol : {"SPY", "QQQ"}) needed.insert(file_of("run_1", "strategy_7", symbol));
  const std::string hash =
      RunReader::open(posix_file_system(), path_ + "/run_1").value()->find("strategy_7").value()[0]->strategy_hash();
  const std::string here = "run_id = 'run_1'", count = "SELECT count(*) AS n FROM ";
  const std::string seven =
      "(SELECT trace_path FROM strategies WHERE " + here + " ORDER BY strategy_id = 'strategy_7' DESC LIMIT 2) s";
  const std::vector<std::string> statements = {
      count + "trades WHERE run_id = 'run_1' AND strategy_hash = '" + hash + "'",
      count + "trades_at(3) WHERE run_id = 'run_1' AND strategy_id = 'strategy_7'",
      count + "trades JOIN " + seven + " USING (trace_path)",
      count + seven + " JOIN trades t ON t.trace_path = s.trace_path",
      count + "trades WHERE trace_path IN (SELECT trace_path FROM " + seven + ")",
      count +
          "trades JOIN (SELECT DISTINCT run_id, strategy_hash FROM strategies WHERE strategy_id = 'strategy_7' AND " +
          here + ") USING (run_id, strategy_hash) WHERE " + here,
      count + "trades t JOIN strategies s USING (trace_path) WHERE s.run_id = 'run_1' AND s.strategy_id = 'strategy_7'",
  };
  const std::string before = ask(damaged(), statements[0]);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    const std::string path = entry.path().string();
    if (contains(path, "/signals/") && path.ends_with(".parquet") && !needed.contains(path)) {
      std::filesystem::remove(path);
    }
  }
  EXPECT_TRUE(contains(ask(damaged(), "SELECT count(*) AS n FROM trades"), "the trace is missing"));
  for (const std::string& statement : statements) EXPECT_EQ(ask(damaged(), statement), before) << statement;
}

TEST_F(SqlTradesOfADamagedStore, NamesWhatIsDamaged) {
  const std::string missing = file_of("run_1", "strategy_10", "SPY");  // without a change
  std::filesystem::remove(missing);
  for (const std::string sql : {"SELECT count(*) AS n FROM trades", "SELECT max(mfe) FROM trades_at(1)",
                                "SELECT * FROM trades WHERE strategy_id = 'strategy_10'"}) {
    EXPECT_EQ(ask(damaged(), sql),
              "error 3: " + missing + ": the trace is missing (strategy strategy_10); restore it from a copy")
        << sql;
  }
  const std::string flipped = file_of("run_2", "strategy_4", "QQQ");
  flip_a_byte(flipped);
  const std::string answer = ask(damaged(), "SELECT * FROM trades WHERE strategy_id = 'strategy_4'");
  EXPECT_TRUE(answer.starts_with("error 3: " + flipped)) << answer;
  // After the first rows as well.
  const std::string late = ask(damaged(), "SELECT * FROM trades WHERE strategy_id IN ('strategy_11', 'strategy_4')");
  EXPECT_TRUE(contains(late, "error 3: " + flipped)) << late.substr(0, 200);
  EXPECT_EQ(ask(damaged(), "SELECT count(*) > 0 AS some FROM trades WHERE strategy_id = 'strategy_3'"), "some\ntrue\n");
}

TEST_F(SqlTradesOfADamagedStore, NamesBarsThatAreDamaged) {
  const auto run = RunReader::open(posix_file_system(), path_ + "/run_1").value();
  const std::string data_id = run->find("strategy_4").value()[0]->data_id;
  const std::string bars = path_ + "/bars/" + data_id + ".parquet";
  const std::string sql = "SELECT count(*) FROM trades WHERE strategy_id = 'strategy_4'";
  flip_a_byte(bars);
  const std::string damage = ask(damaged(), sql);
  EXPECT_TRUE(damage.starts_with("error 3: ") && contains(damage, data_id)) << damage;
  std::filesystem::remove(bars);
  const std::string missing = ask(damaged(), sql);
  EXPECT_TRUE(missing.starts_with("error 3: ") && contains(missing, data_id) && contains(missing, "missing"))
      << missing;
}

TEST_F(SqlTradesOfADamagedStore, LeavesOutTheRunsThatTheOtherViewsLeaveOut) {
  write_text(path_ + "/run_1/run.json", "{}");
  for (const std::string view : {"strategies", "trades"}) {
    EXPECT_EQ(ask(damaged(), "SELECT DISTINCT run_id FROM " + view), "run_id\nrun_2\n") << view;
  }
}

TEST_F(SqlTradesOfADamagedStore, ReadsNothingOutsideTheStore) {
  const std::string outside = folder_.path() + "/outside.parquet", trace = file_of("run_1", "strategy_4", "SPY");
  std::filesystem::rename(trace, outside);
  std::filesystem::create_symlink(outside, trace);
  const std::string answer = ask(damaged(), "SELECT count(*) FROM trades WHERE strategy_id = 'strategy_4'");
  EXPECT_EQ(answer, "error 2: " + trace + " leads out of the store " + path_);
  EXPECT_FALSE(ask(*open(damaged(), false), "SELECT count(*) FROM trades WHERE strategy_id = 'strategy_4'")
                   .starts_with("error"));
  const std::unique_ptr<SqlEngine> engine = open(damaged());
  const std::string zeros(64, '0');
  for (const std::string path : {"../../outside.parquet", "../../nothing.parquet"}) {
    ask(*engine, "SELECT count(*) FROM trades WHERE false");  // so that the function is there
    const std::string told =
        ask(*engine, "SELECT signalbook_trades('run_1', '" + path + "', 's', 'd', 9, 9, from_hex('" + zeros +
                         "'), from_hex('" + zeros.substr(32) + "'), 0, 0)");
    EXPECT_TRUE(told.starts_with("error") && !contains(told, "not the bytes")) << told;
  }
}

// ---- Runs of other kinds --------------------------------------------------------------------------------------------

TEST_F(SqlTradesOfADamagedStore, OfVeryManyRunsComeFromTheCatalogue) {
  const std::string all = ask(damaged(), "SELECT count(*) AS n FROM trades WHERE run_id = 'run_1'");
  for (int i = 0; i < 25; ++i) {
    std::filesystem::copy(path_ + "/run_1", path_ + "/copy_" + std::to_string(i),
                          std::filesystem::copy_options::recursive);
  }
  EXPECT_EQ(ask(damaged(), "SELECT count(*) AS n FROM trades WHERE run_id = 'copy_17'"), all);
  EXPECT_TRUE(std::filesystem::exists(path_ + "/.signalbook/catalog"));
  EXPECT_EQ(ask(damaged(),
                "SELECT count(DISTINCT n) AS same, count(*) AS runs FROM (SELECT run_id, count(*) AS n FROM "
                "trades WHERE strategy_id = 'strategy_6' AND run_id <> 'run_2' GROUP BY run_id)"),
            "same,runs\n1,26\n");
}

TEST(SqlTradesOfOthers, AreNoneWhereARunHasNoBars) {
  QueryStore store;
  store.add_index("run_1", 2);
  EXPECT_EQ(ask(store.scope(), "SELECT count(*) AS n FROM trades"), "n\n0\n");
  EXPECT_EQ(ask(store.scope(), "SELECT trade, direction, is_open FROM trades_at(1)"), "trade,direction,is_open\n");
}

// ---- The cost -------------------------------------------------------------------------------------------------------

TEST_F(SqlTradesTest, TakeACost) {
  const std::unique_ptr<SqlEngine> engine = open(scope());
  EXPECT_EQ(ask(*engine,
                "SELECT (SELECT count(*) FROM (FROM trades EXCEPT ALL FROM trades_at(0))) AS missing, (SELECT "
                "count(*) FROM (FROM trades_at(0) EXCEPT ALL FROM trades)) AS more"),
            "missing,more\n0,0\n");
  // Closed ones pay both sides.
  EXPECT_EQ(ask(*engine,
                "SELECT bool_and(c.return < t.return) AS less FROM trades t JOIN trades_at(2 + 3) c USING "
                "(trace_path, trade)"),
            "less\ntrue\n");
  EXPECT_EQ(ask(*engine,
                "SELECT bps, count(*) > 0 AS some FROM (VALUES (1), (2)) v(bps), trades_at(v.bps) WHERE "
                "strategy_id = 'strategy_9' GROUP BY bps ORDER BY bps"),
            "bps,some\n1,true\n2,true\n");
  for (const std::string cost : {"-1", "NULL", "'nan'::DOUBLE", "'inf'::DOUBLE"}) {
    const std::string answer = ask(*engine, "SELECT count(*) FROM trades_at(" + cost + ")");
    EXPECT_TRUE(answer.starts_with("error 2: the cost of trades is ")) << answer;
  }
}

// ---- What is kept ---------------------------------------------------------------------------------------------------

TEST(RecentlyUsedTest, MakesAThingOnceAndForgetsWhatWasUsedLongestAgo) {
  RecentlyUsed<int> kept(10);
  std::vector<int> made;
  const auto get = [&](int value) {
    const auto make = [&]() -> Result<int> {
      made.push_back(value);
      return value;
    };
    const auto found = kept.get(std::to_string(value), make, [](int size) { return static_cast<size_t>(size); });
    EXPECT_EQ(**found, value);
  };
  for (const int value : {4, 5, 4, 5, 4}) get(value);
  EXPECT_EQ(made, (std::vector<int>{4, 5}));
  get(3);  // 5 goes
  get(4);
  get(5);
  EXPECT_EQ(made, (std::vector<int>{4, 5, 3, 5}));
  get(99);  // larger than all: it alone
  get(99);
  get(5);
  EXPECT_EQ(made, (std::vector<int>{4, 5, 3, 5, 99, 5}));
}

TEST(RecentlyUsedTest, KeepsNoFailure) {
  RecentlyUsed<int> kept(10);
  int calls = 0;
  const auto fail = [&]() -> Result<int> { return ++calls, Status::damaged("it is broken"); };
  const auto size = [](int) { return size_t{1}; };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(kept.get("a", fail, size).status().message(), "it is broken");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace signalbook
