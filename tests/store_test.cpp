#include "store/store.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

class Scopes : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(record_small_run(files, directory / "results/run_1").ok());
    ASSERT_TRUE(record_small_run(files, directory / "results/run_2").ok());
  }
  Scope scope_of(const std::string& path) {
    const Result<Scope> scope = locate_scope(files, path);
    EXPECT_TRUE(scope.ok()) << scope.status().message();
    return scope.ok() ? *scope : Scope{};
  }

  FileSystem& files = posix_file_system();
  TemporaryDirectory directory;
};

TEST_F(Scopes, InARunThatRun) {
  for (const char* inside : {"results/run_1", "results/run_1/traces", "results/run_1/traces/SPY_5m/signals/rsi"}) {
    const Scope scope = scope_of(directory / inside);
    EXPECT_EQ(files.absolute_path(scope.store_path).value(), files.absolute_path(directory / "results").value())
        << inside;
    ASSERT_TRUE(scope.run_path.has_value()) << inside;
    EXPECT_EQ(runs_in_scope(files, scope).value().size(), 1u);
    EXPECT_EQ(runs_in_scope(files, scope).value()[0].run_id, "run_1");
  }
}

TEST_F(Scopes, InAStoreAndAboveItTheStore) {
  for (const std::string& place : {directory / "results", directory.path()}) {
    const Scope scope = scope_of(place);
    EXPECT_EQ(scope.run_path, std::nullopt);
    EXPECT_EQ(runs_in_scope(files, scope).value().size(), 2u);
  }
}

TEST_F(Scopes, AboveSeveralStoresTheOneNamedResultsElseAnError) {
  ASSERT_TRUE(record_small_run(files, directory / "other/run_1").ok());
  EXPECT_EQ(scope_of(directory.path()).store_path, directory / "results");
  std::filesystem::rename(directory / "results", directory / "third");
  const Status status = locate_scope(files, directory.path()).status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("other, third"), std::string::npos) << status.message();
}

TEST_F(Scopes, ARunThatIsBeingWrittenIsNone) {
  const auto run = RunWriter::create(files, directory / "results/run_3", {}).value();
  EXPECT_EQ(list_runs(files, directory / "results").value().size(), 2u);
}

// Runs that another program wrote have no store.json around them.
TEST_F(Scopes, ADirectoryOfRunsIsAStoreWithoutAMark) {
  std::filesystem::remove_all(directory / "results/.signalbook");
  const Scope inside = scope_of(directory / "results");
  EXPECT_EQ(inside.store_path, directory / "results");
  EXPECT_FALSE(inside.run_path.has_value());
  EXPECT_EQ(scope_of(directory.path()).store_path, directory / "results");
  ASSERT_TRUE(record_small_run(files, directory / "other/run_1").ok());
  EXPECT_EQ(scope_of(directory.path()).store_path, directory / "other") << "a marked one comes first";
}

TEST_F(Scopes, ElsewhereAnErrorSaysWhatToDo) {
  TemporaryDirectory empty;
  const Status status = locate_scope(files, empty.path()).status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("--store"), std::string::npos);
  EXPECT_FALSE(locate_scope(files, empty / "nowhere").ok());
}

TEST(Store, ANewerFormatIsRefused) {
  TemporaryDirectory directory;
  FileSystem& files = posix_file_system();
  ASSERT_TRUE(create_directories(files, directory / "results/.signalbook").ok());
  ASSERT_TRUE(files.write_new_file(directory / "results/.signalbook/store.json", R"({"format_version": 99})").ok());
  const Status status = ensure_store(files, directory / "results", "2024-01-01T00:00:00Z", directory / "store.tmp");
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_FALSE(record_small_run(files, directory / "results/run_1").ok());
  EXPECT_FALSE(std::filesystem::exists(directory / "results/run_1"));
}

}  // namespace
}  // namespace signalbook
