#include "ingest/bar_clock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time_text.h"
#include "ingest/cell.h"

namespace signalbook {

Result<BarIndex> BarClock::find_time(int64_t ts) {
  const auto& times = bars_.ts;
  for (size_t step = 0; step < 2 && last_ + step < times.size(); ++step) {
    if (times[last_ + step] == ts) return static_cast<BarIndex>(last_ += step);
  }
  const auto place = std::lower_bound(times.begin(), times.end(), ts);
  if (place == times.end() || *place != ts) {
    return Status::invalid(fmt::format("there is no bar at {} (the bars go from {} to {})", format_time(ts),
                                       format_time(times.front()), format_time(times.back())));
  }
  last_ = static_cast<size_t>(place - times.begin());
  return static_cast<BarIndex>(last_);
}

Result<BarIndex> BarClock::bar_of(const TableColumn* idx, const TableColumn* ts, size_t row, bool* zone_missing) {
  BarIndex bar = -1;
  if (idx != nullptr) {
    SB_ASSIGN_OR_RETURN(bar, read_integer(*idx, row));
    const auto bar_count = static_cast<BarIndex>(bars_.size());
    if (bar < 0 || bar >= bar_count) {
      return Status::invalid(fmt::format("bar {} is outside the bars: there are {}, numbered from 0", bar, bar_count));
    }
  }
  if (ts != nullptr) {
    SB_ASSIGN_OR_RETURN(const int64_t time, read_time(*ts, row, zone_missing));
    if (idx == nullptr) return find_time(time);
    if (bars_.ts[static_cast<size_t>(bar)] != time) {
      return Status::invalid(fmt::format("bar {} opens at {}, not at {}: these signals belong to other bars", bar,
                                         format_time(bars_.ts[static_cast<size_t>(bar)]), format_time(time)));
    }
  }
  return bar;
}

}  // namespace signalbook
