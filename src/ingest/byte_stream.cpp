#include "ingest/byte_stream.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace signalbook {

Status ByteStream::wait() {
  for (;;) {
    std::optional<int> milliseconds;
    if (idle_) {
      SB_ASSIGN_OR_RETURN(milliseconds, idle_());
    }
    pollfd polled[] = {{.fd = descriptor_, .events = POLLIN, .revents = 0},
                       {.fd = wake_descriptor_, .events = POLLIN, .revents = 0}};  // a negative one is not looked at
    const int ready = ::poll(polled, 2, milliseconds.value_or(-1));
    if (ready < 0 && errno != EINTR) return Status::io_error(fmt::format("cannot wait: {}", std::strerror(errno)));
    if (ready > 0 && polled[1].revents != 0) {
      // Whoever woke us says in idle() what it is about; without an answer there it is nothing.
      if (idle_) SB_RETURN_IF_ERROR(idle_().status());
    }
    if (ready > 0 && polled[0].revents != 0) return Status();
  }
}

Status ByteStream::read(std::string* bytes, size_t limit) {
  if (!put_back_.empty()) {
    *bytes += std::exchange(put_back_, {});
    return Status();
  }
  if (at_end_) return Status();
  SB_RETURN_IF_ERROR(wait());
  return read_now(bytes, limit);
}

Status ByteStream::read_at_hand(std::string* bytes, size_t limit) {
  if (!put_back_.empty()) return read(bytes, limit);
  pollfd polled = {.fd = descriptor_, .events = POLLIN, .revents = 0};
  return at_end_ || ::poll(&polled, 1, 0) <= 0 ? Status() : read_now(bytes, limit);
}

Status ByteStream::read_now(std::string* bytes, size_t limit) {
  const size_t before = bytes->size();
  bytes->resize(before + limit);
  ssize_t count;
  do {
    count = ::read(descriptor_, bytes->data() + before, limit);
  } while (count < 0 && errno == EINTR);
  const int error = errno;
  bytes->resize(before + static_cast<size_t>(count < 0 ? 0 : count));
  if (count < 0) return Status::io_error(fmt::format("cannot read: {}", std::strerror(error)));
  at_end_ = count == 0;
  return Status();
}

}  // namespace signalbook
