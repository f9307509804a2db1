#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace signalbook {

// Bytes of a descriptor (a pipe, mostly) as they come. While nothing comes, the time is given to somebody else.
class ByteStream {
 public:
  // Does what is due and says in how many milliseconds it wants to be called again; nothing: when something has come.
  // Its error ends the waiting.
  using Idle = std::function<Result<std::optional<int>>()>;

  // `wake_descriptor` ends the waiting when it can be read, so that `idle` is called at once; -1 is none. Neither
  // descriptor is closed here.
  ByteStream(int descriptor, int wake_descriptor, Idle idle)
      : descriptor_(descriptor), wake_descriptor_(wake_descriptor), idle_(std::move(idle)) {}

  // Appends what has come, at least one byte and about `limit` at the most. At the end nothing is appended.
  Status read(std::string* bytes, size_t limit = size_t{1} << 17);
  bool is_at_end() const { return at_end_; }
  // Appends what has come by now, about `limit` at the most; nothing where that is nothing yet, or no more.
  Status read_at_hand(std::string* bytes, size_t limit = size_t{1} << 17);

  // What was read too far, to be read again.
  void put_back(std::string_view bytes) { put_back_.insert(0, bytes); }

 private:
  Status wait();
  Status read_now(std::string* bytes, size_t limit);

  int descriptor_, wake_descriptor_;
  Idle idle_;
  std::string put_back_;
  bool at_end_ = false;
};

}  // namespace signalbook
