#include "cli/interrupt.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace signalbook::cli {

namespace {

// A signal handler can reach nothing else.
std::atomic<int> noted{0};
std::atomic<int> wake_descriptor{-1};
static_assert(std::atomic<int>::is_always_lock_free);

constexpr int kSignals[] = {SIGINT, SIGTERM};

void note(int number) {
  const int error = errno;
  if (noted.exchange(number) != 0) {
    (void)std::signal(number, SIG_DFL);
    (void)::raise(number);  // takes effect when this returns
  }
  (void)!::write(wake_descriptor, "", 1);
  errno = error;
}

}  // namespace

Result<std::unique_ptr<Interrupt>> Interrupt::catch_signals() {
  std::unique_ptr<Interrupt> interrupt(new Interrupt);
  if (::pipe2(interrupt->descriptors_, O_CLOEXEC | O_NONBLOCK) != 0)
    return Status::io_error(fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  noted = 0;
  wake_descriptor = interrupt->descriptors_[1];
  for (const int number : kSignals) {
    struct sigaction before = {};
    // Whoever has started us may want them ignored (nohup, a shell's background jobs).
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    struct sigaction action = {};
    action.sa_handler = note;  // without SA_RESTART: waiting ends
    (void)::sigaction(number, &action, nullptr);
  }
  return interrupt;
}

Interrupt::~Interrupt() {
  for (const int number : kSignals) {
    struct sigaction before = {};
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == note) (void)std::signal(number, SIG_DFL);
  }
  wake_descriptor = -1;
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) (void)::close(descriptor);
  }
}

const std::atomic<int>& Interrupt::signal_number() const { return noted; }

}  // namespace signalbook::cli
