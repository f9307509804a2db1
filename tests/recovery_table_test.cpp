#include "store/recovery_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "base/file_system.h"
#include "support/recovery_facts.h"

namespace signalbook {
namespace {

TEST(RecoveryTable, ExactlyOneRuleFitsAnyFacts) {
  size_t count = 0;
  for_all_facts([&](const RecoveryFacts& facts) {
    ++count;
    size_t fitting = 0;
    for (const RecoveryRule& rule : recovery_rules()) fitting += rule.fits(facts) ? 1 : 0;
    EXPECT_EQ(fitting, 1u) << name(facts);
    EXPECT_TRUE(find_recovery_rule(facts).fits(facts)) << name(facts);
  });
  EXPECT_EQ(count, 720u);
}

TEST(RecoveryTable, EveryRuleCanBeReached) {
  for (const RecoveryRule& rule : recovery_rules()) {
    bool is_reached = false;
    for_all_facts([&](const RecoveryFacts& facts) { is_reached |= &find_recovery_rule(facts) == &rule; });
    EXPECT_TRUE(is_reached) << rule.why;
  }
}

// What an action does, as far as facts tell; a run on which it can do nothing stays as it is.
RecoveryFacts after(const RecoveryFacts& facts, RecoveryAction action) {
  RecoveryFacts result = facts;
  switch (action) {
    case RecoveryAction::keep:
    case RecoveryAction::refuse:
      return facts;
    case RecoveryAction::clean:
      result.journal = JournalFact::none;
      return result;
    case RecoveryAction::finish:
    case RecoveryAction::rebuild:
      return {.index = IndexFact::whole, .description = DescriptionFact::whole, .traces = TracesFact::whole};
    case RecoveryAction::set_aside:
      return {};
  }
  return facts;
}

TEST(RecoveryTable, ActionsHaveWhatTheyNeed) {
  for_all_facts([](const RecoveryFacts& facts) {
    const bool is_whole = facts.index == IndexFact::whole && facts.description == DescriptionFact::whole &&
                          facts.traces == TracesFact::whole;
    switch (find_recovery_rule(facts).action) {
      case RecoveryAction::keep:
        EXPECT_TRUE(is_whole && facts.journal == JournalFact::none) << name(facts);
        break;
      case RecoveryAction::clean:
        EXPECT_TRUE(is_whole && facts.journal != JournalFact::none) << name(facts);
        break;
      case RecoveryAction::finish:
        EXPECT_TRUE(facts.journal == JournalFact::whole || facts.journal == JournalFact::damaged) << name(facts);
        EXPECT_EQ(facts.bars, BarsFact::there) << name(facts);
        // A journal that lacks something never takes the place of something that may have it.
        EXPECT_FALSE(facts.journal == JournalFact::damaged && facts.index == IndexFact::whole) << name(facts);
        EXPECT_FALSE(is_whole) << name(facts);
        break;
      case RecoveryAction::rebuild:
        EXPECT_TRUE(facts.traces == TracesFact::whole || facts.traces == TracesFact::damaged) << name(facts);
        // A whole index names every trace: none of them is left out without being told to.
        EXPECT_FALSE(facts.index == IndexFact::whole && facts.traces == TracesFact::damaged) << name(facts);
        break;
      case RecoveryAction::set_aside:
        EXPECT_TRUE(facts.index == IndexFact::absent && facts.description == DescriptionFact::absent &&
                    facts.traces == TracesFact::none && facts.journal != JournalFact::whole &&
                    facts.journal != JournalFact::damaged)
            << name(facts);
        break;
      case RecoveryAction::refuse:
        EXPECT_TRUE(facts.writers == WritersFact::alive || !is_whole) << name(facts);
        break;
    }
    if (facts.writers == WritersFact::alive) {
      EXPECT_EQ(find_recovery_rule(facts).action, RecoveryAction::refuse) << name(facts);
    }
  });
}

TEST(RecoveryTable, ASecondRecoveryFindsNothingToDo) {
  for_all_facts([](const RecoveryFacts& facts) {
    const RecoveryAction action = find_recovery_rule(facts).action;
    const RecoveryFacts then = after(facts, action);
    if (action == RecoveryAction::set_aside) return;  // the directory is gone
    const RecoveryAction second = find_recovery_rule(then).action;
    EXPECT_EQ(second, action == RecoveryAction::refuse ? RecoveryAction::refuse : RecoveryAction::keep) << name(facts);
    EXPECT_EQ(after(then, second), then) << name(facts);
  });
}

// The steps of a commit, a crash after each: whatever was acknowledged is in the run, or is going to be.
TEST(RecoveryTable, ACommitThatDiesAnywhereIsFinished) {
  RecoveryFacts facts = {.journal = JournalFact::whole};
  const auto action = [&] { return find_recovery_rule(facts).action; };
  EXPECT_EQ(action(), RecoveryAction::finish);
  for (const TracesFact traces : {TracesFact::damaged, TracesFact::whole}) {
    facts.traces = traces;
    EXPECT_EQ(action(), RecoveryAction::finish);
  }
  // Between the components and run.json the one that is there is the old one, or none.
  for (const DescriptionFact description : {DescriptionFact::damaged, DescriptionFact::whole}) {
    facts.description = description;
    EXPECT_EQ(action(), RecoveryAction::finish);
  }
  facts.index = IndexFact::whole;
  EXPECT_EQ(action(), RecoveryAction::clean);
  facts.journal = JournalFact::empty;  // the files are gone, the directory is not
  EXPECT_EQ(action(), RecoveryAction::clean);
  facts.journal = JournalFact::none;
  EXPECT_EQ(action(), RecoveryAction::keep);
}

// UPDATE_GOLDEN=1 writes the table down.
TEST(RecoveryTable, StandsInTheDesign) {
  const std::string path = SIGNALBOOK_SOURCE_DIR "/docs/design.md";
  std::string text = posix_file_system().read_file(path).value();
  const std::string first_line = "| writers | journal | bars |";
  const size_t begin = text.find(first_line);
  ASSERT_NE(begin, std::string::npos);
  const size_t end = text.find("\n\n", begin) + 1;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    text.replace(begin, end - begin, recovery_table_markdown());
    ASSERT_TRUE(posix_file_system().remove_file(path).ok());
    ASSERT_TRUE(posix_file_system().write_new_file(path, text).ok());
    return;
  }
  EXPECT_EQ(text.substr(begin, end - begin), recovery_table_markdown())
      << "UPDATE_GOLDEN=1 build/dev/unit_tests --gtest_filter='RecoveryTable*' writes it down";
}

}  // namespace
}  // namespace signalbook
