#include "query/catalog.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "support/failing_file_system.h"
#include "support/query_store.h"

namespace signalbook::test {
namespace {

namespace fs = std::filesystem;

// A store of runs whose rows are numbers of strategies, and what its catalogue should say of them, counted here.
class CountedStore {
 public:
  Scope scope() const { return store_.scope(); }
  const std::string& path() const { return store_.path(); }
  std::string catalog_path() const { return store_.path() + "/.signalbook/catalog"; }
  const std::map<std::string, std::vector<int>>& runs() const { return runs_; }

  void write(const std::string& run_id, const std::vector<int>& strategies) {
    std::string ids, hashes, periods, sharpes;
    for (const int strategy : strategies) {
      const char* comma = ids.empty() ? "" : ",";
      ids += comma + ("\"s" + std::to_string(ids.size())) + '"';
      hashes += comma + ("\"hash" + std::to_string(strategy)) + '"';
      periods += comma + std::to_string(strategy);
      sharpes += comma + std::to_string(strategy) + ".5";
    }
    fs::create_directories(store_.run_path(run_id));
    // Every third run has a column more, and every other holds whole numbers.
    std::vector<Column> columns = {{"strategy_id", "text", "[" + ids + "]"},
                                   {"strategy_hash", "text", "[" + hashes + "]"},
                                   {"param_period", runs_.size() % 2 == 0 ? "int" : "double", "[" + periods + "]"}};
    if (runs_.size() % 3 == 0) columns.push_back({"sharpe_ratio", "double", "[" + sharpes + "]"});
    write_parquet(index_path(run_id), columns);
    torn_.erase(run_id);
    runs_[run_id] = strategies;
  }
  void remove(const std::string& run_id) {
    fs::remove_all(store_.run_path(run_id));
    runs_.erase(run_id);
    torn_.erase(run_id);
  }
  void tear(const std::string& run_id) {
    fs::resize_file(index_path(run_id), fs::file_size(index_path(run_id)) / 2);
    runs_.erase(run_id);
    torn_.insert(run_id);
  }

  std::string expected_strategies() const {
    std::string answer = "run_id,traces,periods\n";
    for (const auto& [run_id, strategies] : runs_) {
      int64_t sum = 0;
      for (const int strategy : strategies) sum += strategy;
      answer += run_id + "," + std::to_string(strategies.size()) + "," + std::to_string(sum) + ".0\n";
    }
    return answer;
  }
  std::string expected_history() const {
    std::map<std::string, std::pair<std::set<std::string>, int>> history;
    for (const auto& [run_id, strategies] : runs_) {
      for (const int strategy : strategies) {
        auto& [runs, traces] = history["hash" + std::to_string(strategy)];
        runs.insert(run_id);
        ++traces;
      }
    }
    std::string answer = "strategy_hash,runs,traces,run_ids\n";
    for (const auto& [hash, counts] : history) {
      std::string ids;
      for (const std::string& run_id : counts.first) ids += (ids.empty() ? "" : " ") + run_id;
      answer +=
          hash + "," + std::to_string(counts.first.size()) + "," + std::to_string(counts.second) + "," + ids + "\n";
    }
    return answer;
  }

  void check(const std::string& what) const {
    std::set<std::string> named;
    const auto opened =
        SqlEngine::open(posix_file_system(), scope(),
                        {.note = [&](const std::string& text) { named.insert(text.substr(0, text.find(' '))); }});
    ASSERT_TRUE(opened.ok()) << what << opened.status().message();
    SqlEngine& engine = **opened;
    ASSERT_EQ(ask(engine,
                  "SELECT run_id, count(*) AS traces, sum(period) AS periods FROM strategies GROUP BY ALL "
                  "ORDER BY run_id"),
              expected_strategies())
        << what;
    ASSERT_EQ(ask(engine,
                  "SELECT strategy_hash, runs, traces, array_to_string(run_ids, ' ') AS run_ids FROM "
                  "hash_history ORDER BY strategy_hash"),
              expected_history())
        << what;
    ASSERT_EQ(named, torn_) << what;
  }

