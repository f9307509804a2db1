#include "query/sql_statement.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/ascii.h"
#include "query/sql_text.h"

namespace signalbook {

namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value != nullptr && value->text() != nullptr ? *value->text() : std::string();
}

// Positions are bytes; the largest uint64 stands for none, which JsonValue keeps as a big integer.
std::optional<size_t> offset_of(const JsonValue& object) {
  const JsonValue* value = object.find("query_location");
  if (value == nullptr || value->integer() == nullptr) return std::nullopt;
  return static_cast<size_t>(*value->integer());
}

// DuckDB replaces Unicode's spaces by plain ones before it parses, but not in texts and comments. Where an offset of
// its own says nothing sensible, this is the place it means if all before it were replaced.
size_t unshifted(const std::string& text, size_t offset) {
  size_t i = 0;
  for (size_t seen = 0; seen < offset && i < text.size(); ++seen) {
    const std::string_view rest = std::string_view(text).substr(i);
    const bool is_three = (rest.starts_with("\xE2\x80") && rest.size() > 2 &&
                           (static_cast<unsigned char>(rest[2]) <= 0x8D || rest[2] == '\xAF')) ||
                          rest.starts_with("\xE2\x81\x9F") || rest.starts_with("\xE2\x81\xA0") ||
                          rest.starts_with("\xE3\x80\x80") || rest.starts_with("\xEF\xBB\xBF");
    i += is_three ? 3 : rest.starts_with("\xC2\xA0") ? 2 : 1;
  }
  return i;
}

// How a text is written at an offset: 'it''s', "x", e'x', $$x$$ or $tag$x$tag$; nothing where it does not stand there.
std::optional<size_t> length_of_literal(std::string_view text, const std::string& value) {
  const std::string name = quote_sql_name(value);
  if (text.starts_with(name)) return name.size();
  const std::string quoted = quote_sql_text(value);
  if (text.starts_with(quoted) && !text.substr(quoted.size()).starts_with('\'')) return quoted.size();
  const bool is_plain = value.find('\\') == std::string::npos;
  if (is_plain && !text.empty() && (text[0] == 'e' || text[0] == 'E') && text.substr(1).starts_with(quoted)) {
    return 1 + quoted.size();
  }
  const size_t end = text.starts_with('$') ? text.find('$', 1) : std::string_view::npos;
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view tag = text.substr(0, end + 1);
  const std::string whole = std::string(tag) + value + std::string(tag);
  return text.starts_with(whole) ? std::optional(whole.size()) : std::nullopt;
}

// The literal at an offset, if what stands there really reads as `value`.
std::optional<TextLiteral> literal_at(const std::string& text, size_t offset, const std::string& value) {
  for (const size_t place : {offset, unshifted(text, offset)}) {
    if (place >= text.size()) continue;
    const std::optional<size_t> length = length_of_literal(std::string_view(text).substr(place), value);
    if (length.has_value()) return TextLiteral{.value = value, .offset = place, .length = *length};
  }
  return std::nullopt;
}

// DuckDB takes read_parquet("x.parquet") for a path, too.
const std::string* path_in_name(const JsonValue& node) {
  const JsonValue* names = text_of(node, "type") == "COLUMN_REF" ? node.find("column_names") : nullptr;
  if (names == nullptr || names->array() == nullptr || names->array()->size() != 1) return nullptr;
  const std::string* name = names->array()->front().text();
  return name != nullptr && name->ends_with(".parquet") ? name : nullptr;
}

const std::string* text_value(const JsonValue& node) {
  if (text_of(node, "type") != "VALUE_CONSTANT") return nullptr;
  const JsonValue* constant = node.find("value");
  const JsonValue* value = constant == nullptr ? nullptr : constant->find("value");
  return value == nullptr ? nullptr : value->text();
}

