#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "format/json_value.h"
#include "query/database.h"

namespace signalbook {

// What a SELECT names, read from DuckDB's parse tree (json_serialize_sql), so that no guess about text decides what
// runs: which tables, which table functions, and where in the text their literals stand.

struct TableName {
  std::string schema;
  std::string name;
};

// A text literal in the text of the statement.
struct TextLiteral {
  std::string value;
  size_t offset = 0;  // of its opening quote, in bytes
  size_t length = 0;  // with the quotes
};

struct TableFunction {
  // name = value, or name := value
  struct Option {
    std::string name;                 // lowercase
    bool is_comparison = false;       // written with =
    std::optional<std::string> text;  // of a text, "t" or "f" of a truth value; else nothing
    bool is_truth = false;
  };

  std::string name;  // lowercase
  size_t offset = 0;
  size_t length = 0;           // of the name as it is written, with quotes
  bool is_plain_call = false;  // the name stands at offset, without schema
  size_t argument_count = 0;   // with named options
  bool is_list = false;
  std::vector<TextLiteral> paths;   // the first argument: a literal, or a list of nothing but literals
  std::vector<std::string> values;  // the same, also of literals that cannot be found in the text
  bool reads_columns = false;       // the first argument holds columns or a query
  std::vector<Option> options;      // the other arguments; one that is none has no name
};

struct StatementNames {
  std::vector<TableName> tables;
  std::vector<TableFunction> functions;
  std::set<std::string> common_tables;  // names of CTEs, lowercase: they hide views
  bool lists_tables = false;            // SHOW TABLES and the like: all views are meant
  // Every text of the parse tree, lowercase: a column whose name is not among them is not used. Nothing where columns
  // may be used without being named, by * or as a whole row.
  std::optional<std::set<std::string>> words;
};

// The output of json_serialize_sql(text).
Result<std::string> serialize_statement(Connection& connection, const std::string& text);

// From the output of json_serialize_sql(text). Nothing when the text is not one SELECT.
Result<std::optional<StatementNames>> names_in_statement(const std::string& text, std::string_view serialized);

// How a statement that was rewritten must read, call by call, in the order of StatementNames::functions.
struct ExpectedCall {
  std::string name;
  bool other_arguments = false;
};

// Whether two outputs of json_serialize_sql are of the same statement, but for these calls.
Result<bool> is_same_but_for(std::string_view before, std::string_view after,
                             const std::vector<ExpectedCall>& expected);

// EXPLAIN in front of a statement: "EXPLAIN ANALYZE " and what follows it. The prefix is rewritten from scratch; of
// an unknown option the statement is left whole, and then is no SELECT.
struct ExplainedStatement {
  std::string prefix;  // empty when there is no EXPLAIN
  std::string statement;
};

ExplainedStatement split_explain(const std::string& text);

// The first word of a statement in capitals, for a message; empty when it does not begin with one.
std::string first_keyword(std::string_view text);

}  // namespace signalbook
