#include "cli/progress_bar.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/parallel_for.h"

namespace signalbook::cli {
namespace {

TEST(ProgressLine, TellsRateAndTimeThatIsLeft) {
  const ProgressStep step = {
      .what = "verify run_1", .unit = kProgressBytes, .done = 500'000'000, .total = 2'000'000'000};
  EXPECT_EQ(progress_line(step, 5.0, 77),
            "verify run_1  [####............]  25%  500 MB of 2.0 GB  100 MB/s  15 s left");
  const ProgressStep traces = {.what = "pack x", .unit = "traces", .done = 1'640, .total = 100'000};
  EXPECT_EQ(progress_line(traces, 1.0, 65), "pack x    2%  1,640 of 100,000 traces  1,640 traces/s  1:00 left");
  const ProgressStep rows = {.what = "read", .unit = "rows", .done = 1'000, .total = 0};
  EXPECT_EQ(progress_line(rows, 2.0, 80), "read  1,000 rows  500 rows/s");
}

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  for (int64_t done = 0; done <= 10; ++done) {
    for (int width = 0; width < 120; ++width) {
      const ProgressStep step = {.what = "a\nname \x1b[1m", .unit = "traces", .done = done, .total = done % 2 * 9};
      const std::string line = progress_line(step, static_cast<double>(done), width);
      EXPECT_LE(line.size(), static_cast<size_t>(width));
      EXPECT_EQ(line.find_first_of("\n\x1b"), std::string::npos);
    }
  }
}

TEST(ProgressMeter, AddsUpWhatThreadsHaveDone) {
  std::vector<int64_t> told;
  const ProgressCallback keep = [&](const ProgressStep& step) { told.push_back(step.done); };
  ProgressMeter meter(keep, "x", "y", 100);
  ASSERT_TRUE(parallel_for(100, 4, [&](size_t) {
                meter.add(1);
                return Status();
              }).ok());
  ASSERT_EQ(told.size(), 100u);
  for (size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i], static_cast<int64_t>(i) + 1);
}

}  // namespace
}  // namespace signalbook::cli
