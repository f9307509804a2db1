#include "store/replace_run_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "query/sql_engine.h"
#include "store/metric_set.h"
#include "store/rebuild_index.h"
#include "store/recover_run.h"
#include "store/run_files.h"
#include "store/run_inspection.h"
#include "store/run_journals.h"
#include "store/run_reader.h"
#include "store/strategy_components.h"
#include "store/table_file.h"
#include "store/trace_row.h"
#include "store/verify_run.h"
#include "support/failing_file_system.h"
#include "support/hooked_file_system.h"
#include "support/query_store.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

const std::string kIndex = "strategy_index.parquet", kComponents = "strategy_components.parquet",
                  kDescription = "run.json", kSet = "metrics/cost_5.parquet", kOtherSet = "metrics/out.parquet";

bool is_long() { return std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr; }

// The index of the run with this text in it, by which a reader tells the versions apart; each has another size.
std::string index_of(FileSystem& files, const std::string& version, const std::string& run_path = kRun) {
  std::vector<IndexRow> rows = RunReader::open(files, run_path).value()->rows();
  rows.front().aliases = {version};
  return encode_index(rows, MetricSet(rows.size())).value();
}

std::string version_in(const std::vector<IndexRow>& rows) {
  return rows.front().aliases.empty() ? "" : rows.front().aliases.front();
}

// A set of figures of the run's traces with this text in it.
std::string metric_set(const std::string& version) {
  static const std::vector<IndexRow> rows = [] {
    CrashDisk disk = committed_run();
    return RunReader::open(disk, kRun).value()->rows();
  }();
  MetricSet set(rows.size());
  set.set_definition(0, version);
  return encode_metric_set(set, rows).value();
}

// Everything is done under the run's lock, as whoever replaces files does it.
Status with_lock(FileSystem& files, const std::function<Status()>& change) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, RunLock::take(files, kRun, /*wait=*/false));
  if (lock == nullptr) return Status::invalid("locked");
  return change();
}

struct Change {
  std::string name;
  std::function<void(FileSystem&)> prepare;
  std::function<Status(FileSystem&)> apply;
  bool leaves_traces_out = false;  // of the index that is there before
};

Status replace_with_lock(FileSystem& files, const std::string& name, const std::string& bytes) {
  return with_lock(files, [&] { return replace_run_file(files, kRun, name, bytes); });
}

void must(const Status& status) { ASSERT_TRUE(status.ok()) << status.message(); }

// Index and components that are not what the traces give, and a run.json that vouches for them.
void make_index_different(FileSystem& files) {
  RunDescription description = read_run_description(files, kRun).value();
  std::vector<IndexRow> rows = RunReader::open(files, kRun).value()->rows();
  rows.pop_back();
  const std::pair<std::string, std::string> tables[] = {{kIndex, encode_index(rows, MetricSet(rows.size())).value()},
                                                        {kComponents, encode_components({}).value()}};
  for (const auto& [name, bytes] : tables) {
    const RunDescription::FileVersion version = version_of(bytes);
    for (RunDescription::File& file : description.files) {
      if (file.path == name) file = {.path = name, .size = version.size, .sha256 = version.sha256};
    }
    test::replace(files, join_path(kRun, name), bytes);
  }
  count_rows(rows, description);
  test::replace(files, join_path(kRun, kDescription), encode_run_description(description));
}

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"index", [](FileSystem&) {},
       [](FileSystem& files) { return replace_with_lock(files, kIndex, index_of(files, "new")); }},
      {"new set", [](FileSystem&) {},
       [](FileSystem& files) { return replace_with_lock(files, kSet, metric_set("new")); }},
      {"second set", [](FileSystem& files) { must(replace_with_lock(files, kOtherSet, metric_set("other"))); },
       [](FileSystem& files) { return replace_with_lock(files, kSet, metric_set("new")); }},
      {"replaced set", [](FileSystem& files) { must(replace_with_lock(files, kSet, metric_set("previous"))); },
       [](FileSystem& files) { return replace_with_lock(files, kSet, metric_set("new")); }},
      {"removed set", [](FileSystem& files) { must(replace_with_lock(files, kSet, metric_set("previous"))); },
       [](FileSystem& files) {
         const Status status = with_lock(files, [&] { return remove_run_file(files, kRun, kSet); });
         return status.code() == StatusCode::not_found ? Status() : status;  // when it was done already
       }},
      {"rebuilt index",
       [](FileSystem& files) {
         must(replace_with_lock(files, kSet, metric_set("kept")));
         make_index_different(files);
       },
       [](FileSystem& files) { return rebuild_index(files, kRun, {.is_dry = false, .now = 1}).status(); }, true},
  };
  return all;
}

