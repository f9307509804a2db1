#include "ingest/strategy_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "ingest/sweep.h"
#include "ingest/yaml_value.h"

namespace signalbook {
namespace {

// Values in all configurations of a file together. A sweep of few configurations can be too large as well, when each
// repeats a long list.
constexpr uint64_t kMaxValues = 100'000'000;

constexpr const char* kSpace = " \t\r\n";

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string count_in_words(uint64_t count) {
  return (count == UINT64_MAX ? "over 10^19" : with_commas(count)) + " configurations";
}

const char* kind_name(const JsonValue& value) {
  if (value.is_null()) return "null";
  if (value.boolean() != nullptr) return "true or false";
  if (value.text() != nullptr) return "text";
  if (value.array() != nullptr) return "a list";
  if (value.object() != nullptr) return "a mapping";
  return "a number";
}

Status no_strategies(const std::string& file_name) { return Status::invalid("no strategies in " + file_name); }

Status too_many(uint64_t count, const std::string& why) {
  return Status::invalid(count_in_words(count) + why + ", more than the " + with_commas(kMaxStrategies) +
                         " that one file may have");
}

// Beside `strategies`, these say something about the data or the run. Anything else might be meant for every strategy
// (constraints, risk, defaults) or be more strategies (classifiers), and would be lost without a word.
bool may_stand_beside_strategies(std::string_view key) {
  constexpr std::string_view kKeys[] = {"name",     "description", "version",     "notes",      "tags",
                                        "metadata", "data",        "data_source", "data_dir",   "symbol",
                                        "symbols",  "timeframe",   "timeframes",  "start_date", "end_date",
                                        "max_bars", "mode",        "topology",    "execution",  "portfolio"};
  return key.starts_with('_') || key.starts_with("x-") ||
         std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

std::string beside_strategies(const std::string& key) {
  return "'" + key + "' beside 'strategies' would be lost; write it into each strategy, or into a file of its own";
}

// Takes the strategy_id out of a configuration. None when it has none.
Result<std::optional<std::string>> take_strategy_id(JsonValue& config) {
  JsonValue::Object& members = *config.object();
  const auto found =
      std::find_if(members.begin(), members.end(), [](const auto& member) { return member.first == "strategy_id"; });
  std::optional<std::string> id;
  if (found == members.end()) return id;
  if (!found->second.is_null()) {
    if (found->second.text() == nullptr || found->second.text()->empty()) {
      const std::string what = found->second.text() != nullptr ? "empty" : kind_name(found->second);
      return Status::invalid("strategy_id is text, such as strategy_0, not " + what);
    }
    id = *found->second.text();
  }
  members.erase(found);
  return id;
}

// The failure has no place; the caller knows it.
Status add_entry(JsonValue config, std::string origin, std::vector<StrategyEntry>& entries) {
  if (config.object() == nullptr) {
    return Status::invalid("a configuration is a mapping, such as {\"rsi\": {\"period\": 14}}, not " +
                           std::string(kind_name(config)));
  }
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> id, take_strategy_id(config));
  entries.push_back({id.value_or("strategy_" + std::to_string(entries.size())), std::move(config), std::move(origin)});
  return Status();
}

std::string origin_of(const std::string& file_name, TextPlace place) {
  return file_name + ": line " + std::to_string(place.line + 1);
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

// Where the configurations begin in a text that is known to be JSON: JsonValue does not keep places. They are the items
// of a list, which is the whole text or the value of the last member `strategies` (as in JsonValue), or the text
// itself.
enum class JsonShape { list, member, alone };

std::vector<TextPlace> find_places(std::string_view text, JsonShape shape) {
  std::vector<TextPlace> places;
  const int wanted_depth = shape == JsonShape::alone ? 0 : shape == JsonShape::list ? 1 : 2;
  int depth = 0, line = 0;
  size_t line_start = 0;
  bool value_comes = shape == JsonShape::alone, in_list = shape == JsonShape::list;
  std::string_view last_text;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      line_start = i + 1;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (value_comes && c != ']') places.push_back({line, static_cast<int>(i - line_start)});
    value_comes = false;
    if (c == '"') {
      const size_t begin = i + 1;
      for (++i; text[i] != '"'; ++i) i += text[i] == '\\';
      last_text = text.substr(begin, i - begin);
    } else if (c == '[' || c == '{') {
      ++depth;
      if (shape == JsonShape::member && depth == wanted_depth) in_list = c == '[' && last_text == "strategies";
      value_comes = in_list && depth == wanted_depth;
      if (value_comes) places.clear();
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',') {
      value_comes = in_list && depth == wanted_depth;
    }
  }
  return places;
}

// The configurations of a text: its list, alone or under `strategies`, or the one that the text is.
Result<JsonValue::Array> take_list(JsonValue root) {
  if (root.array() != nullptr) return std::move(*root.array());
  if (root.find("strategies") == nullptr) return JsonValue::Array{std::move(root)};
  JsonValue::Array list;
  for (JsonValue::Member& member : *root.object()) {
    if (member.first != "strategies") {
      if (!may_stand_beside_strategies(member.first)) return Status::invalid(beside_strategies(member.first));
    } else if (member.second.array() != nullptr) {
      list = std::move(*member.second.array());
    } else if (!member.second.is_null()) {
      return Status::invalid("'strategies' is a list, not " + std::string(kind_name(member.second)));
    }
  }
  return list;
}

Result<std::vector<StrategyEntry>> parse_json_strategies(const TextSource& source) {
  if (source.text.find_first_not_of(kSpace) == std::string_view::npos) return no_strategies(source.name);
  Result<JsonValue> root = parse_json(source.text);
  if (!root.ok()) return root.status().at(source.name);
  const JsonShape shape = root->array() != nullptr              ? JsonShape::list
                          : root->find("strategies") != nullptr ? JsonShape::member
                                                                : JsonShape::alone;
  Result<JsonValue::Array> list = take_list(*std::move(root));
  if (!list.ok()) return list.status().at(source.name);
  if (list->empty()) return no_strategies(source.name);
  if (list->size() > kMaxStrategies) return too_many(list->size(), "").at(source.name);

  std::vector<TextPlace> places = find_places(source.text, shape);
  // As many already, but for a key `strategies` that is written with escapes.
  places.resize(list->size());
  std::vector<StrategyEntry> entries;
  entries.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    const Status added = add_entry(std::move((*list)[i]), origin_of(source.name, places[i]), entries);
    if (!added.ok()) return source.error(places[i], added.message());
  }
  return entries;
}

Result<std::vector<StrategyEntry>> parse_json_lines(const TextSource& source) {
  std::vector<StrategyEntry> entries;
  TextPlace place;
  for (size_t begin = 0; begin < source.text.size(); ++place.line) {
    const size_t end = std::min(source.text.find('\n', begin), source.text.size());
    const std::string_view line = source.text.substr(begin, end - begin);
    begin = end + 1;
    const size_t first = line.find_first_not_of(kSpace);
    if (first == std::string_view::npos) continue;
    Result<JsonValue> config = parse_json(line);
    if (!config.ok()) {  // once more behind as many empty lines, so that the message counts them
      return parse_json(std::string(static_cast<size_t>(place.line), '\n').append(line)).status().at(source.name);
    }
    place.column = static_cast<int>(first);
    const Status added = add_entry(*std::move(config), origin_of(source.name, place), entries);
    if (!added.ok()) return source.error(place, added.message());
    if (entries.size() > kMaxStrategies) return too_many(entries.size(), " up to this line").at(entries.back().origin);
  }
  if (entries.empty()) return no_strategies(source.name);
  return entries;
}

// ---- YAML ----------------------------------------------------------------------------------------------------------

// The entries of a file: those of a list, alone or under `strategies`, or the one that the file is.
Result<YamlValue::Sequence> find_entries(const TextSource& source, const YamlValue::Pointer& root) {
  if (root == nullptr) return YamlValue::Sequence();
  if (root->scalar() != nullptr && root->scalar()->is_null()) return YamlValue::Sequence();
  if (root->sequence() != nullptr) return *root->sequence();
  const YamlValue* list = root->find("strategies");
  if (list == nullptr) return YamlValue::Sequence{root};
  for (const YamlValue::Member& member : *root->mapping()) {
    if (member.key != "strategies" && !may_stand_beside_strategies(member.key)) {
      return source.error(member.key_place, beside_strategies(member.key));
    }
  }
  if (list->sequence() != nullptr) return *list->sequence();
  if (list->scalar() != nullptr && list->scalar()->is_null()) return YamlValue::Sequence();
  return source.error(list->place, "'strategies' is a list: begin each strategy with '- '");
}

// The configurations of one entry, and its strategy_id.
struct YamlEntry {
  Sweep sweep;
  std::string strategy_id;  // empty when none is given
  std::string origin;
};

Result<YamlEntry> read_entry(const TextSource& source, const YamlValue& value) {
  YamlEntry entry;
  if (const YamlValue* id = value.find("strategy_id"); id != nullptr) {
    JsonValue only_id(JsonValue::Object{{"strategy_id", to_json_value(*id)}});
    Result<std::optional<std::string>> text = take_strategy_id(only_id);
    if (!text.ok()) return source.error(id->place, text.status().message());
    entry.strategy_id = text->value_or("");
  }
  SB_ASSIGN_OR_RETURN(entry.sweep, Sweep::read(source, value));
  entry.origin = origin_of(source.name, value.place);
  return entry;
}

Result<std::vector<StrategyEntry>> parse_yaml_strategies(const TextSource& source) {
  std::vector<YamlEntry> found;
  uint64_t total = 0, values = 0;
  {
    SB_ASSIGN_OR_RETURN(const YamlValue::Pointer root, parse_yaml(source));
    SB_ASSIGN_OR_RETURN(const YamlValue::Sequence list, find_entries(source, root));
    for (const YamlValue::Pointer& value : list) {
      SB_ASSIGN_OR_RETURN(YamlEntry entry, read_entry(source, *value));
      const uint64_t count = entry.sweep.count();
      if (count > kMaxStrategies)
        return source.error(value->place, too_many(count, " (" + entry.sweep.describe() + ")").message());
      total += count;
      values += count * entry.sweep.largest();  // both far below 2^32
      if (values > kMaxValues) {
        return source.error(value->place, count_in_words(total) + " with over " + with_commas(kMaxValues) +
                                              " values together; shorten the lists that are values");
      }
      found.push_back(std::move(entry));
    }
  }
  if (total == 0) return no_strategies(source.name);
  if (total > kMaxStrategies) return too_many(total, " in all").at(source.name);

  std::vector<StrategyEntry> entries;
  entries.reserve(total);
  for (const YamlEntry& entry : found) {
    for (uint64_t i = 0; i < entry.sweep.count(); ++i) {
      SB_RETURN_IF_ERROR(add_entry(entry.sweep.at(i), entry.origin, entries));
      if (entry.strategy_id.empty() || entry.sweep.count() == 1) continue;
      entries.back().strategy_id = entry.strategy_id + "_" + std::to_string(i);
    }
  }
  return entries;
}

// ---- Files ---------------------------------------------------------------------------------------------------------

bool ends_with_ignoring_case(std::string_view text, std::string_view ending) {
  if (text.size() < ending.size()) return false;
  return std::equal(ending.begin(), ending.end(), text.end() - static_cast<std::ptrdiff_t>(ending.size()),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

StrategyFormat find_format(const std::string& path, std::string_view text) {
  const auto ends = [&](std::string_view ending) { return ends_with_ignoring_case(path, ending); };
  if (ends(".json")) return StrategyFormat::json;
  if (ends(".jsonl") || ends(".ndjson")) return StrategyFormat::json_lines;
  if (ends(".yaml") || ends(".yml")) return StrategyFormat::yaml;
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return StrategyFormat::yaml;
  // Lines, if the first is whole and more follow.
  const size_t end = std::min(text.find('\n', first), text.size());
  const bool more = text.find_first_not_of(kSpace, end) != std::string_view::npos;
  const bool lines = text[first] == '{' && more && parse_json(text.substr(first, end - first)).ok();
  return lines ? StrategyFormat::json_lines : StrategyFormat::json;
}

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

}  // namespace

Result<std::vector<StrategyEntry>> parse_strategies(std::string_view text, StrategyFormat format,
                                                    const std::string& file_name) {
  const TextSource source{file_name, without_byte_order_mark(text)};
  switch (format) {
    case StrategyFormat::json:
      return parse_json_strategies(source);
    case StrategyFormat::json_lines:
      return parse_json_lines(source);
    case StrategyFormat::yaml:
      break;
  }
  return parse_yaml_strategies(source);
}

Result<std::vector<StrategyEntry>> read_strategy_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) return Status::not_found(path + ": there is no such file");
    return Status::io_error(path + ": " + std::strerror(error));
  }
  std::string text;
  constexpr size_t kChunk = 1 << 16;
  for (bool more = true; more;) {
    const size_t size = text.size();
    text.resize(size + kChunk);
    file.read(text.data() + size, kChunk);
    text.resize(size + static_cast<size_t>(file.gcount()));
    more = file.good();
  }
  if (file.bad() || !file.eof()) return Status::io_error(path + ": cannot be read: " + std::strerror(errno));
  return parse_strategies(text, find_format(path, without_byte_order_mark(text)), path);
}

}  // namespace signalbook
