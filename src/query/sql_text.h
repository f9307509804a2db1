#pragma once

#include <string>
#include <string_view>

namespace signalbook {

// How names, texts and paths stand in a statement.

std::string quote_sql_text(std::string_view text);  // it's -> 'it''s'
std::string quote_sql_name(std::string_view name);  // a"b -> "a""b"
// A path that a glob matches literally: * ? [ stand for themselves.
std::string escape_glob(std::string_view path);
}  // namespace signalbook
