#include <algorithm>
#include <cmath>

#include "format/json_value.h"
#include "simdjson.h"

namespace signalbook {

namespace {

namespace ondemand = simdjson::ondemand;

// Buffers larger than this are given back after use; smaller ones wait for the next text.
constexpr size_t kKeptBytes = 1 << 20;

constexpr std::string_view kExpectedNumber = "expected a number such as 5, -2.5 or 1e-3";
constexpr std::string_view kExpectedItemEnd = "expected ',' or ']' after an item";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

size_t count_digits(std::string_view text) {
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
}

// The number grammar of RFC 8259. simdjson checks it for what fits its types; this is for what does not.
bool is_json_number(std::string_view token) {
  if (token.starts_with('-')) token.remove_prefix(1);
  const size_t whole = count_digits(token);
  if (whole == 0 || (whole > 1 && token[0] == '0')) return false;
  token.remove_prefix(whole);
  if (token.starts_with('.')) {
    const size_t fraction = count_digits(token.substr(1));
    if (fraction == 0) return false;
    token.remove_prefix(1 + fraction);
  }
  if (token.starts_with('e') || token.starts_with('E')) {
    token.remove_prefix(1);
    if (token.starts_with('+') || token.starts_with('-')) token.remove_prefix(1);
    const size_t exponent = count_digits(token);
    if (exponent == 0) return false;
    token.remove_prefix(exponent);
  }
  return token.empty();
}

// The closing quote of the text that opens at `open`, or what stops it: a control character or `end`.
const char* find_text_end(const char* open, const char* end) {
  const char* at = open + 1;
  while (at < end && *at != '"' && static_cast<uint8_t>(*at) >= 0x20) at += *at == '\\' ? 2 : 1;
  return std::min(at, end);
}

// The first byte that is not part of UTF-8. A text is valid up to a boundary between characters, or it is not valid
// up to any later one either, so that halving finds it.
size_t find_invalid_utf8(std::string_view text) {
  size_t valid = 0;
  size_t invalid = text.size();
  while (invalid - valid > 1) {
    size_t middle = valid + (invalid - valid) / 2;
    while (middle > valid && is_continuation(text[middle])) --middle;
    if (middle == valid) {
      middle = valid + 1;
      while (middle < invalid && is_continuation(text[middle])) ++middle;
      if (middle == invalid) break;
    }
    (simdjson::validate_utf8(text.data(), middle) ? valid : invalid) = middle;
  }
  return static_cast<uint8_t>(text[valid]) < 0x80 ? valid + 1 : valid;  // a stray byte after an ASCII character
}

// Of duplicate keys the last value wins, at the first one's place (as in Python).
void drop_duplicates(JsonValue::Object& object) {
  std::vector<size_t> order(object.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return object[a].first < object[b].first; });
  std::vector<bool> dropped(object.size());
  for (size_t i = 0, next; i < order.size(); i = next) {
    next = i + 1;
    while (next < order.size() && object[order[next]].first == object[order[i]].first) dropped[order[next++]] = true;
    if (next > i + 1) object[order[i]].second = std::move(object[order[next - 1]].second);
  }
  size_t position = 0;
  std::erase_if(object, [&](const auto&) { return dropped[position++]; });
}

bool may_have_duplicates(const JsonValue::Object& object) {
  constexpr size_t kFew = 16;  // beyond it, comparing all with all is slower than sorting
  if (object.size() > kFew) return true;
  for (size_t i = 1; i < object.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (object[i].first == object[k].first) return true;
    }
  }
  return false;
}

// Walks one text with simdjson's on-demand parser. The text is read as the only element of an array: on-demand treats
// a number or a text at the root apart (with limits on their length) and needs care at the end of the input, while
// inside an array every value is the same and the closing bracket stops every walk.
class Reader {
 public:
  Result<JsonValue> read(std::string_view text, bool refuses_duplicates);

 private:
  bool read_root(JsonValue& out);
  bool read_value(ondemand::value& value, int depth, JsonValue& out);
  bool read_object(ondemand::value& value, int depth, JsonValue& out);
  bool read_array(ondemand::value& value, int depth, JsonValue& out);

