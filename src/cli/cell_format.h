#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace signalbook::cli {

// How a value is written, whatever library it comes from. Times are ISO 8601.

enum class CellStyle {
  text,     // as a CSV reader sees it: every digit
  rounded,  // as a person does: of a number with more than 9 digits, the first 6
  json,
};

void append_json_text(std::string_view text, std::string& out);

// Text as it is, or as a JSON string.
void append_text(std::string_view text, CellStyle style, std::string& out);

// The shortest digits that read back, unless they are to be rounded. JSON has no word for what is not finite: null.
void append_float(double value, CellStyle style, std::string& out);
void append_float(float value, CellStyle style, std::string& out);

void append_hex(std::string_view bytes, std::string& out);

std::string date_text(int64_t days);                                           // since 1970: 2024-03-01
std::string clock_text(int64_t units, int64_t per_second);                     // since midnight: 09:30:00.500000
std::string timestamp_text(int64_t units, int64_t per_second, bool is_utc);    // since 1970: 2024-03-01T09:30:00Z
std::string interval_text(int64_t months, int64_t days, int64_t nanoseconds);  // the parts that are not zero: P1M2D

}  // namespace signalbook::cli
