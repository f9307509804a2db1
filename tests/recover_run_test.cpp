#include "store/recover_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>

#include "journal/journal_file.h"
#include "store/commit_run.h"
#include "store/run_inspection.h"
#include "store/run_reader.h"
#include "support/recovery_facts.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;
using Files = std::map<std::string, std::string>;

class RecoverRun : public WithLayouts {};

INSTANTIATE_TEST_SUITE_P(Layouts, RecoverRun, all_layouts(), layout_name);

constexpr int64_t kNow = 1'750'000'000'000'000;

Result<RecoveryReport> recover(FileSystem& files, bool is_dry = false) {
  return recover_run(files, kRun, {.is_dry = is_dry, .now = kNow, .commit = commit_options()});
}

std::string half(const std::string& bytes) { return bytes.substr(0, bytes.size() / 2); }

std::string flipped(std::string bytes, size_t place) {
  bytes[place] = static_cast<char>(bytes[place] ^ 0x10);
  return bytes;
}

const std::string kSegment = ".journal/main-0001.journal";

// Where the frames of a journal begin that say something.
std::vector<int64_t> frames_of(FileSystem& files, const std::string& path) {
  std::vector<int64_t> offsets;
  EXPECT_TRUE(scan_journal(files, path, std::nullopt, [&](const JournalBatch& batch, const JournalPlace& place) {
                if (!batch.empty()) offsets.push_back(place.offset);
                return Status();
              }).ok());
  return offsets;
}

// The same run as its journal tells it and as a commit has left it.
struct Pieces {
  Files journal, store;

  static const Pieces& get() {
    static std::map<std::string, Pieces> of_layouts;
    Pieces& pieces = of_layouts[current_layout().name];
    if (!pieces.store.empty()) return pieces;
    pieces = [] {
      CrashDisk before = interrupted_run(), after = committed_run();
      Pieces made = {all_files(before, kRun), all_files(after, kStore)};
      const std::vector<int64_t> frames = frames_of(before, join_path(kRun, kSegment));
      EXPECT_EQ(frames.size(), 4u);
      std::string bytes = made.journal.at(kSegment);
      bytes = flipped(bytes, static_cast<size_t>(frames[1]) + 60);
      made.damaged_segment = bytes;
      for (const size_t frame : {0, 2}) bytes = flipped(bytes, static_cast<size_t>(frames[frame]) + 60);
      made.unreadable_segment = bytes;
      return made;
    }();
    return pieces;
  }
  std::string damaged_segment, unreadable_segment;
};

// A disk on which exactly these facts hold.
CrashDisk make_state(const RecoveryFacts& facts) {
  const Pieces& pieces = Pieces::get();
  CrashDisk disk;
  EXPECT_TRUE(create_directories(disk, kRun).ok());
  int trace_number = 0;
  for (const auto& [path, bytes] : pieces.store) {
    const bool is_trace = path.starts_with("run_1/traces/"), is_index = path == "run_1/strategy_index.parquet";
    const bool is_description = path == "run_1/run.json" || path == "run_1/strategy_components.parquet";
    std::string content = bytes;
    if (is_trace) {
      if (facts.traces == TracesFact::none) continue;
      const bool is_damaged = facts.traces == TracesFact::lost || trace_number == 1;
      if (facts.traces != TracesFact::whole && is_damaged) content = half(bytes);
      ++trace_number;
    } else if (is_index) {
      if (facts.index == IndexFact::absent) continue;
      if (facts.index == IndexFact::damaged) content = half(bytes);
    } else if (is_description) {
      if (facts.description == DescriptionFact::absent) continue;
      if (facts.description == DescriptionFact::damaged && path.ends_with("run.json")) content = half(bytes);
    } else if (path.starts_with("bars/") && facts.bars == BarsFact::missing) {
      continue;
    }
    replace(disk, join_path(kStore, path), content);
  }
  if (facts.journal == JournalFact::empty) {
    EXPECT_TRUE(create_directories(disk, journal_directory(kRun)).ok());
  } else if (facts.journal != JournalFact::none) {
    for (const auto& [path, bytes] : pieces.journal) {
      if (path.ends_with(".bars") && facts.bars == BarsFact::missing) continue;
      std::string content = bytes;
      if (path == kSegment && facts.journal == JournalFact::damaged) content = pieces.damaged_segment;
      if (path == kSegment && facts.journal == JournalFact::unreadable) content = pieces.unreadable_segment;
      replace(disk, join_path(kRun, path), content);
    }
  }
  return disk;
}

// Facts that cannot be told, or that another one decides, as they are found.
RecoveryFacts as_found(RecoveryFacts facts) {
  const bool are_bars_named = facts.journal == JournalFact::whole || facts.journal == JournalFact::damaged ||
                              facts.index == IndexFact::whole || facts.description == DescriptionFact::whole;
  if (!are_bars_named) facts.bars = BarsFact::there;
  if (facts.index == IndexFact::whole && facts.traces == TracesFact::none) facts.traces = TracesFact::lost;
  return facts;
}

