#include <limits>

#include "ingest/signals_input.h"

namespace signalbook {

namespace {

constexpr BarIndex kNotAsked = -2;

}  // namespace

BarIndex RecordedBefore::last_bar(size_t trace, int64_t row) {
  if (given_ == Given::nothing || (given_ == Given::first_row && row != first_row_)) return -1;
  if (trace >= last_bars_.size()) last_bars_.resize(trace + 1, kNotAsked);
  BarIndex& known = last_bars_[trace];
  if (known == kNotAsked) {
    known = writer_.is_finished(trace) ? std::numeric_limits<BarIndex>::max() : writer_.last_bar(trace);
  }
  return known;
}

}  // namespace signalbook
