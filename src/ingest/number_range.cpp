#include "ingest/number_range.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

#include "ingest/yaml_scalar.h"

namespace signalbook {
namespace {

__extension__ using Wide = __int128;

// Sums and differences of numbers below this stay far from the limits of 128 bits.
constexpr int kMaxDigits = 36;
constexpr int kMaxExponent = 400;  // beyond what a double holds

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// What stands behind "range" and its opening parenthesis, if the text begins so.
std::optional<std::string_view> after_parenthesis(std::string_view text) {
  text = trim(text);
  if (!text.starts_with("range")) return std::nullopt;
  text = trim(text.substr(5));
  if (!text.starts_with('(')) return std::nullopt;
  return text.substr(1);
}

// Where the parenthesis that is open at the start closes.
size_t find_close(std::string_view text) {
  int depth = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t comma; (comma = text.find(',')) != std::string_view::npos; text.remove_prefix(comma + 1)) {
    parts.push_back(trim(text.substr(0, comma)));
  }
  parts.push_back(trim(text));
  return parts;
}

// A number as it is written: digits x 10^exponent.
struct Decimal {
  Wide digits = 0;
  int exponent = 0;
  int digit_count = 0;
};

// False when it has more digits than we can count with.
bool read_decimal(std::string_view text, Decimal& out) {
  size_t i = text.starts_with('-') || text.starts_with('+');
  bool in_fraction = false;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      in_fraction = true;
      continue;
    }
    if (out.digit_count > 0 || text[i] != '0') ++out.digit_count;
    if (out.digit_count > kMaxDigits) return false;
    out.digits = out.digits * 10 + (text[i] - '0');
    if (in_fraction && --out.exponent < -kMaxExponent) return false;
  }
  if (i < text.size()) {
    if (text[++i] == '+') ++i;
    int exponent = 0;
    if (std::from_chars(text.data() + i, text.data() + text.size(), exponent).ec != std::errc()) return false;
    if (exponent < -kMaxExponent || exponent > kMaxExponent) return false;
    out.exponent += exponent;
  }
  if (text.starts_with('-')) out.digits = -out.digits;
  return true;
}

// In units of 10^exponent. False when that takes too many digits.
bool scale_to(int exponent, Decimal& number) {
  if (number.digits == 0) return true;
  if (number.exponent - exponent + number.digit_count > kMaxDigits) return false;
  for (; number.exponent > exponent; --number.exponent) number.digits *= 10;
  return true;
}

std::string to_decimal(Wide value) {
  std::array<char, 48> text;
  char* begin = text.data() + text.size();
  const bool negative = value < 0;
  do {
    const int digit = static_cast<int>(value % 10);
    *--begin = static_cast<char>('0' + (negative ? -digit : digit));
    value /= 10;
  } while (value != 0);
  if (negative) *--begin = '-';
  return std::string(begin, text.data() + text.size());
}

}  // namespace

bool NumberRange::is_meant_by(std::string_view text) {
  const auto inside = after_parenthesis(text);
  if (!inside) return false;
  const size_t close = find_close(*inside);
  return close == std::string_view::npos || close + 1 == inside->size();
}

Result<NumberRange> NumberRange::parse(std::string_view text) {
  const std::string written = "'" + std::string(trim(text)) + "'";
  const std::string_view inside = after_parenthesis(text).value_or(text);
  const size_t close = find_close(inside);
  if (close == std::string_view::npos) {
    return Status::invalid(written +
                           " is cut off at its comma: inside [ ] or { } write it in quotes, \"range(10, 50, 5)\"");
  }
  const std::vector<std::string_view> parts = split_at_commas(inside.substr(0, close));
  if (parts.size() < 2 || parts.size() > 3)
    return Status::invalid(written + ": a range is range(from, to) or range(from, to, step)");

  NumberRange range;
  std::array<Decimal, 3> numbers{};
  numbers[2] = {.digits = 1, .exponent = 0, .digit_count = 1};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!is_yaml_real(parts[i])) return Status::invalid(written + ": '" + std::string(parts[i]) + "' is no number");
    range.integers_ = range.integers_ && is_yaml_integer(parts[i]);
    numbers[i] = {};
    if (!read_decimal(parts[i], numbers[i]))
      return Status::invalid(written + ": '" + std::string(parts[i]) + "' has too many digits");
    if (numbers[i].digits != 0) range.exponent_ = std::min(range.exponent_, numbers[i].exponent);
  }
  for (Decimal& number : numbers) {
    if (!scale_to(range.exponent_, number)) {
      return Status::invalid(written + ": these numbers are too far apart to be counted exactly (36 digits)");
    }
  }

  range.first_ = numbers[0].digits;
  range.step_ = numbers[2].digits;
  const Wide way = numbers[1].digits - range.first_;
  if (range.step_ == 0) return Status::invalid(written + ": the step is 0");
  if (way != 0 && (way > 0) != (range.step_ > 0)) {
    return Status::invalid(written + ": the step leads away from the end" +
                           (parts.size() == 2 ? " (it is 1 where none is given)" : ""));
  }
  const Wide steps = way / range.step_;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  range.count_ = steps >= static_cast<Wide>(kMost) ? kMost : static_cast<uint64_t>(steps) + 1;
  return range;
}

JsonValue NumberRange::at(uint64_t index) const {
  assert(index < count_);
  const Wide value = first_ + static_cast<Wide>(index) * step_;
  std::string text = to_decimal(value);
  if (integers_) {
    int64_t integer = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), integer);
    if (end.ec == std::errc()) return JsonValue(integer);
    return JsonValue(JsonValue::BigInteger{std::move(text)});
  }
  // The nearest double to the decimal number, as a reader of "0.8" finds it. Too small to be one is 0, as in JSON.
  text.append("e").append(std::to_string(exponent_));
  double real = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), real);
  return JsonValue(real);
}

}  // namespace signalbook
