#pragma once

#include <atomic>
#include <memory>

#include "base/status.h"

namespace signalbook::cli {

// While it lives, the first SIGINT or SIGTERM is noted, for the program to end in its own way; a second one ends it at
// once, as it would have without this.
class Interrupt {
 public:
  static Result<std::unique_ptr<Interrupt>> catch_signals();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  const std::atomic<int>& signal_number() const;      // 0 until one came
  int descriptor() const { return descriptors_[0]; }  // can be read when one came

 private:
  Interrupt() = default;

  int descriptors_[2] = {-1, -1};
};

}  // namespace signalbook::cli
