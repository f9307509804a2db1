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

bool is_integer(const std::string& type) {
  return kind_of(type) == Kind::number && (type.ends_with("INT") || type.ends_with("INTEGER"));
}
bool is_beyond_bigint(const std::string& type) { return type == "UBIGINT" || type.ends_with("HUGEINT"); }

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
  if (std::ranges::all_of(real, is_integer)) {
    return std::ranges::any_of(real, is_beyond_bigint) ? "HUGEINT" : "BIGINT";
  }
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
                                                     {"pack", "VARCHAR"},
                                                     {"row_start", "BIGINT"},
                                                     {"row_count", "BIGINT"},
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

// What of a group's column goes into one of the view's.
enum class Part { all, exact_doubles, other_integers };
struct Source {
  ViewColumn column;
  Part part = Part::all;
};

// A column of the view, and which column of each group fills it.
struct MergedColumn {
  std::string name;
  std::set<std::string> types;
  std::map<size_t, Source> sources;  // by group
};

// Which column of the view takes values when other runs have other types of them.
std::string target_name(const std::string& name, Kind kind, const std::set<Kind>& kinds, bool has_split_columns) {
  const bool mixed = has_split_columns || kinds.size() > 1;
  if (!mixed || kind == Kind::number || kind == Kind::null) return name;
  return name + (kind == Kind::boolean ? "__bool" : "__str");
}

class NameTaker {
 public:
  bool take(const std::string& name) { return taken_.insert(to_lower_ascii(name)).second; }

 private:
  std::set<std::string> taken_;
};

// The names that are ours, even where a file has a column of that name.
constexpr const char* kOurColumns[] = {"run_id", "run_path", "run_trace_path", kSegmentCodeVersionColumn};

// The columns that a reader computes with: where runs have text or anything else there, it stands beside the numbers.
std::set<std::string> number_columns(RunTable table) {
  std::set<std::string> names;
  for (const ViewColumn& column : format_columns(table)) {
    if (kind_of(column.type) == Kind::number) names.insert(column.name);
  }
  return names;
}

// Merges the columns of groups by name. SQL does not see case, so neither does this: what one run calls Period and
// another period is one column.
class ColumnMerger {
 public:
  ColumnMerger(RunTable table, std::span<const TableGroup> groups) : groups_(groups), numbers_(number_columns(table)) {
    // All names and kinds first: what one run holds decides where another's values go.
    for (const ViewColumn& column : format_columns(table)) {
      if (numbers_.contains(column.name)) kinds_[column.name].insert(Kind::number);
    }
    for (const TableGroup& group : groups) {
      for (const ViewColumn& column : group.columns) {
        if (kind_of(column.type) != Kind::null) kinds_[to_lower_ascii(column.name)].insert(kind_of(column.type));
        names_.insert(to_lower_ascii(column.name));
      }
    }
  }

