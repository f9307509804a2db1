#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/progress.h"

namespace signalbook::cli {

// "verify run_1  [#####.....] 52%  1.3 GB of 2.5 GB  640 MB/s  2 s left", at the most `width` columns. Without a total
// there is no bar and no end: "record run_1  1,200,000 rows  400,000 rows/s".
std::string progress_line(const ProgressStep& step, double seconds, int width);

// Shows people how far a long work is: on standard error, where that is a terminal, when it takes about a second (at
// once with SIGNALBOOK_PROGRESS=always).
// It is gone from the screen when this object goes, and while anything else is printed (hide_progress).
class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // For the work; nothing where nobody sees it. Lives no longer than this object.
  ProgressCallback callback();
  // The same for a work that says only how many of these it has done.
  std::function<void(int64_t done, int64_t total)> counter(std::string what, std::string unit);
  // Takes it away until the next step, so that a line can be printed.
  void hide();

 private:
  struct State;
  void show(const ProgressStep& step);
  std::unique_ptr<State> state_;  // nullptr where nobody sees it
};

// Takes the bar away that is on the screen, if there is one: before something is printed.
void hide_progress();

}  // namespace signalbook::cli
