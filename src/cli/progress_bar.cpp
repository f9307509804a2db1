#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "cli/common.h"

namespace signalbook::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kFirstShown = std::chrono::milliseconds(700), kBetween = std::chrono::milliseconds(100);
constexpr int kUsualWidth = 80;

std::string amount(double count, std::string_view unit) {
  if (unit != kProgressBytes) return fmt::format("{} {}", with_separators(std::llround(count)), unit);
  if (count < 1e6) return fmt::format("{:.0f} kB", count / 1e3);
  return count < 1e9 ? fmt::format("{:.0f} MB", count / 1e6) : fmt::format("{:.1f} GB", count / 1e9);
}

std::string time_left(double seconds) {
  const int64_t whole = std::llround(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s left", whole);
  if (whole < 3600) return fmt::format("{}:{:02} left", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02} left", whole / 3600, whole / 60 % 60, whole % 60);
}

ProgressBar* current = nullptr;  // there is one screen, and commands print from one thread

int width_of_stderr() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualWidth;
}

// What cannot be shown is not missed.
void write_to_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace

std::string progress_line(const ProgressStep& step, double seconds, int width) {
  const auto done = static_cast<double>(step.done);
  const double rate = seconds > 0 ? done / seconds : 0.0;
  std::string front = escape_lines(step.what), behind;
  std::ranges::replace(front, '\n', ' ');
  if (step.total > 0) {
    const auto total = static_cast<double>(step.total);
    behind = fmt::format("{:3.0f}%  {} of {}", std::min(100.0, 100.0 * done / total),
                         step.unit == kProgressBytes ? amount(done, step.unit) : with_separators(step.done),
                         amount(total, step.unit));
    if (rate > 0) behind += fmt::format("  {}/s  {}", amount(rate, step.unit), time_left((total - done) / rate));
  } else {
    behind = amount(done, step.unit);
    if (rate > 0) behind += fmt::format("  {}/s", amount(rate, step.unit));
  }
  // The bar has what is left of the line, if that is enough to tell anything.
  constexpr int kLeastBar = 10, kMostBar = 40;
  const int room = width - static_cast<int>(front.size() + behind.size()) - 6;
  std::string line = front + "  ";
  if (step.total > 0 && room >= kLeastBar) {
    const int cells = std::min(room, kMostBar);
    const auto full =
        static_cast<size_t>(std::clamp<int64_t>(step.done * cells / std::max<int64_t>(step.total, 1), 0, cells));
    line += fmt::format("[{}{}] ", std::string(full, '#'), std::string(static_cast<size_t>(cells) - full, '.'));
  }
  line += behind;
  if (static_cast<int>(line.size()) > width) line.resize(static_cast<size_t>(std::max(width, 0)));
  return line;
}

struct ProgressBar::State {
  std::string what;
  Clock::time_point began, shown;
  Clock::duration wait = kFirstShown;
  bool is_shown = false;
};

void hide_progress() {
  if (ProgressBar* const bar = current) bar->hide();
}

ProgressBar::ProgressBar(bool quiet) {
  if (quiet || ::isatty(STDERR_FILENO) == 0 || current != nullptr) return;
  current = this;
  state_ = std::make_unique<State>();
  state_->began = state_->shown = Clock::now();
  const char* const when = std::getenv("SIGNALBOOK_PROGRESS");
  if (when != nullptr && std::string_view(when) == "always") state_->wait = Clock::duration::zero();
}

ProgressBar::~ProgressBar() {
  hide();
  if (current == this) current = nullptr;
}

void ProgressBar::hide() {
  if (state_ == nullptr || !state_->is_shown) return;
  write_to_stderr("\r\x1b[K");
  state_->is_shown = false;
}

ProgressCallback ProgressBar::callback() {
  if (state_ == nullptr) return nullptr;
  return [this](const ProgressStep& step) { show(step); };
}

std::function<void(int64_t, int64_t)> ProgressBar::counter(std::string what, std::string unit) {
  if (state_ == nullptr) return nullptr;
  return [this, what = std::move(what), unit = std::move(unit)](int64_t done, int64_t total) {
    show({.what = what, .unit = unit, .done = done, .total = total});
  };
}

void ProgressBar::show(const ProgressStep& step) {
  State& state = *state_;
  const Clock::time_point now = Clock::now();
  if (state.what != step.what) {  // another work: its rate is its own
    const bool is_first = state.what.empty();
    state.what = step.what;
    state.began = now;
    if (is_first) state.shown = now;
  }
  if (now - state.shown < (state.is_shown ? std::min<Clock::duration>(state.wait, kBetween) : state.wait)) return;
  state.shown = now;
  state.is_shown = true;
  const std::chrono::duration<double> seconds = now - state.began;
  write_to_stderr("\r\x1b[K" + progress_line(step, seconds.count(), width_of_stderr() - 1));
}

}  // namespace signalbook::cli