// Of the files that were there, the bytes of each that may be missed are still somewhere.
void expect_nothing_lost(const Files& before, const Files& after, const std::string& what) {
  std::set<std::string> contents;
  for (const auto& [path, bytes] : after) contents.insert(bytes);
  for (const auto& [path, bytes] : before) {
    const bool is_whole_journal = path.find("/.journal/") != std::string::npos &&
                                  bytes != Pieces::get().damaged_segment && bytes != Pieces::get().unreadable_segment;
    if (!is_whole_journal && !path.ends_with(kTemporarySuffix)) {
      EXPECT_TRUE(contents.contains(bytes)) << what << ": " << path;
    }
  }
}

bool is_set_aside(const RecoveryReport& report) { return report.action == RecoveryAction::set_aside; }

// Every combination of facts, made on a disk: they are found, the rule's action is done, and does what it promises.
TEST_P(RecoverRun, DoesWhatTheTableSays) {
  std::set<const RecoveryRule*> seen;
  for_all_facts([&](const RecoveryFacts& wanted) {
    if (wanted.writers == WritersFact::alive) return;  // which has a test of its own
    const RecoveryFacts facts = as_found(wanted);
    SCOPED_TRACE(name(wanted));
    CrashDisk disk = make_state(wanted);
    const Files before = all_files(disk, kStore);

    const Result<RecoveryReport> dry = recover(disk, /*is_dry=*/true);
    if (disk.list_directory(kRun).value().empty()) {  // it may be a recording that begins
      EXPECT_EQ(dry.status().code(), StatusCode::not_found);
      EXPECT_EQ(recover(disk).status().code(), StatusCode::not_found);
      EXPECT_EQ(all_files(disk, kStore), before);
      return;
    }
    ASSERT_TRUE(dry.ok()) << dry.status().message();
    EXPECT_EQ(all_files(disk, kStore), before);

    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(report.ok()) << report.status().message();
    const RecoveryRule& rule = find_recovery_rule(facts);
    seen.insert(&rule);
    EXPECT_EQ(name(report->facts), name(facts));
    EXPECT_EQ(to_text(report->action), to_text(rule.action));
    EXPECT_EQ(to_text(dry->action), to_text(rule.action));
    const bool is_damaged = facts.journal == JournalFact::damaged || facts.journal == JournalFact::unreadable ||
                            facts.index == IndexFact::damaged || facts.description == DescriptionFact::damaged ||
                            facts.traces == TracesFact::damaged || facts.traces == TracesFact::lost ||
                            facts.bars == BarsFact::missing;
    EXPECT_EQ(!report->damage.empty(), is_damaged);

    const Files after = all_files(disk, kStore);
    expect_nothing_lost(before, after, name(wanted));
    const Files& committed = Pieces::get().store;
    switch (report->action) {
      case RecoveryAction::refuse:
        EXPECT_EQ(after, before);
        return;
      case RecoveryAction::set_aside:
        EXPECT_FALSE(disk.directory_exists(kRun).value());
        EXPECT_EQ(recover(disk).status().code(), StatusCode::not_found);
        return;
      case RecoveryAction::finish:
        if (facts.journal == JournalFact::whole) {
          EXPECT_EQ(files_of_store(disk), committed);
        }
        break;
      case RecoveryAction::rebuild:
        if (facts.traces == TracesFact::whole && wanted.bars == BarsFact::there) {
          EXPECT_EQ(after.at("run_1/strategy_index.parquet"), committed.at("run_1/strategy_index.parquet"));
          EXPECT_EQ(after.at("run_1/strategy_components.parquet"), committed.at("run_1/strategy_components.parquet"));
          const bool is_described = facts.description == DescriptionFact::whole;
          if (is_described) {
            EXPECT_EQ(after.at("run_1/run.json"), committed.at("run_1/run.json"));
          }
        }
        break;
      case RecoveryAction::keep:
      case RecoveryAction::clean:
        if (wanted.bars == BarsFact::there) {
          EXPECT_EQ(files_of_store(disk), committed);
        }
        break;
    }
    const auto run = RunReader::open(disk, kRun);
    ASSERT_TRUE(run.ok()) << run.status().message();
    // A pack leaves times and prices to the bars.
    const bool says_all = !GetParam().is_packed() || wanted.bars == BarsFact::there;
    for (const IndexRow& row : (*run)->rows())
      EXPECT_TRUE(says_all ? (*run)->read_trace(row).ok() : (*run)->read_changes(row).ok());
    EXPECT_FALSE(disk.directory_exists(journal_directory(kRun)).value());

    const Result<RecoveryReport> second = recover(disk);
    ASSERT_TRUE(second.ok()) << second.status().message();
    EXPECT_EQ(to_text(second->action), to_text(RecoveryAction::keep));
    EXPECT_TRUE(second->moved.empty());
    EXPECT_EQ(all_files(disk, kStore), after);
  });
  // All but the one for writers that live and the index without rows.
  EXPECT_GE(seen.size() + 1, recovery_rules().size());
}

