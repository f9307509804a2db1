#pragma once

#include <cstdint>
#include <string>

#include "format/bars.h"

namespace signalbook::demo {

// Made-up intraday bars that look real: 09:30 to 16:00 New York time on business days (holidays out), overnight gaps,
// volatility that clusters and smiles over the day, volume that follows it, prices in cents. Same seed, same bars; and
// one seed is one price path, so 15 minute bars are the 5 minute bars of that seed put together.
struct BarsRequest {
  std::string symbol = "DEMO";
  int bar_minutes = 5;  // divides 390
  int months = 6;       // from 2024-01-02
  double first_price = 470.0;
  uint64_t seed = 1;
};
Bars make_bars(const BarsRequest& request);

}  // namespace signalbook::demo
