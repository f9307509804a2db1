#include "query/merged_table.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/file_system.h"
#include "format/json_value.h"
#include "format/trace_schema.h"

namespace signalbook {

namespace {

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

// ---- Columns --------------------------------------------------------------------------------------------------------

constexpr const char* kTime = "TIMESTAMP WITH TIME ZONE";

// What the format has (docs/format.md); who asks for one of them gets it, whoever wrote the files.
std::span<const ViewColumn> format_columns(RunTable table) {
  static const std::vector<ViewColumn> strategies = {{"trace_id", "INTEGER"},
                                                     {"strategy_id", "VARCHAR"},
                                                     {"strategy_hash", "VARCHAR"},
                                                     {"strategy_digest", "BLOB"},
                                                     {"value_digest", "BLOB"},
                                                     {"strategy_type", "VARCHAR"},
                                                     {"symbol", "VARCHAR"},
                                                     {"timeframe", "VARCHAR"},
                                                     {"kind", "VARCHAR"},
                                                     {"constraints", "VARCHAR"},
                                                     {"threshold", "VARCHAR"},
                                                     {"trace_path", "VARCHAR"},
                                                     {"trace_hash", "BLOB"},
                                                     {"data_id", "VARCHAR"},
                                                     {"bar_count", "BIGINT"},
                                                     {"observed_from", "BIGINT"},
                                                     {"observed_to", "BIGINT"},
                                                     {"complete", "BOOLEAN"},
                                                     {"change_count", "BIGINT"},
                                                     {"first_ts", kTime},
                                                     {"last_ts", kTime},
                                                     {"total_return", "DOUBLE"},
                                                     {"total_pnl", "DOUBLE"},
                                                     {"annual_return", "DOUBLE"},
                                                     {"annual_volatility", "DOUBLE"},
                                                     {"sharpe_ratio", "DOUBLE"},
                                                     {"sortino_ratio", "DOUBLE"},
                                                     {"calmar_ratio", "DOUBLE"},
                                                     {"max_drawdown", "DOUBLE"},
                                                     {"max_drawdown_bars", "BIGINT"},
                                                     {"win_rate", "DOUBLE"},
                                                     {"profit_factor", "DOUBLE"},
                                                     {"trade_count", "BIGINT"},
                                                     {"avg_trade_return", "DOUBLE"},
                                                     {"avg_bars_held", "DOUBLE"},
                                                     {"exposure", "DOUBLE"},
                                                     {"turnover", "DOUBLE"},
                                                     {"long_trades", "BIGINT"},
                                                     {"short_trades", "BIGINT"},
                                                     {"metrics_definition", "VARCHAR"},
                                                     {"strategy_config", "VARCHAR"},
                                                     {"aliases", "VARCHAR[]"},
                                                     {"file_size", "BIGINT"},
                                                     {"file_sha256", "BLOB"},
                                                     {"created_at", kTime}};
  static const std::vector<ViewColumn> components = {
      {"strategy_hash", "VARCHAR"},  {"strategy_digest", "BLOB"},    {"path", "VARCHAR"},
      {"parent_path", "VARCHAR"},    {"depth", "INTEGER"},           {"role", "VARCHAR"},
      {"component_hash", "VARCHAR"}, {"component_digest", "BLOB"},   {"parent_hash", "VARCHAR"},
      {"parent_digest", "BLOB"},     {"component_type", "VARCHAR"},  {"is_leaf", "BOOLEAN"},
      {"weight", "DOUBLE"},          {"weight_sum", "DOUBLE"},       {"effective_weight", "DOUBLE"},
      {"threshold", "VARCHAR"},      {"component_config", "VARCHAR"}};
  return table == RunTable::strategies ? strategies : components;
}

// A column of the view, and which column of each group fills it.
struct MergedColumn {
  std::string name;
  std::set<std::string> types;
  std::map<size_t, ViewColumn> sources;  // by group
};

// Which column of the view takes a parameter's values when other runs have other types of it.
std::string parameter_target(const std::string& name, Kind kind, const std::set<Kind>& kinds, bool has_split_columns) {
  const bool mixed = has_split_columns || kinds.size() > 1;
  if (!mixed || kind == Kind::number || kind == Kind::null) return name;
  return name + (kind == Kind::boolean ? "__bool" : "__str");
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

// The names that are ours, even where a file has a column of that name.
constexpr const char* kOurColumns[] = {"run_id", "run_path", "run_trace_path", kSegmentCodeVersionColumn};

std::vector<MergedColumn> merge_columns(RunTable table, std::span<const TableGroup> groups) {
  // All spellings and kinds first: what one run holds decides where another's values go.
  std::map<std::string, std::set<Kind>> kinds;
  std::set<std::string> names;
  for (const TableGroup& group : groups) {
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
      target.sources.emplace(g, column);
    }
  }
  for (const ViewColumn& column : format_columns(table)) {
    if (position.emplace(column.name, merged.size()).second) {
      merged.push_back({.name = column.name, .types = {column.type}, .sources = {}});
    }
  }
  std::erase_if(merged, [](const MergedColumn& column) {
    return std::ranges::count(kOurColumns, to_lower_ascii(column.name)) > 0;
  });
  NameTaker taken;
  for (const char* ours : kOurColumns) taken.take(ours);
  for (MergedColumn& column : merged) column.name = taken.take_or_number(column.name);
  return merged;
}

// ---- Rows -----------------------------------------------------------------------------------------------------------

// The path of a run as an expression over its id, and the runs it serves: nearly always all of a group.
std::string path_expression(const ViewRun& run) {
  if (run.path == run.run_id) return "run_id";
  if (run.path.ends_with("/" + run.run_id)) {
    return quote_sql_text(run.path.substr(0, run.path.size() - run.run_id.size())) + " || run_id";
  }
  return quote_sql_text(run.path);
}

std::string files_sql(RunTable table, const std::string& store_directory, std::span<const ViewRun> runs) {
  std::vector<std::string> files;
  files.reserve(runs.size());
  for (const ViewRun& run : runs) {
    files.push_back(escape_glob(join_path(join_path(store_directory, run.run_id), file_of(table))));
  }
  return "SELECT " + run_id_of_file(store_directory) + " AS run_id, * FROM " +
         read_parquet_sql(files, ", filename = true");
}

std::string segment_rows_sql(const TableGroup& group) {
  std::string sql = "SELECT * FROM " + read_parquet_sql(std::vector{escape_glob(group.segment)}, "");
  if (group.hidden.empty()) return sql;
  // The shorter list of the two.
  const bool name_hidden = group.hidden.size() < group.runs.size();
  std::vector<std::string> ids;
  if (name_hidden) {
    for (const std::string& run_id : group.hidden) ids.push_back(quote_sql_text(run_id));
  } else {
    for (const ViewRun& run : group.runs) ids.push_back(quote_sql_text(run.run_id));
  }
  return sql + " WHERE run_id " + (name_hidden ? "NOT IN (" : "IN (") + join_sql(ids, ", ") + ")";
}

// A segment of which only these runs are meant.
TableGroup with_runs(TableGroup group, const std::vector<ViewRun>& runs) {
  if (runs.size() == group.runs.size()) return group;
  for (const ViewRun& run : group.runs) {
    const auto is_same = [&](const ViewRun& other) { return other.run_id == run.run_id; };
    if (std::ranges::none_of(runs, is_same)) group.hidden.push_back(run.run_id);
  }
  group.runs = runs;
  return group;
}

// A column of the view from a group's files. Without a cast where it needs none: DuckDB binds a hundred columns for
// each question, and that is a good part of the time of a small one.
std::string column_sql(const MergedColumn& column, size_t group) {
  const std::string name = quote_sql_name(column.name);
  const std::string type = common_type(column.types);
  const auto source = column.sources.find(group);
  if (source == column.sources.end()) return cast_sql("NULL", type) + " AS " + name;
  const std::string value = quote_sql_name(source->second.name);
  if (source->second.type == type) return value == name ? value : value + " AS " + name;
  return cast_sql(value, type) + " AS " + name;
}

// Rows of all groups with run_id, run_path and the merged columns. `facts_sql` is a table of run_id and code_version;
// with it the rows have kSegmentCodeVersionColumn.
std::string rows_sql(RunTable table, const std::string& store_directory, std::span<const TableGroup> groups,
                     std::span<const MergedColumn> merged, const std::string& facts_sql) {
  std::vector<std::string> branches;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::string> columns;
    for (const MergedColumn& column : merged) {
      columns.push_back(column_sql(column, g));
    }
    std::map<std::string, std::vector<ViewRun>> by_path;
    for (const ViewRun& run : groups[g].runs) by_path[path_expression(run)].push_back(run);
    for (const auto& [path, runs] : by_path) {
      const bool is_segment = !groups[g].segment.empty();
      std::string rows =
          is_segment ? segment_rows_sql(with_runs(groups[g], runs)) : files_sql(table, store_directory, runs);
      std::string version;
      if (!facts_sql.empty()) {
        version = std::string(kSegmentCodeVersionColumn) + ", ";
        if (!is_segment) rows = "SELECT * FROM (" + rows + ") LEFT JOIN (" + facts_sql + ") USING (run_id)";
      }
      // run_id is made below `path`, which uses it by name, and before *, so that a file's own run_id is not meant.
      branches.push_back("SELECT run_id, " + path + " AS run_path, " + version + join_sql(columns, ", ") + " FROM (" +
                         rows + ")");
    }
  }
  if (branches.empty()) {
    std::vector<std::string> columns = {"'' AS run_id", "'' AS run_path"};
    if (!facts_sql.empty()) columns.push_back(std::string("'' AS ") + kSegmentCodeVersionColumn);
    for (const MergedColumn& column : merged) {
      columns.push_back(cast_sql("NULL", common_type(column.types)) + " AS " + quote_sql_name(column.name));
    }
    return "SELECT " + join_sql(columns, ", ") + " WHERE false";
  }
  return join_sql(branches, " UNION ALL ");
}

std::string facts_sql(std::span<const RunFact> facts) {
  JsonValue::Array rows;
  for (const RunFact& fact : facts) {
    rows.emplace_back(JsonValue::Object{{"i", JsonValue(fact.run_id)}, {"v", JsonValue(fact.code_version)}});
  }
  // One literal for all rows: a VALUES list of a thousand rows takes DuckDB far longer to bind.
  return std::string("SELECT f.i AS run_id, nullif(f.v, '') AS ") + kSegmentCodeVersionColumn +
         " FROM (SELECT unnest(from_json(" + quote_sql_text(to_json(JsonValue(std::move(rows)))) +
         R"json(, '[{"i":"VARCHAR","v":"VARCHAR"}]')) AS f))json";
}

}  // namespace