// A recovery that fails at any operation, or dies there, is gone on with: the run is then what it would have been.
TEST_P(RecoverRun, DiesAnywhereAndGoesOn) {
  using J = JournalFact;
  using I = IndexFact;
  using D = DescriptionFact;
  using T = TracesFact;
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  const RecoveryFacts states[] = {
      {.journal = J::whole},
      {.journal = J::whole, .index = I::whole, .description = D::whole, .traces = T::damaged},
      {.journal = J::whole, .index = I::damaged, .description = D::damaged, .traces = T::lost},
      {.journal = J::damaged, .traces = T::whole},
      {.journal = J::none, .index = I::damaged, .description = D::whole, .traces = T::damaged},
      {.journal = J::unreadable, .index = I::whole, .description = D::damaged, .traces = T::whole},
      {.journal = J::whole, .index = I::whole, .description = D::whole, .traces = T::whole},
      {.journal = J::unreadable},
      {.journal = J::empty},
  };
  for (const RecoveryFacts& state : states) {
    SCOPED_TRACE(name(state));
    CrashDisk undisturbed = make_state(state);
    const Files before = all_files(undisturbed, kStore);
    const Result<RecoveryReport> expected = recover(undisturbed);
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    const Files wanted = files_of_store(undisturbed);
    bool has_failed = true;
    for (int64_t k = 0; has_failed; ++k) {
      SCOPED_TRACE(k);
      const int first_way = is_long ? 0 : static_cast<int>(k % 3), last_way = is_long ? 8 : first_way + 1;
      for (int way = first_way; way < last_way; ++way) {
        CrashDisk disk = make_state(state).after_crash(1);
        disk.fail_at(disk.operation_count() + k, /*for_good=*/way > 0);
        const Result<RecoveryReport> died = recover(disk);
        has_failed = !died.ok();
        // Way 0 fails once, 1 is killed, the others lose the power.
        CrashDisk left = way < 2 ? disk.after_kill() : disk.after_crash(static_cast<uint64_t>(way + 7 * k));
        const Result<RecoveryReport> report = recover(left);
        const bool is_gone = is_set_aside(*expected) && report.status().code() == StatusCode::not_found;
        EXPECT_TRUE(report.ok() || is_gone) << report.status().message();
        const Files after = files_of_store(left);
        EXPECT_EQ(after, wanted) << "way " << way;
        expect_nothing_lost(before, all_files(left, kStore), "way " + std::to_string(way));
        if (is_gone) continue;
        const Result<RecoveryReport> second = recover(left);
        EXPECT_TRUE(second.ok() ? second->action == RecoveryAction::keep : is_set_aside(*expected));
      }
    }
  }
}

// A commit that dies at any operation is finished by a recovery.
TEST_P(RecoverRun, FinishesACommitThatDiedAnywhere) {
  const Files wanted = Pieces::get().store;
  bool has_failed = true;
  int64_t rounds = 0;
  for (int64_t k = 0; has_failed; ++k, ++rounds) {
    SCOPED_TRACE(k);
    for (int way = 0; way < 3; ++way) {
      CrashDisk disk;
      {
        const auto run = RunWriter::create(disk, kRun, writer_options());
        ASSERT_TRUE(run.ok() && record_states_run(**run).ok());
        disk.fail_at(disk.operation_count() + k, /*for_good=*/true);
        has_failed = !(*run)->commit(commit_options()).ok();
      }
      CrashDisk left = way == 0 ? disk.after_kill() : disk.after_crash(static_cast<uint64_t>(way + 3 * k));
      const Result<RecoveryReport> report = recover(left);
      ASSERT_TRUE(report.ok()) << report.status().message();
      EXPECT_TRUE(report->damage.empty()) << report->damage.front();
      EXPECT_TRUE(report->is_whole());
      EXPECT_EQ(files_of_store(left), wanted);
    }
  }
  EXPECT_GT(rounds, 10);
}

TEST_P(RecoverRun, SaysWhichTracesAreComplete) {
  CrashDisk disk = interrupted_run(8);
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::finish);
  EXPECT_EQ(report->summary.trace_count, 3);
  EXPECT_EQ(report->summary.incomplete_count, 3);
  const auto run = RunReader::open(disk, kRun).value();
  for (const IndexRow& row : run->rows()) {
    EXPECT_FALSE(row.complete);
    EXPECT_EQ(row.bar_count, 8);
  }
  EXPECT_EQ(run->description().tags, (std::vector<std::pair<std::string, std::string>>{{"k", "v"}}));
}

