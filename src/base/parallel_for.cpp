#include "base/parallel_for.h"

#include <algorithm>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace signalbook {

namespace {

// Items are handed out in order, some at a time. When one fails those before it are still done, by whoever has them:
// one of them may fail, too.
class Handout {
 public:
  Handout(size_t count, size_t threads, const std::function<Status(size_t)>& body, const std::atomic<int>* interrupt)
      : count_(count),
        at_a_time_(std::clamp(count / (threads * 8), size_t{1}, size_t{16})),
        body_(body),
        interrupt_(interrupt),
        failed_(count) {}

  void work() {
    while (true) {
      const size_t begin = next_.fetch_add(at_a_time_), end = std::min(begin + at_a_time_, count_);
      for (size_t i = begin; i < end; ++i) {
        if (i > failed_ || is_interrupted()) break;
        if (Status status = body_(i); !status.ok()) note(i, std::move(status));
      }
      if (end >= count_ || failed_ < count_ || was_interrupted_) return;
    }
  }

  Status finish() {
    if (failed_ < count_) return std::move(error_);
    return was_interrupted_ ? Status::io_error("interrupted") : Status();
  }

 private:
  bool is_interrupted() {
    if (interrupt_ != nullptr && *interrupt_ != 0) was_interrupted_ = true;
    return was_interrupted_;
  }

  void note(size_t i, Status status) {
    const std::lock_guard guard(mutex_);
    if (i >= failed_) return;
    failed_ = i;
    error_ = std::move(status);
  }

  const size_t count_, at_a_time_;
  const std::function<Status(size_t)>& body_;
  const std::atomic<int>* const interrupt_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> failed_;  // the smallest so far
  std::atomic<bool> was_interrupted_{false};
  std::mutex mutex_;
  Status error_;  // of failed_
};

}  // namespace

size_t core_count() { return std::max(std::thread::hardware_concurrency(), 1u); }

Status parallel_for(size_t count, size_t threads, const std::function<Status(size_t)>& body,
                    const std::atomic<int>* interrupt) {
  threads = std::clamp(threads == 0 ? core_count() : threads, size_t{1}, std::max(count, size_t{1}));
  Handout handout(count, threads, body, interrupt);
  std::vector<std::thread> others;
  try {
    while (others.size() + 1 < threads) others.emplace_back([&] { handout.work(); });
  } catch (const std::system_error&) {
    // Fewer do.
  }
  handout.work();
  for (std::thread& other : others) other.join();
  return handout.finish();
}

}  // namespace signalbook
