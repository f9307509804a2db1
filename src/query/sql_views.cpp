#include "query/sql_views.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/file_system.h"
#include "base/time_text.h"
#include "format/json_value.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string result;
  for (const std::string& part : parts) {
    if (!result.empty()) result += separator;
    result += part;
  }
  return result;
}

std::string cast(const std::string& expression, const std::string& type) {
  return "CAST(" + expression + " AS " + type + ")";
}

// read_parquet over a list, with no surprise from a directory that is named year=2024.
std::string read_files(std::span<const std::string> patterns, std::string_view options) {
  std::vector<std::string> quoted;
  quoted.reserve(patterns.size());
  for (const std::string& pattern : patterns) quoted.push_back(quote_sql_text(pattern));
  return "read_parquet([" + join(quoted, ", ") + "], hive_partitioning = false" + std::string(options) + ")";
}

// The part of a file's path after the store. DuckDB evaluates it before it opens a file, so that a filter on run_id
// leaves the files of other runs alone; it does so only for the column `filename` by that name.
std::string run_id_of_file(const std::string& store_directory) {
  return "split_part(substr(filename, length(" + quote_sql_text(store_directory) + ") + 2), '/', 1)";
}

// ---- strategies -----------------------------------------------------------------------------------------------------

enum class Kind { number, text, boolean, null, other };

Kind kind_of(const std::string& type) {
  static const std::set<std::string> numbers = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",   "HUGEINT", "UTINYINT",
                                                "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT",   "DOUBLE"};
  if (numbers.contains(type) || type.starts_with("DECIMAL(")) return Kind::number;
  if (type == "VARCHAR") return Kind::text;
  if (type == "BOOLEAN") return Kind::boolean;
  if (type == "\"NULL\"" || type == "NULL") return Kind::null;
  return Kind::other;
}

bool is_parameter(std::string_view name) { return name.starts_with("param_"); }

// The type of a column whose types differ between groups. "NULL" holds no values and fits everything.
std::string common_type(const std::set<std::string>& types) {
  std::set<std::string> real;
  std::set<Kind> kinds;
  for (const std::string& type : types) {
    if (kind_of(type) == Kind::null) continue;
    real.insert(type);
    kinds.insert(kind_of(type));
  }
  if (real.empty()) return "VARCHAR";
  if (real.size() == 1) return *real.begin();
  if (kinds.size() == 1 && kinds.contains(Kind::number)) return "DOUBLE";
  const auto is_time = [](const std::string& type) { return type.starts_with("TIMESTAMP"); };
  if (std::ranges::all_of(real, is_time)) return "TIMESTAMP WITH TIME ZONE";
  return "VARCHAR";
}

// A column of the view, and which column of each group fills it.
struct MergedColumn {
  std::string name;
  std::set<std::string> types;
  std::map<size_t, std::string> sources;  // group -> column name
};

// Which column of the view takes a parameter's values when other runs have other types of it.
std::string parameter_target(const std::string& name, Kind kind, const std::set<Kind>& kinds, bool has_split_columns) {
  const bool mixed = has_split_columns || kinds.size() > 1;
  if (!mixed || kind == Kind::number || kind == Kind::null) return name;
  return name + (kind == Kind::boolean ? "__bool" : "__str");
}

std::vector<MergedColumn> merge_columns(std::span<const IndexGroup> groups) {
  // All spellings and kinds first: what one run holds decides where another's values go.
  std::map<std::string, std::set<Kind>> kinds;
  std::set<std::string> names;
  for (const IndexGroup& group : groups) {
    for (const ViewColumn& column : group.columns) {
      names.insert(column.name);
      if (kind_of(column.type) != Kind::null) kinds[column.name].insert(kind_of(column.type));
    }
  }
  std::vector<MergedColumn> merged;
  std::map<std::string, size_t> position;  // by what must be equal for two columns to be one
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const ViewColumn& column : groups[g].columns) {
      std::string name = column.name;
      if (is_parameter(name)) {
        const bool split = names.contains(name + "__str") || names.contains(name + "__bool");
        name = parameter_target(name, kind_of(column.type), kinds[column.name], split);
      }
      // Parameters that differ in case are two parameters; all else is ours, whatever its case.
      const std::string key = is_parameter(name) ? name : to_lower_ascii(name);
      const auto [place, is_new] = position.emplace(key, merged.size());
      if (is_new) merged.push_back({.name = name, .types = {}, .sources = {}});
      MergedColumn& target = merged[place->second];
      target.types.insert(is_parameter(name) && kind_of(column.type) == Kind::number ? "DOUBLE" : column.type);
      target.sources.emplace(g, column.name);
    }
  }
  return merged;
}

class NameTaker {
 public:
  bool take(const std::string& name) { return taken_.insert(to_lower_ascii(name)).second; }
  // SQL does not see case: of two names that differ in nothing else, the later gets a number.
  std::string take_or_number(const std::string& name) {
    if (take(name)) return name;
    for (int i = 2;; ++i) {
      std::string numbered = name + "__" + std::to_string(i);
      if (take(numbered)) return numbered;
    }
  }

