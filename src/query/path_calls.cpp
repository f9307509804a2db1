#include "query/path_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "format/trace_schema.h"
#include "query/sql_text.h"
#include "query/table_functions.h"

namespace signalbook {

namespace {

bool reads_parquet(const TableFunction& function) {
  return function.name == "read_parquet" || function.name == "parquet_scan";
}

// The options that mean the same whether DuckDB reads the files or we do.
struct ParquetOptions {
  std::optional<std::string> filename_column;
  std::string refused;  // the first that we cannot honour
};

ParquetOptions read_options(const TableFunction& function) {
  ParquetOptions result;
  for (const TableFunction::Option& option : function.options) {
    const bool is_false = option.is_truth && option.text == "f";
    const bool is_true = option.is_truth && option.text == "t";
    if (option.name == "union_by_name" && option.is_truth) continue;
    if (option.name == "hive_partitioning" && is_false) continue;
    if (option.name == "filename" && is_false) {
      result.filename_column.reset();
    } else if (option.name == "filename" && (is_true || (!option.is_truth && option.text.has_value()))) {
      result.filename_column = is_true ? "filename" : *option.text;
    } else if (result.refused.empty()) {
      result.refused = option.name.empty() ? "a second argument" : option.name;
    }
  }
  return result;
}

// The parameters of a macro that takes the arguments of a call: name = x goes by its position, name := x by its name.
std::string macro_parameters(const TableFunction& function) {
  std::string parameters = "signalbook_path";
  for (size_t i = 0; i < function.options.size(); ++i) {
    const TableFunction::Option& option = function.options[i];
    parameters += option.is_comparison || option.name.empty()
                      ? fmt::format(", signalbook_{}", i)
                      : fmt::format(", {} := NULL", quote_sql_name(option.name));
  }
  return parameters;
}

}  // namespace

struct PathCalls::Rewriting {
  Connection& connection;
  ViewBuilder& builder;
  const StatementNames& names;
  std::vector<Edit> edits;
  std::vector<ExpectedCall> expected;  // what the calls then look like

  const TableFunction& function(size_t i) const { return names.functions[i]; }

  // Makes the macro of a call and puts its name there. `body` must not use the names of options.
  Status replace_call(size_t i, const std::string& body) {
    const std::string name = fmt::format("signalbook_call_{}", i + 1);
    SB_RETURN_IF_ERROR(connection.run("CREATE OR REPLACE TEMP MACRO " + name + "(" + macro_parameters(function(i)) +
                                      ") AS TABLE " + body));
    edits.push_back({function(i).offset, function(i).length, name});
    expected[i].name = name;
    return Status();
  }

  // The same of a SELECT that may use any name. In a macro its parameters hide columns, even those of views: with
  // filename := true the rows must be there before.
  Status replace_call_by(size_t i, const std::string& rows) {
    const auto hides_filename = [](const TableFunction::Option& option) {
      return option.name == "filename" && !option.is_comparison;
    };
    const std::string kind = std::ranges::any_of(function(i).options, hides_filename) ? "TABLE" : "VIEW";
    const std::string view = fmt::format("signalbook_rows_of_call_{}", i + 1);
    SB_RETURN_IF_ERROR(connection.run("CREATE OR REPLACE TEMP " + kind + " " + view + " AS " + rows));
    return replace_call(i, "SELECT * FROM " + view);
  }
};

// read_parquet('results/*/strategy_index.parquet'): the view, which has run_id, short names and one type a column.
Result<bool> PathCalls::rewrite_indexes(Rewriting& rewriting, size_t i) {
  const TableFunction& function = rewriting.function(i);
  const ParquetOptions options = read_options(function);
  if (function.values.empty() || !function.is_plain_call || !options.refused.empty()) return false;
  for (const std::string& value : function.values) {
    SB_ASSIGN_OR_RETURN(const std::optional<ViewBuilder::PathArgument> argument,
                        rewriting.builder.path_argument(value, rewriting.connection));
    if (!argument.has_value() || argument->kind == QueryPaths::Kind::files) return false;
  }
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> select,
                      rewriting.builder.paths_view(function.values, rewriting.connection));
  if (!select.has_value()) return false;
  std::string rows = *select;
  if (options.filename_column.has_value()) {
    const bool is_index = function.values[0].ends_with(file::kStrategyIndex);
    rows = fmt::format("SELECT *, run_path || '/{}' AS {} FROM ({})",
                       is_index ? file::kStrategyIndex : file::kStrategyComponents,
                       quote_sql_name(*options.filename_column), *select);
  }
  SB_RETURN_IF_ERROR(rewriting.replace_call_by(i, rows));
  return true;
}