TEST_P(RecoverRun, SavesWhatIsWholeOfADamagedJournal) {
  CrashDisk disk = make_state({.journal = JournalFact::damaged});
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::finish);
  EXPECT_FALSE(report->damage.empty());
  std::set<std::string> ids;
  const auto run = RunReader::open(disk, kRun).value();
  for (const IndexRow& row : run->rows()) ids.insert(row.strategy_id);
  EXPECT_EQ(ids, (std::set<std::string>{"strategy_0", "strategy_2"}));
  const Files files = all_files(disk, kStore);
  EXPECT_EQ(files.at(".signalbook/lost+found/run_1-1/" + kSegment), Pieces::get().damaged_segment);
}

// Whatever byte of a journal is another one: what is told as whole is what was recorded, and nothing fails.
TEST_P(RecoverRun, AnyByteOfAJournalMayBeAnother) {
  const std::string& bytes = Pieces::get().journal.at(kSegment);
  const Files& wanted = Pieces::get().store;
  const size_t step = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 1 : 7;
  for (size_t place = 0; place < bytes.size(); place += step) {
    CrashDisk disk = make_state({.journal = JournalFact::whole});
    replace(disk, join_path(kRun, kSegment), flipped(bytes, place));
    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(report.ok()) << place << ": " << report.status().message();
    const Files after = all_files(disk, kStore);
    if (report->damage.empty() && report->torn_bytes == 0) {
      EXPECT_EQ(files_of_store(disk), wanted) << place;
    }
    if (!report->is_whole()) continue;
    for (const auto& [path, content] : after) {
      // A run whose layout is lost with the first frame may lie otherwise.
      if (!path.starts_with("run_1/traces/") || GetParam().is_packed()) continue;
      const auto original = wanted.find(path);
      EXPECT_NE(original, wanted.end()) << place << ": " << path << " was never recorded";
    }
    const auto run = RunReader::open(disk, kRun);
    ASSERT_TRUE(run.ok()) << run.status().message();
    for (const IndexRow& row : (*run)->rows()) EXPECT_TRUE((*run)->read_trace(row).ok());
  }
}

TEST_P(RecoverRun, CountsWhatACrashCutOff) {
  const std::string& bytes = Pieces::get().journal.at(kSegment);
  CrashDisk disk = make_state({.journal = JournalFact::whole});
  replace(disk, join_path(kRun, kSegment), bytes.substr(0, bytes.size() - 5));
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::finish);
  EXPECT_GT(report->torn_bytes, 0);
  EXPECT_TRUE(report->damage.empty());
}

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

std::set<std::string> names_of_moved(const RecoveryReport& report) {
  std::set<std::string> names;
  for (const MovedFile& file : report.moved) names.insert(file.from + " -> " + file.to + ": " + file.why);
  return names;
}

// What somebody else has put among the journals is kept, whatever becomes of them.
const Files kForeign = {{"notes.txt", "precious"},         {"d/p", "precious, too"},
                        {"main-backup.journal", "a copy"}, {"main-1.journal", "no name of ours"},
                        {"_x.lock", "likewise"},           {"SPY.bars", "likewise"}};

void add_foreign_files(CrashDisk& disk, const std::string& directory) {
  for (const auto& [name, bytes] : kForeign) replace(disk, join_path(join_path(kRun, directory), name), bytes);
}

void expect_foreign_files(CrashDisk& disk, const std::string& directory) {
  const Files files = all_files(disk, kStore);
  for (const auto& [name, bytes] : kForeign) {
    if (name.ends_with(".lock")) continue;
    const auto found = files.find(".signalbook/lost+found/run_1-1/" + directory + "/" + name);
    ASSERT_NE(found, files.end()) << name;
    EXPECT_EQ(found->second, bytes);
  }
  EXPECT_FALSE(disk.directory_exists(journal_directory(kRun)).value());
  EXPECT_FALSE(disk.directory_exists(done_journal_directory(kRun)).value());
}

TEST_P(RecoverRun, WhatIsNoJournalIsNotRemovedWithTheJournals) {
  using J = JournalFact;
  const RecoveryFacts committed = {
      .index = IndexFact::whole, .description = DescriptionFact::whole, .traces = TracesFact::whole};
  for (const J journal : {J::empty, J::whole, J::damaged}) {
    for (const bool is_committed : {true, false}) {
      if (journal == J::empty && !is_committed) continue;  // the whole run is moved
      RecoveryFacts facts = is_committed ? committed : RecoveryFacts();
      facts.journal = journal;
      SCOPED_TRACE(name(facts));
      CrashDisk disk = make_state(facts);
      add_foreign_files(disk, ".journal");
      const Result<RecoveryReport> dry = recover(disk, /*is_dry=*/true);
      const Result<RecoveryReport> report = recover(disk);
      ASSERT_TRUE(dry.ok() && report.ok()) << report.status().message();
      EXPECT_EQ(names_of_moved(*dry), names_of_moved(*report));
      expect_foreign_files(disk, ".journal");
      EXPECT_EQ(recover(disk)->action, RecoveryAction::keep);
    }
  }
}

