#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace signalbook {

// What is found in the directory of a run, each fact told by itself, and what follows from all of them together.

// Whether a process writes to the run.
enum class WritersFact : uint8_t { gone, alive };

// .journal/, all writers together. An end that a crash cut off is no damage.
enum class JournalFact : uint8_t {
  none,        // there is no such directory
  empty,       // nothing was recorded in it, or somebody died removing it after a commit
  whole,       // every frame is what was written
  damaged,     // a frame is not, or a trace that the index names is in none; some traces can be read
  unreadable,  // a frame is not, and no trace can be read
};

// The bars of every feed: of those that the journals name, beside them or in the store, where the run is to be made of
// them; else of those that run.json and the index name, in the store.
enum class BarsFact : uint8_t { there, missing };

// strategy_index.parquet.
enum class IndexFact : uint8_t {
  absent,
  whole,    // it can be read, and is what run.json says of it, where run.json is whole
  damaged,  // neither
};

// run.json, and strategy_components.parquet, of which it says what it is.
enum class DescriptionFact : uint8_t { absent, whole, damaged };

// The trace files under their final names. Where the index is whole, they are whole as it says; else each by itself.
enum class TracesFact : uint8_t {
  none,     // there is no file, and none is named by a whole index
  whole,    // all are
  damaged,  // some are not, or missing
  lost,     // none is
};

struct RecoveryFacts {
  WritersFact writers = WritersFact::gone;
  JournalFact journal = JournalFact::none;
  BarsFact bars = BarsFact::there;
  IndexFact index = IndexFact::absent;
  DescriptionFact description = DescriptionFact::absent;
  TracesFact traces = TracesFact::none;

  bool operator==(const RecoveryFacts&) const = default;
};

enum class RecoveryAction : uint8_t {
  keep,       // the run is whole
  clean,      // the run is whole, and its journals are of no use any more
  finish,     // the run is made of its journals
  rebuild,    // index, components and run.json are made of the traces
  set_aside,  // nothing was saved: the directory is moved to lost+found
  refuse,     // nothing is touched: a writer is at it, or what is damaged cannot be made again from what is there
};

// Some values of one fact, as a set of bits.
struct FactSet {
  uint8_t bits = 0;

  template <typename Fact>
  constexpr bool holds(Fact fact) const {
    return (bits >> static_cast<int>(fact) & 1) != 0;
  }
};

// A row of the table: it fits where each fact is in its set.
struct RecoveryRule {
  FactSet writers, journal, bars, index, description, traces;
  RecoveryAction action;
  std::string_view why;  // a sentence

  bool fits(const RecoveryFacts& facts) const {
    return writers.holds(facts.writers) && journal.holds(facts.journal) && bars.holds(facts.bars) &&
           index.holds(facts.index) && description.holds(facts.description) && traces.holds(facts.traces);
  }
};

// The decision table: exactly one rule fits any facts.
std::span<const RecoveryRule> recovery_rules();
const RecoveryRule& find_recovery_rule(const RecoveryFacts& facts);

std::string_view to_text(WritersFact fact);
std::string_view to_text(JournalFact fact);
std::string_view to_text(BarsFact fact);
std::string_view to_text(IndexFact fact);
std::string_view to_text(DescriptionFact fact);
std::string_view to_text(TracesFact fact);
std::string_view to_text(RecoveryAction action);

// The table as Markdown, as it stands in docs/design.md.
std::string recovery_table_markdown();

}  // namespace signalbook
