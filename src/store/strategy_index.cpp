#include "store/strategy_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <span>
#include <tuple>

#include "base/utf8.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"
#include "store/metric_set.h"
#include "store/strategy_row.h"
#include "store/table_file.h"

namespace signalbook {

namespace {

constexpr size_t kValueDigestBytes = 8;

template <typename Bytes>
std::string to_bytes(const Bytes& bytes, size_t count) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), count);
}

}  // namespace

std::string IndexRow::strategy_hash() const { return to_hex(strategy_digest).substr(0, kStrategyHashLength); }

void sort_index(std::vector<IndexRow>& rows) {
  std::vector<std::string> keys;
  keys.reserve(rows.size());
  for (const IndexRow& row : rows) keys.push_back(index_order_key(row));
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) {
    return std::tie(keys[a], rows[a].strategy_id) < std::tie(keys[b], rows[b].strategy_id);
  });
  std::vector<IndexRow> sorted;
  sorted.reserve(rows.size());
  for (const size_t i : order) sorted.push_back(std::move(rows[i]));
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i].trace_id = static_cast<int64_t>(i);
  rows = std::move(sorted);
}

namespace {

// The columns of these rows. Those of the parameters depend on all rows of the index.
Table make_table(std::span<const IndexRow> rows, const ParameterColumns& parameters, const MetricSet& metrics) {
  Table table;
  const auto integers = [&](const char* name, ColumnType type, auto&& value) {
    TableColumn& column = table.add(name, type);
    for (const IndexRow& row : rows) {
      const std::optional<int64_t> cell = value(row);
      column.append_integer(cell);
    }
  };
  const auto texts = [&](const char* name, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::text);
    for (const IndexRow& row : rows) {
      const std::optional<std::string> cell = value(row);
      cell ? column.append_text(to_valid_utf8(*cell)) : column.append_null();
    }
  };
  const auto bytes = [&](const char* name, size_t width, auto&& value) {
    TableColumn& column = table.add(name, ColumnType::bytes, static_cast<int>(width));
    for (const IndexRow& row : rows) column.append_text(to_bytes(value(row), width));
  };

  integers("trace_id", ColumnType::int32, [](const IndexRow& row) { return row.trace_id; });
  texts("strategy_id", [](const IndexRow& row) { return row.strategy_id; });
  texts("strategy_hash", [](const IndexRow& row) { return row.strategy_hash(); });
  bytes("strategy_digest", sizeof(Digest), [](const IndexRow& row) { return row.strategy_digest; });
  bytes("value_digest", kValueDigestBytes, [](const IndexRow& row) { return row.value_digest; });
  texts("strategy_type", [](const IndexRow& row) { return row.strategy_type; });
  texts("symbol", [](const IndexRow& row) { return row.symbol; });
  texts("timeframe", [](const IndexRow& row) { return row.timeframe; });
  texts("kind", [](const IndexRow& row) { return row.kind == SignalKind::label ? "classifier" : "signal"; });
  std::vector<const JsonValue::Object*> parameters_of_rows;
  for (const IndexRow& row : rows) parameters_of_rows.push_back(&row.parameters);
  std::ranges::move(parameters.make(parameters_of_rows), std::back_inserter(table.columns));
  texts("constraints", [](const IndexRow& row) { return row.constraints; });
  texts("threshold", [](const IndexRow& row) { return row.threshold; });
  texts("trace_path", [](const IndexRow& row) { return row.trace_path; });
  bytes("trace_hash", sizeof(TraceHash), [](const IndexRow& row) { return row.trace_hash; });
  texts("data_id", [](const IndexRow& row) { return row.data_id; });
  integers("bar_count", ColumnType::int64, [](const IndexRow& row) { return row.bar_count; });
  integers("observed_from", ColumnType::int64, [](const IndexRow& row) { return row.observed_from; });
  integers("observed_to", ColumnType::int64, [](const IndexRow& row) { return row.observed_to; });
  integers("complete", ColumnType::boolean, [](const IndexRow& row) { return row.complete ? 1 : 0; });
  integers("change_count", ColumnType::int64, [](const IndexRow& row) { return row.change_count; });
  integers("first_ts", ColumnType::timestamp, [](const IndexRow& row) { return row.first_ts; });
  integers("last_ts", ColumnType::timestamp, [](const IndexRow& row) { return row.last_ts; });
  add_metric_columns(table, metrics, 0, rows.size());
  texts("strategy_config", [](const IndexRow& row) { return row.strategy_config; });
  TableColumn& aliases = table.add("aliases", ColumnType::text_list);
  for (const IndexRow& row : rows) aliases.append_list(row.aliases);
  std::ranges::move(index_places(rows).columns, std::back_inserter(table.columns));
  integers("created_at", ColumnType::timestamp, [](const IndexRow& row) { return row.created_at; });
  return table;
}

}  // namespace

