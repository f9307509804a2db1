#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/status.h"

namespace signalbook {

// How work on many traces is done and watched. Nothing in it changes a figure.
struct StudyControl {
  size_t threads = 0;  // 0: one a core
  // Told how many traces are done: growing, by one thread at a time.
  std::function<void(int64_t done, int64_t total)> progress = nullptr;
  const std::atomic<int>* interrupt = nullptr;  // not 0: stop

  // Calls body(i) for each i in [0, count): parallel_for() with all of the above.
  Status for_each(size_t count, const std::function<Status(size_t)>& body) const;
  // IoError where it is to stop: for work in one piece, before and after it.
  Status check_interrupt() const;
};

}  // namespace signalbook
