#pragma once

#include <string>
#include <string_view>

namespace signalbook {

// The letters A to Z in lowercase, other bytes as they are: what SQL and file systems ignore, and no locale changes.
inline std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace signalbook
