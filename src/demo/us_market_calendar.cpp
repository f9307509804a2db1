#include "demo/us_market_calendar.h"

namespace signalbook::demo {
namespace {

using namespace std::chrono;

sys_days nth_weekday(year y, month m, weekday day, unsigned n) { return sys_days(y / m / day[n]); }

// Gauss's rule in the form of Meeus, Jones and Butcher: Good Friday moves with Easter.
sys_days easter_sunday(int y) {
  const int a = y % 19, b = y / 100, c = y % 100;
  const int h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
  const int l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int month_day = h + l - 7 * m + 114;
  return sys_days(year(y) / month(static_cast<unsigned>(month_day / 31)) /
                  day(static_cast<unsigned>(month_day % 31 + 1)));
}

// A holiday on a weekend is kept on the nearest weekday.
sys_days observed(sys_days holiday) {
  if (weekday(holiday) == Saturday) return holiday - days(1);
  if (weekday(holiday) == Sunday) return holiday + days(1);
  return holiday;
}

bool is_holiday(sys_days d) {
  const year y = year_month_day(d).year();
  const sys_days new_year = sys_days(y / January / 1);
  // The one holiday that is not moved back to a Friday: that day ends the old year's books.
  if (d == new_year || (weekday(new_year) == Sunday && d == new_year + days(1))) return true;
  return d == nth_weekday(y, January, Monday, 3) ||            // Martin Luther King
         d == nth_weekday(y, February, Monday, 3) ||           // Washington's birthday
         d == easter_sunday(static_cast<int>(y)) - days(2) ||  // Good Friday
         d == sys_days(y / May / Monday[last]) ||              // Memorial Day
         d == observed(sys_days(y / June / 19)) ||             // Juneteenth
         d == observed(sys_days(y / July / 4)) ||              // Independence Day
         d == nth_weekday(y, September, Monday, 1) ||          // Labor Day
         d == nth_weekday(y, November, Thursday, 4) ||         // Thanksgiving
         d == observed(sys_days(y / December / 25));           // Christmas
}

// Daylight time runs from the second Sunday of March to the first Sunday of November, as since 2007.
hours utc_ahead_of_new_york(sys_days d) {
  const year y = year_month_day(d).year();
  const bool daylight = d >= nth_weekday(y, March, Sunday, 2) && d < nth_weekday(y, November, Sunday, 1);
  return hours(daylight ? 4 : 5);
}

}  // namespace

bool is_trading_day(sys_days day) {
  const weekday w(day);
  return w != Saturday && w != Sunday && !is_holiday(day);
}

int64_t session_open_us(sys_days day) {
  const auto open = sys_time<microseconds>(day) + utc_ahead_of_new_york(day) + minutes(kSessionOpenMinute);
  return open.time_since_epoch().count();
}

int new_york_minute(int64_t ts_us) {
  const sys_time<microseconds> utc{microseconds(ts_us)};
  // The evening in New York is the next day in UTC; five hours back is the right date at any time of the year.
  const auto local = utc - utc_ahead_of_new_york(floor<days>(utc - hours(5)));
  return static_cast<int>(floor<minutes>(local - floor<days>(local)).count());
}

}  // namespace signalbook::demo
