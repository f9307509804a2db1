#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/status.h"

namespace signalbook {

// Things that are costly to make, kept by their keys until they are too large together: then those that were asked for
// longest ago go. The last one always stays. For several threads; a thing is made once, and who asks for it meanwhile
// waits, who asks for another does not.
template <typename Thing, typename Key = std::string>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(size_t most_bytes) : most_bytes_(most_bytes) {}

  // `make` gives a Result<Thing>, `size_of` the bytes of one. What fails is not kept.
  template <typename Make, typename SizeOf>
  Result<std::shared_ptr<const Thing>> get(const Key& key, Make&& make, SizeOf&& size_of) {
    const std::shared_ptr<Slot> slot = find_or_add(key);
    const std::lock_guard lock(slot->making);
    if (slot->thing != nullptr) return slot->thing;
    Result<Thing> made = make();
    if (!made.ok()) {
      drop(key, slot);
      return made.status();
    }
    slot->thing = std::make_shared<const Thing>(*std::move(made));
    keep(key, slot, size_of(*slot->thing));
    return slot->thing;
  }

 private:
  struct Slot {
    std::mutex making;
    std::shared_ptr<const Thing> thing;
  };
  struct Entry {
    Key key;
    std::shared_ptr<Slot> slot;
    size_t size = 0;
  };

  std::shared_ptr<Slot> find_or_add(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = places_.try_emplace(key);
    if (is_new) {
      entries_.push_front({.key = key, .slot = std::make_shared<Slot>()});
      place->second = entries_.begin();
    } else {
      entries_.splice(entries_.begin(), entries_, place->second);
    }
    return place->second->slot;
  }

  void drop(const Key& key, const std::shared_ptr<Slot>& slot) {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(key);
    if (place == places_.end() || place->second->slot != slot) return;
    entries_.erase(place->second);
    places_.erase(place);
  }

  void keep(const Key& key, const std::shared_ptr<Slot>& slot, size_t size) {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(key);
    if (place == places_.end() || place->second->slot != slot) return;  // it had to go already
    place->second->size = size;
    size_ += size;
    while (size_ > most_bytes_ && entries_.size() > 1) {
      size_ -= entries_.back().size;
      places_.erase(entries_.back().key);
      entries_.pop_back();
    }
  }

  const size_t most_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last one asked for first
  std::map<Key, typename std::list<Entry>::iterator> places_;
  size_t size_ = 0;
};

}  // namespace signalbook