  // Not inlined, to keep the frames of the three functions above small: there may be kMaxJsonDepth of them.
  [[gnu::noinline]] bool read_scalar(ondemand::json_type type, ondemand::value& value, JsonValue& out);
  [[gnu::noinline]] bool read_key(ondemand::field& field, std::string& out);
  [[gnu::noinline]] void close_object(size_t first_member, JsonValue& out);
  [[gnu::noinline]] void close_array(size_t first_item, JsonValue& out);
  [[gnu::noinline]] bool refuse_depth(const char* at);
  bool read_number(ondemand::value& value, JsonValue& out);

  const char* text_begin() const { return buffer_.data() + 1; }
  const char* text_end() const { return text_begin() + text_size_; }
  bool is_given(std::string_view key) const;
  const char* failed_token();
  std::string describe(const char* at) const;
  bool fail(const char* at, std::string_view what);
  [[gnu::noinline]] bool expect(const char* at, std::string_view what);
  bool expect_value(const char* at, std::string_view what = "expected a value");
  bool explain_broken_member(const char* at);
  bool explain_broken_text(simdjson::error_code code);

  std::string buffer_;  // '[', the text, ']', padding
  size_t text_size_ = 0;
  ondemand::parser parser_;
  ondemand::document document_;
  bool refuses_duplicates_ = false;
  const char* last_text_ = nullptr;  // where the text value that was read last begins

  // Members and items of containers that are still open: each container is built at its final size when it closes.
  std::vector<JsonValue::Member> members_;
  std::vector<JsonValue> items_;
  std::string key_bytes_;
  std::string error_;
};

Result<JsonValue> Reader::read(std::string_view text, bool refuses_duplicates) {
  refuses_duplicates_ = refuses_duplicates;
  text_size_ = text.size();
  buffer_.clear();
  buffer_.reserve(text.size() + 2 + simdjson::SIMDJSON_PADDING);
  buffer_.append(1, '[').append(text).append(1, ']').append(simdjson::SIMDJSON_PADDING, '\0');
  last_text_ = nullptr;
  members_.clear();
  items_.clear();

  JsonValue value;
  const bool ok = read_root(value);
  if (buffer_.capacity() > kKeptBytes) {
    document_ = ondemand::document();
    parser_ = ondemand::parser();
    std::string().swap(buffer_);
    members_ = {};
    items_ = {};
  }
  if (!ok) return Status::invalid(error_);
  return value;
}

bool Reader::read_root(JsonValue& out) {
  if (std::string_view(text_begin(), text_size_).starts_with("\xEF\xBB\xBF")) {
    return fail(text_begin(), "expected a value, found a byte order mark (save the file as UTF-8 without one)");
  }
  const simdjson::padded_string_view padded(buffer_.data(), text_size_ + 2, buffer_.size());
  if (const auto code = parser_.iterate(padded).get(document_)) return explain_broken_text(code);
  ondemand::array root;
  if (const auto code = document_.get_array().get(root)) return explain_broken_text(code);

  size_t count = 0;
  for (auto result : root) {
    if (result.error()) {  // at the end of the text it is the text's own array that is open
      const char* const at = failed_token();
      return expect(at, at < text_end() ? "expected the end of the text" : kExpectedItemEnd);
    }
    ondemand::value value = result.value_unsafe();
    if (++count > 1) return expect(value.raw_json_token().data(), "expected the end of the text");
    if (!read_value(value, 0, out)) return false;
  }
  if (count == 0) return expect_value(std::find_if_not(text_begin(), text_end(), is_space));
  if (!document_.at_end()) {
    const char* at = failed_token() - 1;  // the text itself has closed the array
    while (is_space(*at)) --at;
    return expect(at, "expected the end of the text");
  }
  return true;
}

bool Reader::read_value(ondemand::value& value, int depth, JsonValue& out) {
  ondemand::json_type type;
  if (value.type().get(type)) return expect_value(value.raw_json_token().data());
  if (type == ondemand::json_type::object) return read_object(value, depth + 1, out);
  if (type == ondemand::json_type::array) return read_array(value, depth + 1, out);
  return read_scalar(type, value, out);
}

