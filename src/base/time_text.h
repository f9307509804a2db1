#pragma once

#include <cstdint>
#include <string>

namespace signalbook {

// "2024-03-26T13:30:00Z", with six digits of a second only where they are not zero. Microseconds since 1970 UTC.
std::string format_time(int64_t microseconds);

}  // namespace signalbook
