#include "ingest/foreign_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/ascii.h"

namespace signalbook {

namespace {

using std::string_view_literals::operator""sv;

struct Format {
  std::string_view start, name, advice;
};

constexpr Format kFormats[] = {
    {"\x1f\x8b"sv, "gzip", "unpack it first (gzip -dc)"},
    {"\x28\xb5\x2f\xfd"sv, "zstd", "unpack it first (zstd -dc)"},
    {"PK\x03\x04"sv, "a zip archive or a spreadsheet", "unpack it, or save it as CSV"},
    {"\xff\xfe"sv, "UTF-16", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"},
    {"\xfe\xff"sv, "UTF-16", "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"},
};

constexpr std::string_view kKnownNames[] = {"strategy_id", "idx",      "val",  "ts",   "timestamp", "time",
                                            "date",        "datetime", "open", "high", "low",       "close"};

bool is_known(std::string_view name) {
  while (!name.empty() && (name.front() == ' ' || name.front() == '"')) name.remove_prefix(1);
  while (!name.empty() && (name.back() == ' ' || name.back() == '"')) name.remove_suffix(1);
  return std::find(std::begin(kKnownNames), std::end(kKnownNames), to_lower_ascii(name)) != std::end(kKnownNames);
}

bool has_known_part(std::string_view name, char separator) {
  for (;;) {
    const size_t end = name.find(separator);
    if (is_known(name.substr(0, end))) return true;
    if (end == std::string_view::npos) return false;
    name.remove_prefix(end + 1);
  }
}

// Every other byte of what is ASCII is 0.
bool is_unmarked_utf16(std::string_view start) {
  if (start.size() < 4) return false;
  const auto is_ascii = [](char c) { return c > ' '; };
  const size_t text = start[0] == '\0' ? 1 : 0;
  return is_ascii(start[text]) && is_ascii(start[text + 2]) && start[1 - text] == '\0' && start[3 - text] == '\0';
}

Status looks_like(std::string_view what, std::string_view advice) {
  return Status::invalid(fmt::format("it looks like {}: {}", what, advice));
}

}  // namespace

Status refuse_foreign_format(std::string_view start) {
  for (const Format& format : kFormats) {
    if (start.starts_with(format.start)) return looks_like(format.name, format.advice);
  }
  if (is_unmarked_utf16(start)) return looks_like("UTF-16", "save it as UTF-8");
  return Status();
}

bool may_become_foreign_format(std::string_view start) {
  return std::any_of(std::begin(kFormats), std::end(kFormats), [&](const Format& format) {
    return start.size() < format.start.size() && format.start.starts_with(start);
  });
}

Status refuse_foreign_names(const std::vector<std::string>& column_names) {
  for (const std::string& name : column_names) {
    if (name.find('\0') != std::string::npos) return looks_like("UTF-16", "save it as UTF-8");
  }
  if (column_names.size() != 1) return Status();
  for (const auto& [separator, shown] : {std::pair(';', "';'"), std::pair('\t', "tabs"), std::pair('|', "'|'")}) {
    const std::string& name = column_names.front();
    if (name.find(separator) != std::string::npos && has_known_part(name, separator))
      return looks_like(fmt::format("CSV that is separated by {}", shown), "write it with commas");
  }
  return Status();
}

}  // namespace signalbook
