#include "ingest/text_source.h"

#include <algorithm>

namespace signalbook {

Status TextSource::error(TextPlace place, const std::string& message) const {
  size_t begin = 0;
  for (int line = 0; line < place.line; ++line) {
    const size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    begin = end + 1;
  }
  const std::string_view before = text.substr(begin, static_cast<size_t>(place.column));
  const auto continuations = std::count_if(before.begin(), before.end(), [](char c) { return (c & 0xC0) == 0x80; });
  return Status::invalid(name + ": line " + std::to_string(place.line + 1) + ", column " +
                         std::to_string(place.column - continuations + 1) + ": " + message);
}

}  // namespace signalbook
