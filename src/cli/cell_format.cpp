#include "cli/cell_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "format/json_value.h"

namespace signalbook::cli {

namespace {

void append_not_finite(double value, CellStyle style, std::string& out) {
  if (style == CellStyle::json) {
    out += "null";
  } else {
    out += std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  }
}

// ".5", six or nine digits; nothing for a whole second.
std::string fraction_text(int64_t fraction, int64_t per_second) {
  if (fraction == 0) return "";
  const int64_t nanoseconds = fraction * (1'000'000'000 / per_second);
  return nanoseconds % 1000 == 0 ? fmt::format(".{:06}", nanoseconds / 1000) : fmt::format(".{:09}", nanoseconds);
}

}  // namespace

void append_json_text(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_text(std::string_view text, CellStyle style, std::string& out) {
  if (style == CellStyle::json) {
    append_json_text(text, out);
  } else {
    out += text;
  }
}

namespace {

// Six digits, and cents of large amounts.
std::string rounded_text(double value) {
  constexpr double kLeastFixed = 1e-4, kMostFixed = 1e15;
  constexpr int kDigits = 6, kLeastDecimals = 2;
  const double size = std::fabs(value);
  if (size < kLeastFixed || size >= kMostFixed) return fmt::format("{:.{}g}", value, kDigits);
  const int digits_in_front = size < 1 ? 1 : static_cast<int>(std::log10(size)) + 1;
  return fmt::format("{:.{}f}", value, std::max(kDigits - digits_in_front, kLeastDecimals));
}

}  // namespace

void append_float(double value, CellStyle style, std::string& out) {
  if (!std::isfinite(value)) return append_not_finite(value, style, out);
  const size_t begin = out.size();
  append_python_float(value, out);
  if (style != CellStyle::rounded) return;
  constexpr size_t kMostDigits = 9;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto digits = std::count_if(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), is_digit);
  if (static_cast<size_t>(digits) <= kMostDigits) return;
  const std::string rounded = rounded_text(value);
  if (rounded.size() < out.size() - begin) out.replace(begin, std::string::npos, rounded);
}

void append_float(float value, CellStyle style, std::string& out) {
  if (!std::isfinite(value)) return append_not_finite(value, style, out);
  const std::string digits = fmt::format("{}", value);
  out += digits;
  if (digits.find_first_of(".e") == std::string::npos) out += ".0";
}

void append_hex(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(byte));
}

std::string date_text(int64_t days) {
  // Beyond the years of <chrono>: DuckDB's infinities, and dates nobody records.
  constexpr int64_t kMostDays = 11'000'000;
  if (days < -kMostDays || days > kMostDays) return days < 0 ? "-infinity" : "infinity";
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string clock_text(int64_t units, int64_t per_second) {
  const int64_t seconds = units / per_second;
  return fmt::format("{:02}:{:02}:{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     fraction_text(units % per_second, per_second));
}

std::string timestamp_text(int64_t units, int64_t per_second, bool is_utc) {
  const int64_t per_day = per_second * 86'400;
  int64_t days = units / per_day;
  int64_t rest = units % per_day;
  if (rest < 0) {
    rest += per_day;
    --days;
  }
  const std::string date = date_text(days);
  if (date.ends_with("infinity")) return date;
  return date + "T" + clock_text(rest, per_second) + (is_utc ? "Z" : "");
}

std::string interval_text(int64_t months, int64_t days, int64_t nanoseconds) {
  std::string text = "P";
  if (months != 0) text += fmt::format("{}M", months);
  if (days != 0) text += fmt::format("{}D", days);
  if (nanoseconds != 0) {
    const int64_t seconds = nanoseconds / 1'000'000'000;
    const int64_t rest = nanoseconds % 1'000'000'000;
    text += fmt::format("T{}{}{}S", nanoseconds < 0 && seconds == 0 ? "-" : "", seconds,
                        fraction_text(std::abs(rest), 1'000'000'000));
  }
  return text == "P" ? "PT0S" : text;
}

}  // namespace signalbook::cli