TEST_P(RecoverRun, WhatIsNoJournalIsNotRemovedByTheCommitEither) {
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options()).value();
    ASSERT_TRUE(record_states_run(*run).ok());
    for (const auto& [name, bytes] : kForeign) {
      replace(disk, join_path(journal_directory(kRun), name), bytes);
    }
    const Result<RunSummary> summary = run->commit(commit_options());
    ASSERT_TRUE(summary.ok()) << summary.status().message();
    EXPECT_NE(all_of(summary->warnings).find("notes.txt"), std::string::npos);
  }
  const Files files = all_files(disk, kStore);
  EXPECT_EQ(files.at(".signalbook/lost+found/run_1-1/.journal/notes.txt"), "precious");
  EXPECT_EQ(files.at(".signalbook/lost+found/run_1-1/.journal/d/p"), "precious, too");
  EXPECT_EQ(files_of_store(disk), Pieces::get().store);
}

// A removal that died, and what somebody has put there.
TEST_P(RecoverRun, WhatIsLeftOfARemovalIsLookedAt) {
  const RecoveryFacts committed = {
      .index = IndexFact::whole, .description = DescriptionFact::whole, .traces = TracesFact::whole};
  const std::string done = ".journal.done/", torn = done + "main-0001.journal";
  for (const bool is_torn : {false, true}) {
    CrashDisk disk = make_state(committed);
    std::string bytes = Pieces::get().journal.at(kSegment);
    if (is_torn) bytes.resize(bytes.size() - 5);
    replace(disk, join_path(kRun, torn), bytes);
    add_foreign_files(disk, ".journal.done");
    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->action, RecoveryAction::clean);
    expect_foreign_files(disk, ".journal.done");
    EXPECT_EQ(all_files(disk, kStore).contains(".signalbook/lost+found/run_1-1/" + torn), is_torn);
    EXPECT_EQ(files_of_store(disk), Pieces::get().store);
  }
  CrashDisk disk = make_state(committed);
  replace(disk, join_path(kRun, torn), Pieces::get().journal.at(kSegment));
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->moved.empty());
  EXPECT_EQ(all_files(disk, kStore), Pieces::get().store);
}

// Nothing of it is known to be in the run: it is kept.
TEST_P(RecoverRun, KeepsAJournalWhoseEndWasCutOff) {
  const std::string bytes = Pieces::get().journal.at(kSegment);
  const std::string cut = bytes.substr(0, bytes.size() - 5), garbage(1000, 'x');
  const std::string other = ".journal/other-0001.journal", place = ".signalbook/lost+found/run_1-1/";
  for (const bool is_committed : {false, true}) {
    CrashDisk disk = make_state({.journal = JournalFact::whole});
    if (is_committed) {
      disk = make_state({.journal = JournalFact::whole,
                         .index = IndexFact::whole,
                         .description = DescriptionFact::whole,
                         .traces = TracesFact::whole});
    }
    replace(disk, join_path(kRun, kSegment), cut);
    replace(disk, join_path(kRun, other), garbage);
    const Result<RecoveryReport> dry = recover(disk, /*is_dry=*/true);
    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(dry.ok() && report.ok()) << report.status().message();
    EXPECT_EQ(names_of_moved(*dry), names_of_moved(*report));
    const Files files = all_files(disk, kStore);
    EXPECT_EQ(files.at(place + kSegment), cut);
    EXPECT_EQ(files.at(place + other), garbage);
    EXPECT_NE(files.at(place + "NOTE.txt").find("was  run_1/.journal/other-0001.journal"), std::string::npos);
    EXPECT_FALSE(disk.directory_exists(done_journal_directory(kRun)).value());
  }
  // The commit of another writer takes it for one that may go on.
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options()).value();
    ASSERT_TRUE(record_states_run(*run).ok());
    replace(disk, join_path(kRun, other), garbage);
    const Result<RunSummary> summary = run->commit(commit_options());
    EXPECT_NE(summary.status().message().find("other died before the end of its input"), std::string::npos);
  }
  ASSERT_TRUE(recover(disk).ok());
  EXPECT_EQ(all_files(disk, kStore).at(place + other), garbage);
}

// What a writer leaves that died while it wrote its bars is ours, and no stranger.
TEST_P(RecoverRun, TakesTemporaryBarsForItsOwn) {
  CrashDisk disk = interrupted_run();
  const std::string bars = journal_bars_path(kRun, std::string(64, 'a')) + ".w1" + std::string(kTemporarySuffix);
  replace(disk, bars, "half");
  EXPECT_EQ(list_foreign_files(disk, journal_directory(kRun)).value(), std::vector<std::string>());
  ASSERT_TRUE(recover(disk).ok());
  EXPECT_FALSE(disk.directory_exists(journal_directory(kRun)).value());
}

