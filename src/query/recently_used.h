#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"

namespace signalbook {

// Things that are costly to make, kept by their names until they are too large together: then those that were asked for
// longest ago go. The last one always stays. For several threads; a thing is made once, and others wait for it.
template <typename Thing>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(size_t most_bytes) : most_bytes_(most_bytes) {}

  // `make` gives a Result<Thing>, `size_of` the bytes of one. What fails is not kept.
  template <typename Make, typename SizeOf>
  Result<std::shared_ptr<const Thing>> get(const std::string& name, Make&& make, SizeOf&& size_of) {
    const std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->name != name) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->thing;
    }
    Result<Thing> made = make();
    if (!made.ok()) return made.status();
    auto thing = std::make_shared<const Thing>(*std::move(made));
    entries_.push_front({.name = name, .thing = thing, .size = size_of(*thing)});
    size_ += entries_.front().size;
    while (size_ > most_bytes_ && entries_.size() > 1) {
      size_ -= entries_.back().size;
      entries_.pop_back();
    }
    return thing;
  }

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<const Thing> thing;
    size_t size = 0;
  };

  const size_t most_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last one asked for first
  size_t size_ = 0;
};

}  // namespace signalbook