CrashDisk prepared(const Change& change) {
  CrashDisk disk = committed_run();
  change.prepare(disk);
  return disk.after_crash(1);
}

// The disk in the middle of a change, whose lock is held.
struct Step {
  CrashDisk disk;
  std::unique_ptr<FileLock> lock;
};

// Before each operation of the change, the first of which takes the lock, and at its end.
std::vector<Step> steps_of(CrashDisk disk, const std::function<Status(FileSystem&)>& apply) {
  std::vector<Step> steps;
  disk.before_each([&](const CrashDisk::Operation&) {
    Step& step = steps.emplace_back(disk.after_kill(), nullptr);
    if (steps.size() > 1) step.lock = step.disk.lock_file(run_lock_path(kRun), /*wait=*/false).value();
  });
  must(apply(disk));
  disk.before_each(nullptr);
  steps.push_back({disk.after_kill(), nullptr});
  return steps;
}

// ---- Readers: what each sees, as a text; "error: ..."
// -----------------------------------------------------------------

using Reader = std::function<std::string(FileSystem&)>;

std::string read_by_run_reader(FileSystem& files) {
  const auto run = RunReader::open(files, kRun);
  if (!run.ok()) return "error: " + run.status().message();
  const auto components = (*run)->read_components();
  if (!components.ok()) return "error: " + components.status().message();
  return version_in((*run)->rows()) + " " + std::to_string((*run)->rows().size());
}

std::string read_set(FileSystem& files) {
  const auto found = read_described_file(files, kRun, kSet);
  if (found.status().code() == StatusCode::not_found) return "none";
  if (!found.ok()) return "error: " + found.status().message();
  if (find_run_file(found->description, kSet) == nullptr) return "none";
  const auto table = decode_table_file(found->bytes, kSet);
  return table.ok() ? table->find("metrics_definition")->texts.front() : "error: " + table.status().message();
}

std::string inspect(FileSystem& files) {
  const auto found = inspect_run(files, kRun, /*writers_are_locked=*/false);
  if (!found.ok()) return "error: " + found.status().message();
  const RecoveryFacts& facts = found->facts;
  if (!found->damage.empty()) return "error: " + found->damage.front();
  const bool is_whole = facts.index == IndexFact::whole && facts.description == DescriptionFact::whole &&
                        facts.traces == TracesFact::whole;
  return is_whole ? "whole" : "error: not whole";
}

std::string list_unfinished(FileSystem& files) {
  const auto names = list_unfinished_runs(files, kStore);
  if (!names.ok()) return "error: " + names.status().message();
  return names->empty() ? "none" : "error: " + names->front();
}

std::string verify(FileSystem& files, VerifyDepth depth, bool leaves_traces_out) {
  std::string told;
  const auto report = [&](const Finding& finding) {
    if (finding.kind == Finding::Kind::remark) return;
    if (leaves_traces_out && finding.what.starts_with("traces/")) return;
    told += finding.what + "\n";
  };
  const auto summary = verify_scope(files, {.store_path = kStore, .run_path = kRun}, report, {.depth = depth});
  if (!summary.ok()) return "error: " + summary.status().message();
  return told.empty() ? "fine" : "error: " + told;
}

