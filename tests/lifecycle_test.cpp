// Runs go out of a store and come into one, are removed, and what nobody needs is collected: whatever dies or works
// beside it in the middle, no run is half there and no run loses its bars.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/collect_garbage.h"
#include "store/export_run.h"
#include "store/import_run.h"
#include "store/metric_set.h"
#include "store/remove_run.h"
#include "store/run_contents.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/run_reader.h"
#include "store/store.h"
#include "store/strategy_index.h"
#include "store/table_file.h"
#include "store/tar_file.h"
#include "store/transit.h"
#include "store/verify_run.h"
#include "support/hooked_file_system.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

const std::string kTar = "/backup/run.tar", kOther = "/other";

bool is_long() { return std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr; }

TarSink into(std::string& tar) {
  return [&tar](std::string_view bytes) {
    tar += bytes;
    return Status();
  };
}

TarSource from(const std::string& tar, size_t step = 10'000) {
  return [&tar, step, place = size_t{0}](std::span<char> into) mutable -> Result<size_t> {
    const size_t count = std::min({tar.size() - place, into.size(), step});
    std::copy_n(tar.data() + place, count, into.data());
    place += count;
    return count;
  };
}

ImportOptions import_options(std::optional<std::string> name = std::nullopt) {
  return {.name = std::move(name), .created_at = "2024-01-01T00:00:00Z"};
}

Result<ImportedRun> import_from(FileSystem& files, const std::string& tar, std::optional<std::string> name = {},
                                const std::string& store = kStore) {
  return import_run(files, store, from(tar), import_options(std::move(name)));
}

std::string exported_tar() {
  static const std::string tar = [] {
    CrashDisk disk = committed_run();
    std::string bytes;
    const Status status = export_run(disk, kRun, into(bytes)).status();
    EXPECT_TRUE(status.ok()) << status.message();
    return bytes;
  }();
  return tar;
}