const char* file_of(RunTable table) {
  return table == RunTable::strategies ? file::kStrategyIndex : file::kStrategyComponents;
}

std::string table_view_sql(RunTable table, const std::string& store_directory, std::span<const TableGroup> groups) {
  const std::vector<MergedColumn> merged = merge_columns(table, groups);
  NameTaker names;
  for (const char* ours : kOurColumns) names.take(ours);
  std::vector<std::string> outer = {"run_id", "run_path"};
  for (const MergedColumn& column : merged) {
    names.take(column.name);
    if (table == RunTable::strategies && to_lower_ascii(column.name) == "trace_path") {
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
  return "SELECT " + join_sql(outer, ", ") + " FROM (" + rows_sql(table, store_directory, groups, merged, "") + ")";
}

std::string segment_sql(RunTable table, const std::string& store_directory, std::span<const TableGroup> groups,
                        std::span<const RunFact> facts) {
  const std::vector<MergedColumn> merged = merge_columns(table, groups);
  // Within a run its index is in order already; by type first, so that the statistics of row groups tell types apart.
  const char* order = table == RunTable::strategies ? "strategy_type, run_id" : "component_type, run_id";
  return "SELECT * EXCLUDE (run_path) FROM (" + rows_sql(table, store_directory, groups, merged, facts_sql(facts)) +
         ") ORDER BY " + order;
}

std::string history_sql(const std::string& store_directory, std::span<const TableGroup> groups,
                        std::span<const RunFact> facts, const std::string& condition) {
  const std::vector<MergedColumn> merged = merge_columns(RunTable::strategies, groups);
  const std::string rows = "SELECT * FROM (" +
                           rows_sql(RunTable::strategies, store_directory, groups, merged, facts_sql(facts)) + ")" +
                           " WHERE strategy_hash IS NOT NULL" + (condition.empty() ? "" : " AND " + condition);
  // Grouped twice: a strategy has one row a feed in most runs, and lists and distinct counts are dear on a million
  // groups, so they are made of the few values that are left.
  return "WITH s AS (" + rows +
         "), by_outcome AS (SELECT strategy_hash, strategy_digest, symbol, timeframe, data_id, run_code_version, "
         "count(DISTINCT trace_hash) AS outcomes FROM s GROUP BY ALL), "
         "conflicts AS (SELECT strategy_hash, strategy_digest, count(*) AS trace_conflicts FROM by_outcome WHERE "
         "outcomes > 1 GROUP BY ALL), "
         "by_strategy AS (SELECT strategy_hash, strategy_digest, any_value(strategy_type) AS strategy_type, "
         "count(*) AS traces, list_sort(list_distinct(list(run_id))) AS run_ids, "
         "list_sort(list_distinct(list(data_id))) AS data_ids, "
         "list_sort(list_distinct(list(run_code_version))) AS code_versions, "
         "min(created_at) AS first_seen, max(created_at) AS last_seen, "
         "avg(sharpe_ratio) AS sharpe_ratio_mean, min(sharpe_ratio) AS sharpe_ratio_min, "
         "max(sharpe_ratio) AS sharpe_ratio_max, avg(total_return) AS total_return_mean, "
         "min(total_return) AS total_return_min, max(total_return) AS total_return_max, "
         "min(max_drawdown) AS max_drawdown_worst FROM s GROUP BY strategy_hash, strategy_digest) "
         "SELECT b.strategy_hash, b.strategy_digest, b.strategy_type, len(b.run_ids)::BIGINT AS runs, b.traces, "
         "b.run_ids, b.data_ids, b.code_versions, b.first_seen, b.last_seen, b.sharpe_ratio_mean, b.sharpe_ratio_min, "
         "b.sharpe_ratio_max, b.total_return_mean, b.total_return_min, b.total_return_max, b.max_drawdown_worst, "
         "coalesce(c.trace_conflicts, 0)::BIGINT AS trace_conflicts FROM by_strategy b LEFT JOIN conflicts c ON "
         "b.strategy_hash = c.strategy_hash AND b.strategy_digest IS NOT DISTINCT FROM c.strategy_digest";
}

}  // namespace signalbook