Reader verifier(const Change& change) {
  // A rebuild makes up for what an index says wrongly; the others do not, and their versions are not what is recorded.
  return [&](FileSystem& files) { return verify(files, VerifyDepth::bytes, change.leaves_traces_out); };
}

// ---- Between any two operations -------------------------------------------------------------------------------------

// What is there before and after a change, and nothing else.
void expect_old_or_new(const std::set<std::string>& wanted, const std::string& seen, const std::string& when) {
  EXPECT_TRUE(wanted.contains(seen)) << when << ": " << seen;
}

TEST(ReplaceRunFile, AReaderInTheMiddleFindsOldOrNew) {
  for (const Change& change : changes()) {
    SCOPED_TRACE(change.name);
    std::vector<Step> steps = steps_of(prepared(change), change.apply);
    ASSERT_GT(steps.size(), 5u);
    const std::pair<const char*, Reader> readers[] = {{"RunReader", read_by_run_reader},
                                                      {"metric set", read_set},
                                                      {"inspection", inspect},
                                                      {"unfinished runs", list_unfinished},
                                                      {"verify", verifier(change)}};
    for (const auto& [name, reader] : readers) {
      const std::set<std::string> wanted = {reader(steps.front().disk), reader(steps.back().disk)};
      for (const std::string& seen : wanted) ASSERT_FALSE(seen.starts_with("error")) << name << ": " << seen;
      // It begins at one step of the change, and goes on at any later one from any of its own operations on.
      std::mt19937 random(1);
      const bool is_slow = name == std::string("verify") || name == std::string("inspection");
      for (size_t from = 0; from < steps.size(); ++from) {
        expect_old_or_new(wanted, reader(steps[from].disk), std::string(name) + " at step " + std::to_string(from));
        for (size_t to = from + 1; to < steps.size(); ++to) {
          if (!is_long() && random() % (is_slow ? 300 : 30) != 0) continue;
          bool is_in_the_middle = true;
          for (int64_t k = 1; is_in_the_middle; ++k) {
            HookedFileSystem files(steps[from].disk);
            is_in_the_middle = false;
            files.before_each([&](int64_t operation) {
              if (operation != k) return;
              files.set_disk(steps[to].disk);
              is_in_the_middle = true;
            });
            expect_old_or_new(wanted, reader(files),
                              fmt::format("{} at step {}, from its operation {} on at {}", name, from, k, to));
            if (testing::Test::HasFailure()) return;
          }
        }
      }
    }
  }
}

