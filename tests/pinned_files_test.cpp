#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "query/arrow_c_stream.h"
#include "query/pinned_paths.h"
#include "query/sql_engine.h"
#include "support/hooked_file_system.h"
#include "support/query_store.h"

// Versions of files that stay readable while others replace them, and what SQL does with them.

namespace signalbook {
namespace {

using namespace signalbook::test;

FileSystem& disk() { return posix_file_system(); }

size_t open_file_count() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

std::string read(const std::string& path) { return disk().read_file(path).value(); }

void replace(const std::string& path, const std::string& text) {
  write_text(path + ".tmp", text);
  std::filesystem::rename(path + ".tmp", path);
}

// ---- The disk -------------------------------------------------------------------------------------------------------

TEST(PinnedFiles, StayWhateverHappensToTheirPaths) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/a";
  const std::unique_ptr<PinnedFiles> pins = disk().reserve_pins(2);
  ASSERT_NE(pins, nullptr);
  ASSERT_EQ(pins->names().size(), 2u);
  write_text(path, "old");
  ASSERT_TRUE(pins->pin(0, path).ok());
  replace(path, "newer");
  ASSERT_TRUE(pins->pin(1, path).ok());
  std::filesystem::remove(path);
  EXPECT_EQ(pins->pin(0, path).code(), StatusCode::not_found);
  EXPECT_EQ(pins->pin(0, directory.path()).code(), StatusCode::invalid);
  for (int i = 0; i < 2; ++i) {  // as often as one likes, each time from the beginning
    EXPECT_EQ(read(pins->names()[0]), "old");
    EXPECT_EQ(read(pins->names()[1]), "newer");
  }
  EXPECT_EQ(disk().stamp(pins->names()[1]).value()->size, 5);
}

TEST(PinnedFiles, AreClosedAndLeaveDescriptorsToOthers) {
  const size_t before = open_file_count();
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few{.rlim_cur = before + 10, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    const std::unique_ptr<PinnedFiles> pins = disk().reserve_pins(1000);
    EXPECT_LE(pins == nullptr ? 0 : pins->names().size(), (before + 10) / 4);
  }
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(open_file_count(), before);
}

TEST(PinnedPaths, AreToldByTheirPaths) {
  const TemporaryDirectory directory;
  PinnedPaths pinned(disk(), 20);
  std::string text, wanted;
  for (int i = 0; i < 20; ++i) {  // some names begin like others
    const std::string path = directory.path() + "/file " + std::to_string(i);
    write_text(path, "x");
    const std::string name = pinned.pin(path);
    EXPECT_TRUE(pinned.is_name(name)) << name;
    EXPECT_TRUE(pinned.is_name("/proc/../" + name)) << name;
    text += "read " + name + ": bad, '" + name + "'";
    wanted += "read " + path + ": bad, '" + path + "'";
  }
  EXPECT_EQ(pinned.with_paths(text), wanted);
  const std::string further = directory.path() + "/file 1";
  EXPECT_EQ(pinned.pin(further), further) << "there is no room";
  pinned.unpin(pinned.names()[7]);
  EXPECT_EQ(pinned.pin(further), pinned.names()[7]);
  EXPECT_FALSE(pinned.is_name(further));
}

TEST(PinnedPaths, ArePathsWhereTheDiskHasNone) {
  class Plain : public HookedFileSystem {
   public:
    Plain() : HookedFileSystem(posix_file_system()) {}
    std::unique_ptr<PinnedFiles> reserve_pins(size_t) override { return nullptr; }
  };
  Plain plain;
  PinnedPaths pinned(plain, 4);
  EXPECT_EQ(pinned.pin("/etc/passwd"), "/etc/passwd");
  EXPECT_EQ(pinned.with_paths("/proc/self/fd/3"), "/proc/self/fd/3");
  QueryStore store;
  store.add_index("run_1", 2);
  const auto engine = SqlEngine::open(plain, store.scope());
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ(ask(**engine, "SELECT run_id, count(*) AS n FROM strategies GROUP BY ALL"), "run_id,n\nrun_1,2\n");
}

// ---- Queries --------------------------------------------------------------------------------------------------------

std::string numbers(size_t count, size_t first) {
  std::string list = "[";
  for (size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + std::to_string(first + i);
  return list + "]";
}

// Another index for a run, with other columns, in the place of the one that it has.
void replace_index(QueryStore& store, const std::string& run_id, size_t row_count, std::vector<Column> columns) {
  store.add_index("new", row_count, std::move(columns));
  std::filesystem::rename(store.run_path("new") + "/strategy_index.parquet",
                          store.run_path(run_id) + "/strategy_index.parquet");
  std::filesystem::remove_all(store.run_path("new"));
}

TEST(PinnedQueries, AnEngineKeepsToTheVersionThatItLookedAt) {
  QueryStore store;
  for (const char* run : {"run_1", "run_2"}) store.add_index(run, 3, {{"sharpe_ratio", "double", "[1, 2, 3]"}});
  const auto engine = SqlEngine::open(disk(), store.scope());
  ASSERT_TRUE(engine.ok());
  const std::string sql =
      "SELECT run_id, count(*) AS n, sum(sharpe_ratio) AS s FROM strategies GROUP BY ALL ORDER BY 1";
  const std::string first = ask(**engine, sql);
  ASSERT_EQ(first, "run_id,n,s\nrun_1,3,6.0\nrun_2,3,6.0\n");
  replace_index(store, "run_2", 5, {{"win_rate", "double", "[1, 2, 3, 4, 5]"}});
  EXPECT_EQ(ask(**engine, sql), first);
  EXPECT_EQ(ask(**engine, "SELECT count(*) AS n FROM 'strategy_index.parquet'"), "n\n6\n");
  std::filesystem::remove(store.run_path("run_2") + "/strategy_index.parquet");
  EXPECT_EQ(ask(**engine, sql), first);
}

// DuckDB has read the footers of all files, and opens them again one by one as rows are fetched.
TEST(PinnedQueries, AResultOnItsWayOutKeepsToTheVersionItsColumnsAreOf) {
  constexpr size_t kRows = 60'000;
  QueryStore store;
  const std::vector<std::string> runs = {"run_1", "run_2", "run_3"};
  for (const std::string& run : runs) store.add_index(run, kRows, {{"change_count", "int", numbers(kRows, 0)}});
  const size_t files_before = open_file_count();
  {
    auto engine = SqlEngine::open(disk(), store.scope(), {.confined = false});
    ASSERT_TRUE(engine.ok());
    ArrowArrayStream stream;
    ASSERT_EQ(ask(**engine, "SET threads = 1"), "Success\n");
    ASSERT_TRUE((*engine)->query("SELECT change_count, strategy_id, strategy_hash FROM strategies", &stream).ok());
    replace_index(store, "run_2", 10, {});
    replace_index(store, "run_3", kRows, {{"change_count", "double", numbers(kRows, 1)}});
    engine->reset();  // a result outlives the engine, and so do the files
    size_t row_count = 0;
    for (;;) {
      ArrowArray array;
      const int failed = stream.get_next(&stream, &array);
      ASSERT_EQ(failed, 0) << stream.get_last_error(&stream);
      if (array.release == nullptr) break;
      row_count += static_cast<size_t>(array.length);
      array.release(&array);
    }
    stream.release(&stream);
    EXPECT_EQ(row_count, runs.size() * kRows);
  }
  EXPECT_EQ(open_file_count(), files_before);
}

TEST(PinnedQueries, FilesOfOtherRunsAreLeftAlone) {
  QueryStore store;
  for (const char* run : {"run_1", "run_2", "run_3"}) store.add_index(run, 2);
  const std::string plan = ask(store.scope(), "EXPLAIN ANALYZE SELECT * FROM strategies WHERE run_id = 'run_2'");
  EXPECT_NE(plan.find("Total Files Read: 1"), std::string::npos) << plan;
}

TEST(PinnedQueries, NoDescriptorIsLost) {
  QueryStore store;
  for (const char* run : {"run_1", "run_2"}) store.add_index(run, 2);
  const auto use = [&] {
    const auto engine = SqlEngine::open(disk(), store.scope());
    ASSERT_TRUE(engine.ok());
    ask(**engine, "SELECT * FROM strategies");
    ask(**engine, "SELECT * FROM components");
    ask(**engine, "SELECT * FROM read_parquet('run_2/strategy_index.parquet')");
    ask(**engine, "SELECT no_such_column FROM strategies");
    ask(**engine, "SELECT error('x') FROM strategies");
  };
  use();
  const size_t before = open_file_count();
  for (int i = 0; i < 10; ++i) use();
  EXPECT_EQ(open_file_count(), before);
}

TEST(PinnedQueries, TellPathsAndNoNames) {
  QueryStore store;
  store.add_index("run_1", 2);
  write_text(store.run_path("run_2") + "/strategy_index.parquet", "no parquet at all");
  std::string notes;
  const auto engine = SqlEngine::open(disk(), store.scope(), {.note = [&](const std::string& text) { notes += text; }});
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ(ask(**engine, "SELECT count(*) AS n FROM strategies"), "n\n2\n");
  EXPECT_NE(notes.find(store.run_path("run_2") + "/strategy_index.parquet"), std::string::npos) << notes;
  EXPECT_EQ(notes.find("/proc/"), std::string::npos) << notes;
  EXPECT_EQ(
      ask(**engine, "SELECT DISTINCT filename FROM read_parquet('run_1/strategy_index.parquet', filename = true)"),
      "filename\n" + store.run_path("run_1") + "/strategy_index.parquet\n");
  EXPECT_EQ(ask(**engine, "SELECT run_id FROM strategies WHERE strategy_id = 'strategy_1'"), "run_id\nrun_1\n");

  // A fault that shows only when the rows are read: the page after the magic number.
  store.add_index("run_3", 2000, {{"sharpe_ratio", "double", numbers(2000, 0)}});
  const std::string path = store.run_path("run_3") + "/strategy_index.parquet";
  std::string bytes = read(path);
  std::fill(bytes.begin() + 4, bytes.begin() + 400, '\xff');
  replace(path, bytes);
  const std::string answer = ask(store.scope_of("run_3"), "SELECT max(strategy_id), sum(sharpe_ratio) FROM strategies");
  EXPECT_TRUE(answer.starts_with("error")) << answer;
  EXPECT_EQ(answer.find("/proc/"), std::string::npos) << answer;
}

// What else the process has open is nothing to a statement, by none of its names.
TEST(PinnedQueries, OpenFilesOfTheProcessStayOutOfReach) {
  QueryStore store;
  store.add_index("run_1", 2);
  const std::string outside = store.directory() + "/outside.parquet";
  write_parquet(outside, {{"secret", "text", R"(["hidden treasure"])"}});
  const int file = ::open(outside.c_str(), O_RDONLY | O_CLOEXEC);
  const int folder = ::open(store.directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(std::min(file, folder), 0);
  const std::string number = std::to_string(file);
  const std::string in_folder = "fd/" + std::to_string(folder) + "/outside.parquet";
  std::vector<std::string> paths = {"/dev/fd/" + number, "/proc/self/fd/../fd/" + number, "/proc/self/root" + outside,
                                    "/proc/" + std::to_string(::getpid()) + "/fd/" + number};
  for (const std::string tree : {"/proc/self/", "/proc/thread-self/", "//proc/self/", "/proc/./self/"}) {
    for (const std::string& rest : {"fd/" + number, "task/../fd/" + number, in_folder, std::string("fd/*"),
                                    std::string("fd/**"), "fd/[" + number + "]", std::string("environ")}) {
      paths.push_back(tree + rest);
    }
  }
  const auto engine = SqlEngine::open(disk(), store.scope());
  ASSERT_TRUE(engine.ok());
  ASSERT_EQ(ask(**engine, "SELECT count(*) AS n FROM strategies"), "n\n2\n");
  for (const std::string& path : paths) {
    for (const std::string& source :
         {"'" + path + "'", "read_parquet('" + path + "')", "read_parquet(['" + path + "'])",
          "read_text('" + path + "')", "read_blob('" + path + "')", "read_csv('" + path + "')", "glob('" + path + "')",
          "read_parquet(concat('" + path + "', ''))", "read_text('/' || substr('" + path + "', 2))",
          "parquet_metadata('" + path + "')", "(SELECT 1) t, read_parquet(concat('" + path + "', t.\"1\"))"}) {
      const std::string answer = ask(**engine, "SELECT * FROM " + source);
      EXPECT_TRUE(answer.starts_with("error") || answer == "file\n") << source << "\n" << answer;
    }
  }
  // The names of pinned files are for us.
  for (int i = 0; i < 40; ++i) {
    for (const char* call : {"read_parquet", "read_text", "glob", "parquet_schema"}) {
      const std::string answer =
          ask(**engine, std::string("SELECT * FROM ") + call + "('/proc/./self/fd/" + std::to_string(i) + "')");
      EXPECT_TRUE(answer.starts_with("error") || answer == "file\n") << call << i << answer;
    }
  }
  ::close(file);
  ::close(folder);
}

}  // namespace
}  // namespace signalbook
