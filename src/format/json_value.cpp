#include "format/json_value.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>

namespace signalbook {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void append_code_unit(uint32_t unit, std::string& out) {
  const char escape[] = {'\\',
                         'u',
                         kHexDigits[unit >> 12 & 15],
                         kHexDigits[unit >> 8 & 15],
                         kHexDigits[unit >> 4 & 15],
                         kHexDigits[unit & 15]};
  out.append(escape, sizeof escape);
}

void append_code_point(uint32_t code_point, std::string& out) {
  if (code_point < 0x10000) return append_code_unit(code_point, out);
  append_code_unit(0xD800 + ((code_point - 0x10000) >> 10), out);
  append_code_unit(0xDC00 + ((code_point - 0x10000) & 0x3FF), out);
}

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

// Takes one character from the front of WTF-8. Readers refuse what is no UTF-8; should a caller have put such bytes
// into a value all the same, they come out as U+FFFD and nothing is read past the end.
uint32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  const bool whole =
      size > 0 && size <= text.size() && std::all_of(text.begin() + 1, text.begin() + size, is_continuation);
  if (!whole) {
    text.remove_prefix(1);
    return 0xFFFD;
  }
  uint32_t code_point = size == 1 ? lead : lead & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) code_point = code_point << 6 | (static_cast<uint8_t>(text[i]) & 0x3F);
  text.remove_prefix(size);
  return code_point;
}

// What Python's json writes as it is: printable ASCII without the quote and the backslash.
bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

char short_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
      return c;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

void append_text(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const auto plain = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (const char letter = short_escape(text[0])) {
      out += '\\';
      out += letter;
      text.remove_prefix(1);
    } else {
      append_code_point(take_code_point(text), out);
    }
  }
  out += '"';
}

class Writer {
 public:
  Writer(JsonStyle style, std::string& out) : style_(style), out_(out) {}

  void write(const JsonValue& value) {
    if (const std::string* text = value.text()) {
      append_text(*text, out_);
    } else if (const int64_t* integer = value.integer()) {
      std::array<char, 24> digits;
      const auto end = std::to_chars(digits.begin(), digits.end(), *integer).ptr;
      out_.append(digits.begin(), end);
    } else if (const double* real = value.real()) {
      append_python_float(*real, out_);
    } else if (const JsonValue::Object* object = value.object()) {
      write_object(*object);
    } else if (const JsonValue::Array* array = value.array()) {
      write_array(*array);
    } else if (const JsonValue::BigInteger* big = value.big_integer()) {
      out_ += big->digits;
    } else if (const bool* boolean = value.boolean()) {
      out_ += *boolean ? "true" : "false";
    } else {
      out_ += "null";
    }
  }

 private:
  void write_array(const JsonValue::Array& array) {
    if (array.empty()) {
      out_ += "[]";
      return;
    }
    open('[');
    for (const JsonValue& item : array) {
      next_item();
      write(item);
    }
    close(']');
  }

  void write_object(const JsonValue::Object& object) {
    const auto by_key = [](const auto& a, const auto& b) { return a.first < b.first; };
    if (object.empty()) {
      out_ += "{}";
    } else if (style_ == JsonStyle::canonical && !std::is_sorted(object.begin(), object.end(), by_key)) {
      std::vector<const JsonValue::Member*> sorted;
      sorted.reserve(object.size());
      for (const JsonValue::Member& member : object) sorted.push_back(&member);
      std::sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) { return by_key(*a, *b); });
      open('{');
      for (const JsonValue::Member* member : sorted) write_member(*member);
      close('}');
    } else {
      open('{');
      for (const JsonValue::Member& member : object) write_member(member);
      close('}');
    }
  }

  void write_member(const JsonValue::Member& member) {
    next_item();
    append_text(member.first, out_);
    out_ += style_ == JsonStyle::pretty ? ": " : ":";
    write(member.second);
  }

  void open(char bracket) {
    out_ += bracket;
    ++depth_;
  }

  void next_item() {
    if (out_.back() != '[' && out_.back() != '{') out_ += ',';
    new_line();
  }

  void close(char bracket) {
    --depth_;
    new_line();
    out_ += bracket;
  }

  void new_line() {
    if (style_ == JsonStyle::pretty) out_.append(1, '\n').append(2 * depth_, ' ');
  }

  JsonStyle style_;
  std::string& out_;
  size_t depth_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  if (const Object* members = object()) {
    for (const Member& member : *members) {
      if (member.first == key) return &member.second;
    }
  }
  return nullptr;
}

void JsonValue::set(std::string_view key, JsonValue value) {
  assert(object() != nullptr);
  for (Member& member : *object()) {
    if (member.first == key) {
      member.second = std::move(value);
      return;
    }
  }
  object()->emplace_back(key, std::move(value));
}

void append_json(const JsonValue& value, JsonStyle style, std::string& out) { Writer(style, out).write(value); }

std::string to_json(const JsonValue& value, JsonStyle style) {
  std::string out;
  append_json(value, style, out);
  return out;
}

// Both std::to_chars and Python give the shortest digits that read back, and of those the nearest; only where the
// point goes differs: Python writes an exponent from 1e16 on and below 1e-4, with two digits at least.
void append_python_float(double value, std::string& out) {
  assert(std::isfinite(value));
  std::array<char, 32> buffer;  // -d.ddde-XXX
  const char* end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific).ptr;
  const char* first = buffer.begin();
  if (*first == '-') {
    out += '-';
    ++first;
  }
  const char* const mark = std::find(first, end, 'e');
  int exponent = 0;
  std::from_chars(mark[1] == '+' ? mark + 2 : mark + 1, end, exponent);
  const std::string_view head(first, 1);
  const std::string_view tail = mark - first > 2 ? std::string_view(first + 2, mark) : std::string_view();

  if (exponent < -4 || exponent >= 16) {
    out += head;
    if (!tail.empty()) out.append(1, '.').append(tail);
    out.append(mark, end);  // std::to_chars gives two digits at least, too
  } else if (exponent < 0) {
    out.append("0.").append(static_cast<size_t>(-exponent - 1), '0').append(head).append(tail);
  } else if (const auto whole = static_cast<size_t>(exponent); tail.size() <= whole) {
    out.append(head).append(tail).append(whole - tail.size(), '0').append(".0");
  } else {
    out.append(head).append(tail.substr(0, whole)).append(1, '.').append(tail.substr(whole));
  }
}

}  // namespace signalbook
