#pragma once

#include <string>
#include <string_view>

namespace signalbook {

// The text with every byte that is not part of valid UTF-8 (lone surrogates included) replaced by U+FFFD: what a
// Parquet STRING and a terminal can hold.
std::string to_valid_utf8(std::string_view text);

}  // namespace signalbook
