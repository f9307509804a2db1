#include "demo/example_bars.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <random>

#include "demo/us_market_calendar.h"

namespace signalbook::demo {
namespace {

using namespace std::chrono;

constexpr int kSessionMinutes = kSessionCloseMinute - kSessionOpenMinute;
constexpr int kStepsPerMinute = 4;
constexpr double kDailyVolatility = 0.0075;  // of one session, without the night
constexpr double kNightVolatility = 0.0035;
constexpr double kDailyVolume = 60e6;

// Uniform and normal numbers by additions and multiplications only: the standard distributions and the functions of
// the C library (log, cos) may differ from machine to machine in the last digit, these cannot.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // [0, 1)

  double normal() {  // the sum of twelve uniform numbers has variance 1; never beyond 6
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  std::mt19937_64 engine_;
};

double to_cents(double price) { return std::max(0.01, std::round(price * 100.0) / 100.0); }

// More happens after the open and before the close. 1 on average over the session.
double smile(int minute) {
  const double x = 2.0 * minute / kSessionMinutes - 1.0;
  return 0.7 + 0.9 * x * x;
}

// The market, a minute at a time.
class Market {
 public:
  struct Minute {
    double open, high, low, close, volume;
  };

  Market(double first_price, uint64_t seed) : random_(seed), price_(to_cents(first_price)) {}

  void sleep_a_night() {
    price_ = to_cents(price_ * (1.0 + kNightVolatility * std::sqrt(variance_) * random_.normal()));
  }

  Minute trade(int minute) {
    static const double minute_volatility = kDailyVolatility / std::sqrt(static_cast<double>(kSessionMinutes));
    static const double step_volatility = minute_volatility / std::sqrt(static_cast<double>(kStepsPerMinute));
    // Weak trends that last about a day, or no momentum strategy would ever have a point.
    trend_ = 0.998 * trend_ + 0.0006 * random_.normal();
    const double size = step_volatility * smile(minute) * std::sqrt(variance_);

    Minute bar{price_, price_, price_, price_, 0.0};
    for (int step = 0; step < kStepsPerMinute; ++step) {
      price_ = to_cents(price_ * (1.0 + size * (trend_ + random_.normal())));
      bar.high = std::max(bar.high, price_);
      bar.low = std::min(bar.low, price_);
    }
    bar.close = price_;

    // Large moves are followed by large ones: a GARCH(1,1) with mean 1 whose memory is about an hour and a half.
    const double surprise = (bar.close / bar.open - 1.0) / (minute_volatility * smile(minute));
    variance_ = 0.01 + 0.05 * std::min(surprise * surprise, 25.0) + 0.94 * variance_;

    const double busy = 0.4 + 0.6 * std::fabs(surprise);
    bar.volume =
        std::round(1.0 + kDailyVolume / kSessionMinutes * smile(minute) * busy * (0.6 + 0.8 * random_.uniform()));
    return bar;
  }

 private:
  Random random_;
  double price_;
  double variance_ = 1.0;
  double trend_ = 0.0;
};

}  // namespace

Bars make_bars(const BarsRequest& request) {
  assert(request.bar_minutes > 0 && kSessionMinutes % request.bar_minutes == 0);
  assert(request.months >= 0 && request.first_price > 0);
  Bars bars;
  bars.symbol = request.symbol;
  bars.timeframe = std::to_string(request.bar_minutes) + "m";
  Market market(request.first_price, request.seed);

  const sys_days first = 2024y / January / 2;
  const sys_days end = 2024y / January / 1 + months(request.months);
  for (sys_days day = first; day < end; day += days(1)) {
    if (!is_trading_day(day)) continue;
    if (day != first) market.sleep_a_night();
    const int64_t open_us = session_open_us(day);
    for (int minute = 0; minute < kSessionMinutes; ++minute) {
      const Market::Minute m = market.trade(minute);
      if (minute % request.bar_minutes == 0) {
        bars.ts.push_back(open_us + int64_t{minute} * 60'000'000);
        bars.open.push_back(m.open);
        bars.high.push_back(m.high);
        bars.low.push_back(m.low);
        bars.close.push_back(m.close);
        bars.volume.push_back(m.volume);
      } else {
        bars.high.back() = std::max(bars.high.back(), m.high);
        bars.low.back() = std::min(bars.low.back(), m.low);
        bars.close.back() = m.close;
        bars.volume.back() += m.volume;
      }
    }
  }
  return bars;
}

}  // namespace signalbook::demo