Files entries_of(const std::string& tar) {
  Files found;
  const auto reader = TarReader::open(from(tar)).value();
  while (const std::optional<TarEntry> entry = reader->next().value()) {
    std::string bytes;
    std::vector<char> block(1'000);
    while (const size_t count = reader->read(block).value()) bytes.append(block.data(), count);
    EXPECT_EQ(entry->size, static_cast<int64_t>(bytes.size()));
    EXPECT_TRUE(found.emplace(entry->name, bytes).second);
  }
  return found;
}

std::string make_tar(const Files& entries) {
  std::string tar;
  const auto writer = TarWriter::open(into(tar)).value();
  for (const auto& [name, bytes] : entries) {
    EXPECT_TRUE(writer->begin_file(name, static_cast<int64_t>(bytes.size()), 0).ok());
    EXPECT_TRUE(writer->append(bytes).ok());
  }
  EXPECT_TRUE(writer->finish().ok());
  return tar;
}

// What is wrong with a store, remarks aside.
std::vector<std::string> findings(FileSystem& files, const std::string& store = kStore) {
  std::vector<std::string> found;
  const auto summary = verify_scope(files, {.store_path = store, .run_path = {}},
                                    [&](const Finding& finding) {
                                      if (finding.kind != Finding::Kind::remark)
                                        found.push_back(finding.run_id + ": " + finding.what);
                                    },
                                    {VerifyDepth::contents});
  EXPECT_TRUE(summary.ok()) << summary.status().message();
  return found;
}

std::vector<std::string> names_in(FileSystem& files, const std::string& directory) {
  std::vector<std::string> names;
  const auto entries = files.list_directory(directory);
  if (!entries.ok()) return names;
  for (const DirectoryEntry& entry : *entries) names.push_back(entry.name);
  return names;
}

bool has_name(FileSystem& files, const std::string& directory, const std::string& name) {
  const std::vector<std::string> names = names_in(files, directory);
  return std::ranges::find(names, name) != names.end();
}

// The disks before each change that `apply` makes, and the one after it, each as a power cut or a kill leaves it.
void at_each_crash(const std::function<CrashDisk()>& prepare, const std::function<Status(FileSystem&)>& apply,
                   const std::function<void(CrashDisk&, int64_t)>& check) {
  const std::vector<uint64_t> seeds = is_long() ? std::vector<uint64_t>{0, 1, 2, 3, 4, 5} : std::vector<uint64_t>{0, 2};
  CrashDisk disk = prepare();
  std::vector<CrashDisk> states;
  const auto note = [&] {
    for (const uint64_t seed : seeds) states.push_back(disk.after_crash(seed));
    states.push_back(disk.after_kill());
  };
  disk.before_each([&](const CrashDisk::Operation&) { note(); });
  const Status status = apply(disk);
  disk.before_each(nullptr);
  ASSERT_TRUE(status.ok()) << status.message();
  note();
  ASSERT_GT(states.size(), 20U);
  for (size_t i = 0; i < states.size(); ++i) {
    check(states[i], static_cast<int64_t>(i / (seeds.size() + 1)));
    if (testing::Test::HasFailure()) FAIL() << "state " << i;
  }
}

// The disk refuses once, at each change in turn, or from then on.
void at_each_failure(const std::function<CrashDisk()>& prepare, const std::function<Status(FileSystem&)>& apply,
                     const std::function<void(CrashDisk&, const Status&, bool for_good)>& check) {
  for (const bool for_good : {false, true}) {
    for (int64_t number = 0;; ++number) {
      CrashDisk disk = prepare();
      disk.fail_at(disk.operation_count() + number, for_good);
      const int64_t before = disk.operation_count();
      const Status status = apply(disk);
      const bool is_through = disk.operation_count() - before <= number;
      CrashDisk left = disk.after_kill();
      check(left, status, for_good);
      if (testing::Test::HasFailure()) FAIL() << "operation " << number << (for_good ? " and later" : "");
      if (is_through) break;
    }
  }
}

CrashDisk with_backup_directory() {
  CrashDisk disk = committed_run();
  EXPECT_TRUE(create_directories(disk, "/backup").ok() && disk.sync_directory("/").ok());
  return disk;
}

// ---- export ---------------------------------------------------------------------------------------------------------

TEST(Export, HoldsTheRunAndItsBarsSorted) {
  CrashDisk disk = committed_run();
  Files expected;
  for (auto& [path, bytes] : files_of_store(disk)) {
    if (!path.starts_with(".signalbook")) expected[path] = bytes;
  }
  EXPECT_EQ(entries_of(exported_tar()), expected);
  std::string again;
  ASSERT_TRUE(export_run(disk, kRun, into(again)).ok());
  EXPECT_EQ(again, exported_tar());
}

TEST(Export, RefusesWhatIsNotFinished) {
  CrashDisk disk = interrupted_run();
  std::string tar;
  const Status status = export_run(disk, kRun, into(tar)).status();
  EXPECT_EQ(status.code(), StatusCode::not_found);
  EXPECT_NE(status.message().find("signalbook recover"), std::string::npos);
  EXPECT_EQ(tar, "");
}

TEST(Export, GivesNothingOfARunThatIsDamaged) {
  CrashDisk whole = committed_run();
  for (const auto& [path, bytes] : files_of_store(whole)) {
    if (path.starts_with(".signalbook")) continue;
    for (const bool is_missing : {false, true}) {
      CrashDisk disk = whole.after_kill();
      std::string damaged = bytes;
      damaged[damaged.size() / 2] ^= 1;
      ASSERT_TRUE(disk.remove_file(join_path(kStore, path)).ok());
      if (!is_missing) {
        ASSERT_TRUE(disk.write_new_file(join_path(kStore, path), damaged).ok());
      }
      std::string tar;
      const Status status = export_run(disk, kRun, into(tar)).status();
      EXPECT_FALSE(status.ok()) << path;
      EXPECT_EQ(tar, "") << path;
      ASSERT_TRUE(create_directories(disk, "/backup").ok());
      EXPECT_FALSE(export_run_to_file(disk, kRun, kTar).ok());
      EXPECT_TRUE(names_in(disk, "/backup").empty());
    }
  }
}

TEST(Export, LeavesOutWhatIsNoneOfTheRun) {
  CrashDisk disk = committed_run();
  replace(disk, kRun + "/notes.txt", "mine");
  replace(disk, kRun + "/traces/left.parquet.tmp", "x");
  std::string tar;
  const auto exported = export_run(disk, kRun, into(tar));
  ASSERT_TRUE(exported.ok()) << exported.status().message();
  EXPECT_EQ(exported->left_out, std::vector<std::string>{"notes.txt"});
  EXPECT_EQ(tar, exported_tar());
}

TEST(Export, OverwritesNothing) {
  CrashDisk disk = with_backup_directory();
  replace(disk, kTar, "mine");
  EXPECT_EQ(export_run_to_file(disk, kRun, kTar).status().code(), StatusCode::invalid);
  EXPECT_EQ(all_files(disk, "/backup"), (Files{{"run.tar", "mine"}}));
}

TEST(Export, IsWholeOrNotThereAfterACrash) {
  at_each_crash(
      with_backup_directory, [](FileSystem& disk) { return export_run_to_file(disk, kRun, kTar).status(); },
      [](CrashDisk& disk, int64_t) {
        if (disk.file_exists(kTar).value()) {
          EXPECT_EQ(disk.read_file(kTar).value(), exported_tar());
          return;
        }
        const Status again = export_run_to_file(disk, kRun, kTar).status();
        EXPECT_TRUE(again.ok()) << again.message();
        EXPECT_EQ(all_files(disk, "/backup"), (Files{{"run.tar", exported_tar()}}));
      });
}

TEST(Export, IsDurableWhenItReturns) {
  CrashDisk disk = with_backup_directory();
  ASSERT_TRUE(export_run_to_file(disk, kRun, kTar).ok());
  CrashDisk left = disk.after_crash(0);
  EXPECT_EQ(left.read_file(kTar).value(), exported_tar());
}

TEST(Export, LeavesNothingWhenTheDiskRefuses) {
  at_each_failure(
      with_backup_directory, [](FileSystem& disk) { return export_run_to_file(disk, kRun, kTar).status(); },
      [](CrashDisk& disk, const Status& status, bool for_good) {
        const Files left = all_files(disk, "/backup");
        if (left.contains("run.tar")) {
          EXPECT_EQ(left.at("run.tar"), exported_tar());
        } else if (!for_good) {
          EXPECT_TRUE(left.empty());
        }
        if (status.ok()) {
          EXPECT_TRUE(left.contains("run.tar"));
        }
      });
}

// ---- import ---------------------------------------------------------------------------------------------------------

TEST(Import, GivesTheSameFiles) {
  CrashDisk whole = committed_run(), disk;
  for (const size_t step : {size_t{1}, size_t{777}, size_t{1'000'000}}) {
    const std::string tar = exported_tar(), store = "/deep/store_" + std::to_string(step);
    const auto imported = import_run(disk, store, from(tar, step), import_options());
    ASSERT_TRUE(imported.ok()) << imported.status().message();
    EXPECT_EQ(imported->trace_count, 3);
    EXPECT_EQ(imported->new_bars, 1);
    EXPECT_TRUE(imported->notes.empty());
    CrashDisk durable = disk.after_crash(0);
    Files found = all_files(durable, store), expected = files_of_store(whole);
    found.erase(".signalbook/store.json");
    expected.erase(".signalbook/store.json");
    EXPECT_EQ(found, expected);
    EXPECT_TRUE(findings(durable, store).empty());
  }
}

TEST(Import, TakesAnotherNameBesideItsOwn) {
  CrashDisk disk = committed_run();
  EXPECT_EQ(import_from(disk, exported_tar()).status().code(), StatusCode::invalid);
  const auto imported = import_from(disk, exported_tar(), "copy");
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(imported->known_bars, 1);
  EXPECT_EQ(list_runs(disk, kStore)->size(), 2U);
  EXPECT_TRUE(findings(disk).empty());
  for (const char* const name : {"", ".", "..", "a/b", "../x", "bars", ".signalbook", ".hidden", "x.tmp", "a\nb"}) {
    EXPECT_EQ(import_from(disk, exported_tar(), name).status().code(), StatusCode::invalid) << name;
  }
  EXPECT_EQ(list_runs(disk, kStore)->size(), 2U);
}

// Every beginning of a tar but those that lack only padding is refused, and leaves nothing.
TEST(Import, RefusesATarThatIsCutOff) {
  const std::string tar = exported_tar();
  size_t end = tar.size();
  while (tar[end - 1] == '\0') --end;
  for (size_t size = 0; size < end; size += size < 4'000 ? 97 : 513) {
    CrashDisk disk;
    const std::string part = tar.substr(0, size);
    const Status status = import_from(disk, part).status();
    EXPECT_FALSE(status.ok()) << size;
    EXPECT_TRUE(names_in(disk, "/").empty()) << size;
  }
}

TEST(Import, NoticesEveryFlippedByte) {
  const Files entries = entries_of(exported_tar());
  for (const auto& [name, bytes] : entries) {
    for (size_t place = 0; place < bytes.size(); place += std::max<size_t>(bytes.size() / 23, 1)) {
      Files damaged = entries;
      damaged[name][place] ^= 0x20;
      CrashDisk disk;
      const Status status = import_from(disk, make_tar(damaged)).status();
      // Bars may say the same in other bytes: then they are written as they should be.
      if (status.ok() && name.starts_with("bars/")) {
        Files found = files_of_store(disk);
        found.erase(".signalbook/store.json");
        EXPECT_TRUE(found == entries) << name << " at " << place;
        continue;
      }
      EXPECT_FALSE(status.ok()) << name << " at " << place;
      EXPECT_TRUE(names_in(disk, "/").empty());
    }
  }
}

TEST(Import, NoticesEveryMissingOrAddedFile) {
  const Files entries = entries_of(exported_tar());
  std::vector<Files> wrong;
  for (const auto& [name, bytes] : entries) {
    wrong.push_back(entries);
    wrong.back().erase(name);
  }
  const std::string bars = entries.begin()->second;
  for (const std::string& name : {std::string("run_1/notes.txt"),
                                  std::string("run_1/traces/SPY_5m/signals/rsi/other.parquet"),
                                  std::string("run_1/metrics/x.parquet"),
                                  std::string("run_1/.journal/main-0001.journal"),
                                  std::string("run_1/.lock"),
                                  std::string("run_1/run.json.tmp"),
                                  std::string("run_1"),
                                  std::string("run_2/run.json"),
                                  std::string("../run.json"),
                                  std::string("/etc/x"),
                                  std::string("run_1/../x"),
                                  std::string("run_1//x"),
                                  std::string(".signalbook/store.json"),
                                  std::string("bars/x.parquet"),
                                  std::string("notes.txt"),
                                  bars_path(std::string(64, 'a')),
                                  std::string("RUN_1/run.json"),
                                  std::string("run_1/RUN.json"),
                                  std::string("bars/../run_2/run.json"),
                                  std::string("run_1\\..\\x/y")}) {
    wrong.push_back(entries);
    wrong.back()[name] = bars;
  }
  for (const Files& files : wrong) {
    CrashDisk disk = committed_run();
    const Files before = files_of_store(disk);
    const Status status = import_from(disk, make_tar(files), "copy").status();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(files_of_store(disk), before);
    EXPECT_EQ(names_in(disk, "/"), std::vector<std::string>{"results"});
  }
}

// A run.json and an index that vouch for files elsewhere.
TEST(Import, RefusesPathsThatLeadOutOfTheRun) {
  for (const std::string& path : {std::string("../../secret"), std::string("/secret"), std::string("a/../../secret")}) {
    CrashDisk disk = committed_run();
    replace(disk, "/secret", "x");
    Files entries = entries_of(exported_tar());
    RunDescription description = read_run_description(disk, kRun).value();
    const RunDescription::FileVersion version = version_of("x");
    description.files.push_back({.path = path, .size = version.size, .sha256 = version.sha256});
    entries["run_1/run.json"] = encode_run_description(description);
    EXPECT_FALSE(import_from(disk, make_tar(entries), "copy").ok()) << path;

    std::vector<IndexRow> rows = RunReader::open(disk, kRun).value()->rows();
    rows.front().trace_path = path;
    const std::string index = encode_index(rows, MetricSet(rows.size())).value();
    description = read_run_description(disk, kRun).value();
    for (RunDescription::File& file : description.files) {
      if (file.path != file::kStrategyIndex) continue;
      file.size = version_of(index).size;
      file.sha256 = version_of(index).sha256;
    }
    entries["run_1/run.json"] = encode_run_description(description);
    entries["run_1/strategy_index.parquet"] = index;
    const Status status = import_from(disk, make_tar(entries), "copy").status();
    EXPECT_NE(status.message().find("no place in a run"), std::string::npos) << status.message();
    EXPECT_EQ(list_runs(disk, kStore)->size(), 1U);
  }
}

// Bars are shared by their name: others under it would change what every run of the store says.
TEST(Import, RefusesOtherBarsThatRunJsonVouchesFor) {
  CrashDisk disk = committed_run();
  Files entries = entries_of(exported_tar());
  const std::string other = encode_bars_file(make_small_bars(12, "QQQ"), std::string(64, 'b')).value();
  RunDescription description = read_run_description(disk, kRun).value();
  description.feeds.front().bars_size = version_of(other).size;
  description.feeds.front().bars_sha256 = version_of(other).sha256;
  entries["run_1/run.json"] = encode_run_description(description);
  entries.begin()->second = other;
  ASSERT_TRUE(entries.begin()->first.starts_with("bars/"));
  EXPECT_EQ(import_from(disk, make_tar(entries), {}, kOther).status().code(), StatusCode::damaged);
  EXPECT_FALSE(has_name(disk, "/", "other"));
}

TEST(Import, MendsBarsThatAreDamaged) {
  CrashDisk disk = committed_run();
  const std::string path = join_path(kStore, entries_of(exported_tar()).begin()->first);
  replace(disk, path, "no bars");
  const auto imported = import_from(disk, exported_tar(), "copy");
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(imported->new_bars, 1);
  EXPECT_EQ(imported->notes.size(), 1U);
  EXPECT_TRUE(findings(disk).empty());
}

// Who wrote the bars anew with another program has kept the bars, and lost what stands in the footer.
TEST(Import, TakesTheSameBarsInOtherBytes) {
  CrashDisk disk = committed_run();
  const std::string path = join_path(kStore, entries_of(exported_tar()).begin()->first);
  const std::string ours = disk.read_file(path).value();
  const std::string other = encode_table_file(decode_table_file(ours, path).value()).value();
  ASSERT_NE(other, ours);
  replace(disk, path, other);
  std::string tar;
  ASSERT_TRUE(export_run(disk, kRun, into(tar)).ok());
  const auto imported = import_from(disk, tar, {}, kOther);
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  EXPECT_EQ(disk.read_file(join_path(kOther, path.substr(kStore.size() + 1))).value(), ours);
  EXPECT_TRUE(findings(disk, kOther).empty());
}

void expect_absent_or_whole(CrashDisk& disk, const std::string& name) {
  if (has_name(disk, kStore, name)) {
    EXPECT_TRUE(RunReader::open(disk, join_path(kStore, name)).ok());
  } else {
    const auto imported = import_from(disk, exported_tar(), name);
    ASSERT_TRUE(imported.ok()) << imported.status().message();
  }
  ASSERT_TRUE(collect_garbage(disk, kStore, /*deletes=*/true).ok());
  EXPECT_EQ(findings(disk), std::vector<std::string>());
  EXPECT_TRUE(names_in(disk, "/results/.signalbook/transit").empty());
}

TEST(Import, IsWholeOrNotThereAfterACrash) {
  for (const bool is_new_store : {true, false}) {
    at_each_crash([&] { return is_new_store ? CrashDisk() : committed_run(); },
                  [](FileSystem& disk) { return import_from(disk, exported_tar(), "copy").status(); },
                  [](CrashDisk& disk, int64_t) { expect_absent_or_whole(disk, "copy"); });
  }
}

TEST(Import, LeavesNothingWhenTheDiskRefuses) {
  at_each_failure(
      committed_run, [](FileSystem& disk) { return import_from(disk, exported_tar(), "copy").status(); },
      [](CrashDisk& disk, const Status& status, bool for_good) {
        if (status.ok()) {
          EXPECT_TRUE(has_name(disk, kStore, "copy"));
        } else if (!for_good) {
          EXPECT_TRUE(names_in(disk, "/results/.signalbook/transit").empty());
        }
        expect_absent_or_whole(disk, "copy");
      });
}

// ---- rm -------------------------------------------------------------------------------------------------------------

CrashDisk two_runs() {
  CrashDisk disk = committed_run();
  const Status status = import_from(disk, exported_tar(), "copy").status();
  EXPECT_TRUE(status.ok()) << status.message();
  return disk.after_crash(0);
}

TEST(Remove, TakesTheRunAndNothingElse) {
  CrashDisk disk = two_runs();
  Files expected = files_of_store(disk);
  const TreeSize size = measure_tree(disk, kRun).value();
  const auto dry = remove_run(disk, kRun, {.is_dry = true});
  ASSERT_TRUE(dry.ok()) << dry.status().message();
  EXPECT_EQ(files_of_store(disk), expected);
  const auto removed = remove_run(disk, kRun);
  ASSERT_TRUE(removed.ok()) << removed.status().message();
  for (const auto& told : {dry, removed}) {
    EXPECT_EQ(told->file_count, size.file_count);
    EXPECT_EQ(told->byte_count, size.byte_count);
  }
  std::erase_if(expected, [](const auto& file) { return file.first.starts_with("run_1/"); });
  CrashDisk durable = disk.after_crash(0);
  EXPECT_EQ(files_of_store(durable), expected);
  EXPECT_TRUE(findings(durable).empty());
  EXPECT_EQ(remove_run(durable, kRun).status().code(), StatusCode::not_found);
}

TEST(Remove, KeepsWhatIsNoneOfOurs) {
  CrashDisk disk = committed_run();
  replace(disk, kRun + "/notes.txt", "mine");
  replace(disk, kRun + "/traces/plot.png", "a plot");
  const auto removed = remove_run(disk, kRun);
  ASSERT_TRUE(removed.ok()) << removed.status().message();
  EXPECT_EQ(removed->moved.size(), 2U);
  const Files kept = all_files(disk, "/results/.signalbook/lost+found/run_1-1");
  EXPECT_EQ(kept.at("notes.txt"), "mine");
  EXPECT_EQ(kept.at("traces/plot.png"), "a plot");
}

TEST(Remove, RefusesWhatIsNoRunOfAStore) {
  CrashDisk disk = committed_run();
  replace(disk, "/results/mine/file.txt", "x");
  ASSERT_TRUE(create_directories(disk, "/results/empty").ok());
  for (const char* const path : {"/results", "/results/bars", "/results/.signalbook", "/results/mine", "/results/empty",
                                 "/results/run_1/traces", "/results/none", "/", "/results/run_1/run.json"}) {
    const Files before = all_files(disk, "/");
    EXPECT_FALSE(remove_run(disk, path, {.takes_unfinished = true}).ok()) << path;
    EXPECT_EQ(all_files(disk, "/"), before) << path;
  }
  ASSERT_TRUE(disk.rename("/results/run_1", "/alone").ok());
  EXPECT_EQ(remove_run(disk, "/alone").status().code(), StatusCode::invalid);
  EXPECT_TRUE(disk.file_exists("/alone/run.json").value());
}

TEST(Remove, AsksForAWordBeforeAnUnfinishedRunGoes) {
  CrashDisk disk = interrupted_run();
  // A store is marked by the first run that is finished.
  ASSERT_TRUE(import_from(disk, exported_tar(), "copy").ok());
  const Files before = files_of_store(disk);
  const Status status = remove_run(disk, kRun).status();
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_NE(status.message().find("--unfinished"), std::string::npos);
  EXPECT_EQ(files_of_store(disk), before);
  const auto removed = remove_run(disk, kRun, {.takes_unfinished = true});
  ASSERT_TRUE(removed.ok()) << removed.status().message();
  EXPECT_FALSE(removed->was_finished);
  EXPECT_FALSE(has_name(disk, kStore, "run_1"));
}

TEST(Remove, LeavesARunAloneWhileSomebodyIsAtIt) {
  CrashDisk disk = committed_run();
  {
    const auto writer = RunWriter::create(disk, "/results/run_2", writer_options());
    ASSERT_TRUE(writer.ok());
    const Files before = files_of_store(disk);
    const Status status = remove_run(disk, "/results/run_2", {.takes_unfinished = true}).status();
    EXPECT_EQ(status.code(), StatusCode::invalid);
    EXPECT_NE(status.message().find("being written"), std::string::npos) << status.message();
    EXPECT_EQ(files_of_store(disk), before);
  }
  const auto lock = RunLock::take(disk, kRun, /*wait=*/false);
  EXPECT_EQ(remove_run(disk, kRun).status().code(), StatusCode::invalid);
  EXPECT_TRUE(RunReader::open(disk, kRun).ok());
}

TEST(Remove, IsWholeOrGoneAfterACrash) {
  for (const bool is_finished : {true, false}) {
    const auto prepare = [&] {
      if (is_finished) return two_runs();
      CrashDisk disk = interrupted_run();
      EXPECT_TRUE(import_from(disk, exported_tar(), "copy").ok());
      return disk.after_crash(0);
    };
    CrashDisk prepared = prepare();
    Files before = files_of_store(prepared), without = before;
    std::erase_if(without, [](const auto& file) { return file.first.starts_with("run_1/"); });
    at_each_crash(
        prepare, [](FileSystem& disk) { return remove_run(disk, kRun, {.takes_unfinished = true}).status(); },
        [&](CrashDisk& disk, int64_t) {
          const bool is_there = has_name(disk, kStore, "run_1");
          ASSERT_TRUE(collect_garbage(disk, kStore, /*deletes=*/true).ok());
          EXPECT_EQ(files_of_store(disk), is_there ? before : without);
        });
  }
}

TEST(Remove, IsWholeOrGoneWhenTheDiskRefuses) {
  CrashDisk prepared = two_runs();
  Files before = files_of_store(prepared), without = before;
  std::erase_if(without, [](const auto& file) { return file.first.starts_with("run_1/"); });
  at_each_failure(
      two_runs, [](FileSystem& disk) { return remove_run(disk, kRun).status(); },
      [&](CrashDisk& disk, const Status& status, bool) {
        const bool is_there = has_name(disk, kStore, "run_1");
        if (status.ok()) {
          EXPECT_FALSE(is_there);
        }
        ASSERT_TRUE(collect_garbage(disk, kStore, /*deletes=*/true).ok());
        EXPECT_EQ(files_of_store(disk), is_there ? before : without);
      });
}

// ---- gc -------------------------------------------------------------------------------------------------------------

std::string bars_file() { return entries_of(exported_tar()).begin()->first; }

// A store with bars that nobody refers to: those of the run that was removed.
CrashDisk without_its_run() {
  CrashDisk disk = committed_run();
  EXPECT_TRUE(remove_run(disk, kRun).ok());
  return disk.after_crash(0);
}

TEST(Garbage, IsBarsThatNobodyRefersTo) {
  CrashDisk disk = without_its_run();
  replace(disk, "/results/bars/notes.txt", "mine");
  replace(disk, "/results/bars/" + std::string(64, 'a') + ".parquet.bak", "mine");
  const Files before = files_of_store(disk);
  const auto dry = collect_garbage(disk, kStore, /*deletes=*/false);
  ASSERT_TRUE(dry.ok()) << dry.status().message();
  ASSERT_EQ(dry->found.size(), 1U);
  EXPECT_EQ(dry->found.front().path, bars_file());
  EXPECT_EQ(dry->found.front().byte_count, static_cast<int64_t>(before.at(bars_file()).size()));
  EXPECT_EQ(files_of_store(disk), before);
  const auto done = collect_garbage(disk, kStore, /*deletes=*/true);
  ASSERT_TRUE(done.ok()) << done.status().message();
  EXPECT_EQ(done->found.size(), 1U);
  Files expected = before;
  expected.erase(bars_file());
  EXPECT_EQ(files_of_store(disk), expected);
}

TEST(Garbage, IsNothingThatSomebodyNeeds) {
  const auto expect_kept = [](CrashDisk disk, const std::string& what, bool has_notes = false) {
    ASSERT_TRUE(ensure_store(disk, kStore, "2024-01-01T00:00:00Z", "/mark.tmp").ok());
    const Files before = all_files(disk, kStore);
    const auto report = collect_garbage(disk, kStore, /*deletes=*/true);
    ASSERT_TRUE(report.ok()) << what << report.status().message();
    EXPECT_TRUE(report->found.empty()) << what;
    EXPECT_EQ(!report->notes.empty(), has_notes) << what;
    EXPECT_EQ(all_files(disk, kStore), before) << what;
  };
  expect_kept(committed_run(), "a finished run");

  const auto with_bars = [](CrashDisk disk) {
    replace(disk, "/results/" + bars_file(), entries_of(exported_tar()).begin()->second);
    return disk;
  };
  expect_kept(with_bars(interrupted_run()), "a run that is not finished");
  CrashDisk disk = with_bars(interrupted_run());
  for (const std::string& name : names_in(disk, journal_directory(kRun))) {
    if (name.ends_with(".bars")) {
      ASSERT_TRUE(disk.remove_file(join_path(journal_directory(kRun), name)).ok());
    }
  }
  expect_kept(disk.after_kill(), "a journal whose own bars are gone");

  const std::string segment = segment_path(kRun, "main", 1), bytes = disk.read_file(segment).value();
  std::string damaged = bytes;
  damaged[bytes.size() / 2] ^= 1;
  replace(disk, segment, damaged);
  expect_kept(disk.after_kill(), "a journal that is damaged", true);

  for (const char* const name : {file::kRunDescription, file::kStrategyIndex}) {
    CrashDisk broken = committed_run();
    replace(broken, join_path(kRun, name), "{}");
    expect_kept(std::move(broken), name, name == std::string(file::kRunDescription));
    broken = committed_run();
    ASSERT_TRUE(broken.remove_file(join_path(kRun, name)).ok());
    expect_kept(std::move(broken), name, name == std::string(file::kRunDescription));
  }
  CrashDisk lost = committed_run();
  ASSERT_TRUE(create_directories(lost, "/results/.signalbook/lost+found").ok());
  ASSERT_TRUE(lost.rename(kRun, "/results/.signalbook/lost+found/run_1-1").ok());
  expect_kept(std::move(lost), "a run in lost+found");
}

TEST(Garbage, IsLookedForInStoresAlone) {
  CrashDisk disk = without_its_run();
  ASSERT_TRUE(disk.remove_file("/results/.signalbook/store.json").ok());
  EXPECT_EQ(collect_garbage(disk, kStore, /*deletes=*/true).status().code(), StatusCode::invalid);
  EXPECT_TRUE(disk.file_exists("/results/" + bars_file()).value());
}

TEST(Garbage, OneRunThatCannotBeReadKeepsAllBars) {
  CrashDisk disk = without_its_run();
  replace(disk, "/results/run_2/run.json", "{");
  const auto report = collect_garbage(disk, kStore, /*deletes=*/true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->found.empty());
  EXPECT_EQ(report->notes.size(), 2U);
  EXPECT_TRUE(disk.file_exists("/results/" + bars_file()).value());
}

TEST(Garbage, LeavesAloneWhatIsOnItsWay) {
  CrashDisk disk = committed_run();
  const auto transit = TransitDirectory::create(disk, kStore, TransitPurpose::import).value();
  replace(disk, transit->path() + "/run_2/run.json", disk.read_file(kRun + "/run.json").value());
  ASSERT_TRUE(remove_run(disk, kRun).ok());
  const Files before = all_files(disk, kStore);
  const auto report = collect_garbage(disk, kStore, /*deletes=*/true);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->found.empty());
  EXPECT_EQ(report->notes.size(), 1U);
  EXPECT_EQ(all_files(disk, kStore), before);
}