 private:
  std::string index_path(const std::string& run_id) const {
    return store_.run_path(run_id) + "/strategy_index.parquet";
  }

  QueryStore store_;
  std::map<std::string, std::vector<int>> runs_;
  std::set<std::string> torn_;
};

std::string run_name(size_t i) { return "run_" + std::to_string(100 + i); }

std::vector<int> draw_strategies(std::mt19937& random, int pool, size_t count) {
  std::vector<int> strategies(count);
  for (int& strategy : strategies) strategy = static_cast<int>(random() % static_cast<unsigned>(pool));
  return strategies;
}

// Runs come, go, are replaced and torn in any order, with stores small enough to be read run by run and large enough
// for a catalogue: every answer is the one counted by hand.
TEST(Catalog, SaysWhatTheRunsSayWhateverHappensToThem) {
  std::mt19937 random(7);
  CountedStore store;
  constexpr int kPool = 3000;
  constexpr size_t kRows = 70, kNames = 40;
  for (size_t i = 0; i < 24; ++i) store.write(run_name(i), draw_strategies(random, kPool, kRows));
  store.check("in the beginning");
  for (int step = 0; step < 60; ++step) {
    const int changes = 1 + static_cast<int>(random() % 3);
    std::string what = "step " + std::to_string(step) + ":";
    for (int change = 0; change < changes; ++change) {
      const std::string run_id = run_name(random() % kNames);
      const auto kind = random() % 10;
      what += " " + std::to_string(kind) + " " + run_id;
      if (kind < 6) {
        store.write(run_id, draw_strategies(random, kPool, 1 + random() % kRows));
      } else if (kind < 9 && store.runs().size() > 18) {
        store.remove(run_id);
      } else if (store.runs().contains(run_id)) {
        store.tear(run_id);
      }
    }
    store.check(what);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Catalog, IsMadeForManyRunsOnlyAndMayBeDeletedOrDamaged) {
  std::mt19937 random(8);
  CountedStore store;
  for (size_t i = 0; i < 20; ++i) store.write(run_name(i), {1, 2});
  store.check("few");
  EXPECT_FALSE(fs::exists(store.catalog_path()));
  store.write(run_name(20), {2, 3});
  store.check("many");
  ASSERT_TRUE(fs::exists(store.catalog_path() + "/manifest.json"));

  const auto damage = {std::string(), std::string("{"), std::string("{}"), std::string(R"({"format_version": 99})"),
                       std::string(R"({"format_version":2,"generation":1,"segments":[{}],"left_out":{}})")};
  for (const std::string& text : damage) {
    std::ofstream(store.catalog_path() + "/manifest.json") << text;
    store.check("manifest " + text);
  }
  for (const auto& entry : fs::directory_iterator(store.catalog_path())) {
    if (entry.path().extension() == ".parquet") fs::resize_file(entry.path(), entry.file_size() / 2);
  }
  store.check("segments cut");
  std::mt19937 bytes(11);
  for (int flip = 0; flip < 40; ++flip) {  // the size stays, and what it says would be another
    for (const auto& entry : fs::directory_iterator(store.catalog_path())) {
      if (entry.path().extension() != ".parquet") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto offset = static_cast<std::streamoff>(bytes() % entry.file_size());
      file.seekg(offset);
      const char byte = static_cast<char>(file.get() ^ 4);
      file.seekp(offset);
      file.put(byte);
    }
    store.check("flip " + std::to_string(flip));
    if (::testing::Test::HasFatalFailure()) return;
  }
  fs::remove_all(store.catalog_path());
  store.check("all gone");
}

// From inside a run the store around it is the same; its own paths are as short as the question was.
TEST(Catalog, IsReadFromInsideARunToo) {
  QueryStore store;
  for (size_t i = 0; i < 24; ++i) store.add_index(run_name(i), 2);
  const std::string sql =
      "SELECT count(*) AS n, count(DISTINCT run_id) AS runs, count(DISTINCT run_path) AS paths FROM "
      "'results/*/strategy_index.parquet'";
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(ask(store.scope_of("run_105"), sql), "n,runs,paths\n48,24,24\n");
    EXPECT_EQ(ask(store.scope_of("run_105"), "SELECT count(*) AS n FROM strategies"), "n\n2\n");
  }
  EXPECT_TRUE(fs::exists(store.path() + "/.signalbook/catalog/manifest.json"));
  const Scope here = {.store_path = store.path(), .run_path = store.path() + "/../results/run_105"};
  EXPECT_EQ(ask(here, sql), "n,runs,paths\n48,24,24\n") << "its run_path differs from those of the others";
}

TEST(Catalog, ReadsTheRunsThemselvesWhereItCannotBeWritten) {
  CountedStore store;
  for (size_t i = 0; i < 30; ++i) store.write(run_name(i), {1, static_cast<int>(i)});
  std::ofstream(store.path() + "/.signalbook") << "a file where the directory should be";
  store.check("not writable");
}

// A disk that fails at any of the calls leaves the old catalogue or the new one.
TEST(Catalog, AFailedRefreshLosesNothing) {
  CountedStore store;
  for (size_t i = 0; i < 24; ++i) store.write(run_name(i), {1, static_cast<int>(i)});
  store.check("before");
  int64_t failures = 0;
  for (int64_t operation = 0;; ++operation) {
    store.write(run_name(24), {static_cast<int>(operation)});
    FailingFileSystem files(operation, true);
    Catalog catalog = Catalog::open(files, store.path()).value();
    const bool ok = catalog.refresh(false, true).ok();
    failures += ok ? 0 : 1;
    store.check("operation " + std::to_string(operation));
    if (!files.has_failed()) break;
  }
  EXPECT_GT(failures, 4);
}

TEST(Catalog, RefreshIsIncremental) {
  std::mt19937 random(9);
  CountedStore store;
  for (size_t i = 0; i < 30; ++i) store.write(run_name(i), draw_strategies(random, 100'000, 60));
  Catalog catalog = Catalog::open(posix_file_system(), store.path()).value();
  EXPECT_EQ(catalog.refresh(false, true)->added, 30);
  EXPECT_EQ(catalog.refresh(false, true)->added, 0);
  const std::string first = catalog.manifest().segments.at(0).strategies.name;
  const std::string history = catalog.manifest().history->name;
  store.write("run_new", draw_strategies(random, 100'000, 60));
  EXPECT_EQ(catalog.refresh(false, true)->added, 1);
  ASSERT_EQ(catalog.manifest().segments.size(), 2u);
  EXPECT_EQ(catalog.manifest().segments[0].strategies.row_count + catalog.manifest().segments[1].strategies.row_count,
            31 * 60);
  EXPECT_EQ(catalog.manifest().history->name, history) << "only the changes are written";
  EXPECT_LE(catalog.manifest().history_changes->row_count, 60);
  store.check("one more");
  for (size_t i = 0; i < 40; ++i) {  // a run at a time: rows are written a few times, and segments stay few
    store.write("run_next_" + std::to_string(100 + i), draw_strategies(random, 100'000, 60));
    ASSERT_TRUE(catalog.refresh(false, true).ok());
    ASSERT_LE(catalog.manifest().segments.size(), 7u);
  }
  store.check("many more");
  for (size_t i = 0; i < 29; ++i) store.remove(run_name(i));
  EXPECT_EQ(catalog.refresh(false, true)->removed, 29);
  int64_t rows = 0;
  for (const auto& segment : catalog.manifest().segments) rows += segment.strategies.row_count;
  EXPECT_LT(rows, 2 * 42 * 60) << "segments of runs that are gone are written anew";
  store.check("many gone");
}

TEST(Catalog, KeepsFilesForReadersAndRemovesThemLater) {
  CountedStore store;
  for (size_t i = 0; i < 24; ++i) store.write(run_name(i), {1, static_cast<int>(i)});
  Catalog catalog = Catalog::open(posix_file_system(), store.path()).value();
  ASSERT_TRUE(catalog.refresh(false, true).ok());
  const std::string first = store.catalog_path() + "/" + catalog.manifest().segments.at(0).strategies.name;
  ASSERT_TRUE(catalog.refresh(true, true).ok());
  ASSERT_TRUE(catalog.refresh(true, true).ok());
  EXPECT_TRUE(fs::exists(first)) << "somebody may be reading it";
  fs::last_write_time(first, fs::file_time_type::clock::now() - std::chrono::hours(1));
  ASSERT_TRUE(catalog.refresh(true, true).ok());
  EXPECT_FALSE(fs::exists(first));
}

// Several processes refresh and read at once: everybody gets the whole answer.
TEST(Catalog, ManyMayRefreshAndReadAtOnce) {
  CountedStore store;
  for (size_t i = 0; i < 24; ++i) store.write(run_name(i), {1, static_cast<int>(i)});
  std::vector<std::thread> threads;
  std::atomic<int> refreshed = 0;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 8; ++n) {
        Catalog catalog = Catalog::open(posix_file_system(), store.path()).value();
        const auto result = catalog.refresh(true, i == 0);
        EXPECT_TRUE(result.ok()) << result.status().message();
        if (result.ok() && !result->is_busy) ++refreshed;
      }
    });
    threads.emplace_back([&] {
      for (int n = 0; n < 10; ++n) store.check("reader");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(refreshed, 8);
}

// Runs are removed and written again, and the catalogue deleted, between the moment that they are found and that they
// are read: answers are of the runs that were there all the time.
TEST(Catalog, AnswersWhileRunsComeAndGo) {
  for (const size_t runs : {size_t{5}, size_t{30}}) {
    CountedStore store;
    for (size_t i = 0; i < runs; ++i) store.write(run_name(i), {1});
    std::atomic<bool> done = false;
    std::thread others([&] {
      QueryStore source;  // a run that is copied in and removed again
      source.add_index("run_1", 2);
      std::error_code ignored;  // somebody may write there at the same time
      for (int i = 0; !done; ++i) {
        const fs::path run = store.path() + "/zz" + std::to_string(i % 3);
        fs::copy(source.run_path("run_1"), run, ignored);
        std::this_thread::sleep_for(std::chrono::milliseconds(120));
        fs::remove_all(run, ignored);
        std::this_thread::sleep_for(std::chrono::milliseconds(120));
        if (i % 5 == 0) fs::remove_all(store.catalog_path(), ignored);
      }
    });
    for (int i = 0; i < 12; ++i) {
      const std::string answer = ask(store.scope(),
                                     "SELECT count(*) AS n FROM strategies WHERE strategy_type IS NULL "
                                     "AND strategy_hash = 'hash1' AND run_id LIKE 'run_%'");
      EXPECT_EQ(answer, "n\n" + std::to_string(runs) + "\n");
    }
    done = true;
    others.join();
  }
}

// Types of a parameter differ between runs: no number is rounded, and text stands beside numbers.
TEST(Catalog, TypesCombineWithoutLoss) {
  QueryStore store;
  for (size_t i = 0; i < 22; ++i) {
    const char* types[] = {"int", "double", "text", "bool"};
    const char* values[] = {"[20]", "[20.5]", R"(["fast"])", "[true]"};
    store.add_index(run_name(i), 1, {{"param_x", types[i % 4], values[i % 4]}});
  }
  const std::string expected = "n,x,x__str,x__bool\n6,20.0,,\n6,20.5,,\n5,,fast,\n5,,,true\n";
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(ask(store.scope(),
                  "SELECT count(*) AS n, x, x__str, x__bool FROM strategies GROUP BY ALL "
                  "ORDER BY x NULLS LAST, x__str NULLS LAST"),
              expected);
    // A run more, with a column of its own and a parameter that has no value, and away again.
    store.add_index("run_more", 1, {{"other", "text", R"(["y"])"}, {"param_x", "null", "[null]"}});
    EXPECT_EQ(ask(store.scope(), "SELECT run_id, x FROM strategies WHERE other = 'y'"), "run_id,x\nrun_more,\n");
    std::filesystem::remove_all(store.run_path("run_more"));
  }
}

}  // namespace
}  // namespace signalbook::test