Table index_places(std::span<const IndexRow> rows) {
  Table table;
  TableColumn file_size = {.name = "file_size", .type = ColumnType::int64};
  TableColumn file_sha256 = {.name = "file_sha256", .type = ColumnType::bytes, .width = sizeof(Digest)};
  TableColumn pack = {.name = "pack", .type = ColumnType::text};
  TableColumn row_start = {.name = "row_start", .type = ColumnType::int64};
  TableColumn row_count = {.name = "row_count", .type = ColumnType::int64};
  for (const IndexRow& row : rows) {
    if (row.is_packed()) {
      file_size.append_null();
      file_sha256.append_null();
      pack.append_text(row.pack);
      row_start.append_integer(row.row_start);
      row_count.append_integer(row.change_count);
    } else {
      file_size.append_integer(row.file_size);
      file_sha256.append_text(to_bytes(row.file_sha256, sizeof(Digest)));
      for (TableColumn* const column : {&pack, &row_start, &row_count}) column->append_null();
    }
  }
  table.columns = {std::move(file_size), std::move(file_sha256), std::move(pack), std::move(row_start),
                   std::move(row_count)};
  return table;
}

namespace {

TableFileOptions index_file_options() {
  return {.metadata = {{metadata_key::kFormatVersion, std::to_string(kFormatVersion)}},
          .delta_columns = {"trace_id"},
          .plain_columns = {"strategy_hash"},
          .opaque_columns = {"strategy_id", "strategy_digest", "value_digest", "trace_path", "trace_hash",
                             "strategy_config", "file_sha256"},
          .lookup_columns = {"strategy_hash"},
          .rows_per_group = IndexEncoder::kRowsPerGroup};
}

}  // namespace

IndexEncoder::IndexEncoder(const ParameterColumns& parameters, ByteSink sink)
    : parameters_(parameters), file_(std::make_unique<TableFileEncoder>(index_file_options(), std::move(sink))) {}
IndexEncoder::~IndexEncoder() = default;

Status IndexEncoder::append(std::span<const IndexRow> rows, const MetricSet& metrics) {
  static_assert(kRowsPerGroup % kRowsAtATime == 0);
  SB_RETURN_IF_ERROR(file_->append_part(make_table(rows, parameters_, metrics)));
  rows_in_group_ += rows.size();
  if (rows_in_group_ < kRowsPerGroup) return Status();
  rows_in_group_ = 0;
  return file_->end_row_group();
}

Result<std::string> IndexEncoder::finish() { return file_->finish(); }

namespace {

ParameterColumns parameters_of(const std::vector<IndexRow>& rows) {
  ParameterColumns parameters;
  for (const IndexRow& row : rows) parameters.note(row.parameters);
  return parameters;
}

}  // namespace

Result<std::string> encode_index(const std::vector<IndexRow>& rows, const MetricSet& metrics) {
  const ParameterColumns parameters = parameters_of(rows);
  IndexEncoder encoder(parameters);
  size_t first = 0;
  do {
    const size_t count = std::min(IndexEncoder::kRowsAtATime, rows.size() - first);
    const MetricSet of_group = metrics.size() > 0 ? metrics.slice(first, count) : MetricSet();
    SB_RETURN_IF_ERROR(encoder.append(std::span(rows).subspan(first, count), of_group));
    first += count;
  } while (first < rows.size());
  return encoder.finish();
}

Result<std::string> replace_index_columns(std::string_view bytes, const std::string& file_name,
                                          const ColumnsOfRows& columns) {
  std::string replaced;
  SB_RETURN_IF_ERROR(replace_columns(bytes, file_name, columns, index_file_options(), [&](std::string_view piece) {
    replaced += piece;
    return Status();
  }));
  return replaced;
}

