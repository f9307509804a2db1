#include "ingest/yaml_value.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>

#include "ingest/yaml_scalar.h"

namespace signalbook {
namespace {

// A stream over bytes that somebody else keeps.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // the interface wants it; reading changes nothing
    setg(begin, begin, begin + text.size());
  }
};

// The length of the UTF-8 character at the front, or 0 when there is none. YAML has no control characters, and
// yaml-cpp takes one of them (4) for the end of the input.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const uint32_t first = byte(0);
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0, surrogate = first == 0xED && byte(1) > 0x9F;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90, too_large = first == 0xF4 && byte(1) > 0x8F;
    return follows(1) && follows(2) && follows(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

Status check_characters(const TextSource& source) {
  TextPlace place;
  for (size_t i = 0; i < source.text.size();) {
    const size_t length = character_length(source.text.substr(i));
    if (length == 0) {
      const bool control = static_cast<uint8_t>(source.text[i]) < 0x20;
      return source.error(place, control ? "a control character; YAML text has none" : "these bytes are no UTF-8");
    }
    place.column += static_cast<int>(length);
    if (source.text[i] == '\n') place = {place.line + 1, 0};
    i += length;
  }
  return Status();
}

TextPlace to_place(const YAML::Mark& mark) { return {std::max(mark.line, 0), std::max(mark.column, 0)}; }

// Builds the tree from yaml-cpp's events. Not from its Node: that resolves by the rules of YAML 1.1, keeps the last of
// duplicate keys, and follows aliases without end. What is wrong is thrown as yaml-cpp's own exception, which leaves
// this file as little as the others do.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const TextSource& source) : source_(source) {}

  YamlValue::Pointer take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!std::exchange(began_, true)) return;
    const std::string_view rest =
        source_.text.substr(std::min<size_t>(static_cast<size_t>(mark.pos), source_.text.size()));
    if (rest.starts_with("---") || rest.starts_with("%")) {
      fail(mark, "a second document begins; write all strategies into one, as a list");
    }
    fail(mark, "this belongs to nothing (what stands before it is complete); is the indentation right?");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "a key must be a name; put null in quotes if that is the name");
    // yaml-cpp lets [10, , 20] pass.
    if (!open_.empty() && open_.back().flow && open_.back().node.sequence() != nullptr && !null_is_written(mark)) {
      fail(mark, "a value is missing between commas");
    }
    add(anchor, make_scalar(mark, JsonValue()));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Result<JsonValue> resolved = resolve_yaml_scalar(expects_key() && tag == "?" ? "!" : tag, value);
    if (!resolved.ok()) fail(mark, resolved.status().message());
    YamlValue::Pointer scalar = make_scalar(mark, *std::move(resolved));
    if (!expects_key()) {
      add(anchor, std::move(scalar));
      return;
    }
    if (tag == "?" && value == "<<") {
      fail(mark, "the merge key << is not part of YAML 1.2; write the keys out");
    }
    Frame& frame = open_.back();
    if (!frame.keys.insert(value).second) fail(mark, "the key '" + value + "' is given twice");
    frame.key = value;
    frame.key_place = to_place(mark);
    frame.has_key = true;
    if (anchor != YAML::NullAnchor) anchors_[anchor] = std::move(scalar);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) fail(mark, "an alias cannot be a key; write the key out");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "this alias stands inside the value that it refers to");
    const YamlValue& value = *found->second;
    aliased_nodes_ += value.node_count;
    if (aliased_nodes_ > kMaxAliasedNodes) fail(mark, "aliases make too many values of this file (over 1,000,000)");
    if (open_.size() + value.height > static_cast<size_t>(kMaxJsonDepth)) fail_too_deep(mark);
    add(YAML::NullAnchor, found->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, tag, "!!seq", anchor, style, YamlValue::Sequence());
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, tag, "!!map", anchor, style, YamlValue::Mapping());
  }
  void OnMapEnd() override { close(); }

 private:
  // A sequence or mapping that has not ended.
  struct Frame {
    YamlValue node;
    YAML::anchor_t anchor;
    bool flow;
    std::unordered_set<std::string> keys;
    std::string key;  // of the value that comes next
    TextPlace key_place;
    bool has_key = false;
  };

  [[noreturn]] static void fail(const YAML::Mark& mark, const std::string& message) {
    throw YAML::ParserException(mark, message);
  }
  [[noreturn]] static void fail_too_deep(const YAML::Mark& mark) {
    fail(mark, "nested deeper than " + std::to_string(kMaxJsonDepth));
  }

  bool expects_key() const { return !open_.empty() && open_.back().node.mapping() != nullptr && !open_.back().has_key; }

  bool null_is_written(const YAML::Mark& mark) const {
    const auto at = static_cast<size_t>(mark.pos);
    return at < source_.text.size() && std::string_view("~nN").find(source_.text[at]) != std::string_view::npos;
  }

  static YamlValue::Pointer make_scalar(const YAML::Mark& mark, JsonValue value) {
    YamlValue node;
    node.content = std::move(value);
    node.place = to_place(mark);
    return std::make_shared<const YamlValue>(std::move(node));
  }

  template <typename Content>
  void open(const YAML::Mark& mark, const std::string& tag, const char* own_tag, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style, Content content) {
    if (expects_key()) fail(mark, "a key must be a name, not a list or a mapping");
    if (!tag.empty() && tag != "?" && tag != "!" && shorten_yaml_tag(tag) != own_tag) {
      fail(mark, "the tag " + shorten_yaml_tag(tag) + " is not known here");
    }
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) fail_too_deep(mark);
    Frame frame{.node = {},
                .anchor = anchor,
                .flow = style == YAML::EmitterStyle::Flow,
                .keys = {},
                .key = {},
                .key_place = {}};
    frame.node.content = std::move(content);
    frame.node.place = to_place(mark);
    open_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    add(frame.anchor, std::make_shared<const YamlValue>(std::move(frame.node)));
  }

  void add(YAML::anchor_t anchor, YamlValue::Pointer value) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = value;
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = open_.back();
    frame.node.node_count = std::min(frame.node.node_count + value->node_count, kMaxAliasedNodes + 1);
    frame.node.height = std::max<uint16_t>(frame.node.height, static_cast<uint16_t>(value->height + 1));
    if (auto* items = std::get_if<YamlValue::Sequence>(&frame.node.content)) {
      items->push_back(std::move(value));
    } else {
      auto& members = std::get<YamlValue::Mapping>(frame.node.content);
      members.push_back({std::move(frame.key), frame.key_place, std::move(value)});
      frame.has_key = false;
    }
  }

  const TextSource& source_;
  bool began_ = false;
  std::vector<Frame> open_;
  std::unordered_map<YAML::anchor_t, YamlValue::Pointer> anchors_;  // of values that are complete
  uint64_t aliased_nodes_ = 0;
  YamlValue::Pointer root_;
};

}  // namespace

