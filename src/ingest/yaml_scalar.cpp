#include "ingest/yaml_scalar.h"

#include <algorithm>
#include <vector>

namespace signalbook {
namespace {

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

// Base 8 and 16 are converted digit by digit, which takes quadratic time.
constexpr size_t kMaxConvertedDigits = 4000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> spellings) {
  return std::find(spellings.begin(), spellings.end(), text) != spellings.end();
}

std::string_view without_sign(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text;
}

std::string_view take_digits(std::string_view& text) {
  const size_t count = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

// A real in its parts; all of them digits.
struct RealParts {
  std::string_view whole, fraction, exponent;
  bool negative_exponent = false;
};

bool split_real(std::string_view text, RealParts& parts) {
  text = without_sign(text);
  parts.whole = take_digits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    parts.fraction = take_digits(text);
  }
  if (parts.whole.empty() && parts.fraction.empty()) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    parts.negative_exponent = text.starts_with('-');
    text = without_sign(text);
    parts.exponent = take_digits(text);
    if (parts.exponent.empty()) return false;
  }
  return text.empty();
}

bool is_infinity_or_nan(std::string_view text) {
  return is_one_of(without_sign(text), {".inf", ".Inf", ".INF"}) || is_one_of(text, {".nan", ".NaN", ".NAN"});
}

bool is_prefixed(std::string_view text, std::string_view prefix, std::string_view digits) {
  return text.size() > prefix.size() && text.starts_with(prefix) &&
         text.find_first_not_of(digits, prefix.size()) == std::string_view::npos;
}
bool is_octal(std::string_view text) { return is_prefixed(text, "0o", "01234567"); }
bool is_hexadecimal(std::string_view text) { return is_prefixed(text, "0x", "0123456789abcdefABCDEF"); }

std::string_view without_leading_zeros(std::string_view digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? std::string_view("0") : digits.substr(first);
}

// The number as JSON would write it, so that YAML and JSON files cannot disagree about what a number is.
Result<JsonValue> read_as_json(const std::string& json, const std::string& written) {
  Result<JsonValue> value = parse_json(json);
  if (value.ok()) return value;
  return Status::invalid("'" + written.substr(0, 40) + "' is too large for a number (the largest is about 1.8e308)");
}

Result<JsonValue> read_integer(const std::string& text) {
  const bool negative = text.starts_with('-');
  return read_as_json((negative ? "-" : "") + std::string(without_leading_zeros(without_sign(text))), text);
}

Result<JsonValue> read_real(const std::string& text) {
  RealParts parts;
  split_real(text, parts);
  std::string json = text.starts_with('-') ? "-" : "";
  json.append(without_leading_zeros(parts.whole)).append(".");
  json.append(parts.fraction.empty() ? "0" : parts.fraction);
  if (!parts.exponent.empty()) json.append(parts.negative_exponent ? "e-" : "e").append(parts.exponent);
  return read_as_json(json, text);
}

Result<JsonValue> read_prefixed(const std::string& text, uint32_t base) {
  if (text.size() > kMaxConvertedDigits) return Status::invalid("this number has too many digits; write it in decimal");
  std::vector<uint64_t> limbs;  // nine decimal digits each, the lowest first
  for (const char c : std::string_view(text).substr(2)) {
    uint64_t carry = is_digit(c) ? static_cast<uint64_t>(c - '0') : static_cast<uint64_t>((c | 0x20) - 'a' + 10);
    for (uint64_t& limb : limbs) {
      carry += limb * base;
      limb = carry % 1'000'000'000;
      carry /= 1'000'000'000;
    }
    if (carry > 0) limbs.push_back(carry);
  }
  std::string decimal = "0";
  for (size_t i = limbs.size(); i-- > 0;) {
    const std::string digits = std::to_string(limbs[i]);
    decimal.append(9 - digits.size(), '0').append(digits);
  }
  return read_integer(decimal);
}

Result<JsonValue> read_any_integer(const std::string& text) {
  if (is_octal(text)) return read_prefixed(text, 8);
  if (is_hexadecimal(text)) return read_prefixed(text, 16);
  return read_integer(text);
}

Status no_json_form(const std::string& text) {
  return Status::invalid("'" + text + "' is no value a configuration can have (JSON cannot write it)");
}

Result<JsonValue> resolve_plain(const std::string& text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return JsonValue();
  if (is_one_of(text, {"true", "True", "TRUE"})) return JsonValue(true);
  if (is_one_of(text, {"false", "False", "FALSE"})) return JsonValue(false);
  if (is_yaml_integer(text) || is_octal(text) || is_hexadecimal(text)) return read_any_integer(text);
  if (is_yaml_real(text)) return read_real(text);
  if (is_infinity_or_nan(text)) return no_json_form(text);
  return JsonValue(text);
}

}  // namespace

bool is_yaml_integer(std::string_view text) {
  text = without_sign(text);
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_yaml_real(std::string_view text) {
  RealParts parts;
  return split_real(text, parts);
}

std::string shorten_yaml_tag(std::string_view tag) {
  if (tag.starts_with(kCoreTag)) return "!!" + std::string(tag.substr(kCoreTag.size()));
  return std::string(tag);
}

Result<JsonValue> resolve_yaml_scalar(std::string_view tag, const std::string& text) {
  if (tag == "?" || tag.empty()) return resolve_plain(text);
  if (tag == "!") return JsonValue(text);
  const std::string name = shorten_yaml_tag(tag);
  if (name == "!!str") return JsonValue(text);
  if (!is_one_of(name, {"!!null", "!!bool", "!!int", "!!float"})) {
    return Status::invalid("the tag " + name + " is not known (known are !!str, !!int, !!float, !!bool and !!null)");
  }
  if (name == "!!float" && is_yaml_real(text)) return read_real(text);  // !!float 3 is 3.0
  SB_ASSIGN_OR_RETURN(JsonValue value, resolve_plain(text));
  if ((name == "!!null" && value.is_null()) || (name == "!!bool" && value.boolean() != nullptr) ||
      (name == "!!int" && (value.integer() != nullptr || value.big_integer() != nullptr))) {
    return value;
  }
  return Status::invalid("'" + text.substr(0, 40) + "' is not what its tag " + name + " says");
}

}  // namespace signalbook