Result<std::string> replace_index_metrics(std::string_view bytes, const std::string& file_name,
                                          const MetricSet& metrics) {
  size_t row_count = 0;
  const auto columns = [&](size_t first, size_t count) {
    row_count = first + count;
    Table table;
    add_metric_columns(table, metrics, first, std::min(count, metrics.size() - std::min(first, metrics.size())));
    return Result(std::move(table));
  };
  SB_ASSIGN_OR_RETURN(std::string replaced, replace_index_columns(bytes, file_name, columns));
  if (row_count == metrics.size()) return replaced;
  return Status::damaged(fmt::format("{} has {} rows, not {}", file_name, row_count, metrics.size()));
}

Table index_table(const std::vector<IndexRow>& rows) { return make_table(rows, parameters_of(rows), {}); }

bool is_metric_column(std::string_view name) {
  return std::ranges::find(metric_columns(), name) != metric_columns().end();
}

Result<MetricSet> decode_index_metrics(std::string_view bytes, const std::string& file_name) {
  SB_ASSIGN_OR_RETURN(const Table table, decode_table_file(bytes, file_name, metric_columns()));
  return read_metric_columns(table, file_name);
}

namespace {

// Columns of an index by name and type, with the failure kept until the end so that reading stays a list.
class IndexColumns {
 public:
  IndexColumns(const Table& table, const std::string& file_name) : table_(table), file_name_(file_name) {}

  const TableColumn& get(const char* name, ColumnType type) {
    static const TableColumn kNone;
    const TableColumn* column = table_.find(name);
    if (column != nullptr && column->type == type) return *column;
    if (status_.ok()) {
      status_ = Status::damaged(fmt::format("{}: column '{}' is {}; this is no index that Signalbook wrote", file_name_,
                                            name, column == nullptr ? "missing" : "of another type"));
    }
    return kNone;
  }
  const Status& status() const { return status_; }

 private:
  const Table& table_;
  const std::string& file_name_;
  Status status_;
};

template <typename Bytes>
void from_bytes(const std::string& text, Bytes& bytes) {
  std::copy_n(text.begin(), std::min(text.size(), bytes.size()), bytes.begin());
}

std::optional<int64_t> optional_integer(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return std::nullopt;
  return column.integers[row];
}

std::optional<std::string> optional_text(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return std::nullopt;
  return column.texts[row];
}

}  // namespace

const std::vector<std::string>& index_row_columns() {
  static const std::vector<std::string> names = {
      "trace_id",  "strategy_id", "strategy_digest", "value_digest", "strategy_type", "symbol",
      "timeframe", "kind",        "constraints",     "threshold",    "trace_path",    "trace_hash",
      "data_id",   "bar_count",   "observed_from",   "observed_to",  "complete",      "change_count",
      "first_ts",  "last_ts",     "strategy_config", "aliases",      "file_size",     "file_sha256",
      "pack",      "row_start",   "row_count",       "created_at"};
  return names;
}

