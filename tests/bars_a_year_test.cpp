#include "analytics/bars_a_year.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace signalbook {
namespace {

constexpr int64_t kMinute = 60'000'000, kDay = 1'440 * kMinute;
constexpr int64_t kMonday = 19'723 * kDay;  // 2024-01-01

// `bars` bars from an hour on, every `minutes`, on the dates that are wanted (day 0 is a Monday).
std::vector<int64_t> sessions(int64_t days, int64_t bars, int64_t minutes, const std::function<bool(int64_t)>& wanted,
                              int64_t from_minute = 14 * 60 + 30) {
  std::vector<int64_t> ts;
  for (int64_t day = 0; day < days; ++day) {
    if (!wanted(day)) continue;
    for (int64_t bar = 0; bar < bars; ++bar)
      ts.push_back(kMonday + day * kDay + (from_minute + bar * minutes) * kMinute);
  }
  return ts;
}

bool is_weekday(int64_t day) { return day % 7 < 5; }
// Nine or ten holidays a year, as on an American exchange.
bool is_trading_day(int64_t day) { return is_weekday(day) && day % 40 != 0; }
bool is_any_day(int64_t) { return true; }

TEST(BarsAYear, OfAnAmericanSession) {
  EXPECT_EQ(measure_bars_a_year(sessions(730, 78, 5, is_trading_day)), 252 * 78);
  EXPECT_EQ(measure_bars_a_year(sessions(730, 26, 15, is_trading_day)), 6'552) << "not 252: bars are not days";
  EXPECT_EQ(measure_bars_a_year(sessions(730, 390, 1, is_trading_day)), 252 * 390);
  EXPECT_EQ(measure_bars_a_year(sessions(730, 1, 1, is_trading_day)), 252);
}

TEST(BarsAYear, OfMarketsThatNeverOrSeldomClose) {
  EXPECT_EQ(measure_bars_a_year(sessions(400, 24, 60, is_any_day, 0)), 365 * 24);
  EXPECT_EQ(measure_bars_a_year(sessions(400, 1, 1, is_any_day, 0)), 365);
  EXPECT_EQ(measure_bars_a_year(sessions(400, 288, 5, is_weekday, 0)), 260 * 288);
}

TEST(BarsAYear, OfWeeksAndMonths) {
  EXPECT_EQ(measure_bars_a_year(sessions(1'000, 1, 1, [](int64_t day) { return day % 7 == 4; })), 52);
  EXPECT_EQ(measure_bars_a_year(sessions(2'000, 1, 1, [](int64_t day) { return day % 30 == 0; })), 12);
}

TEST(BarsAYear, WhatIsNoUsualCountStaysAsMeasured) {
  const double measured = measure_bars_a_year(sessions(1'001, 1, 1, [](int64_t day) { return day % 4 == 0; }));
  EXPECT_NEAR(measured, 365.25 / 4, 1e-9);
}

TEST(BarsAYear, HalfDaysAndSundayEveningsDoNotMoveIt) {
  auto ts = sessions(730, 78, 5, is_trading_day);
  std::erase_if(ts, [](int64_t time) { return time / kDay % 50 == 0 && time % kDay > 17 * 60 * kMinute; });
  EXPECT_EQ(measure_bars_a_year(ts), 252 * 78);

  // A currency: the week begins on Sunday at 22:00.
  std::vector<int64_t> currency;
  for (const int64_t time : sessions(400, 24, 60, is_any_day, 0)) {
    const int64_t day = (time - kMonday) / kDay % 7, hour = time % kDay / (60 * kMinute);
    if (day < 5 || (day == 6 && hour >= 22)) currency.push_back(time);
  }
  EXPECT_EQ(measure_bars_a_year(currency), 260 * 24);
}

TEST(BarsAYear, ShortDataTakesTheUsualYear) {
  EXPECT_EQ(measure_bars_a_year(sessions(29, 78, 5, is_weekday)), 252 * 78);
  EXPECT_EQ(measure_bars_a_year(sessions(29, 24, 60, is_any_day, 0)), 365 * 24);
  EXPECT_EQ(measure_bars_a_year(sessions(30, 24, 60, is_any_day, 0)), 365 * 24);
  EXPECT_EQ(measure_bars_a_year(sessions(35, 78, 5, is_weekday)), 260 * 78) << "long enough to be measured";
  EXPECT_EQ(measure_bars_a_year(std::vector<int64_t>{kMonday}), 252);
  EXPECT_EQ(measure_bars_a_year(std::vector<int64_t>{kMonday + 5 * kDay}), 365) << "a Saturday";
  EXPECT_EQ(measure_bars_a_year({}), 252);
  EXPECT_EQ(measure_bars_a_year(std::vector<int64_t>{-3 * kDay, -2 * kDay}), 252) << "Monday and Tuesday, before 1970";
}

}  // namespace
}  // namespace signalbook