void read_paths(const std::string& text, const JsonValue& argument, TableFunction& function) {
  std::vector<const JsonValue*> nodes = {&argument};
  const JsonValue* children = argument.find("children");
  function.is_list = text_of(argument, "function_name") == "list_value";
  if (function.is_list && children != nullptr && children->array() != nullptr) {
    nodes.clear();
    for (const JsonValue& child : *children->array()) nodes.push_back(&child);
  }
  for (const JsonValue* node : nodes) {
    const std::string* value = text_value(*node);
    if (value == nullptr) value = path_in_name(*node);
    if (value == nullptr) {
      function.values.clear();
      function.paths.clear();
      return;
    }
    function.values.push_back(*value);
    const std::optional<size_t> offset = offset_of(*node);
    if (!offset.has_value()) continue;
    if (auto literal = literal_at(text, *offset, *value)) function.paths.push_back(std::move(*literal));
  }
  if (function.paths.size() != function.values.size()) function.paths.clear();
}

bool has_columns(const JsonValue& node) {
  if (const JsonValue::Array* array = node.array()) return std::ranges::any_of(*array, has_columns);
  if (node.object() == nullptr) return false;
  const std::string type = text_of(node, "type");
  if (type == "COLUMN_REF" || type == "SUBQUERY") return true;
  return std::ranges::any_of(*node.object(), [](const auto& member) { return has_columns(member.second); });
}

TableFunction::Option read_option(const JsonValue& argument) {
  TableFunction::Option option;
  const JsonValue* value = &argument;
  if (text_of(argument, "type") == "COMPARE_EQUAL") {
    const JsonValue* left = argument.find("left");
    const JsonValue* names = left == nullptr ? nullptr : left->find("column_names");
    value = argument.find("right");
    if (names == nullptr || names->array() == nullptr || names->array()->size() != 1 || value == nullptr) return option;
    const std::string* name = names->array()->front().text();
    if (name != nullptr) option.name = to_lower_ascii(*name);
    option.is_comparison = true;
  } else {
    option.name = to_lower_ascii(text_of(argument, "alias"));
  }
  const JsonValue* child = value->find("child");  // true is 't' cast to BOOLEAN
  const JsonValue* type = value->find("cast_type");
  option.is_truth = type != nullptr && text_of(*type, "id") == "BOOLEAN" && child != nullptr;
  const std::string* text = text_value(option.is_truth ? *child : *value);
  if (text != nullptr) option.text = *text;
  return option;
}

// The name of a call at an offset, as it is or in double quotes; 0 where it does not stand there.
size_t length_of_name(const std::string& text, size_t offset, const std::string& name) {
  for (const std::string& written : {name, quote_sql_name(name)}) {
    const size_t end = offset + written.size();
    if (end < text.size() && to_lower_ascii(text.substr(offset, written.size())) == written && !is_word(text[end])) {
      return written.size();
    }
  }
  return 0;
}

TableFunction table_function(const std::string& text, const JsonValue& function) {
  TableFunction result;
  result.name = to_lower_ascii(text_of(function, "function_name"));
  if (const std::optional<size_t> offset = offset_of(function)) {
    for (const size_t place : {*offset, unshifted(text, *offset)}) {
      result.offset = place;
      result.length = length_of_name(text, place, result.name);
      if (result.length > 0) break;
    }
    result.is_plain_call =
        result.length > 0 && text_of(function, "schema").empty() && text_of(function, "catalog").empty();
  }
  const JsonValue* children = function.find("children");
  if (children != nullptr && children->array() != nullptr && !children->array()->empty()) {
    const JsonValue::Array& arguments = *children->array();
    result.argument_count = arguments.size();
    read_paths(text, arguments.front(), result);
    result.reads_columns = result.values.empty() && has_columns(arguments.front());
    for (size_t i = 1; i < arguments.size(); ++i) result.options.push_back(read_option(arguments[i]));
  }
  return result;
}

