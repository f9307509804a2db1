#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace signalbook {

// Where something stands in a text. Counted from 0, columns in bytes; TextSource::error says it as people count.
struct TextPlace {
  int line = 0;
  int column = 0;
};

// A text and its name in messages.
struct TextSource {
  std::string name;
  std::string_view text;  // UTF-8 without byte order mark

  // Invalid: "strategies.yaml: line 12, column 5: ...". Columns count characters.
  Status error(TextPlace place, const std::string& message) const;
};

}  // namespace signalbook
