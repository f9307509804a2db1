#include "study/study_control.h"

#include <mutex>

#include "base/parallel_for.h"

namespace signalbook {

Status StudyControl::for_each(size_t count, const std::function<Status(size_t)>& body) const {
  if (progress == nullptr) return parallel_for(count, threads, body, interrupt);
  std::mutex mutex;
  int64_t done = 0;
  const auto told = [&](size_t i) -> Status {
    SB_RETURN_IF_ERROR(body(i));
    const std::lock_guard guard(mutex);
    progress(++done, static_cast<int64_t>(count));
    return Status();
  };
  return parallel_for(count, threads, told, interrupt);
}

Status StudyControl::check_interrupt() const {
  return interrupt != nullptr && *interrupt != 0 ? Status::io_error("interrupted") : Status();
}

}  // namespace signalbook
