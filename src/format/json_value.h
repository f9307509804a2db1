#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace signalbook {

// A JSON value that keeps what identity depends on: 2 and 2.0 differ, integers have any length, members keep the
// order in which they were written, and text may hold lone surrogates (as in Python; kept as WTF-8, so that byte
// order is code point order).
class JsonValue {
 public:
  struct BigInteger {  // decimal digits, optional minus, no leading zero; only what an int64 cannot hold
    std::string digits;
    bool operator==(const BigInteger&) const = default;
  };
  using Array = std::vector<JsonValue>;
  using Member = std::pair<std::string, JsonValue>;
  using Object = std::vector<Member>;  // keys are unique: of duplicates the last wins, at the first one's place

  JsonValue() = default;  // null
  explicit JsonValue(bool value) : value_(value) {}
  explicit JsonValue(int64_t value) : value_(value) {}
  explicit JsonValue(double value) : value_(value) {}
  explicit JsonValue(BigInteger value) : value_(std::move(value)) {}
  explicit JsonValue(std::string value) : value_(std::move(value)) {}
  explicit JsonValue(std::string_view value) : value_(std::string(value)) {}
  explicit JsonValue(const char* value) : value_(std::string(value)) {}
  explicit JsonValue(Array value) : value_(std::move(value)) {}
  explicit JsonValue(Object value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&value_); }
  const BigInteger* big_integer() const { return std::get_if<BigInteger>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  Array* array() { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  Object* object() { return std::get_if<Object>(&value_); }

  // The member of that name, or null when there is none or this is no object.
  const JsonValue* find(std::string_view key) const;

  // Sets a member, replacing one of that name. This must be an object.
  void set(std::string_view key, JsonValue value);

  // Same kind and same value throughout; members compare in their order.
  bool operator==(const JsonValue&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, BigInteger, double, std::string, Array, Object> value_;
};

// Values nested deeper than this are refused by every reader (a stack is finite).
inline constexpr int kMaxJsonDepth = 500;

// One JSON text (RFC 8259) with nothing but white space around it. Invalid, with line and column, for anything
// else, for numbers a double cannot hold (1e999) and for nesting deeper than kMaxJsonDepth.
Result<JsonValue> parse_json(std::string_view text);

// The same, but Invalid where the outermost object has two members of one name.
Result<JsonValue> parse_json_of_distinct_members(std::string_view text);

enum class JsonStyle {
  compact,    // in the order given, no spaces
  canonical,  // keys sorted by code point, no spaces: Python's json.dumps(v, sort_keys=True, separators=(",", ":"))
  pretty,     // in the order given, two spaces of indent: for files that people open
};

// ASCII, with \uXXXX in lowercase; reals as Python's repr. Reals must be finite.
void append_json(const JsonValue& value, JsonStyle style, std::string& out);
std::string to_json(const JsonValue& value, JsonStyle style = JsonStyle::compact);

// A finite double as Python's repr writes it: the shortest digits that read back, 1e+16, 0.0001, 1e-05.
void append_python_float(double value, std::string& out);

}  // namespace signalbook