// Many changes, one after the other; between any two operations of a reader any number of steps.
TEST(ReplaceRunFile, AReaderAmongManyChangesFindsOneOfThem) {
  CrashDisk disk = committed_run();
  std::vector<Step> steps;
  std::set<std::string> versions = {" 3"}, sets = {"none"};
  for (int i = 0; i < 8; ++i) {
    const std::string version(static_cast<size_t>(1 + i % 3), static_cast<char>('a' + i % 4));  // some come again
    const std::string index = index_of(disk, version), set = metric_set(version);
    versions.insert(version + " 3");
    sets.insert(version);
    for (Step& step : steps_of(disk.after_kill(), [&](FileSystem& files) -> Status {
           SB_RETURN_IF_ERROR(replace_with_lock(files, kIndex, index));
           if (i % 4 != 3) return replace_with_lock(files, kSet, set);
           return with_lock(files, [&] { return remove_run_file(files, kRun, kSet); });
         })) {
      steps.push_back(std::move(step));
    }
    disk = steps.back().disk.after_kill();
  }
  std::mt19937 random(7);
  for (int round = 0; round < (is_long() ? 20'000 : 40); ++round) {
    const auto widest = static_cast<size_t>(1 + random() % 12);
    size_t at = random() % steps.size();
    HookedFileSystem files(steps[at].disk);
    files.before_each([&](int64_t) {
      at = std::min(at + random() % (widest + 1), steps.size() - 1);
      files.set_disk(steps[at].disk);
    });
    expect_old_or_new(versions, read_by_run_reader(files), "RunReader");
    expect_old_or_new(sets, read_set(files), "metric set");
    at = random() % steps.size();
    expect_old_or_new({"whole"}, inspect(files), "inspection");
    at = random() % steps.size();
    expect_old_or_new({"fine"}, verify(files, VerifyDepth::bytes, false), "verify");
    if (testing::Test::HasFailure()) return;
  }
}

// ---- Crashes --------------------------------------------------------------------------------------------------------

TEST(ReplaceRunFile, DiesAnywhereAndIsDoneAgain) {
  for (const Change& change : changes()) {
    SCOPED_TRACE(change.name);
    CrashDisk undisturbed = prepared(change);
    const std::set<std::string> runs_before = {read_by_run_reader(undisturbed)};
    std::set<std::string> runs = runs_before, sets = {read_set(undisturbed)};
    must(change.apply(undisturbed));
    runs.insert(read_by_run_reader(undisturbed));
    sets.insert(read_set(undisturbed));
    const Files wanted = files_of_store(undisturbed);
    bool has_failed = true;
    for (int64_t k = 0; has_failed; ++k) {
      // Way 0 fails once, 1 is killed, the others lose the power.
      const int first_way = is_long() ? 0 : static_cast<int>(k % 4), end_of_ways = is_long() ? 30 : first_way + 1;
      for (int way = first_way; way < end_of_ways; ++way) {
        SCOPED_TRACE(fmt::format("operation {} way {}", k, way));
        CrashDisk disk = prepared(change);
        disk.fail_at(disk.operation_count() + k, /*for_good=*/way > 0);
        has_failed = !change.apply(disk).ok();
        CrashDisk left = way < 2 ? disk.after_kill() : disk.after_crash(static_cast<uint64_t>(way - 2 + 31 * k));
        expect_old_or_new(runs, read_by_run_reader(left), "RunReader");
        expect_old_or_new(sets, read_set(left), "metric set");
        expect_old_or_new({"whole"}, inspect(left), "inspection");
        std::string damage;
        const auto keep_damage = [&](const Finding& finding) {
          if (finding.kind == Finding::Kind::damage) damage += finding.what + "\n";
        };
        EXPECT_TRUE(verify_scope(left, {.store_path = kStore, .run_path = kRun}, keep_damage).ok());
        EXPECT_EQ(damage, "");

        CrashDisk recovered = left.after_kill();
        const Result<RecoveryReport> report = recover_run(recovered, kRun, {.is_dry = false, .now = 1});
        ASSERT_TRUE(report.ok()) << report.status().message();
        EXPECT_EQ(report->action, RecoveryAction::keep);
        EXPECT_EQ(report->damage, std::vector<std::string>());
        expect_old_or_new({"fine"}, verify(recovered, VerifyDepth::bytes, change.leaves_traces_out), "verify");
        const RunDescription settled = read_run_description(recovered, kRun).value();
        for (const auto& file : settled.files) EXPECT_FALSE(file.previous) << file.path;
        const Result<RecoveryReport> second = recover_run(recovered, kRun, {.is_dry = false, .now = 1});
        EXPECT_TRUE(second.ok() && second->moved.empty() && second->remarks.empty());
        recovered = recovered.after_crash(0);
        expect_old_or_new(runs, read_by_run_reader(recovered), "RunReader after recover and a crash");

        for (CrashDisk* mended : {&left, &recovered}) {
          if (mended == &recovered && change.leaves_traces_out) continue;  // it has taken them away
          must(change.apply(*mended));
          CrashDisk durable = mended->after_crash(0);
          EXPECT_EQ(files_of_store(durable), wanted);
          const int64_t before = mended->operation_count();
          must(change.apply(*mended));
          EXPECT_EQ(files_of_store(*mended), wanted);
          EXPECT_LT(mended->operation_count() - before, 8) << "nothing is to be written";
        }
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

// Killed at one operation, so that what was not synced is there all the same; then the power goes while it is done
// again, or recovered.
TEST(ReplaceRunFile, DiesAnywhereAndAgainAnywhere) {
  for (const Change& change : changes()) {
    SCOPED_TRACE(change.name);
    CrashDisk undisturbed = prepared(change);
    std::set<std::string> runs = {read_by_run_reader(undisturbed)}, sets = {read_set(undisturbed)};
    must(change.apply(undisturbed));
    runs.insert(read_by_run_reader(undisturbed));
    sets.insert(read_set(undisturbed));
    const auto recover = [](FileSystem& files) {
      return recover_run(files, kRun, {.is_dry = false, .now = 1}).status();
    };
    const std::function<Status(FileSystem&)> seconds[] = {change.apply, recover};
    bool has_failed = true;
    for (int64_t k = 0; has_failed; k += is_long() ? 1 : 3) {
      CrashDisk disk = prepared(change);
      disk.fail_at(disk.operation_count() + k, /*for_good=*/true);
      has_failed = !change.apply(disk).ok();
      const CrashDisk killed = disk.after_kill();
      for (const auto& second : seconds) {
        bool has_failed_again = true;
        for (int64_t m = is_long() ? 0 : k % 4; has_failed_again; m += is_long() ? 1 : 4) {
          CrashDisk again = killed.after_kill();
          again.fail_at(again.operation_count() + m, /*for_good=*/true);
          has_failed_again = !second(again).ok();
          for (uint64_t seed = 0; seed < (is_long() ? 20 : 1); ++seed) {
            SCOPED_TRACE(
                fmt::format("operations {} and {} of {}, seed {}", k, m, &second == seconds ? "it" : "recover", seed));
            CrashDisk left = again.after_crash(seed == 0 ? 0 : 1 + seed + 31 * static_cast<uint64_t>(k + 7 * m));
            expect_old_or_new(runs, read_by_run_reader(left), "RunReader");
            expect_old_or_new(sets, read_set(left), "metric set");
            if (testing::Test::HasFailure()) return;
          }
        }
      }
    }
  }
}

// ---- What it refuses, and keeps -------------------------------------------------------------------------------------

TEST(ReplaceRunFile, KeepsWhatOthersWroteIntoRunJson) {
  CrashDisk disk = committed_run();
  const std::string path = join_path(kRun, kDescription);
  JsonValue json = parse(disk.read_file(path).value());
  std::erase_if(*json.object(), [](const auto& member) { return member.first == "sha256"; });
  json.object()->insert(json.object()->begin() + 2, {"desk", parse(R"({"b": 1.50, "a": [12345678901234567890]})")});
  json.set("tags", parse(R"({"z": "1", "a": "2", "n": 3})"));
  for (JsonValue& file : *const_cast<JsonValue*>(json.find("files"))->array()) file.set("owner", JsonValue("me"));
  test::replace(disk, path, to_json(json, JsonStyle::pretty));
  must(replace_with_lock(disk, kIndex, index_of(disk, "new")));
  must(replace_with_lock(disk, kSet, metric_set("x")));
  must(with_lock(disk, [&] { return remove_run_file(disk, kRun, kSet); }));

  JsonValue changed = parse(disk.read_file(path).value());
  EXPECT_TRUE(read_run_description(disk, kRun)->is_sealed);
  const RunDescription::FileVersion version = version_of(disk.read_file(join_path(kRun, kIndex)).value());
  JsonValue& index = const_cast<JsonValue*>(json.find("files"))->array()->back();
  index.set("size", JsonValue(version.size));
  index.set("sha256", JsonValue(version.sha256));
  std::erase_if(*changed.object(), [](const auto& member) { return member.first == "sha256"; });
  EXPECT_EQ(to_json(changed, JsonStyle::pretty), to_json(json, JsonStyle::pretty));
}

TEST(ReplaceRunFile, RefusesOtherNames) {
  CrashDisk disk = committed_run();
  const Files before = all_files(disk, kStore);
  for (const std::string name :
       {"run.json", "strategy_components.parquet", "metrics/x.csv", "metrics/.parquet", "metrics/.x.parquet",
        "metrics/a/b.parquet", "metrics/../x.parquet", "x.parquet", ""}) {
    EXPECT_EQ(replace_run_file(disk, kRun, name, "x").code(), StatusCode::invalid) << name;
    EXPECT_EQ(remove_run_file(disk, kRun, name).code(), StatusCode::invalid) << name;
  }
  EXPECT_EQ(remove_run_file(disk, kRun, kIndex).code(), StatusCode::invalid);
  EXPECT_EQ(remove_run_file(disk, kRun, kSet).code(), StatusCode::not_found);
  EXPECT_EQ(all_files(disk, kStore), before);
}

TEST(ReplaceRunFile, TouchesNoDamagedIndexAndMendsADamagedSet) {
  CrashDisk disk = committed_run();
  must(replace_run_file(disk, kRun, kSet, metric_set("x")));
  const std::string index = index_of(disk, "new");
  test::replace(disk, join_path(kRun, kIndex), "damaged");
  test::replace(disk, join_path(kRun, kSet), "damaged");
  const Files before = all_files(disk, kStore);
  EXPECT_EQ(replace_run_file(disk, kRun, kIndex, index).code(), StatusCode::damaged);
  EXPECT_EQ(all_files(disk, kStore), before);
  EXPECT_EQ(read_described_file(disk, kRun, kSet).status().code(), StatusCode::damaged);
  must(replace_run_file(disk, kRun, kSet, metric_set("y")));
  EXPECT_EQ(read_set(disk), "y");
}

// ---- Verify, recover and index rebuild
// -------------------------------------------------------------------------------

class MetricSets : public testing::Test {
 protected:
  void SetUp() override {
    must(replace_run_file(disk_, kRun, kSet, metric_set("one")));
    must(replace_run_file(disk_, kRun, kOtherSet, metric_set("two")));
  }

  std::vector<std::string> findings(VerifyDepth depth = VerifyDepth::bytes) {
    std::vector<std::string> told;
    const char* const kinds[] = {"damage ", "problem ", "remark "};
    const auto keep = [&](const Finding& finding) {
      told.push_back(kinds[static_cast<int>(finding.kind)] + finding.what);
    };
    EXPECT_TRUE(verify_scope(disk_, {.store_path = kStore, .run_path = kRun}, keep, {.depth = depth}).ok());
    return told;
  }
  std::vector<std::string> one(const std::string& finding) { return {finding}; }
  Result<RecoveryReport> recover() { return recover_run(disk_, kRun, {.is_dry = false, .now = 1}); }

  CrashDisk disk_ = committed_run();
};

TEST_F(MetricSets, AreVerifiedByteByByte) {
  EXPECT_EQ(findings(VerifyDepth::contents), std::vector<std::string>());
  const std::string path = join_path(kRun, kSet), whole = disk_.read_file(path).value();
  for (size_t i = 0; i < whole.size(); i += is_long() ? 1 : 101) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    test::replace(disk_, path, flipped);
    ASSERT_EQ(findings(), one("damage " + kSet + ": not the bytes that were recorded")) << i;
  }
  test::replace(disk_, path, whole.substr(1));
  EXPECT_EQ(findings().size(), 1u);
  ASSERT_TRUE(disk_.remove_file(path).ok());
  EXPECT_EQ(findings(), one("damage " + kSet + ": missing"));
  test::replace(disk_, path, whole);
  EXPECT_EQ(findings(), std::vector<std::string>());
}

TEST_F(MetricSets, ThatDoNotDecodeAreFoundByADeepVerify) {
  must(replace_run_file(disk_, kRun, kSet, "no table"));
  EXPECT_EQ(findings(), std::vector<std::string>());
  const std::vector<std::string> found = findings(VerifyDepth::contents);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("damage " + kSet + ": ")) << found[0];
}

TEST_F(MetricSets, ThatNobodyNamesAreToldAndTakenAway) {
  const std::string stray = "metrics/stray.parquet";
  test::replace(disk_, join_path(kRun, stray), metric_set("x"));
  test::replace(disk_, join_path(kRun, kIndex + ".tmp"), "x");
  const std::vector<std::string> found = findings();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].starts_with("problem " + stray + ": run.json names no such metric set")) << found[0];
  EXPECT_TRUE(found[1].starts_with("problem " + kIndex + ".tmp: left behind")) << found[1];
  {
    const auto lock = RunLock::take(disk_, kRun, false).value();  // somebody is at it
    for (const std::string& finding : findings()) EXPECT_TRUE(finding.starts_with("remark ")) << finding;
  }
  const Result<RecoveryReport> report = recover();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->action, RecoveryAction::keep);
  EXPECT_EQ(report->moved.size(), 2u);
  EXPECT_EQ(findings(), std::vector<std::string>());
  EXPECT_EQ(read_set(disk_), "one");
}

