#pragma once

#include <cstdint>
#include <span>

namespace signalbook {

// How many bars a year has, measured from the bars' opening times (microseconds since 1970 UTC, increasing): the
// median of bars a trading date, times trading dates a year. Dates are UTC's. A date with less than a quarter of the
// median (the Sunday evening of a currency) is a stub and counts neither way.
//
// Dates a year are measured from the first to the last, and taken to be 252, 260, 365, 52 or 12 where that is within
// 3% (the nearest of them). Of less than 30 days they cannot be told: 252 then, or 365 if there is a Saturday or a
// Sunday among them. So 5-minute bars of a US session (78 a date) give 19,656, and 15-minute bars (26) 6,552.
double measure_bars_a_year(std::span<const int64_t> ts);

}  // namespace signalbook