bool Reader::read_object(ondemand::value& value, int depth, JsonValue& out) {
  const char* const at = value.raw_json_token().data();
  if (depth > kMaxJsonDepth) return refuse_depth(at);
  ondemand::object object;
  if (value.get_object().get(object)) return expect_value(at);
  const size_t first = members_.size();
  for (auto result : object) {
    if (result.error()) return explain_broken_member(failed_token());
    ondemand::field field = result.value_unsafe();
    JsonValue::Member member;
    if (!read_key(field, member.first) || !read_value(field.value(), depth, member.second)) return false;
    if (refuses_duplicates_ && depth == 1 && is_given(member.first))
      return fail(field.escaped_key().data() - 1, "the key '" + member.first + "' is given twice");
    members_.push_back(std::move(member));
  }
  close_object(first, out);
  return true;
}

// Of the outermost object, whose members are the only ones there when one of its own is read.
bool Reader::is_given(std::string_view key) const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& member) { return member.first == key; });
}

bool Reader::read_array(ondemand::value& value, int depth, JsonValue& out) {
  const char* const at = value.raw_json_token().data();
  if (depth > kMaxJsonDepth) return refuse_depth(at);
  ondemand::array array;
  if (value.get_array().get(array)) return expect_value(at);
  const size_t first = items_.size();
  for (auto result : array) {
    if (result.error()) return expect(failed_token(), kExpectedItemEnd);
    ondemand::value element = result.value_unsafe();
    JsonValue item;
    if (!read_value(element, depth, item)) return false;
    items_.push_back(std::move(item));
  }
  close_array(first, out);
  return true;
}

void Reader::close_object(size_t first_member, JsonValue& out) {
  const auto first = members_.begin() + static_cast<ptrdiff_t>(first_member);
  JsonValue::Object members(std::make_move_iterator(first), std::make_move_iterator(members_.end()));
  members_.erase(first, members_.end());
  if (may_have_duplicates(members)) drop_duplicates(members);
  out = JsonValue(std::move(members));
}

void Reader::close_array(size_t first_item, JsonValue& out) {
  const auto first = items_.begin() + static_cast<ptrdiff_t>(first_item);
  out = JsonValue(JsonValue::Array(std::make_move_iterator(first), std::make_move_iterator(items_.end())));
  items_.erase(first, items_.end());
}

bool Reader::read_scalar(ondemand::json_type type, ondemand::value& value, JsonValue& out) {
  const char* const at = value.raw_json_token().data();
  if (type == ondemand::json_type::number) return read_number(value, out);
  if (type == ondemand::json_type::string) {
    last_text_ = at;
    std::string_view text;
    if (value.get_wobbly_string().get(text)) return fail(at, "this text has an escape that JSON does not know");
    out = JsonValue(text);
    return true;
  }
  if (type == ondemand::json_type::boolean) {
    bool boolean = false;
    if (value.get_bool().get(boolean)) return expect_value(at);
    out = JsonValue(boolean);
    return true;
  }
  bool null = false;
  if (value.is_null().get(null) || !null) return expect_value(at);
  out = JsonValue();
  return true;
}

bool Reader::read_number(ondemand::value& value, JsonValue& out) {
  if (int64_t integer = 0; value.get_int64().get(integer) == simdjson::SUCCESS) {
    out = JsonValue(integer);
    return true;
  }
  std::string_view token = value.raw_json_token();
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  if (token.find_first_of(".eE") == std::string_view::npos) {
    if (!is_json_number(token)) return expect_value(token.data(), kExpectedNumber);
    out = JsonValue(JsonValue::BigInteger{std::string(token)});
    return true;
  }
  double real = 0;
  if (value.get_double().get(real) != simdjson::SUCCESS) {
    if (!is_json_number(token)) return expect_value(token.data(), kExpectedNumber);
    // get_double() refuses two things with one code: what overflows, and exponents of twenty digits, even of zeros.
    // The slow reader under it takes both, and never fails on what follows the grammar.
    real = simdjson::internal::from_chars(token.data());
    if (!std::isfinite(real)) {
      return fail(token.data(), "a number too large to be kept (the largest is 1.7976931348623157e308)");
    }
  }
  out = JsonValue(real);
  return true;
}

