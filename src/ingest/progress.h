#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/progress.h"
#include "base/status.h"
#include "store/run_writer.h"

namespace signalbook {

// What is to be done between the rows of an input: they are counted, made durable in time and acknowledged, and an
// interrupt is seen. One thread does all of it, so whoever hands over rows calls here after each of them, and while it
// waits for more.
class Progress {
 public:
  struct Options {
    // Rows are made durable when the oldest of them has waited so long. None: as the writer's journal does it.
    std::optional<std::chrono::milliseconds> sync_after;
    // Told whenever the first N rows are durable, N growing. Its error ends the recording.
    std::function<Status(int64_t)> acknowledge;
    const std::atomic<int>* interrupt = nullptr;  // not 0: stop
    bool sets_position = false;                   // of the writer, after each row
    ProgressCallback watch = nullptr;
  };

  Progress(RunWriter& writer, Options options)
      : writer_(writer), options_(std::move(options)), acknowledged_(writer.position()), row_count_(0) {}

  // So many rows are handed over by now, all of them recorded.
  Status after_row(int64_t row_count);
  // Between rows: does what is due. Fails when it was interrupted.
  Status check();
  // The same while there is nothing to read; says in how many milliseconds something will be due.
  Result<std::optional<int>> idle();
  // All that was handed over is durable and acknowledged.
  Status finish();
  // The same, and the writer is closed: the run can be gone on with.
  Status close();

  // To whoever watches. total 0: not known.
  void tell(std::string_view unit, int64_t done, int64_t total) const;

  int64_t row_count() const { return row_count_; }
  bool was_interrupted() const { return was_interrupted_; }

 private:
  using Clock = std::chrono::steady_clock;

  Status acknowledge_durable();

  RunWriter& writer_;
  Options options_;
  int64_t acknowledged_;
  int64_t row_count_;
  int rows_unchecked_ = 0;
  std::optional<Clock::time_point> oldest_;  // of the rows that are not durable
  bool was_interrupted_ = false;
};

}  // namespace signalbook