Result<std::vector<IndexRow>> index_rows(const Table& table, const std::string& file_name, int64_t first_row) {
  IndexColumns columns(table, file_name);
  const TableColumn& strategy_id = columns.get("strategy_id", ColumnType::text);
  const TableColumn& strategy_digest = columns.get("strategy_digest", ColumnType::bytes);
  const TableColumn& value_digest = columns.get("value_digest", ColumnType::bytes);
  const TableColumn& strategy_type = columns.get("strategy_type", ColumnType::text);
  const TableColumn& symbol = columns.get("symbol", ColumnType::text);
  const TableColumn& timeframe = columns.get("timeframe", ColumnType::text);
  const TableColumn& kind = columns.get("kind", ColumnType::text);
  const TableColumn& constraints = columns.get("constraints", ColumnType::text);
  const TableColumn& threshold = columns.get("threshold", ColumnType::text);
  const TableColumn& trace_path = columns.get("trace_path", ColumnType::text);
  const TableColumn& trace_hash = columns.get("trace_hash", ColumnType::bytes);
  const TableColumn& data_id = columns.get("data_id", ColumnType::text);
  const TableColumn& bar_count = columns.get("bar_count", ColumnType::int64);
  const TableColumn& observed_from = columns.get("observed_from", ColumnType::int64);
  const TableColumn& observed_to = columns.get("observed_to", ColumnType::int64);
  const TableColumn& complete = columns.get("complete", ColumnType::boolean);
  const TableColumn& change_count = columns.get("change_count", ColumnType::int64);
  const TableColumn& first_ts = columns.get("first_ts", ColumnType::timestamp);
  const TableColumn& last_ts = columns.get("last_ts", ColumnType::timestamp);
  const TableColumn& strategy_config = columns.get("strategy_config", ColumnType::text);
  const TableColumn& aliases = columns.get("aliases", ColumnType::text_list);
  const TableColumn& file_size = columns.get("file_size", ColumnType::int64);
  const TableColumn& file_sha256 = columns.get("file_sha256", ColumnType::bytes);
  const TableColumn& created_at = columns.get("created_at", ColumnType::timestamp);
  // Runs that an earlier version recorded have no packs.
  static const TableColumn kNoColumn;
  const bool has_packs = table.find("pack") != nullptr;
  const TableColumn& pack = has_packs ? columns.get("pack", ColumnType::text) : kNoColumn;
  const TableColumn& row_start = has_packs ? columns.get("row_start", ColumnType::int64) : kNoColumn;
  const TableColumn& row_count = has_packs ? columns.get("row_count", ColumnType::int64) : kNoColumn;
  const TableColumn& trace_id = has_packs ? columns.get("trace_id", ColumnType::int64) : kNoColumn;
  SB_RETURN_IF_ERROR(columns.status());

  std::vector<IndexRow> rows(table.row_count());
  for (size_t i = 0; i < rows.size(); ++i) {
    IndexRow& row = rows[i];
    row.trace_id = has_packs ? trace_id.integers[i] : first_row + static_cast<int64_t>(i);
    row.strategy_id = strategy_id.texts[i];
    from_bytes(strategy_digest.texts[i], row.strategy_digest);
    from_bytes(value_digest.texts[i], row.value_digest);
    row.strategy_type = strategy_type.texts[i];
    row.symbol = symbol.texts[i];
    row.timeframe = timeframe.texts[i];
    row.kind = kind.texts[i] == "classifier" ? SignalKind::label : SignalKind::number;
    row.constraints = optional_text(constraints, i);
    row.threshold = optional_text(threshold, i);
    row.trace_path = trace_path.texts[i];
    from_bytes(trace_hash.texts[i], row.trace_hash);
    row.data_id = data_id.texts[i];
    row.bar_count = bar_count.integers[i];
    row.observed_from = optional_integer(observed_from, i);
    row.observed_to = optional_integer(observed_to, i);
    row.complete = complete.integers[i] != 0;
    row.change_count = change_count.integers[i];
    row.first_ts = optional_integer(first_ts, i);
    row.last_ts = optional_integer(last_ts, i);
    row.strategy_config = strategy_config.texts[i];
    row.aliases = aliases.lists[i];
    if (has_packs && !pack.is_null(i)) {
      row.pack = pack.texts[i];
      row.row_start = row_start.integers[i];
      if (row_start.is_null(i) || row_count.is_null(i) || row_count.integers[i] != row.change_count) {
        return Status::damaged(fmt::format("{}: row {}: row_start and row_count do not say where {} changes lie",
                                           file_name, row.trace_id + 1, row.change_count));
      }
    }
    row.file_size = file_size.integers[i];
    from_bytes(file_sha256.texts[i], row.file_sha256);
    row.created_at = created_at.integers[i];
  }
  return rows;
}

Result<std::vector<IndexRow>> decode_index(std::string_view bytes, const std::string& file_name) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<IndexReader> reader, IndexReader::open(bytes, file_name));
  std::vector<IndexRow> rows;
  while (true) {
    SB_ASSIGN_OR_RETURN(std::vector<IndexRow> more, reader->next());
    if (more.empty()) return rows;
    std::ranges::move(more, std::back_inserter(rows));
  }
}

Result<std::unique_ptr<IndexReader>> IndexReader::open(std::string_view bytes, const std::string& file_name,
                                                       size_t rows_at_a_time) {
  auto reader = std::make_unique<IndexReader>();
  reader->file_name_ = file_name;
  SB_ASSIGN_OR_RETURN(reader->file_, TableReader::open(bytes, file_name, index_row_columns(), rows_at_a_time));
  return reader;
}

Result<std::vector<IndexRow>> IndexReader::next() {
  SB_ASSIGN_OR_RETURN(const std::optional<Table> table, file_->next());
  if (!table.has_value()) return std::vector<IndexRow>();
  SB_ASSIGN_OR_RETURN(std::vector<IndexRow> rows, index_rows(*table, file_name_, next_row_));
  next_row_ += static_cast<int64_t>(rows.size());
  return rows;
}

}  // namespace signalbook
