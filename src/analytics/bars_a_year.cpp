#include "analytics/bars_a_year.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace signalbook {

namespace {

constexpr int64_t kMicrosecondsADay = 86'400'000'000;
constexpr double kDaysAYear = 365.25;
constexpr double kUsualCounts[] = {252, 260, 365, 52, 12};
constexpr double kSnap = 0.03;
constexpr int64_t kShortDays = 30;

struct Date {
  int64_t day = 0;  // since 1970
  int64_t bars = 0;
};

int64_t day_of(int64_t ts) { return ts / kMicrosecondsADay - (ts % kMicrosecondsADay < 0 ? 1 : 0); }

// 1970 began on a Thursday.
bool is_weekend(int64_t day) { return ((day + 4) % 7 + 7) % 7 % 6 == 0; }

double dates_a_year(const std::vector<Date>& dates) {
  const int64_t days = dates.back().day - dates.front().day;
  if (days < kShortDays) {
    return std::ranges::any_of(dates, [](const Date& date) { return is_weekend(date.day); }) ? 365 : 252;
  }
  // Over whole weeks, so that it does not matter on which day of one the data begin and end; where there are fewer than
  // two dates a week, over the time between them.
  int64_t count = static_cast<int64_t>(dates.size()) - 1, span = days;
  if (count > 2 * days / 7) {
    span = (days + 1) / 7 * 7;
    count = std::ranges::count_if(dates, [&](const Date& date) { return date.day > dates.back().day - span; });
  }
  const double measured = static_cast<double>(count) * kDaysAYear / static_cast<double>(span);
  const double usual =
      *std::ranges::min_element(kUsualCounts, {}, [&](double usual_count) { return std::abs(usual_count - measured); });
  return std::abs(measured - usual) <= kSnap * usual ? usual : measured;
}

}  // namespace

double measure_bars_a_year(std::span<const int64_t> ts) {
  if (ts.empty()) return 252;
  std::vector<Date> dates;
  for (const int64_t time : ts) {
    const int64_t day = day_of(time);
    if (dates.empty() || dates.back().day != day) dates.push_back({.day = day, .bars = 0});
    ++dates.back().bars;
  }
  std::vector<int64_t> counts(dates.size());
  std::ranges::transform(dates, counts.begin(), &Date::bars);
  const auto middle = counts.begin() + static_cast<std::ptrdiff_t>(counts.size() / 2);
  std::ranges::nth_element(counts, middle);
  const int64_t bars_a_date = *middle;
  std::erase_if(dates, [&](const Date& date) { return 4 * date.bars < bars_a_date; });
  return static_cast<double>(bars_a_date) * dates_a_year(dates);
}

}  // namespace signalbook