TEST_F(MetricSets, ThatAreDamagedAreToldByRecover) {
  test::replace(disk_, join_path(kRun, kSet), "damaged");
  const Result<RecoveryReport> report = recover();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->action, RecoveryAction::keep);
  EXPECT_EQ(report->damage, one(kSet + ": not the bytes that run.json speaks of"));
}

TEST_F(MetricSets, StayWhenTheIndexIsMadeAnewWhereTheyAreWhole) {
  const Files before = files_of_store(disk_);
  ASSERT_TRUE(disk_.remove_file(join_path(kRun, kIndex)).ok());
  const auto rebuild = [&] { return rebuild_index(disk_, kRun, {.is_dry = false, .now = 1}); };
  ASSERT_TRUE(rebuild().ok());
  EXPECT_EQ(files_of_store(disk_), before);
  EXPECT_FALSE(rebuild()->changed);

  test::replace(disk_, join_path(kRun, kSet), "damaged");
  const Result<RebuildReport> report = rebuild();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->remarks, one(kSet + ": not the bytes that run.json speaks of; left out, to be computed again with "
                                        "signalbook analyze"));
  EXPECT_EQ(report->moved.size(), 2u);  // the set, and a copy of run.json
  EXPECT_EQ(read_set(disk_), "none");
  EXPECT_EQ(read_described_file(disk_, kRun, kOtherSet)->bytes, metric_set("two"));
  EXPECT_EQ(findings(), std::vector<std::string>());
  EXPECT_FALSE(rebuild()->changed);
}

