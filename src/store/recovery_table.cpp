#include "store/recovery_table.h"

#include <fmt/format.h>

#include <cassert>

namespace signalbook {

namespace {

// The values of each fact and their names, in the order of its enum.
constexpr std::string_view kWriters[] = {"gone", "alive"};
constexpr std::string_view kJournal[] = {"none", "empty", "whole", "damaged", "unreadable"};
constexpr std::string_view kBars[] = {"there", "missing"};
constexpr std::string_view kIndex[] = {"absent", "whole", "damaged"};
constexpr std::string_view kDescription[] = {"absent", "whole", "damaged"};
constexpr std::string_view kTraces[] = {"none", "whole", "damaged", "lost"};
constexpr std::string_view kActions[] = {"keep", "clean", "finish", "rebuild", "set aside", "refuse"};

template <typename... Facts>
constexpr FactSet of(Facts... facts) {
  return {static_cast<uint8_t>(((1 << static_cast<int>(facts)) | ...))};
}

using W = WritersFact;
using J = JournalFact;
using B = BarsFact;
using I = IndexFact;
using D = DescriptionFact;
using T = TracesFact;
using A = RecoveryAction;

constexpr FactSet kAny = {0xFF};
constexpr FactSet kGone = of(W::gone), kAlive = of(W::alive);
constexpr FactSet kJournalIsThere = of(J::empty, J::whole, J::damaged, J::unreadable);
constexpr FactSet kJournalIsNotWhole = of(J::none, J::empty, J::damaged, J::unreadable);
constexpr FactSet kNothingInJournal = of(J::none, J::empty, J::unreadable);
constexpr FactSet kBarsThere = of(B::there), kBarsMissing = of(B::missing);
constexpr FactSet kNoIndex = of(I::absent, I::damaged);
constexpr FactSet kNoDescription = of(D::absent, D::damaged);
constexpr FactSet kSomeTraces = of(T::whole, T::damaged), kNoTraces = of(T::none, T::lost);
constexpr FactSet kTracesAreNotWhole = of(T::none, T::damaged, T::lost);

constexpr std::string_view kBringBars =
    "the journals can finish it, but the bars that they were recorded on are missing: bring them back to bars/";

// In the order of a run's life: being written, not committed, committed, damaged later.
constexpr RecoveryRule kRules[] = {
    {kAlive, kAny, kAny, kAny, kAny, kAny, A::refuse,  //
     "a writer is at it: wait until it ends, or end it"},

    {kGone, of(J::none), kBarsThere, of(I::whole), of(D::whole), of(T::whole), A::keep,  //
     "everything is whole"},
    {kGone, of(J::none), kBarsMissing, of(I::whole), of(D::whole), of(T::whole), A::keep,
     "index, run.json and traces are whole, but bars that they were recorded on are missing or damaged: bring them "
     "back "
     "to bars/ from a copy"},
    {kGone, kJournalIsThere, kAny, of(I::whole), of(D::whole), of(T::whole), A::clean,
     "the commit was done; only its journals are left"},

    {kGone, of(J::whole), kBarsThere, kNoIndex, kAny, kAny, A::finish,
     "there is no whole index: the commit was not done, or its index is damaged, and the journals have it all"},
    {kGone, of(J::whole), kBarsThere, of(I::whole), kNoDescription, kAny, A::finish,
     "run.json or the components are not whole, and the journals have it all"},
    {kGone, of(J::whole), kBarsThere, of(I::whole), of(D::whole), kTracesAreNotWhole, A::finish,
     "traces are not what the index says, and the journals have it all"},
    {kGone, of(J::whole), kBarsMissing, kNoIndex, kAny, kAny, A::refuse, kBringBars},
    {kGone, of(J::whole), kBarsMissing, of(I::whole), kNoDescription, kAny, A::refuse, kBringBars},
    {kGone, of(J::whole), kBarsMissing, of(I::whole), of(D::whole), kTracesAreNotWhole, A::refuse, kBringBars},

    {kGone, of(J::damaged), kBarsThere, of(I::absent), kAny, kAny, A::finish,
     "the commit was not done: what can be read of the journals is saved"},
    {kGone, of(J::damaged), kBarsThere, of(I::damaged), kAny, kNoTraces, A::finish,
     "index and traces are not whole: what can be read of the journals is saved"},
    {kGone, of(J::damaged), kBarsMissing, of(I::absent), kAny, kAny, A::refuse, kBringBars},
    {kGone, of(J::damaged), kBarsMissing, of(I::damaged), kAny, kNoTraces, A::refuse, kBringBars},

    {kGone, kJournalIsNotWhole, kAny, of(I::damaged), kAny, kSomeTraces, A::rebuild,
     "the commit was done, its index is damaged, and the traces say all that it said"},
    {kGone, kJournalIsNotWhole, kAny, of(I::whole), kNoDescription, of(T::whole), A::rebuild,
     "run.json or the components are not whole; index and traces are"},
    {kGone, kNothingInJournal, kAny, of(I::absent), kAny, kSomeTraces, A::rebuild,
     "there is no index and no journal to finish it from, but traces are there"},

    {kGone, kNothingInJournal, kAny, of(I::absent), of(D::absent), of(T::none), A::set_aside,
     "nothing that can be read was recorded"},

    {kGone, kJournalIsNotWhole, kAny, of(I::whole), kAny, kTracesAreNotWhole, A::refuse,
     "traces that the index names are damaged or missing, and nothing here has them: bring them back from a copy, or "
     "leave them out with signalbook index rebuild"},
    {kGone, kNothingInJournal, kAny, of(I::absent), kAny, of(T::lost), A::refuse,
     "no trace can be read, and nothing here has them: bring them back from a copy"},
    {kGone, kNothingInJournal, kAny, of(I::absent), of(D::whole, D::damaged), of(T::none), A::refuse,
     "the traces that run.json speaks of are gone: bring them back from a copy"},
    {kGone, kNothingInJournal, kAny, of(I::damaged), kAny, kNoTraces, A::refuse,
     "the index is damaged and no trace can be read: bring them back from a copy"},
};

template <size_t kCount>
std::string set_text(FactSet set, const std::string_view (&names)[kCount]) {
  std::string text;
  size_t count = 0;
  for (size_t i = 0; i < kCount; ++i) {
    if (!set.holds(i)) continue;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", names[i]);
    ++count;
  }
  return count == kCount ? "any" : text;
}

}  // namespace

std::span<const RecoveryRule> recovery_rules() { return kRules; }

const RecoveryRule& find_recovery_rule(const RecoveryFacts& facts) {
  for (const RecoveryRule& rule : kRules) {
    if (rule.fits(facts)) return rule;
  }
  assert(false);
  return kRules[0];  // which touches nothing
}

std::string_view to_text(WritersFact fact) { return kWriters[static_cast<size_t>(fact)]; }
std::string_view to_text(JournalFact fact) { return kJournal[static_cast<size_t>(fact)]; }
std::string_view to_text(BarsFact fact) { return kBars[static_cast<size_t>(fact)]; }
std::string_view to_text(IndexFact fact) { return kIndex[static_cast<size_t>(fact)]; }
std::string_view to_text(DescriptionFact fact) { return kDescription[static_cast<size_t>(fact)]; }
std::string_view to_text(TracesFact fact) { return kTraces[static_cast<size_t>(fact)]; }
std::string_view to_text(RecoveryAction action) { return kActions[static_cast<size_t>(action)]; }

std::string recovery_table_markdown() {
  std::string text =
      "| writers | journal | bars | index | run.json | traces | action | because |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const RecoveryRule& rule : kRules) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} | **{}** | {} |\n", set_text(rule.writers, kWriters),
                        set_text(rule.journal, kJournal), set_text(rule.bars, kBars), set_text(rule.index, kIndex),
                        set_text(rule.description, kDescription), set_text(rule.traces, kTraces), to_text(rule.action),
                        rule.why);
  }
  return text;
}

}  // namespace signalbook