// A run that was finished from a part of its journals: those that turn up later are not thrown away.
TEST_P(RecoverRun, KeepsJournalsThatSayMoreThanTheRun) {
  CrashDisk early = interrupted_run(8), late = interrupted_run(12);
  for (const bool says_more : {false, true}) {
    CrashDisk disk = early.after_kill();
    ASSERT_TRUE(recover(disk).ok());
    const Files finished = all_files(disk, kStore);
    const Files journal = all_files(says_more ? late : early, kRun);
    for (const auto& [path, bytes] : journal) replace(disk, join_path(kRun, path), bytes);
    const Result<RecoveryReport> dry = recover(disk, /*is_dry=*/true);
    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(dry.ok() && report.ok()) << report.status().message();
    EXPECT_EQ(report->action, RecoveryAction::clean);
    EXPECT_EQ(report->moved.size(), says_more ? 1u : 0u);
    EXPECT_EQ(names_of_moved(*dry), names_of_moved(*report));
    EXPECT_EQ(files_of_store(disk), finished);
    if (!says_more) continue;
    EXPECT_NE(report->moved[0].why.find("strategy_0 on SPY 5m"), std::string::npos) << report->moved[0].why;
    EXPECT_EQ(all_files(disk, kStore).at(".signalbook/lost+found/run_1-1/" + kSegment), journal.at(kSegment));
  }
}

// A run that was gone on with once: two segments.
CrashDisk resumed_run() {
  CrashDisk disk;
  for (const BarIndex begin : {0, 6}) {
    RunOptions options = writer_options();
    if (begin > 0) options.opening = RunOpening::resume;
    const auto run = RunWriter::create(disk, kRun, options).value();
    const size_t feed = run->add_feed(make_small_bars(12)).value();
    const size_t trace = run->add_trace(run->add_strategy("a", parse(R"({"rsi":{}})")).value(), feed);
    for (BarIndex bar = begin; bar < begin + 6; ++bar) {
      EXPECT_TRUE(run->record(trace, bar, static_cast<double>(bar % 3) - 1.0).ok());
      EXPECT_TRUE(run->sync().ok());
    }
    EXPECT_TRUE(run->close().ok());
  }
  return disk.after_crash(0);
}

TEST_P(RecoverRun, ASegmentIsWhatItsHeaderSays) {
  const std::string first = segment_path(kRun, "main", 1), second = segment_path(kRun, "main", 2);
  CrashDisk undisturbed = resumed_run();
  ASSERT_TRUE(recover(undisturbed).ok());
  const Files wanted = files_of_store(undisturbed);

  CrashDisk disk = resumed_run();
  ASSERT_TRUE(disk.rename(first, kRun + "/x").ok());
  ASSERT_TRUE(disk.rename(second, first).ok());
  ASSERT_TRUE(disk.rename(kRun + "/x", second).ok());
  Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_NE(all_of(report->damage).find(first + ": its header says that it is segment 2"), std::string::npos);
  EXPECT_NE(all_of(report->damage).find(second + ": its header says that it is segment 1"), std::string::npos);
  EXPECT_EQ(files_of_store(disk), wanted);

  // A copy under another writer's name, or another number, is not read a second time.
  for (const std::string& copy : {segment_path(kRun, "other", 1), segment_path(kRun, "main", 3)}) {
    disk = resumed_run();
    replace(disk, copy, disk.read_file(first).value());
    report = recover(disk);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_NE(all_of(report->damage).find(copy + ": its header says that it is segment 1 of writer main"),
              std::string::npos);
    Files after = files_of_store(disk);
    for (const char* name : {"run_1/traces", "run_1/strategy_index.parquet"}) {
      for (const auto& [path, bytes] : wanted) {
        if (path.starts_with(name)) {
          EXPECT_EQ(after[path], bytes) << path;
        }
      }
    }
  }
}

TEST_P(RecoverRun, AMissingSegmentIsDamage) {
  CrashDisk disk = resumed_run();
  ASSERT_TRUE(disk.remove_file(segment_path(kRun, "main", 1)).ok());
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(all_of(report->damage), kRun + "/.journal/main-0001.journal: missing\n");
  EXPECT_EQ(report->facts.journal, JournalFact::unreadable);
}

// Of a run that is whole otherwise.
TEST_P(RecoverRun, BarsThatAreNotThoseThatWereRecordedAreDamage) {
  const RecoveryFacts committed = {
      .index = IndexFact::whole, .description = DescriptionFact::whole, .traces = TracesFact::whole};
  const auto is_bars = [](const auto& file) { return file.first.starts_with("bars/"); };
  const auto [path, bytes] = *std::ranges::find_if(Pieces::get().store, is_bars);
  const std::string place = join_path(kStore, path);
  for (const std::string& other : {std::string(), half(bytes), flipped(bytes, bytes.size() / 2)}) {
    CrashDisk disk = make_state(committed);
    replace(disk, place, other);
    if (other.empty()) {
      ASSERT_TRUE(disk.remove_file(place).ok());
    }
    const Result<RecoveryReport> report = recover(disk);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->action, RecoveryAction::keep);
    ASSERT_EQ(report->damage.size(), 1u);
    EXPECT_NE(report->damage[0].find(path), std::string::npos);
    EXPECT_NE(report->why, "everything is whole");
  }
}