bool Reader::read_key(ondemand::field& field, std::string& out) {
  const std::string_view escaped = field.escaped_key();
  if (escaped.find('\\') == std::string_view::npos) {
    out = escaped;
    return true;
  }
  // field.unescaped_key() would refuse lone surrogates.
  key_bytes_.resize(escaped.size() + simdjson::SIMDJSON_PADDING);
  auto* bytes = reinterpret_cast<uint8_t*>(key_bytes_.data());
  std::string_view key;
  if (parser_.unescape_wobbly(field.key(), bytes).get(key)) {
    return fail(escaped.data() - 1, "this key has an escape that JSON does not know");
  }
  out = key;
  return true;
}

// The token at which simdjson gave up: it abandons the document, and then its location is the last token taken.
const char* Reader::failed_token() {
  const char* at = nullptr;
  return document_.current_location().get(at) ? text_end() : at;
}

// The start of a token in words, short enough for a message.
std::string Reader::describe(const char* at) const {
  constexpr size_t kLongest = 24;
  if (at >= text_end()) return "the end of the text";
  const std::string_view rest(at, static_cast<size_t>(text_end() - at));
  size_t size = rest[0] == '"' ? static_cast<size_t>(find_text_end(at, text_end()) - at) + 1
                               : std::max<size_t>(rest.find_first_of(" \t\r\n,:[]{}\""), 1);
  size = std::min({size, rest.size(), kLongest});
  while (size < rest.size() && size > 1 && is_continuation(rest[size])) --size;
  if (static_cast<uint8_t>(rest[0]) < 0x20 || rest[0] == 0x7F) {
    return "the control character " + std::to_string(static_cast<int>(rest[0]));
  }
  return std::string("'").append(rest.substr(0, size)).append("'");
}

bool Reader::fail(const char* at, std::string_view what) {
  at = std::clamp(at, text_begin(), text_end());
  const auto line = std::count(text_begin(), at, '\n') + 1;
  const char* start = at;
  while (start > text_begin() && start[-1] != '\n') --start;
  const auto column = std::count_if(start, at, [](char c) { return !is_continuation(c); }) + 1;
  error_ = "line " + std::to_string(line) + ", column " + std::to_string(column) + ": ";
  error_ += what;
  return false;
}

bool Reader::expect(const char* at, std::string_view what) {
  return fail(at, std::string(what) + ", found " + describe(at));
}

bool Reader::refuse_depth(const char* at) {
  return fail(at, "nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
}

bool Reader::expect_value(const char* at, std::string_view what) {
  std::string_view found(at, static_cast<size_t>(text_end() - std::min(at, text_end())));
  if (found.starts_with('-')) found.remove_prefix(1);
  const bool no_number = found.starts_with("NaN") || found.starts_with("nan") || found.starts_with("Inf");
  return expect(at, no_number ? "expected a value (JSON has no NaN and no infinities)" : what);
}

// simdjson has one code for all that can be wrong between the members of an object; what stands before tells.
bool Reader::explain_broken_member(const char* at) {
  const char* before = at - 1;
  while (before > text_begin() && is_space(*before)) --before;
  if (*before == '{' || *before == ',') return expect(at, "expected a key in double quotes");
  const bool after_key = *before == '"' && (last_text_ == nullptr || find_text_end(last_text_, text_end()) != before);
  return expect(at, after_key ? "expected ':' after a key" : "expected ',' or '}' after a member");
}

// What simdjson finds before it looks at structure it reports without a place.
bool Reader::explain_broken_text(simdjson::error_code code) {
  const std::string_view text(text_begin(), text_size_);
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return fail(text_begin() + find_invalid_utf8(text), "these bytes are no UTF-8");
  }
  for (const char* at = text_begin(); (at = std::find(at, text_end(), '"')) != text_end(); ++at) {
    const char* const open = at;
    at = find_text_end(open, text_end());
    if (at == text_end()) return fail(open, "this text is not closed: expected '\"'");
    if (*at != '"') return expect(at, "expected a text on one line, with control characters escaped (\\n, \\u0001)");
  }
  return fail(text_begin(), simdjson::error_message(code));
}

}  // namespace

Result<JsonValue> parse_json(std::string_view text) {
  thread_local Reader reader;
  return reader.read(text, false);
}

Result<JsonValue> parse_json_of_distinct_members(std::string_view text) {
  thread_local Reader reader;
  return reader.read(text, true);
}

}  // namespace signalbook