const YamlValue* YamlValue::find(std::string_view key) const {
  if (mapping() == nullptr) return nullptr;
  for (const Member& member : *mapping()) {
    if (member.key == key) return member.value.get();
  }
  return nullptr;
}

Result<YamlValue::Pointer> parse_yaml(const TextSource& source) {
  SB_RETURN_IF_ERROR(check_characters(source));
  ViewBuffer buffer(source.text);
  std::istream stream(&buffer);
  TreeBuilder builder(source);
  try {
    YAML::Parser parser(stream);
    // Twice, because a file of several documents is an error. Not until there is none: at a stray comma, say, yaml-cpp
    // finds empty documents for ever.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::DeepRecursion& error) {
    return source.error(to_place(error.mark),
                        "nested too deep (about " + std::to_string(kMaxJsonDepth) + " levels are allowed)");
  } catch (const YAML::Exception& error) {
    return source.error(to_place(error.mark), error.msg);
  }
  return builder.take_root();
}

JsonValue to_json_value(const YamlValue& value) {
  if (const auto* items = value.sequence()) {
    JsonValue::Array array;
    array.reserve(items->size());
    for (const YamlValue::Pointer& item : *items) array.push_back(to_json_value(*item));
    return JsonValue(std::move(array));
  }
  if (const auto* members = value.mapping()) {
    JsonValue::Object object;
    object.reserve(members->size());
    for (const YamlValue::Member& member : *members) object.emplace_back(member.key, to_json_value(*member.value));
    return JsonValue(std::move(object));
  }
  return *value.scalar();
}

}  // namespace signalbook
