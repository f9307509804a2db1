#include "store/metric_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "analytics/metric_names.h"
#include "base/file_system.h"
#include "format/trace_schema.h"
#include "store/table_file.h"

namespace signalbook {

bool MetricSet::is_empty() const {
  return std::ranges::all_of(definition_of, [](int32_t place) { return place == kNotComputed; });
}

const std::string* MetricSet::definition(size_t row) const {
  const int32_t place = definition_of[row];
  return place == kNotComputed ? nullptr : &definitions[static_cast<size_t>(place)];
}

void MetricSet::set_definition(size_t row, const std::string& definition) {
  const auto known = std::ranges::find(definitions, definition);
  definition_of[row] = static_cast<int32_t>(known - definitions.begin());
  if (known == definitions.end()) definitions.push_back(definition);
}

MetricSet MetricSet::slice(size_t first, size_t count) const {
  MetricSet part;
  const auto begin = static_cast<std::ptrdiff_t>(first), end = begin + static_cast<std::ptrdiff_t>(count);
  part.figures.assign(figures.begin() + begin, figures.begin() + end);
  part.definition_of.assign(definition_of.begin() + begin, definition_of.begin() + end);
  part.definitions = definitions;
  return part;
}

// ---- As columns of a table ------------------------------------------------------------------------------------------

void add_metric_columns(Table& table, const MetricSet& set, size_t first, size_t count) {
  const bool is_given = set.size() > 0;
  for (const RealMetric& metric : kRealMetrics) {
    TableColumn& column = table.add(metric.name, ColumnType::real);
    for (size_t i = first; i < first + count; ++i) {
      const std::optional<double> value = is_given ? set.figures[i].*metric.value : std::nullopt;
      column.append_real(value);
    }
  }
  for (const CountMetric& metric : kCountMetrics) {
    TableColumn& column = table.add(metric.name, ColumnType::int64);
    for (size_t i = first; i < first + count; ++i) {
      const std::optional<int64_t> value = is_given ? set.figures[i].*metric.value : std::nullopt;
      column.append_integer(value);
    }
  }
  TableColumn& definitions = table.add(kMetricsDefinition, ColumnType::text);
  for (size_t i = first; i < first + count; ++i) {
    const std::string* const definition = is_given ? set.definition(i) : nullptr;
    definition != nullptr ? definitions.append_text(*definition) : definitions.append_null();
  }
}

Result<MetricSet> read_metric_columns(const Table& table, const std::string& file_name) {
  MetricSet set(table.row_count());
  const auto find = [&](const char* name, ColumnType type) -> Result<const TableColumn*> {
    const TableColumn* const column = table.find(name);
    if (column != nullptr && column->type == type) return column;
    return Status::damaged(fmt::format("{}: column '{}' is {}; these are no metrics that Signalbook wrote", file_name,
                                       name, column == nullptr ? "missing" : "of another type"));
  };
  for (const RealMetric& metric : kRealMetrics) {
    SB_ASSIGN_OR_RETURN(const TableColumn* column, find(metric.name, ColumnType::real));
    for (size_t i = 0; i < set.size(); ++i) {
      if (!column->is_null(i)) set.figures[i].*metric.value = column->reals[i];
    }
  }
  for (const CountMetric& metric : kCountMetrics) {
    SB_ASSIGN_OR_RETURN(const TableColumn* column, find(metric.name, ColumnType::int64));
    for (size_t i = 0; i < set.size(); ++i) {
      if (!column->is_null(i)) set.figures[i].*metric.value = column->integers[i];
    }
  }
  SB_ASSIGN_OR_RETURN(const TableColumn* definitions, find(kMetricsDefinition, ColumnType::text));
  for (size_t i = 0; i < set.size(); ++i) {
    if (!definitions->is_null(i)) set.set_definition(i, definitions->texts[i]);
  }
  return set;
}

const std::vector<std::string>& metric_columns() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const RealMetric& metric : kRealMetrics) all.emplace_back(metric.name);
    for (const CountMetric& metric : kCountMetrics) all.emplace_back(metric.name);
    all.emplace_back(kMetricsDefinition);
    return all;
  }();
  return names;
}

// ---- As a file of its own -------------------------------------------------------------------------------------------

Result<std::string> encode_metric_set(const MetricSet& set, const std::vector<IndexRow>& rows) {
  Table table;
  const auto texts = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::text);
    for (const IndexRow& row : rows) column.append_text(value(row));
  };
  TableColumn& trace_id = table.add("trace_id", ColumnType::int32);
  for (const IndexRow& row : rows) trace_id.append_integer(row.trace_id);
  texts("strategy_id", [](const IndexRow& row) { return row.strategy_id; });
  texts("strategy_hash", [](const IndexRow& row) { return row.strategy_hash(); });
  texts("symbol", [](const IndexRow& row) { return row.symbol; });
  texts("timeframe", [](const IndexRow& row) { return row.timeframe; });
  texts("trace_path", [](const IndexRow& row) { return row.trace_path; });
  TableColumn& trace_hashes = table.add("trace_hash", ColumnType::bytes, sizeof(TraceHash));
  for (const IndexRow& row : rows) {
    trace_hashes.append_text(std::string(reinterpret_cast<const char*>(row.trace_hash.data()), row.trace_hash.size()));
  }
  add_metric_columns(table, set, 0, rows.size());
  return encode_table_file(table, {.metadata = {{metadata_key::kFormatVersion, std::to_string(kFormatVersion)}},
                                   .delta_columns = {"trace_id"},
                                   .plain_columns = {"strategy_hash"},
                                   .opaque_columns = {"strategy_id", "trace_path", "trace_hash"}});
}

Result<MetricSet> decode_metric_set(std::string_view bytes, const std::string& file_name,
                                    const std::vector<IndexRow>& rows) {
  std::vector<std::string> columns = metric_columns();
  columns.emplace_back("trace_path");
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, columns));
  const TableColumn* const paths = table.find("trace_path");
  if (paths == nullptr || paths->type != ColumnType::text ||
      !std::ranges::equal(paths->texts, rows, {}, {}, &IndexRow::trace_path)) {
    return Status::damaged(
        fmt::format("{}: its rows are not those of the index; make it anew with signalbook analyze", file_name));
  }
  return read_metric_columns(table, file_name);
}

}  // namespace signalbook
