#include "query/sql_views.h"

#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/file_system.h"
#include "base/time_text.h"
#include "format/json_value.h"
#include "format/trace_schema.h"
#include "store/metric_set.h"

namespace signalbook {

namespace {

// ---- traces ---------------------------------------------------------------------------------------------------------

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
    columns.push_back(cast_sql(is_label ? "NULL" : value(c.name), c.type) + " AS " + c.name);
  }
  columns.push_back(cast_sql(source.classifiers ? value(column::kValue) : "NULL", "VARCHAR") + " AS label");
  const char* options = source.known_format ? ", filename = true" : ", filename = true, union_by_name = true";
  return "SELECT " + join_sql(columns, ", ") + " FROM " + read_parquet_sql(source.patterns, options);
}

std::string packed_source_sql(const PackedColumns& packs) {
  std::vector<std::string> columns = {packs.run_id + " AS run_id"};
  for (const TraceColumn& c : kTraceColumns) {
    const bool is_label = packs.kind == SignalKind::label && std::string_view(c.name) == column::kValue;
    columns.push_back(cast_sql(is_label ? "NULL" : packs.of.at(c.name), c.type) + " AS " + c.name);
  }
  columns.push_back(cast_sql(packs.kind == SignalKind::label ? column::kValue : "NULL", "VARCHAR") + " AS label");
  return "SELECT " + join_sql(columns, ", ") + " FROM " + packs.from;
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

std::string traces_sql(const std::string& store_directory, std::span<const TraceSource> sources,
                       std::span<const PackedColumns> packs) {
  std::vector<std::string> branches;
  for (const TraceSource& source : sources) branches.push_back(trace_source_sql(store_directory, source));
  for (const PackedColumns& columns : packs) branches.push_back(packed_source_sql(columns));
  if (!branches.empty()) return join_sql(branches, " UNION ALL ");
  std::vector<std::string> columns = {cast_sql("NULL", "VARCHAR") + " AS run_id"};
  for (const TraceColumn& c : kTraceColumns) columns.push_back(cast_sql("NULL", c.type) + " AS " + c.name);
  columns.push_back(cast_sql("NULL", "VARCHAR") + " AS label");
  return "SELECT " + join_sql(columns, ", ") + " WHERE false";
}

// ---- metrics --------------------------------------------------------------------------------------------------------

std::string metrics_sql(const std::string& store_directory, const std::string& strategies_sql,
                        std::span<const MetricSetFile> sets) {
  static constexpr const char* kWhose[] = {"strategy_id", "strategy_hash", "strategy_digest", "strategy_type",
                                           "symbol",      "timeframe",     "trace_path"};
  std::vector<std::string> figures;
  for (const std::string& name : metric_columns()) figures.push_back("m." + name);
  figures.insert(figures.end() - 1, "m.sharpe_ratio AS sharpe");
  std::vector<std::string> whose;
  for (const char* const name : kWhose) whose.push_back(std::string("s.") + name);
  const std::string columns = join_sql(whose, ", ") + ", " + join_sql(figures, ", ");
  std::string sql = "SELECT s.run_id, 'index' AS metric_set, s.trace_id, " + join_sql(whose, ", ");
  for (const std::string& figure : figures) sql += ", s" + figure.substr(1);
  sql += " FROM (" + strategies_sql + ") s WHERE s.metrics_definition IS NOT NULL";
  if (sets.empty()) return sql;
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> run_ids, names;
  for (const MetricSetFile& set : sets) {
    files.push_back(escape_glob(set.file));
    if (set.file == set.path) continue;
    run_ids.emplace_back(set.file, set.run_id);
    names.emplace_back(set.file, set.name);
  }
  return sql + " UNION ALL SELECT s.run_id, m.metric_set, s.trace_id, " + columns + " FROM (SELECT *, " +
         choose_sql("filename", run_ids, run_id_of_file(store_directory)) + " AS run_id, " +
         choose_sql("filename", names, "parse_filename(filename, true)") + " AS metric_set FROM " +
         read_parquet_sql(files, ", filename = true") + ") m JOIN (" + strategies_sql +
         ") s ON s.run_id = m.run_id AND s.run_trace_path = m.trace_path WHERE m.metrics_definition IS NOT NULL";
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
    columns.push_back(cast_sql(paths.empty() ? "NULL" : quote_sql_name(c.name), c.type) + " AS " + c.name);
  }
  std::string sql = "SELECT " + join_sql(columns, ", ");
  return sql + (paths.empty() ? " WHERE false" : " FROM " + read_parquet_sql(paths, ""));
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
