#pragma once

#include <functional>
#include <string_view>

#include "base/status.h"

namespace signalbook {

// Where the bytes of a file go that is made piece by piece, in their order.
using ByteSink = std::function<Status(std::string_view)>;

}  // namespace signalbook
