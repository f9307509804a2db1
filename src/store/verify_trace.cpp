#include "store/verify_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/time_text.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"
#include "store/table_file.h"
#include "store/verify_table.h"

namespace signalbook {

namespace {

using Fault = std::optional<std::string>;
using Metadata = std::vector<std::pair<std::string, std::string>>;

std::vector<FileColumn> trace_columns(SignalKind kind) {
  const char* const value = kind == SignalKind::label ? "BYTE_ARRAY STRING" : "DOUBLE";
  return {{column::kIdx, "INT64", false},
          {column::kTs, "INT64 TIMESTAMP(MICROS, UTC)", false},
          {column::kSymbol, "BYTE_ARRAY STRING", false},
          {column::kValue, value, false},
          {column::kStrategy, "BYTE_ARRAY STRING", false},
          {column::kPrice, "DOUBLE", false},
          {column::kStrategyHash, "BYTE_ARRAY STRING", false},
          {column::kMetadata, "BYTE_ARRAY STRING", true}};
}

std::string declared_text(const FileColumn& column) {
  return column.type + (column.is_nullable ? ", may be NULL" : ", required");
}

class TraceCheck {
 public:
  TraceCheck(const IndexRow& row, const Bars* bars) : row_(row), bars_(bars) {}

  std::vector<std::string> check(const Table& table, const std::vector<FileColumn>& declared, const Metadata& metadata);

 private:
  void tell(std::string what) { found_.push_back(std::move(what)); }
  void tell_rows(const std::function<Fault(size_t)>& check) {
    if (const Fault fault = first_fault(row_count_, check)) tell(*fault);
  }

  bool check_columns(const std::vector<FileColumn>& declared);
  void check_bars_of_rows(const TableColumn& idx, const TableColumn& ts);
  void check_values(const TableColumn& val);
  void check_constant(const TableColumn& column, const std::string& expected);
  void check_metadata(const Metadata& metadata);
  void check_index_row(const Table& table);

