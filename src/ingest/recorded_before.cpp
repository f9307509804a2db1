#include <limits>

#include "ingest/signals_input.h"

namespace signalbook {

namespace {

constexpr BarIndex kNotAsked = -2;

}  // namespace

BarIndex RecordedBefore::last_bar(size_t trace) {
  if (given_ == Given::nothing) return -1;
  if (trace >= last_bars_.size()) last_bars_.resize(trace + 1, kNotAsked);
  BarIndex& known = last_bars_[trace];
  if (known == kNotAsked) {
    const bool whole = given_ == Given::all && writer_.is_finished(trace);
    known = whole ? std::numeric_limits<BarIndex>::max() : writer_.last_bar(trace);
  }
  return known;
}

std::optional<size_t> RecordedBefore::first_not_given() const {
  if (given_ != Given::all) return std::nullopt;
  for (size_t trace = 0; trace < trace_count_; ++trace) {
    const bool was_asked = trace < last_bars_.size() && last_bars_[trace] != kNotAsked;
    if (!was_asked && writer_.is_observed(trace)) return trace;
  }
  return std::nullopt;
}

bool RecordedBefore::holds(size_t trace, BarIndex bar, int64_t row) {
  // Of rows that were not to be sent again, only the one in the middle of which it ended can be there.
  if (given_ == Given::first_row) return row == first_row_ && bar == last_bar(trace);
  return bar <= last_bar(trace);
}

}  // namespace signalbook