// Over a directory no file can be renamed.
TEST_P(RecoverRun, ADirectoryInThePlaceOfAFileIsMovedAway) {
  const std::string place = ".signalbook/lost+found/run_1-1/";
  for (const char* file : {"strategy_components.parquet", "run.json", "strategy_index.parquet"}) {
    for (const JournalFact journal : {JournalFact::none, JournalFact::whole}) {
      SCOPED_TRACE(file);
      CrashDisk disk = make_state({.journal = journal,
                                   .index = IndexFact::whole,
                                   .description = DescriptionFact::whole,
                                   .traces = TracesFact::whole});
      ASSERT_TRUE(disk.remove_file(join_path(kRun, file)).ok());
      replace(disk, join_path(kRun, file) + "/inside", "precious");
      const Result<RecoveryReport> dry = recover(disk, /*is_dry=*/true);
      const Result<RecoveryReport> report = recover(disk);
      ASSERT_TRUE(dry.ok() && report.ok()) << report.status().message();
      EXPECT_EQ(to_text(dry->action), to_text(report->action));
      EXPECT_EQ(dry->damage, report->damage);
      EXPECT_NE(all_of(report->damage).find(std::string(file) + ": is a directory"), std::string::npos);
      EXPECT_EQ(all_files(disk, kStore).at(place + file + "/inside"), "precious");
      EXPECT_TRUE(RunReader::open(disk, kRun).ok());
      EXPECT_EQ(recover(disk)->action, RecoveryAction::keep);
    }
  }
}

// At each of its steps somebody tries to recover it.
TEST_P(RecoverRun, LeavesARunAloneThatBegins) {
  CrashDisk disk;
  replace(disk, kStore + "/.signalbook/store.json", R"({"format_version":1})");
  bool is_inside = false;
  int tried = 0;
  disk.before_each([&](const CrashDisk::Operation&) {
    if (is_inside) return;
    is_inside = true;
    ++tried;
    (void)recover(disk);
    is_inside = false;
  });
  {
    const auto run = RunWriter::create(disk, kRun, writer_options());
    ASSERT_TRUE(run.ok()) << run.status().message();
    ASSERT_TRUE(record_states_run(**run).ok());
    EXPECT_TRUE((*run)->commit(commit_options()).ok());
  }
  EXPECT_GT(tried, 10);
  for (const auto& [path, bytes] : all_files(disk, kStore))
    EXPECT_EQ(path.find("lost+found"), std::string::npos) << path;
}

// Journals may have the only copy of the bars that are left.
TEST_P(RecoverRun, BarsThatTheStoreLacksAreNotRemoved) {
  CrashDisk disk = make_state({.journal = JournalFact::whole,
                               .index = IndexFact::whole,
                               .description = DescriptionFact::whole,
                               .traces = TracesFact::whole});
  const Files before = all_files(disk, kStore);
  for (const auto& [path, bytes] : before) {
    if (path.starts_with("bars/")) {
      ASSERT_TRUE(disk.remove_file(join_path(kStore, path)).ok());
    }
  }
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_FALSE(report->damage.empty());
  for (const auto& [path, bytes] : before) {
    const std::string name = ".signalbook/lost+found/run_1-1/" + path.substr(path.find('/') + 1);
    if (path.ends_with(".bars")) {
      EXPECT_EQ(all_files(disk, kStore).at(name), bytes);
    }
  }
}

// Journals are removed one by one: those that are left are not all that the commit was made of.
TEST_P(RecoverRun, TheRestOfTheJournalsDoesNotTakeTheRunsPlace) {
  CrashDisk disk;
  {
    const auto one = RunWriter::create(disk, kRun, writer_options("one")).value();
    const auto two = RunWriter::create(disk, kRun, writer_options("two")).value();
    ASSERT_TRUE(record_states_run(*one).ok());
    const size_t feed = two->add_feed(make_small_bars(12)).value();
    const size_t trace = two->add_trace(two->add_strategy("other", parse(R"({"macd":{}})")).value(), feed);
    ASSERT_TRUE(two->record(trace, 3, 1.0).ok());
    ASSERT_TRUE(two->close().ok() && one->close().ok());
  }
  ASSERT_TRUE(commit_run(disk, kRun, commit_options()).ok());
  ASSERT_TRUE(disk.remove_file(segment_path(kRun, "one", 1)).ok());
  const auto run = RunReader::open(disk, kRun).value();
  const IndexRow& row = run->rows().front();
  const std::string path = join_path(kRun, row.is_packed() ? row.pack : row.trace_path);
  replace(disk, path, half(disk.read_file(path).value()));
  const Files before = all_files(disk, kStore);
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::refuse);
  EXPECT_EQ(all_files(disk, kStore), before);
}

