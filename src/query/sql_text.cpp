#include "query/sql_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace signalbook {

std::string quote_sql_text(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += c;
    quoted += c;
  }
  return quoted += '\'';
}

std::string quote_sql_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted += '"';
}

std::string cast_sql(const std::string& expression, const std::string& type) {
  return "CAST(" + expression + " AS " + type + ")";
}

std::string join_sql(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string quoted_sql_list(std::span<const std::string> texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + quote_sql_text(text);
  return list;
}

std::string escape_glob(std::string_view path) {
  std::string escaped;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[') {
      escaped.append({'[', c, ']'});
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string read_parquet_sql(std::span<const std::string> patterns, std::string_view options) {
  return "read_parquet([" + quoted_sql_list(patterns) + "], hive_partitioning = false" + std::string(options) + ")";
}

std::string run_id_of_file(const std::string& store_directory, const std::string& filename_column) {
  return "split_part(substr(" + filename_column + ", length(" + quote_sql_text(store_directory) + ") + 2), '/', 1)";
}

std::string choose_sql(const std::string& expression, std::span<const std::pair<std::string, std::string>> values,
                       const std::string& otherwise) {
  if (values.empty()) return otherwise;
  std::string sql = "CASE " + expression;
  for (const auto& [text, value] : values) sql += " WHEN " + quote_sql_text(text) + " THEN " + quote_sql_text(value);
  return sql + " ELSE " + otherwise + " END";
}

}  // namespace signalbook