  const IndexRow& row_;
  const Bars* bars_;
  size_t row_count_ = 0;
  std::vector<std::string> found_;
};

// Whether every column is there, so that rows can be looked at.
bool TraceCheck::check_columns(const std::vector<FileColumn>& declared) {
  const std::vector<FileColumn> expected = trace_columns(row_.kind);
  bool is_readable = true;
  for (const FileColumn& column : expected) {
    const auto found = std::ranges::find(declared, column.name, &FileColumn::name);
    if (found == declared.end()) {
      is_readable = false;
      tell(fmt::format("column '{}' is missing", column.name));
    } else if (*found != column) {
      is_readable = is_readable && found->type == column.type;
      tell(fmt::format("column '{}' is {}; a {} has {}", column.name, declared_text(*found),
                       row_.kind == SignalKind::label ? "classifier" : "signal", declared_text(column)));
    }
  }
  for (const FileColumn& column : declared) {
    if (std::ranges::find(expected, column.name, &FileColumn::name) == expected.end()) {
      tell(fmt::format("column '{}' is none of a trace", column.name));
    }
  }
  if (found_.empty() && declared != expected) tell("the columns are not in the order of the format");
  return is_readable;
}

void TraceCheck::check_bars_of_rows(const TableColumn& idx, const TableColumn& ts) {
  tell_rows([&](size_t row) -> Fault {
    const int64_t bar = idx.integers[row];
    if (bar < 0 || bar >= row_.bar_count) return fmt::format("idx {} lies outside the {} bars", bar, row_.bar_count);
    if (row > 0 && bar <= idx.integers[row - 1]) {
      return fmt::format("idx {} does not lie after {}", bar, idx.integers[row - 1]);
    }
    return std::nullopt;
  });
  if (bars_ == nullptr) return;
  tell_rows([&](size_t row) -> Fault {
    const int64_t bar = idx.integers[row];
    if (bar < 0 || bar >= static_cast<int64_t>(bars_->size())) return std::nullopt;
    const int64_t opening = bars_->ts[static_cast<size_t>(bar)];
    if (ts.integers[row] == opening) return std::nullopt;
    return fmt::format("ts is {}, bar {} opens at {}", format_time(ts.integers[row]), bar, format_time(opening));
  });
}

void TraceCheck::check_values(const TableColumn& val) {
  tell_rows([&](size_t row) -> Fault {
    if (val.type == ColumnType::text) {
      if (val.texts[row].empty()) return "val is empty";
      if (row > 0 && val.texts[row] == val.texts[row - 1]) return "no change: val is that of the row before";
      return std::nullopt;
    }
    const double value = val.reals[row];
    if (!std::isfinite(value)) return "val is no finite number";
    if (value == 0.0 && std::signbit(value)) return "val is -0.0, which is stored as 0.0";
    if (row > 0 && value == val.reals[row - 1]) return "no change: val is that of the row before";
    return std::nullopt;
  });
}

void TraceCheck::check_constant(const TableColumn& column, const std::string& expected) {
  tell_rows([&](size_t row) -> Fault {
    if (!column.is_null(row) && column.texts[row] == expected) return std::nullopt;
    return fmt::format("{} is {}, not '{}'", column.name, cell_text(column, row), expected);
  });
}

void TraceCheck::check_metadata(const Metadata& metadata) {
  const std::pair<const char*, std::string> expected[] = {
      {metadata_key::kStrategyId, to_valid_utf8(row_.strategy_id)},
      {metadata_key::kStrategyHash, row_.strategy_hash()},
      {metadata_key::kStrategyDigest, to_hex(row_.strategy_digest)},
      {metadata_key::kStrategyConfig, row_.strategy_config},
      {metadata_key::kCreationTime, format_time(row_.created_at)},
      {metadata_key::kFormatVersion, std::to_string(kFormatVersion)},
      {metadata_key::kTraceHash, to_hex(row_.trace_hash)},
      {metadata_key::kBarCount, std::to_string(row_.bar_count)},
      {metadata_key::kDataId, row_.data_id},
      {metadata_key::kSymbol, row_.symbol},
      {metadata_key::kTimeframe, row_.timeframe},
  };
  for (const auto& [key, value] : expected) {
    const auto found = std::ranges::find(metadata, key, &Metadata::value_type::first);
    if (found == metadata.end()) {
      tell(fmt::format("the metadata have no '{}'", key));
    } else if (found->second != value) {
      tell(fmt::format("the metadata say {} '{}', not '{}'", key, found->second, value));
    }
  }
}

// What the index says of the rows as a whole.
void TraceCheck::check_index_row(const Table& table) {
  SignalChanges changes = {.kind = row_.kind,
                           .idx = table.find(column::kIdx)->integers,
                           .values = table.find(column::kValue)->reals,
                           .labels = table.find(column::kValue)->texts};
  if (row_.kind == SignalKind::number) changes.labels.clear();
  if (trace_hash(changes, row_.bar_count) != row_.trace_hash) {
    tell(fmt::format("the changes do not have the trace_hash {}", to_hex(row_.trace_hash)));
  }
  const auto compare = [&](const char* name, std::optional<int64_t> said, std::optional<int64_t> found) {
    const auto text = [](std::optional<int64_t> value) { return value ? std::to_string(*value) : "NULL"; };
    if (said != found) tell(fmt::format("the index says {} {}, the trace {}", name, text(said), text(found)));
  };
  const auto at = [&](const char* name, bool is_last) -> std::optional<int64_t> {
    const std::vector<int64_t>& values = table.find(name)->integers;
    if (values.empty()) return std::nullopt;
    return is_last ? values.back() : values.front();
  };
  compare("change_count", row_.change_count, static_cast<int64_t>(row_count_));
  compare("first_ts", row_.first_ts, at(column::kTs, false));
  compare("last_ts", row_.last_ts, at(column::kTs, true));
  compare("observed_from", row_.observed_from, at(column::kIdx, false));
  const bool is_observed = row_.bar_count > 0;
  compare("observed_to", row_.observed_to, is_observed ? std::optional(row_.bar_count - 1) : std::nullopt);
  if (is_observed != (row_count_ > 0)) {
    tell(fmt::format("the index says bar_count {}, the trace has {} changes", row_.bar_count, row_count_));
  }
  if (bars_ != nullptr && row_.bar_count > static_cast<int64_t>(bars_->size())) {
    tell(fmt::format("the index says bar_count {}, the feed has {} bars", row_.bar_count, bars_->size()));
  }
}

std::vector<std::string> TraceCheck::check(const Table& table, const std::vector<FileColumn>& declared,
                                           const Metadata& metadata) {
  row_count_ = table.row_count();
  const bool is_readable = check_columns(declared);
  check_metadata(metadata);
  // A list of values declares the type of its values.
  const auto is_list = [](const TableColumn& column) { return column.type == ColumnType::text_list; };
  if (!is_readable || std::ranges::any_of(table.columns, is_list)) return std::move(found_);
  check_bars_of_rows(*table.find(column::kIdx), *table.find(column::kTs));
  check_values(*table.find(column::kValue));
  check_constant(*table.find(column::kSymbol), row_.symbol);
  check_constant(*table.find(column::kStrategy), to_valid_utf8(row_.strategy_id));
  const TableColumn& px = *table.find(column::kPrice);
  tell_rows([&](size_t row) -> Fault {
    if (!px.is_null(row) && std::isfinite(px.reals[row])) return std::nullopt;
    return "px is no finite number";
  });
  check_constant(*table.find(column::kStrategyHash), row_.strategy_hash());
  const TableColumn& config = *table.find(column::kMetadata);
  tell_rows([&](size_t row) -> Fault {
    if (row > 0 && !config.is_null(row)) return "metadata is not NULL, as it is after the first row";
    if (row > 0 || (!config.is_null(row) && config.texts[row] == row_.strategy_config)) return std::nullopt;
    return fmt::format("metadata is {}, the index has {}", cell_text(config, row), row_.strategy_config);
  });
  check_index_row(table);
  return std::move(found_);
}

struct DecodedTrace {
  Table table;
  std::vector<FileColumn> declared;
  Metadata metadata;
};

Result<DecodedTrace> decode(const std::string& bytes) {
  DecodedTrace trace;
  SB_ASSIGN_OR_RETURN(trace.table, decode_table_file(bytes, "the file", {}, &trace.metadata, &trace.declared));
  return trace;
}

// The bytes that these digits are; nothing where they are no `Bytes`.
template <typename Bytes>
std::optional<Bytes> from_hex(const std::string& digits) {
  Bytes bytes{};
  if (digits.size() != 2 * bytes.size()) return std::nullopt;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char* const begin = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, bytes[i], 16);
    if (error != std::errc() || end != begin + 2) return std::nullopt;
  }
  return bytes;
}

}  // namespace