// Whoever dies in a collection leaves bars that a run refers to where they were, or the next one puts them back.
TEST(Garbage, GivesBackAfterACrash) {
  at_each_crash(
      without_its_run, [](FileSystem& disk) { return collect_garbage(disk, kStore, true).status(); },
      [](CrashDisk& disk, int64_t) {
        // Somebody needs them again, who found them or brings them.
        CrashDisk other = disk.after_kill();
        const auto imported = import_from(disk, exported_tar());
        ASSERT_TRUE(imported.ok()) << imported.status().message();
        ASSERT_TRUE(collect_garbage(disk, kStore, true).ok());
        EXPECT_EQ(findings(disk), std::vector<std::string>());
        ASSERT_TRUE(collect_garbage(other, kStore, true).ok());
        EXPECT_EQ(files_of_store(other).size(), 1U);  // store.json
      });
}

TEST(Garbage, PutsBackWhatARunRefersTo) {
  CrashDisk disk = committed_run();
  {
    const auto transit = TransitDirectory::create(disk, kStore, TransitPurpose::garbage).value();
    ASSERT_TRUE(disk.rename("/results/" + bars_file(), transit->path() + "/" + file_name_of(bars_file())).ok());
  }
  EXPECT_FALSE(findings(disk).empty());
  const auto report = collect_garbage(disk, kStore, true);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->found.size(), 2U);
  EXPECT_TRUE(report->found.front().is_put_back);
  CrashDisk durable = disk.after_crash(0);
  EXPECT_TRUE(findings(durable).empty());
}

