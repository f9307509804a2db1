#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"

namespace signalbook {

// An ISO 8601 date or time ("2024-03-26", "2024-03-26 13:30:00+00:00", "2024-03-26T13:30:00.25Z") in microseconds
// since 1970 UTC. Without a zone it is taken for UTC, and `zone_given` says so. Invalid for anything else and for
// nanoseconds that microseconds cannot hold.
Result<int64_t> parse_time(std::string_view text, bool* zone_given);

}  // namespace signalbook