// read_parquet('traces/signals/*/*.parquet') where some of these traces lie in packs.
Result<bool> PathCalls::rewrite_packed(Rewriting& rewriting, size_t i) {
  const TableFunction& function = rewriting.function(i);
  std::vector<std::string> files;
  std::vector<PackedRows> packs;
  for (const std::string& value : function.values) {
    SB_ASSIGN_OR_RETURN(std::optional<ViewBuilder::PathArgument> argument,
                        rewriting.builder.path_argument(value, rewriting.connection));
    if (!argument.has_value()) {
      files.push_back(value);
      continue;
    }
    std::ranges::move(argument->files, std::back_inserter(files));
    std::ranges::move(argument->packs, std::back_inserter(packs));
  }
  if (packs.empty()) return false;
  const ParquetOptions options = read_options(function);
  if (!options.refused.empty() || !function.is_plain_call) {
    return Status::invalid(fmt::format(
        "{} over traces in packs takes union_by_name, filename and hive_partitioning = false, and its name stands "
        "without a schema{}: read the packs by their names in quotes, such as 'traces/SPY_5m/signals-00000.parquet'",
        function.name, options.refused.empty() ? "" : "; it cannot do " + options.refused));
  }
  std::string rows = rewriting.builder.packed_rows_sql(packs, options.filename_column);
  if (!files.empty()) {
    std::string with = ", union_by_name = true";
    if (options.filename_column.has_value()) with += ", filename = " + quote_sql_text(*options.filename_column);
    rows = "SELECT * FROM " + read_parquet_sql(files, with) + " UNION ALL BY NAME " + rows;
  }
  SB_RETURN_IF_ERROR(rewriting.replace_call_by(i, rows));
  return true;
}

// The runs whose traces a column may name: those of the scope, and those whose indexes the statement names. Which of
// them can be read is known once their indexes have been looked at, whether the statement names a view or not.
Result<std::vector<RunLocation>> PathCalls::runs_of_columns(Rewriting& rewriting) {
  SB_RETURN_IF_ERROR(rewriting.builder.view("strategies", rewriting.connection).status());
  std::set<std::string> run_ids;
  for (const RunLocation& run : place_.scope_runs) run_ids.insert(run.run_id);
  std::vector<std::string> paths;
  for (const TableName& table : rewriting.names.tables) paths.push_back(table.name);
  for (const TableFunction& function : rewriting.names.functions) {
    paths.insert(paths.end(), function.values.begin(), function.values.end());
  }
  for (const std::string& path : paths) {
    if (!path.ends_with(file::kStrategyIndex)) continue;
    SB_ASSIGN_OR_RETURN(const std::optional<ViewBuilder::PathArgument> argument,
                        rewriting.builder.path_argument(path, rewriting.connection));
    if (!argument.has_value()) continue;
    bool is_new = false;
    for (const RunLocation& run : argument->runs) is_new = run_ids.insert(run.run_id).second || is_new;
    if (is_new) SB_RETURN_IF_ERROR(rewriting.builder.path_view(path, rewriting.connection).status());
  }
  SB_RETURN_IF_ERROR(rewriting.builder.open_packs(rewriting.connection, run_ids));
  for (const auto& [run_id, why] : rewriting.builder.left_out()) run_ids.erase(run_id);
  std::vector<RunLocation> runs;
  std::ranges::copy_if(place_.all_runs, std::back_inserter(runs),
                       [&](const RunLocation& run) { return run_ids.contains(run.run_id); });
  return runs;
}

// The function that gives the rows of a path; made once for the same runs and columns.
Result<std::string> PathCalls::rows_function(Rewriting& rewriting, const std::optional<std::string>& filename_column) {
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, runs_of_columns(rewriting));
  std::string key;
  for (const RunLocation& run : runs) key += run.run_id + "/";
  for (const auto& [run_id, why] : rewriting.builder.left_out()) key += "/" + run_id;
  std::shared_ptr<const TraceReader>& reader = readers_[key];
  if (reader == nullptr) {
    const auto index_file = [&](const std::string& run_id) { return rewriting.builder.index_file(run_id); };
    SB_ASSIGN_OR_RETURN(reader, TraceReader::open(files_, paths_, packed_, place_.store_path, runs, index_file,
                                                  rewriting.builder.left_out(), rewriting.connection));
  }
  std::set<std::string> unused;
  if (place_.confined) unused = reader->unused_columns(rewriting.names.words);
  key += "/" + quote_sql_name(filename_column.value_or(""));
  for (const std::string& column : unused) key += "/" + quote_sql_name(column);
  std::string& name = rows_functions_[key];
  if (name.empty()) {
    const std::string new_name = fmt::format("signalbook_rows_{}", rows_functions_.size());
    RowReader row_reader = TraceReader::row_reader(reader, filename_column, std::move(unused));
    SB_RETURN_IF_ERROR(rewriting.connection.add_row_reader(new_name, std::move(row_reader)));
    name = new_name;
  }
  return name;
}