// A recording begins at one moment of a collection and is committed at this or a later one.
TEST(Garbage, TakesNoBarsFromARecordingBesideIt) {
  CrashDisk counted = without_its_run();
  HookedFileSystem counter(counted);
  ASSERT_TRUE(collect_garbage(counter, kStore, true).ok());
  const int64_t last = counter.operation_count();
  ASSERT_GT(last, 20);
  for (int64_t begin = 0; begin < last; ++begin) {
    for (int64_t end = begin; end < last; end += is_long() || end < begin + 2 ? 1 : 7) {
      CrashDisk disk = without_its_run();
      std::unique_ptr<RunWriter> writer;
      HookedFileSystem files(disk);
      Status status;
      files.before_each([&](int64_t operation) {
        if (operation == begin) {
          auto made = RunWriter::create(disk, "/results/run_2", writer_options());
          ASSERT_TRUE(made.ok()) << made.status().message();
          writer = std::move(made).value();
          status = record_states_run(*writer);
          ASSERT_TRUE(status.ok()) << status.message();
        }
        if (operation != end || writer == nullptr) return;
        status = writer->commit().status();
        writer.reset();
      });
      ASSERT_TRUE(collect_garbage(files, kStore, true).ok());
      if (writer != nullptr) status = writer->commit().status();
      ASSERT_TRUE(status.ok()) << status.message();
      writer.reset();
      ASSERT_EQ(findings(disk), std::vector<std::string>()) << begin << " " << end;
    }
  }
}

TEST(Garbage, TakesNoBarsFromAnImportBesideIt) {
  for (const bool imports_inside : {true, false}) {
    for (int64_t number = 0;; ++number) {
      CrashDisk disk = without_its_run();
      HookedFileSystem files(disk);
      const auto import = [&](FileSystem& on) {
        const auto imported = import_from(on, exported_tar());
        ASSERT_TRUE(imported.ok()) << imported.status().message();
      };
      const auto collect = [&](FileSystem& on) {
        const auto report = collect_garbage(on, kStore, true);
        ASSERT_TRUE(report.ok()) << report.status().message();
      };
      files.before_each([&](int64_t operation) {
        if (operation == number) imports_inside ? import(disk) : collect(disk);
      });
      imports_inside ? collect(files) : import(files);
      if (testing::Test::HasFatalFailure()) FAIL() << number;
      if (files.operation_count() <= number) break;
      ASSERT_EQ(findings(disk), std::vector<std::string>()) << number;
    }
  }
}

}  // namespace
}  // namespace signalbook
