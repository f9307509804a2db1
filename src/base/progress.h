#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace signalbook {

// How far a long work is.
struct ProgressStep {
  std::string_view what;  // that is done, for people: "verify run_1"
  std::string_view unit;  // of which `done` are: "traces"; kProgressBytes
  int64_t done = 0;
  int64_t total = 0;  // 0: not known
};
inline constexpr std::string_view kProgressBytes = "bytes";

// Told it while the work is done: often, by one thread at a time. None: nobody watches.
using ProgressCallback = std::function<void(const ProgressStep&)>;

// Adds up what several threads have done.
class ProgressMeter {
 public:
  ProgressMeter(const ProgressCallback& call, std::string what, std::string_view unit, int64_t total)
      : call_(call), what_(std::move(what)), unit_(unit), total_(total) {}

  void add(int64_t count) {
    if (!call_) return;
    const std::lock_guard lock(mutex_);
    done_ += count;
    call_({.what = what_, .unit = unit_, .done = done_, .total = total_});
  }

 private:
  const ProgressCallback& call_;
  const std::string what_;
  const std::string_view unit_;
  const int64_t total_;
  std::mutex mutex_;
  int64_t done_ = 0;
};

}  // namespace signalbook