// CROSS JOIN read_parquet(t.trace_path).
Status PathCalls::rewrite_columns(Rewriting& rewriting, size_t i) {
  const TableFunction& function = rewriting.function(i);
  if (!function.is_plain_call) {
    return Status::invalid(fmt::format(
        "cannot tell where {}(<column>) stands in the statement: write its name without a schema, and plain spaces",
        function.name));
  }
  const ParquetOptions options = read_options(function);
  if (!options.refused.empty()) {
    return Status::invalid(
        fmt::format("{}(<column>) takes union_by_name, filename and hive_partitioning = false; it cannot do {}: read "
                    "these files by "
                    "their names in quotes",
                    function.name, options.refused));
  }
  SB_ASSIGN_OR_RETURN(const std::string rows, rows_function(rewriting, options.filename_column));
  return rewriting.replace_call(
      i, "SELECT unnest(signalbook_row) FROM (SELECT unnest(" + rows + "(signalbook_path)) AS signalbook_row)");
}

Status PathCalls::rewrite_literals(Rewriting& rewriting, size_t i) {
  const TableFunction& function = rewriting.function(i);
  const auto has_option = [&](const char* name) {
    return std::ranges::any_of(function.options, [&](const auto& option) { return option.name == name; });
  };
  for (const TextLiteral& literal : function.paths) {
    SB_ASSIGN_OR_RETURN(const std::optional<ViewBuilder::PathArgument> argument,
                        rewriting.builder.path_argument(literal.value, rewriting.connection));
    if (!argument.has_value()) continue;
    if (argument->files.empty() && !argument->packs.empty()) {
      return Status::invalid(
          fmt::format("{}('{}'): these traces lie in packs, and are no files; name the packs, such as "
                      "'results/*/traces/*/signals-*.parquet'",
                      function.name, literal.value));
    }
    std::string list;
    for (const std::string& file : argument->files) list += (list.empty() ? "" : ", ") + quote_sql_text(file);
    if (!function.is_list) {
      if (argument->files.size() > 1) list = "[" + list + "]";  // else they go in beside their neighbours
      if (reads_parquet(function) && !has_option("hive_partitioning")) list += ", hive_partitioning = false";
      if (reads_parquet(function) && argument->match_by_name && !has_option("union_by_name")) {
        list += ", union_by_name = true";
      }
    }
    rewriting.edits.push_back({literal.offset, literal.length, std::move(list)});
    rewriting.expected[i].other_arguments = true;
  }
  return Status();
}

Result<std::string> PathCalls::rewrite(Connection& connection, ViewBuilder& builder, const std::string& statement,
                                       const StatementNames& names) {
  Rewriting rewriting = {.connection = connection, .builder = builder, .names = names, .edits = {}, .expected = {}};
  for (const TableFunction& function : names.functions) rewriting.expected.push_back({.name = function.name});
  for (size_t i = 0; i < names.functions.size(); ++i) {
    const TableFunction& function = names.functions[i];
    if (!reads_files(function.name)) continue;
    if (reads_parquet(function) && function.reads_columns) {
      SB_RETURN_IF_ERROR(rewrite_columns(rewriting, i));
      continue;
    }
    if (reads_parquet(function)) {
      SB_ASSIGN_OR_RETURN(bool is_done, rewrite_indexes(rewriting, i));
      if (!is_done) {
        SB_ASSIGN_OR_RETURN(is_done, rewrite_packed(rewriting, i));
      }
      if (is_done) continue;
    }
    SB_RETURN_IF_ERROR(rewrite_literals(rewriting, i));
  }
  if (rewriting.edits.empty()) return statement;
  std::string rewritten = statement;
  std::ranges::sort(rewriting.edits, std::ranges::greater(), &Edit::offset);
  for (const Edit& edit : rewriting.edits) rewritten.replace(edit.offset, edit.length, edit.text);
  // DuckDB's positions are no promise: the tree must be the old one, but for the calls.
  SB_ASSIGN_OR_RETURN(const std::string before, serialize_statement(connection, statement));
  SB_ASSIGN_OR_RETURN(const std::string after, serialize_statement(connection, rewritten));
  SB_ASSIGN_OR_RETURN(const bool is_same, is_same_but_for(before, after, rewriting.expected));
  if (!is_same) {
    return Status::invalid(
        "cannot tell where the paths stand in the statement: it holds unusual white space; replace it by plain spaces");
  }
  return rewritten;
}

}  // namespace signalbook