void collect(const std::string& text, const JsonValue& node, StatementNames& names) {
  if (const JsonValue::Array* array = node.array()) {
    for (const JsonValue& element : *array) collect(text, element, names);
    return;
  }
  if (node.object() == nullptr) return;
  const std::string type = text_of(node, "type");
  if (type == "BASE_TABLE") {
    names.tables.push_back({.schema = text_of(node, "schema_name"), .name = text_of(node, "table_name")});
  } else if (type == "TABLE_FUNCTION") {
    const JsonValue* function = node.find("function");
    names.functions.push_back(function == nullptr ? TableFunction() : table_function(text, *function));
  } else if (type == "SHOW_REF") {
    const JsonValue* query = node.find("query");
    if (query == nullptr || query->is_null()) names.lists_tables = true;
  }
  for (const auto& [key, value] : *node.object()) {
    const JsonValue* map = key == "cte_map" ? value.find("map") : nullptr;
    if (map != nullptr && map->array() != nullptr) {
      for (const JsonValue& entry : *map->array()) names.common_tables.insert(to_lower_ascii(text_of(entry, "key")));
    }
    collect(text, value, names);
  }
}

// Whether it takes columns without naming them: *, COLUMNS, ORDER BY ALL, SUMMARIZE, #1, PIVOT, NATURAL, f() t(a, b).
bool takes_unnamed_columns(const JsonValue& node, const std::string& type) {
  static const std::set<std::string> kinds = {"STAR", "POSITIONAL_REFERENCE", "SHOW_REF", "PIVOT"};
  if (kinds.contains(type) || text_of(node, "class") == "STAR" || text_of(node, "ref_type") == "NATURAL") return true;
  const JsonValue* aliases = node.find("column_name_alias");
  return aliases != nullptr && aliases->array() != nullptr && !aliases->array()->empty();
}

struct Words {
  std::set<std::string> all;      // every text, lowercase
  std::set<std::string> tables;   // what a table goes by: alone it is its whole row
  std::set<std::string> columns;  // the last name of each reference
  bool takes_unnamed_columns = false;
};

void collect_words(const JsonValue& node, Words& words) {
  if (node.text() != nullptr) words.all.insert(to_lower_ascii(*node.text()));
  if (const JsonValue::Array* array = node.array()) {
    for (const JsonValue& element : *array) collect_words(element, words);
    return;
  }
  if (node.object() == nullptr) return;
  const std::string type = text_of(node, "type");
  words.takes_unnamed_columns = words.takes_unnamed_columns || takes_unnamed_columns(node, type);
  if (node.find("sample") != nullptr) {  // only tables have it
    words.tables.insert(to_lower_ascii(text_of(node, "alias")));
    words.tables.insert(to_lower_ascii(text_of(node, "table_name")));
  }
  const JsonValue* names = type == "COLUMN_REF" ? node.find("column_names") : nullptr;
  if (names != nullptr && names->array() != nullptr && !names->array()->empty()) {
    const std::string* name = names->array()->back().text();
    if (name != nullptr) words.columns.insert(to_lower_ascii(*name));
  }
  const JsonValue* function = type == "TABLE_FUNCTION" ? node.find("function") : nullptr;
  if (function != nullptr) words.tables.insert(to_lower_ascii(text_of(*function, "function_name")));
  for (const auto& [key, value] : *node.object()) collect_words(value, words);
}

std::optional<std::set<std::string>> used_words(const JsonValue& statement) {
  Words words;
  collect_words(statement, words);
  const auto is_row = [&](const std::string& column) {
    return words.tables.contains(column) || column.starts_with("signalbook_");  // as calls are called
  };
  if (words.takes_unnamed_columns || std::ranges::any_of(words.columns, is_row)) return std::nullopt;
  return std::move(words.all);
}

// Without positions, and with the names of calls as `rename` gives them.
void normalise(JsonValue& node, size_t& call, const std::vector<ExpectedCall>& expected, bool rename) {
  if (JsonValue::Array* array = node.array()) {
    for (JsonValue& element : *array) normalise(element, call, expected, rename);
    return;
  }
  if (node.object() == nullptr) return;
  if (text_of(node, "type") == "TABLE_FUNCTION" && call < expected.size()) {
    const ExpectedCall& to = expected[call];
    for (auto& [key, value] : *node.object()) {
      if (key != "function" || value.object() == nullptr) continue;
      const std::string name = to_lower_ascii(text_of(value, "function_name"));
      value.set("function_name", JsonValue(rename ? to.name : name));
      if (to.other_arguments) value.set("children", JsonValue());
    }
  }
  if (text_of(node, "type") == "TABLE_FUNCTION") ++call;
  for (auto& [key, value] : *node.object()) {
    if (key == "query_location") {
      value = JsonValue();
    } else {
      normalise(value, call, expected, rename);
    }
  }
}

