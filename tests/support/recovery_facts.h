#pragma once

#include <functional>
#include <string>

#include "store/recovery_table.h"

namespace signalbook {

// Every combination of what recovery may find.
inline void for_all_facts(const std::function<void(const RecoveryFacts&)>& visit) {
  for (int writers = 0; writers < 2; ++writers)
    for (int journal = 0; journal < 5; ++journal)
      for (int bars = 0; bars < 2; ++bars)
        for (int index = 0; index < 3; ++index)
          for (int description = 0; description < 3; ++description)
            for (int traces = 0; traces < 4; ++traces)
              visit({.writers = static_cast<WritersFact>(writers),
                     .journal = static_cast<JournalFact>(journal),
                     .bars = static_cast<BarsFact>(bars),
                     .index = static_cast<IndexFact>(index),
                     .description = static_cast<DescriptionFact>(description),
                     .traces = static_cast<TracesFact>(traces)});
}

inline std::string name(const RecoveryFacts& facts) {
  std::string text;
  for (const std::string_view part : {to_text(facts.writers), to_text(facts.journal), to_text(facts.bars),
                                      to_text(facts.index), to_text(facts.description), to_text(facts.traces)}) {
    text += std::string(part) + " ";
  }
  return text;
}

}  // namespace signalbook
