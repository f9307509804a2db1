#pragma once

#include <string>
#include <string_view>

#include "format/json_value.h"

namespace signalbook {

// A JSON file that vouches for itself: its last member `sha256` is the SHA-256, 64 lowercase hexadecimal digits, of the
// file's bytes with these digits replaced by zeros. So every byte of the file counts, white space too. The same in
// every version of the format, so that a version that is damaged is not taken for a newer one.

// The text of a file with these members and the seal, in place of one that may be among them; it ends with a newline.
std::string seal_json(JsonValue::Object members);

enum class Seal {
  good,
  missing,  // no member of that name: another program wrote it
  wrong,    // damaged, or edited
};

// `json` is what `text` says.
Seal check_seal(const JsonValue& json, std::string_view text);

}  // namespace signalbook