// Past white space and comments.
size_t skip_blank(std::string_view text, size_t i) {
  while (i < text.size()) {
    if (std::isspace(static_cast<unsigned char>(text[i])) != 0) {
      ++i;
    } else if (text.substr(i, 2) == "--") {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i, 2) == "/*") {
      size_t depth = 0;  // they nest
      do {
        const std::string_view two = text.substr(i, 2);
        if (two == "/*") ++depth;
        if (two == "*/") --depth;
        i += two == "/*" || two == "*/" ? 2 : 1;
      } while (depth > 0 && i < text.size());
    } else {
      break;
    }
  }
  return std::min(i, text.size());
}

// The word at i in capitals; empty when there is none.
std::string word_at(std::string_view text, size_t i) {
  size_t end = i;
  while (end < text.size() && is_word(text[end])) ++end;
  return upper(text.substr(i, end - i));
}

}  // namespace

Result<std::optional<StatementNames>> names_in_statement(const std::string& text, std::string_view serialized) {
  const Result<JsonValue> tree = parse_json(serialized);
  if (!tree.ok()) return Status::invalid("the statement is nested too deeply (" + tree.status().message() + ")");
  const JsonValue* error = tree->find("error");
  const JsonValue* statements = tree->find("statements");
  const bool is_read = error != nullptr && error->boolean() != nullptr && !*error->boolean();
  if (!is_read || statements == nullptr || statements->array() == nullptr || statements->array()->size() != 1) {
    return std::optional<StatementNames>();
  }
  StatementNames names;
  collect(text, *statements, names);
  names.words = used_words(*statements);
  return std::optional(std::move(names));
}

Result<std::string> serialize_statement(Connection& connection, const std::string& text) {
  SB_ASSIGN_OR_RETURN(const TextRows rows,
                      connection.fetch("SELECT json_serialize_sql(CAST(? AS VARCHAR))::VARCHAR", &text));
  if (rows.size() != 1) return Status::invalid("DuckDB does not show how it reads the statement");
  return rows[0][0];
}

Result<bool> is_same_but_for(std::string_view before, std::string_view after,
                             const std::vector<ExpectedCall>& expected) {
  SB_ASSIGN_OR_RETURN(JsonValue old_tree, parse_json(before));
  SB_ASSIGN_OR_RETURN(JsonValue new_tree, parse_json(after));
  size_t old_calls = 0, new_calls = 0;
  normalise(old_tree, old_calls, expected, true);
  normalise(new_tree, new_calls, expected, false);
  return old_calls == expected.size() && old_tree == new_tree;
}

ExplainedStatement split_explain(const std::string& text) {
  const ExplainedStatement whole = {.prefix = "", .statement = text};
  size_t i = skip_blank(text, 0);
  if (word_at(text, i) != "EXPLAIN") return whole;
  i = skip_blank(text, i + std::string_view("EXPLAIN").size());
  std::string prefix = "EXPLAIN ";
  if (word_at(text, i) == "ANALYZE") {
    prefix += "ANALYZE ";
    i = skip_blank(text, i + std::string_view("ANALYZE").size());
  } else if (i < text.size() && text[i] == '(') {
    const size_t end = text.find(')', i);
    const std::string_view options = std::string_view(text).substr(i, end == std::string::npos ? 0 : end + 1 - i);
    const auto is_plain = [](char c) { return is_word(c) || c == ' ' || c == ',' || c == '(' || c == ')'; };
    // A parenthesis may also open the query itself: EXPLAIN (SELECT 1).
    const std::string first = word_at(text, skip_blank(text, i + 1));
    if (first == "FORMAT" || first == "ANALYZE") {
      if (options.empty() || !std::ranges::all_of(options, is_plain)) return whole;
      prefix += std::string(options) + " ";
      i = skip_blank(text, end + 1);
    }
  }
  return {.prefix = prefix, .statement = text.substr(i)};
}

std::string first_keyword(std::string_view text) { return word_at(text, skip_blank(text, 0)); }

}  // namespace signalbook
