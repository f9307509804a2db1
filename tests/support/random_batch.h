#pragma once

#include <random>
#include <string>
#include <vector>

#include "journal/journal_batch.h"

namespace signalbook {

// A batch with some items of some kinds, at most `most` of each, for the tests of the journal: any bits that fit.
class RandomBatches {
 public:
  explicit RandomBatches(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t end) { return random_() % end; }

  void fill(JournalBatch& batch, size_t most) {
    fill(batch.feeds, most, [&] {
      return JournalFeed{text(8), text(4), std::string(64, 'a'), static_cast<int64_t>(random_())};
    });
    fill(batch.strategies, most, [&] { return JournalStrategy{text(12), text(100)}; });
    fill(batch.traces, most, [&] { return JournalTrace{word(), word()}; });
    fill(batch.labels, most, [&] { return text(10); });
    fill(batch.changes, most, [&] { return JournalChange{word(), word(), real()}; });
    fill(batch.label_changes, most, [&] { return JournalLabelChange{word(), word(), word(), 0}; });
    fill(batch.prices, most, [&] { return JournalPrice{word(), word(), real()}; });
    fill(batch.observed, most, [&] { return JournalObserved{word(), word(), word(), word()}; });
    batch.input_ended = below(8) == 0;
  }

 private:
  template <typename Item, typename Make>
  void fill(std::vector<Item>& items, size_t most, Make make) {
    if (below(3) == 0) return;
    for (size_t count = below(most + 1); count > 0; --count) items.push_back(make());
  }
  std::string text(size_t most) {
    std::string text(below(most + 1), '\0');
    for (char& byte : text) byte = static_cast<char>(random_());
    return text;
  }
  uint32_t word() { return static_cast<uint32_t>(random_()); }
  double real() { return static_cast<double>(static_cast<int64_t>(random_())) / 1024.0; }

  std::mt19937_64 random_;
};

}  // namespace signalbook