 private:
  std::set<std::string> taken_;
};

// The path of a run as an expression over its id, and the runs it serves: nearly always all of a group.
std::string path_expression(const ViewRun& run) {
  if (run.path == run.run_id) return "run_id";
  if (run.path.ends_with("/" + run.run_id)) {
    return quote_sql_text(run.path.substr(0, run.path.size() - run.run_id.size())) + " || run_id";
  }
  return quote_sql_text(run.path);
}

std::string group_sql(const std::string& store_directory, const std::string& path, std::span<const ViewRun> runs,
                      std::span<const std::string> columns) {
  std::vector<std::string> files;
  files.reserve(runs.size());
  for (const ViewRun& run : runs) {
    files.push_back(escape_glob(join_path(join_path(store_directory, run.run_id), file::kStrategyIndex)));
  }
  // run_id is made below `path`, which uses it by name, and before *, so that a file's own run_id is not meant.
  return "SELECT run_id, " + path + " AS run_path, " + join(columns, ", ") + " FROM (SELECT " +
         run_id_of_file(store_directory) + " AS run_id, * FROM " + read_files(files, ", filename = true") + ")";
}

}  // namespace

std::string strategies_sql(const std::string& store_directory, std::span<const IndexGroup> groups) {
  std::vector<MergedColumn> merged = merge_columns(groups);
  // These are ours, even where a file has a column of that name.
  const auto is_ours = [](const MergedColumn& column) {
    const std::string name = to_lower_ascii(column.name);
    return name == "run_id" || name == "run_path" || name == "run_trace_path";
  };
  std::erase_if(merged, is_ours);

  NameTaker names;
  std::vector<std::string> outer = {"run_id", "run_path"};
  for (const char* ours : {"run_id", "run_path", "run_trace_path"}) names.take(ours);
  for (MergedColumn& column : merged) {
    column.name = names.take_or_number(column.name);
    if (to_lower_ascii(column.name) == "trace_path") {
      // In the run itself the path is the plain one, not ./traces/...
      outer.push_back("CASE WHEN run_path = '.' THEN trace_path ELSE run_path || '/' || trace_path END AS trace_path");
      outer.push_back("trace_path AS run_trace_path");
    } else {
      outer.push_back(quote_sql_name(column.name));
    }
  }
  for (const MergedColumn& column : merged) {
    std::string short_name;
    if (is_parameter(column.name)) short_name = column.name.substr(std::string_view("param_").size());
    if (to_lower_ascii(column.name) == "sharpe_ratio") short_name = "sharpe";
    if (to_lower_ascii(column.name) == "strategy_hash") short_name = "strat_hash";
    if (short_name.empty() || !names.take(short_name)) continue;
    outer.push_back(quote_sql_name(column.name) + " AS " + quote_sql_name(short_name));
  }

  std::vector<std::string> branches;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::string> columns;
    for (const MergedColumn& column : merged) {
      const auto source = column.sources.find(g);
      const std::string value = source == column.sources.end() ? "NULL" : quote_sql_name(source->second);
      columns.push_back(cast(value, common_type(column.types)) + " AS " + quote_sql_name(column.name));
    }
    std::map<std::string, std::vector<ViewRun>> by_path;
    for (const ViewRun& run : groups[g].runs) by_path[path_expression(run)].push_back(run);
    for (const auto& [path, runs] : by_path) branches.push_back(group_sql(store_directory, path, runs, columns));
  }
  return "SELECT " + join(outer, ", ") + " FROM (" + join(branches, " UNION ALL ") + ")";
}

// ---- traces ---------------------------------------------------------------------------------------------------------

namespace {

struct TraceColumn {
  const char* name;
  const char* type;
};

constexpr TraceColumn kTraceColumns[] = {
    {column::kIdx, "BIGINT"},           {column::kTs, "TIMESTAMP WITH TIME ZONE"},
    {column::kSymbol, "VARCHAR"},       {column::kValue, "DOUBLE"},
    {column::kStrategy, "VARCHAR"},     {column::kPrice, "DOUBLE"},
    {column::kStrategyHash, "VARCHAR"}, {column::kMetadata, "VARCHAR"},
};

std::string trace_source_sql(const std::string& store_directory, const TraceSource& source) {
  // By the reader's rules: names in any case are one column.
  std::set<std::string> there;
  for (const std::string& name : source.columns) there.insert(to_lower_ascii(name));
  const auto value = [&](const char* name) {
    return source.known_format || there.contains(name) ? quote_sql_name(name) : std::string("NULL");
  };
  std::vector<std::string> columns = {run_id_of_file(store_directory) + " AS run_id"};
  for (const TraceColumn& c : kTraceColumns) {
    const bool is_label = source.classifiers && std::string_view(c.name) == column::kValue;
    columns.push_back(cast(is_label ? "NULL" : value(c.name), c.type) + " AS " + c.name);
  }
  columns.push_back(cast(source.classifiers ? value(column::kValue) : "NULL", "VARCHAR") + " AS label");
  const char* options = source.known_format ? ", filename = true" : ", filename = true, union_by_name = true";
  return "SELECT " + join(columns, ", ") + " FROM " + read_files(source.patterns, options);
}

}  // namespace

