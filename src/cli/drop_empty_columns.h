#pragma once

#include <functional>
#include <string_view>

#include "base/status.h"

struct ArrowArrayStream;

namespace signalbook::cli {

// Takes a small result into memory, and out of it the columns that may go and hold nothing but NULL. `stream` is then
// what is left.
Status drop_empty_columns(ArrowArrayStream* stream, const std::function<bool(std::string_view name)>& may_go);

}  // namespace signalbook::cli