TEST_F(MetricSets, AreNoTraces) {
  const std::vector<std::string> paths = list_trace_files(disk_, kRun).value();
  EXPECT_EQ(paths.size(), 3u);
  for (const std::string& path : paths) EXPECT_TRUE(path.starts_with("traces/")) << path;
}

// ---- SQL ------------------------------------------------------------------------------------------------------------

// DuckDB opens the files of the disk itself, so the changes are real ones: up to each of their steps, between any two
// operations of a query.
TEST(ReplaceRunFile, AQueryInTheMiddleFindsOldOrNew) {
  test::TemporaryDirectory directory;
  const std::string store = join_path(directory.path(), "results"), run_path = join_path(store, "run_1");
  FileSystem& disk = posix_file_system();
  ASSERT_TRUE(record_small_run(disk, run_path).ok());
  ASSERT_TRUE(record_small_run(disk, join_path(store, "run_2")).ok());  // so that an answer may leave one out
  const std::string versions[] = {index_of(disk, "old", run_path), index_of(disk, "new version", run_path)};
  ASSERT_NE(versions[0].size(), versions[1].size());
  size_t next = 0;
  must(replace_run_file(disk, run_path, kIndex, versions[next]));

  std::vector<std::string> notes;
  const auto query = [&](FileSystem& files) -> std::string {
    const auto engine = SqlEngine::open(files, {.store_path = store, .run_path = {}},
                                        {.note = [&](const std::string& note) { notes.push_back(note); }});
    if (!engine.ok()) return "error: " + engine.status().message();
    return ask(**engine,
               "SELECT max(aliases[1]), count(*), (SELECT count(*) FROM components) FROM strategies "
               "WHERE strategy_hash IN (SELECT strategy_hash FROM '*/strategy_index.parquet')");
  };
  std::set<std::string> wanted = {query(disk)};
  must(replace_run_file(disk, run_path, kIndex, versions[next = 1 - next]));
  wanted.insert(query(disk));
  ASSERT_EQ(wanted.size(), 2u);
  for (const std::string& seen : wanted) ASSERT_EQ(seen.find("error"), std::string::npos) << seen;

  // As many operations as a replacement has, and one more, where none fails.
  bool has_died = true;
  for (int64_t step = 1; has_died; ++step) {
    bool is_in_the_middle = true;
    for (int64_t k = is_long() ? 0 : step % 9; is_in_the_middle; k += is_long() ? 1 : 9) {
      HookedFileSystem files(disk);
      is_in_the_middle = false;
      files.before_each([&](int64_t operation) {
        if (operation != k) return;
        is_in_the_middle = true;
        FailingFileSystem dying(step, /*fails_for_good=*/true);
        next = 1 - next;
        has_died = !replace_run_file(dying, run_path, kIndex, versions[next]).ok();
      });
      const std::string seen = query(files);
      ASSERT_TRUE(wanted.contains(seen)) << "step " << step << ", operation " << k << ": " << seen;
      ASSERT_EQ(notes, std::vector<std::string>()) << "step " << step << ", operation " << k;
    }
  }
}

