#pragma once

#include <chrono>
#include <cstdint>

namespace signalbook::demo {

// When the New York stock exchange trades. Written out as rules, because the standard library of g++ 12 has no time
// zones. Early closes (the days before some holidays) are left out: every trading day has 390 minutes.
inline constexpr int kSessionOpenMinute = 9 * 60 + 30;  // New York time, minutes after midnight
inline constexpr int kSessionCloseMinute = 16 * 60;

bool is_trading_day(std::chrono::sys_days day);

// 09:30 in New York on that day, as microseconds since 1970 UTC.
int64_t session_open_us(std::chrono::sys_days day);

// The minute of the day in New York, 0 to 1439. Exact but for the hours from midnight to 2 on the two days a year on
// which the clock changes.
int new_york_minute(int64_t ts_us);

}  // namespace signalbook::demo
