#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace signalbook {

// How names, texts and paths stand in a statement.

std::string quote_sql_text(std::string_view text);  // it's -> 'it''s'
std::string quote_sql_name(std::string_view name);  // a"b -> "a""b"
std::string cast_sql(const std::string& expression, const std::string& type);
std::string join_sql(std::span<const std::string> parts, std::string_view separator);
std::string quoted_sql_list(std::span<const std::string> texts);  // 'a', 'b'
// A path that a glob matches literally: * ? [ stand for themselves.
std::string escape_glob(std::string_view path);
// read_parquet over a list, with no surprise from a directory that is named year=2024. `options` begins with a comma.
std::string read_parquet_sql(std::span<const std::string> patterns, std::string_view options);
// The part of a file's path after the store, of read_parquet with filename = true. DuckDB evaluates it before it opens
// a file, so that a filter on run_id leaves the files of other runs alone; only for the column `filename` by that name.
std::string run_id_of_file(const std::string& store_directory, const std::string& filename_column = "filename");

// The value beside the text that an expression is; `otherwise`, an expression, where it is none of them.
std::string choose_sql(const std::string& expression, std::span<const std::pair<std::string, std::string>> values,
                       const std::string& otherwise);

}  // namespace signalbook
