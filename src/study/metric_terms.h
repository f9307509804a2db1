#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "analytics/what_if.h"

namespace signalbook {

// At what the figures of a run are computed. Two sets of figures at the same terms can be compared.
struct MetricTerms {
  double cost = 0;                      // a side, as a fraction of what is traded: 5 basis points are 0.0005
  double capital = 100'000;             // what total_pnl is of
  double risk_free_rate = 0;            // a year
  std::optional<double> bars_per_year;  // else measured on the feed's bars
  std::optional<int64_t> from, to;      // bars with from <= ts < to; microseconds since 1970 UTC
  ExitRules exits;                      // what if
  bool without_bars = false;            // figures of trades alone, from the price of each change

  bool has_window() const { return from || to; }
  bool has_exits() const { return exits.stop > 0 || exits.target > 0 || exits.trail > 0; }
};

// A name for the set of figures at these terms, made of what is not as usual: "cost5bp_from20240102", or "plain".
std::string name_of_terms(const MetricTerms& terms);

}  // namespace signalbook