  std::vector<MergedColumn> merge(RunTable table) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (const ViewColumn& column : groups_[g].columns) {
        MergedColumn& target = free_place(target_of(column), g);
        const bool is_number = is_parameter(column.name) && kind_of(column.type) == Kind::number;
        target.types.insert(is_number ? "DOUBLE" : column.type);
        target.sources.emplace(g, Source{.column = column});
      }
    }
    for (const ViewColumn& column : format_columns(table)) {
      MergedColumn& target = place(column.name);
      if (target.types.empty()) target.types.insert(column.type);
    }
    const size_t count = merged_.size();  // columns for large integers come behind
    for (size_t i = 0; i < count; ++i) split_large_integers(i);
    std::erase_if(merged_, [](const MergedColumn& column) {
      return std::ranges::count(kOurColumns, to_lower_ascii(column.name)) > 0;
    });
    return std::move(merged_);
  }

 private:
  std::string target_of(const ViewColumn& column) const {
    const std::string name = to_lower_ascii(column.name);
    if (!is_parameter(name) && !numbers_.contains(name)) return column.name;
    const bool is_split = names_.contains(name + "__str") || names_.contains(name + "__bool");
    return target_name(column.name, kind_of(column.type), kinds_.contains(name) ? kinds_.at(name) : std::set<Kind>(),
                       is_split);
  }

  MergedColumn& place(const std::string& name) {
    const auto [place, is_new] = position_.emplace(to_lower_ascii(name), merged_.size());
    if (is_new) merged_.push_back({.name = name, .types = {}, .sources = {}});
    return merged_[place->second];
  }

  // One that has nothing of this group yet: a run may have X, a text, and beside it x__str.
  MergedColumn& free_place(const std::string& name, size_t group) {
    std::string numbered = name;
    for (int i = 2; place(numbered).sources.contains(group); ++i) numbered = name + "__" + std::to_string(i);
    return place(numbered);
  }

  // Integers that no double holds stand as text.
  void split_large_integers(size_t i) {
    if (!is_parameter(merged_[i].name)) return;
    const std::map<size_t, Source> sources = merged_[i].sources;
    for (const auto& [group, source] : sources) {
      if (!source.column.has_large_integers) continue;
      merged_[i].sources[group].part = Part::exact_doubles;
      MergedColumn& text = free_place(merged_[i].name + "__str", group);
      text.types.insert("VARCHAR");
      text.sources.emplace(group, Source{.column = source.column, .part = Part::other_integers});
    }
  }

  std::span<const TableGroup> groups_;
  std::set<std::string> numbers_, names_;        // in lowercase
  std::map<std::string, std::set<Kind>> kinds_;  // by name in lowercase
  std::vector<MergedColumn> merged_;
  std::map<std::string, size_t> position_;  // by name in lowercase
};

std::vector<MergedColumn> merge_columns(RunTable table, std::span<const TableGroup> groups) {
  return ColumnMerger(table, groups).merge(table);
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

std::string files_sql(RunTable table, const std::string& store_directory, std::span<const ViewRun> runs,
                      std::span<const ViewColumn> columns) {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> run_ids;  // of names that do not tell
  files.reserve(runs.size());
  for (const ViewRun& run : runs) {
    const std::string path = join_path(join_path(store_directory, run.run_id), file_of(table));
    const bool is_renamed = !run.file.empty() && run.file != path;
    files.push_back(escape_glob(is_renamed ? run.file : path));
    if (is_renamed) run_ids.emplace_back(run.file, run.run_id);
  }
  // Files that have a column `filename` lose nothing but the pruning of files by run_id.
  const auto is_filename = [](const ViewColumn& column) { return to_lower_ascii(column.name) == "filename"; };
  const bool is_taken = std::ranges::any_of(columns, is_filename);
  const std::string name = is_taken ? "signalbook_filename" : "filename";
  return "SELECT " + choose_sql(name, run_ids, run_id_of_file(store_directory, name)) + " AS run_id, * FROM " +
         read_parquet_sql(files, ", filename = " + (is_taken ? quote_sql_text(name) : std::string("true")));
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
  const auto& [from, part] = source->second;
  const std::string value = quote_sql_name(from.name);
  if (part == Part::all && from.type == type) return value == name ? value : value + " AS " + name;
  if (part == Part::all) return cast_sql(value, type) + " AS " + name;
  const std::string is_exact = "TRY_CAST(" + cast_sql(value, "DOUBLE") + " AS HUGEINT) IS NOT DISTINCT FROM " + value;
  return "CASE WHEN " + std::string(part == Part::exact_doubles ? "" : "NOT ") + "(" + is_exact + ") THEN " +
         cast_sql(value, type) + " END AS " + name;
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
      std::string rows = is_segment ? segment_rows_sql(with_runs(groups[g], runs))
                                    : files_sql(table, store_directory, runs, groups[g].columns);
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

bool is_parameter(std::string_view column) { return to_lower_ascii(column.substr(0, 6)) == "param_"; }

bool is_wide_integer(const std::string& type) { return type == "BIGINT" || is_beyond_bigint(type); }

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