TEST_P(RecoverRun, LeavesALivingWriterAlone) {
  CrashDisk disk;
  const auto run = RunWriter::create(disk, kRun, writer_options("worker_1")).value();
  ASSERT_TRUE(record_states_run(*run).ok());
  const Files before = all_files(disk, kStore);
  for (const bool is_dry : {true, false}) {
    const Result<RecoveryReport> report = recover(disk, is_dry);
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->action, RecoveryAction::refuse);
    EXPECT_EQ(report->alive_writers, std::vector<std::string>{"worker_1"});
    EXPECT_EQ(all_files(disk, kStore), before);
  }
  EXPECT_TRUE(run->commit(commit_options()).ok());
  EXPECT_EQ(recover(disk)->action, RecoveryAction::keep);
}

TEST_P(RecoverRun, WaitsForNobody) {
  CrashDisk disk = interrupted_run();
  const auto lock = RunLock::take(disk, kRun, /*wait=*/false).value();
  const Result<RecoveryReport> report = recover(disk);
  EXPECT_EQ(report.status().code(), StatusCode::invalid);
  EXPECT_NE(report.status().message().find("by another process"), std::string::npos);
}

// A recording of a version without journals: traces under temporary names and nothing else.
TEST_P(RecoverRun, SetsARunOfTemporaryFilesAside) {
  CrashDisk disk;
  const std::string trace = Pieces::get().store.begin()->second;
  replace(disk, kStore + "/.signalbook/store.json", "{}");
  replace(disk, kRun + "/traces/SPY_5m/signals/rsi/a.parquet.tmp", trace);
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::set_aside);
  const Files files = all_files(disk, kStore);
  const std::string place = ".signalbook/lost+found/run_1-1/";
  EXPECT_EQ(files.at(place + "run_1/traces/SPY_5m/signals/rsi/a.parquet.tmp"), trace);
  const std::string& note = files.at(place + "NOTE.txt");
  EXPECT_NE(note.find("2025-06-15T15:06:40Z"), std::string::npos) << note;
  EXPECT_NE(note.find("nothing that can be read was recorded"), std::string::npos) << note;
  EXPECT_FALSE(disk.directory_exists(kRun).value());
}

TEST_P(RecoverRun, TakesTemporaryFilesOutOfAWholeRun) {
  CrashDisk disk =
      make_state({.index = IndexFact::whole, .description = DescriptionFact::whole, .traces = TracesFact::whole});
  replace(disk, kRun + "/traces/old.parquet.tmp", "old");
  const Result<RecoveryReport> report = recover(disk);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->action, RecoveryAction::keep);
  ASSERT_EQ(report->moved.size(), 1u);
  EXPECT_EQ(all_files(disk, kStore).at(".signalbook/lost+found/run_1-1/traces/old.parquet.tmp"), "old");
  EXPECT_EQ(files_of_store(disk), Pieces::get().store);
}

TEST_P(RecoverRun, OnlyRunsAreTouched) {
  CrashDisk disk;
  replace(disk, kStore + "/.signalbook/store.json", "{}");
  replace(disk, kStore + "/plots/equity.png", "png");
  const Files before = all_files(disk, kStore);
  EXPECT_EQ(recover_run(disk, kStore + "/plots").status().code(), StatusCode::not_found);
  EXPECT_EQ(recover_run(disk, kStore + "/nothing").status().code(), StatusCode::not_found);
  EXPECT_EQ(all_files(disk, kStore), before);
  EXPECT_TRUE(list_unfinished_runs(disk, kStore)->empty());
}

TEST_P(RecoverRun, UnfinishedRunsAreListed) {
  CrashDisk disk = interrupted_run();
  EXPECT_EQ(list_unfinished_runs(disk, kStore).value(), std::vector<std::string>{"run_1"});
  ASSERT_TRUE(recover(disk).ok());
  EXPECT_TRUE(list_unfinished_runs(disk, kStore)->empty());
}

TEST_P(RecoverRun, FinishedRunsThatCannotBeReadAreListed) {
  for (const char* file : {"strategy_index.parquet", "run.json"}) {
    for (const bool is_there : {true, false}) {
      CrashDisk disk = committed_run();
      const std::string path = join_path(kRun, file), bytes = disk.read_file(path).value();
      replace(disk, path, half(bytes));
      if (!is_there) {
        ASSERT_TRUE(disk.remove_file(path).ok());
      }
      EXPECT_EQ(list_unfinished_runs(disk, kStore).value(), std::vector<std::string>{"run_1"}) << file << is_there;
      ASSERT_TRUE(recover(disk).ok());
      EXPECT_TRUE(list_unfinished_runs(disk, kStore)->empty()) << file << is_there;
    }
  }
}

}  // namespace
}  // namespace signalbook
