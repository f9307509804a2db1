#include "store/parse_time.h"

#include <arrow/util/value_parsing.h>
#include <fmt/format.h>

namespace signalbook {

Result<int64_t> parse_time(std::string_view text, bool* zone_given) {
  static const std::shared_ptr<arrow::TimestampParser> parser = arrow::TimestampParser::MakeISO8601();
  int64_t time = 0;
  *zone_given = false;  // the parser leaves it alone for a date
  if ((*parser)(text.data(), text.size(), arrow::TimeUnit::MICRO, &time, zone_given)) return time;
  // Nine digits of a second, as pandas writes them, are fine as long as the last three are zeros.
  if ((*parser)(text.data(), text.size(), arrow::TimeUnit::NANO, &time, zone_given)) {
    if (time % 1000 == 0) return time / 1000;
    return Status::invalid(fmt::format("'{}' has nanoseconds that microseconds cannot hold", text));
  }
  return Status::invalid(fmt::format("'{}' is no time such as 2024-03-26 13:30:00+00:00", text));
}

}  // namespace signalbook
