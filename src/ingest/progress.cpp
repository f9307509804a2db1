#include "ingest/progress.h"

#include <algorithm>

namespace signalbook {

namespace {

constexpr int kRowsBetweenLooksAtTheClock = 64;

}  // namespace

Status Progress::after_row(int64_t row_count) {
  row_count_ = row_count;
  if (options_.sets_position) SB_RETURN_IF_ERROR(writer_.set_position(row_count));
  if (options_.sync_after && !oldest_) oldest_ = Clock::now();
  const bool interrupted = options_.interrupt != nullptr && *options_.interrupt != 0;
  if (!interrupted && ++rows_unchecked_ < kRowsBetweenLooksAtTheClock) return Status();
  return check();
}

Status Progress::check() {
  rows_unchecked_ = 0;
  if (row_count_ > 0) tell("rows", row_count_, 0);
  if (options_.interrupt != nullptr && *options_.interrupt != 0) {
    was_interrupted_ = true;
    return Status::io_error("interrupted");
  }
  if (!oldest_ || Clock::now() - *oldest_ < *options_.sync_after) return Status();
  return finish();
}

void Progress::tell(std::string_view unit, int64_t done, int64_t total) const {
  if (options_.watch) options_.watch({.what = "read the signals", .unit = unit, .done = done, .total = total});
}

Result<std::optional<int>> Progress::idle() {
  SB_RETURN_IF_ERROR(check());
  if (!oldest_) return std::optional<int>();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*oldest_ + *options_.sync_after - Clock::now());
  return std::optional<int>(std::max(0, static_cast<int>(left.count())));
}

Status Progress::finish() {
  SB_RETURN_IF_ERROR(writer_.sync());
  oldest_.reset();
  return acknowledge_durable();
}

Status Progress::close() {
  const Status closed = writer_.close();
  const Status acknowledged = acknowledge_durable();
  return closed.ok() ? acknowledged : closed;
}

Status Progress::acknowledge_durable() {
  const int64_t durable = writer_.durable_position();
  if (!options_.acknowledge || durable <= acknowledged_) return Status();
  acknowledged_ = durable;
  return options_.acknowledge(durable);
}

}  // namespace signalbook