std::vector<std::string> check_trace_file(const std::string& bytes, const IndexRow& row, const Bars* bars) {
  const Result<DecodedTrace> trace = decode(bytes);
  if (!trace.ok()) return {trace.status().message()};
  return TraceCheck(row, bars).check(trace->table, trace->declared, trace->metadata);
}

std::vector<std::string> check_trace_file_alone(const std::string& bytes) {
  const Result<DecodedTrace> trace = decode(bytes);
  if (!trace.ok()) return {trace.status().message()};
  std::map<std::string, std::string> said(trace->metadata.begin(), trace->metadata.end());
  if (!said.contains(metadata_key::kFormatVersion)) {
    return {"no trace of this format; older ones do not say enough to be checked"};
  }
  std::vector<std::string> found;
  IndexRow row;
  row.strategy_id = said[metadata_key::kStrategyId];
  row.strategy_config = said[metadata_key::kStrategyConfig];
  row.symbol = said[metadata_key::kSymbol];
  row.timeframe = said[metadata_key::kTimeframe];
  row.data_id = said[metadata_key::kDataId];
  row.trace_hash = from_hex<TraceHash>(said[metadata_key::kTraceHash]).value_or(TraceHash());
  const std::string& bar_count = said[metadata_key::kBarCount];
  std::from_chars(bar_count.data(), bar_count.data() + bar_count.size(), row.bar_count);
  const auto val = std::ranges::find(trace->declared, column::kValue, &FileColumn::name);
  if (val != trace->declared.end() && val->type == "BYTE_ARRAY STRING") row.kind = SignalKind::label;

  // The digest is the configuration's, and no other.
  const Result<JsonValue> config = parse_json(row.strategy_config);
  const Result<StrategyIdentity> identity = config.ok() ? identify_strategy(*config) : config.status();
  if (identity.ok()) {
    row.strategy_digest = identity->digest;
  } else {
    found.push_back(fmt::format("the metadata's strategy_config: {}", identity.status().message()));
    row.strategy_digest = from_hex<Digest>(said[metadata_key::kStrategyDigest]).value_or(Digest());
  }
  // What only an index could tell otherwise is taken from the file.
  const TableColumn* const ts = trace->table.find(column::kTs);
  const TableColumn* const idx = trace->table.find(column::kIdx);
  row.change_count = static_cast<int64_t>(trace->table.row_count());
  if (ts != nullptr && !ts->integers.empty()) row.first_ts = ts->integers.front(), row.last_ts = ts->integers.back();
  if (idx != nullptr && !idx->integers.empty()) row.observed_from = idx->integers.front();
  if (row.bar_count > 0) row.observed_to = row.bar_count - 1;
  Metadata metadata = trace->metadata;
  for (auto& [key, value] : metadata) {
    if (key == metadata_key::kCreationTime) value = format_time(row.created_at);
  }
  const std::vector<std::string> more = TraceCheck(row, nullptr).check(trace->table, trace->declared, metadata);
  found.insert(found.end(), more.begin(), more.end());
  return found;
}

}  // namespace signalbook