const std::vector<ViewColumn>& trace_columns() {
  static const std::vector<ViewColumn> columns = [] {
    std::vector<ViewColumn> result;
    for (const TraceColumn& c : kTraceColumns) result.push_back({c.name, c.type});
    return result;
  }();
  return columns;
}

std::string traces_sql(const std::string& store_directory, std::span<const TraceSource> sources) {
  std::vector<std::string> branches;
  for (const TraceSource& source : sources) branches.push_back(trace_source_sql(store_directory, source));
  if (!branches.empty()) return join(branches, " UNION ALL ");
  std::vector<std::string> columns = {cast("NULL", "VARCHAR") + " AS run_id"};
  for (const TraceColumn& c : kTraceColumns) columns.push_back(cast("NULL", c.type) + " AS " + c.name);
  columns.push_back(cast("NULL", "VARCHAR") + " AS label");
  return "SELECT " + join(columns, ", ") + " WHERE false";
}

// ---- bars and runs --------------------------------------------------------------------------------------------------

std::string bars_sql(std::span<const std::string> paths) {
  static constexpr TraceColumn kBarColumns[] = {
      {"data_id", "VARCHAR"},
      {"symbol", "VARCHAR"},
      {"timeframe", "VARCHAR"},
      {"idx", "BIGINT"},
      {"ts", "TIMESTAMP WITH TIME ZONE"},
      {"open", "DOUBLE"},
      {"high", "DOUBLE"},
      {"low", "DOUBLE"},
      {"close", "DOUBLE"},
      {"volume", "DOUBLE"},
  };
  std::vector<std::string> columns;
  for (const TraceColumn& c : kBarColumns) {
    columns.push_back(cast(paths.empty() ? "NULL" : quote_sql_name(c.name), c.type) + " AS " + c.name);
  }
  std::string sql = "SELECT " + join(columns, ", ");
  return sql + (paths.empty() ? " WHERE false" : " FROM " + read_files(paths, ""));
}

namespace {

JsonValue optional_text(const std::optional<std::string>& text) { return text ? JsonValue(*text) : JsonValue(); }

JsonValue run_row(const DescribedRun& described) {
  JsonValue::Object row = {{"run_id", JsonValue(described.run.run_id)}, {"path", JsonValue(described.run.path)}};
  if (described.description.has_value()) {
    const RunDescription& run = *described.description;
    JsonValue::Object tags;
    for (const auto& [key, value] : run.tags) tags.emplace_back(key, JsonValue(value));
    row.emplace_back("created_at", JsonValue(format_time(run.created_at)));
    row.emplace_back("code_version", optional_text(run.code_version));
    row.emplace_back("note", optional_text(run.note));
    row.emplace_back("tags", JsonValue(std::move(tags)));
    row.emplace_back("layout", JsonValue(run.layout));
    row.emplace_back("strategies", JsonValue(run.strategy_count));
    row.emplace_back("traces", JsonValue(run.trace_count));
    row.emplace_back("changes", JsonValue(run.change_count));
    row.emplace_back("feeds", feeds_to_json(run.feeds));
  }
  return JsonValue(std::move(row));
}

}  // namespace

std::string runs_sql(std::span<const DescribedRun> runs) {
  JsonValue::Array rows;
  for (const DescribedRun& run : runs) rows.push_back(run_row(run));
  // One literal for all rows: a VALUES list of a thousand rows takes DuckDB far longer to bind.
  static constexpr const char* kStructure =
      R"json([{"run_id":"VARCHAR","path":"VARCHAR","created_at":"VARCHAR","code_version":"VARCHAR","note":"VARCHAR",)json"
      R"json("tags":"MAP(VARCHAR,VARCHAR)","layout":"VARCHAR","strategies":"BIGINT","traces":"BIGINT","changes":"BIGINT",)json"
      R"json("feeds":[{"symbol":"VARCHAR","timeframe":"VARCHAR","data_id":"VARCHAR","bar_count":"BIGINT",)json"
      R"json("first_ts":"VARCHAR","last_ts":"VARCHAR"}]}])json";
  return "SELECT r.run_id, r.path, CAST(r.created_at AS TIMESTAMP WITH TIME ZONE) AS created_at, r.code_version, "
         "r.note, r.tags, r.layout, r.strategies, r.traces, r.changes, CAST(r.feeds AS STRUCT(symbol VARCHAR, "
         "timeframe VARCHAR, data_id VARCHAR, bar_count BIGINT, first_ts TIMESTAMP WITH TIME ZONE, "
         "last_ts TIMESTAMP WITH TIME ZONE)[]) AS feeds FROM (SELECT unnest(from_json(" +
         quote_sql_text(to_json(JsonValue(std::move(rows)))) + ", " + quote_sql_text(kStructure) + ")) AS r)";
}

}  // namespace signalbook