// A disk on which a file is replaced just before it is pinned, and before run.json is read, as often as is left.
class RestlessDisk : public HookedFileSystem {
 public:
  RestlessDisk(int times, std::function<void()> change)
      : HookedFileSystem(posix_file_system()), left_(times), change_(std::move(change)) {}

  Result<std::string> read_file(const std::string& path) override {
    if (file_name_of(path) == kDescription) change();
    return HookedFileSystem::read_file(path);
  }
  std::unique_ptr<PinnedFiles> reserve_pins(size_t count) override {
    return std::make_unique<Pins>(*this, HookedFileSystem::reserve_pins(count));
  }
  int left() const { return left_; }

 private:
  class Pins : public PinnedFiles {
   public:
    Pins(RestlessDisk& disk, std::unique_ptr<PinnedFiles> pins) : disk_(disk), pins_(std::move(pins)) {}
    const std::vector<std::string>& names() const override { return pins_->names(); }
    Status pin(size_t place, const std::string& path) override {
      if (file_name_of(path) == kIndex) disk_.change();
      return pins_->pin(place, path);
    }

   private:
    RestlessDisk& disk_;
    std::unique_ptr<PinnedFiles> pins_;
  };

  void change() {
    if (left_ == 0) return;
    --left_;
    change_();
  }

  int left_;
  std::function<void()> change_;
};

// To look again is the part of who compares a file with run.json: to begin the whole query again is no remedy, where
// each time a file is replaced.
TEST(ReplaceRunFile, AQueryWhoseRunIsReplacedWheneverItLooksFindsOneOfItsVersions) {
  test::TemporaryDirectory directory;
  const std::string store = join_path(directory.path(), "results"), run_path = join_path(store, "run_1");
  FileSystem& disk = posix_file_system();
  ASSERT_TRUE(record_small_run(disk, run_path).ok());
  size_t next = 0;
  const auto change = [&] {
    const std::string version = "version " + std::string(++next, 'x');
    must(replace_run_file(disk, run_path, kIndex, index_of(disk, version, run_path)));
  };
  change();
  RestlessDisk files(17, change);
  const auto engine = SqlEngine::open(files, {.store_path = store, .run_path = {}});
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ(ask(**engine, "SELECT count(*) AS n FROM strategies WHERE aliases[1] LIKE 'version %'"), "n\n1\n");
  EXPECT_EQ(files.left(), 0);
}

}  // namespace
}  // namespace signalbook
