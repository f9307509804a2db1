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

// The literal at an offset, if what stands there really reads as `value`: DuckDB replaces some white space before it
// parses, and other spellings ($$x$$, e'x') are left alone.
std::optional<TextLiteral> literal_at(const std::string& text, size_t offset, const std::string& value) {
  if (offset >= text.size() || text[offset] != '\'') return std::nullopt;
  std::string read;
  for (size_t i = offset + 1; i < text.size(); ++i) {
    if (text[i] != '\'') {
      read += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '\'') {
      read += text[i++];
    } else if (read == value) {
      return TextLiteral{.value = value, .offset = offset, .length = i + 1 - offset};
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<TextLiteral> text_literal(const std::string& text, const JsonValue& node) {
  if (text_of(node, "type") != "VALUE_CONSTANT") return std::nullopt;
  const JsonValue* constant = node.find("value");
  const JsonValue* value = constant == nullptr ? nullptr : constant->find("value");
  const std::optional<size_t> offset = offset_of(node);
  if (value == nullptr || value->text() == nullptr || !offset.has_value()) return std::nullopt;
  return literal_at(text, *offset, *value->text());
}

std::vector<TextLiteral> path_literals(const std::string& text, const JsonValue& argument) {
  if (const auto literal = text_literal(text, argument)) return {*literal};
  const JsonValue* children = argument.find("children");
  if (text_of(argument, "function_name") != "list_value" || children == nullptr || children->array() == nullptr) {
    return {};
  }
  std::vector<TextLiteral> literals;
  for (const JsonValue& child : *children->array()) {
    const auto literal = text_literal(text, child);
    if (!literal.has_value()) return {};
    literals.push_back(*literal);
  }
  return literals;
}

TableFunction table_function(const std::string& text, const JsonValue& function) {
  TableFunction result;
  result.name = to_lower_ascii(text_of(function, "function_name"));
  const std::optional<size_t> offset = offset_of(function);
  if (offset.has_value() && *offset <= text.size()) {
    result.offset = *offset;
    const size_t end = *offset + result.name.size();
    result.is_plain_call = text_of(function, "schema").empty() && end < text.size() &&
                           to_lower_ascii(text.substr(*offset, result.name.size())) == result.name &&
                           !is_word(text[end]);
  }
  const JsonValue* children = function.find("children");
  if (children != nullptr && children->array() != nullptr && !children->array()->empty()) {
    result.argument_count = children->array()->size();
    result.is_list = text_of(children->array()->front(), "function_name") == "list_value";
    result.paths = path_literals(text, children->array()->front());
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
  return std::optional(std::move(names));
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
