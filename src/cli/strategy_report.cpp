#include "cli/strategy_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "base/digest.h"
#include "cli/find_strategy.h"
#include "format/short_digest.h"
#include "query/arrow_c_stream.h"
#include "query/sql_text.h"

namespace signalbook::cli {

namespace {

constexpr const char* kMetrics[] = {"total_return", "sharpe_ratio", "max_drawdown", "trade_count"};

bool has_value(const Table& rows, const std::vector<size_t>& traces, const char* name) {
  const TableColumn* const column = rows.find(name);
  return column != nullptr && std::ranges::any_of(traces, [&](size_t row) { return !column->is_null(row); });
}

std::string digest_condition(const Table& rows, size_t row) {
  const TableColumn* const digest = rows.find("strategy_digest");
  return digest == nullptr ? "true" : fmt::format("strategy_digest = unhex('{}')", cell_text(*digest, row));
}

Status print_determinism(SqlEngine& engine, const std::string& condition, const CommonOptions& options) {
  // A trace that was not observed to its end differs for another reason.
  SB_ASSIGN_OR_RETURN(
      const Table rows,
      ask(engine,
          fmt::format(
              "SELECT string_agg(DISTINCT run_id, ', ' ORDER BY run_id), left(lower(hex(strategy_digest)), {1}), "
              "symbol, timeframe, code_version, count(DISTINCT trace_hash) FROM strategies JOIN "
              "(SELECT run_id, code_version FROM runs) USING (run_id) WHERE ({0}) AND complete "
              "GROUP BY strategy_digest, symbol, timeframe, data_id, code_version "
              "HAVING count(DISTINCT trace_hash) > 1 ORDER BY ALL",
              condition, kCollisionDigits)));
  for (size_t row = 0; row < rows.row_count(); ++row) {
    const auto text = [&](size_t column) { return cell_text(rows.columns[column], row); };
    const std::string what = fmt::format("{} traces of {} on the same bars of {} {} ({}) differ", text(5), text(1),
                                         text(2), text(3), text(0));
    if (rows.columns[4].is_null(row)) {
      print_note(options, fmt::format("warning: {}; no code_version says whether the code was the same "
                                      "(signalbook record --code-version)",
                                      what));
    } else {
      print_note(options,
                 fmt::format("warning: not deterministic: {}, by the same code_version {}: the code depends on "
                             "something that the configuration does not say",
                             what, text(4)));
    }
  }
  return Status();
}

}  // namespace

std::vector<std::vector<size_t>> rows_by_strategy(const Table& rows) {
  std::vector<std::vector<size_t>> groups;
  std::map<std::string, size_t> group_of;
  const TableColumn* const digests = rows.find("strategy_digest");
  for (size_t row = 0; row < rows.row_count(); ++row) {
    // Files that are older than digests show each row by itself.
    const std::string key = digests == nullptr || digests->is_null(row) ? std::to_string(row) : digests->texts[row];
    const auto [place, is_new] = group_of.emplace(key, groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(row);
  }
  return groups;
}

Table common_columns(const Table& rows, size_t row) {
  constexpr const char* kCommon[] = {"strategy_hash", "strategy_digest", "value_digest",   "strategy_type",
                                     "constraints",   "threshold",       "strategy_config"};
  Table common;
  for (const TableColumn& column : rows.columns) {
    const auto is_name = [&](const char* name) { return column.name == name; };
    if (!column.name.starts_with("param_") && std::none_of(std::begin(kCommon), std::end(kCommon), is_name)) continue;
    TableColumn& target = common.add(column.name, ColumnType::text);
    column.is_null(row) ? target.append_null() : target.append_text(cell_text(column, row));
  }
  return common;
}

Status print_traces(SqlEngine& engine, const Table& rows, const std::vector<size_t>& traces,
                    const CommonOptions& options) {
  std::vector<std::string> columns = {"run_id",
                                      "strategy_id",
                                      "symbol",
                                      "timeframe",
                                      "left(data_id, 12) AS data_id",
                                      "code_version",
                                      "bar_count AS bars",
                                      "change_count AS changes",
                                      "left(lower(hex(trace_hash)), 12) AS trace_hash"};
  for (const char* metric : kMetrics) {
    if (has_value(rows, traces, metric)) columns.emplace_back(metric);
  }
  columns.emplace_back("created_at");
  std::vector<std::string> places;
  for (const size_t row : traces) {
    places.push_back(fmt::format("({}, {})", quote_sql_text(cell_text(*rows.find("run_id"), row)),
                                 cell_text(*rows.find("trace_id"), row)));
  }
  const std::string order =
      options.sort_by.empty() ? " ORDER BY run_id, trace_id" : sort_clause(options.sort_by) + ", run_id, trace_id";
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(engine.query(
      fmt::format("SELECT {} FROM strategies LEFT JOIN (SELECT run_id, code_version FROM runs) USING (run_id) WHERE {} "
                  "AND (run_id, trace_id) IN ({}){}",
                  fmt::join(columns, ", "), digest_condition(rows, traces.front()), fmt::join(places, ", "), order),
      &stream));
  return print_result(&stream, options);
}

namespace {

constexpr size_t kFew = 20;

// The condition, asked of those rows alone where they are known.
std::string among(const std::string& rows, const std::string& condition) {
  return rows.empty() ? condition : fmt::format("({} AND {})", rows, condition);
}

}  // namespace

// Of a few strategies they are literals, with which DuckDB passes over what it need not read.
Result<Relatives> find_relatives(SqlEngine& engine, const std::string& condition) {
  SB_ASSIGN_OR_RETURN(const Table found,
                      ask(engine, fmt::format("SELECT DISTINCT strategy_hash, value_digest FROM strategies WHERE {} "
                                              "AND strategy_hash IS NOT NULL AND value_digest IS NOT NULL LIMIT {}",
                                              condition, kFew + 1)));
  const std::vector<std::string>&hashes = found.columns[0].texts, &values = found.columns[1].texts;
  if (hashes.empty() || hashes.size() > kFew) {
    return Relatives{fmt::format("value_digest IN (SELECT value_digest FROM strategies WHERE {})", condition),
                     fmt::format("strategy_hash IN (SELECT strategy_hash FROM strategies WHERE {})", condition)};
  }
  std::vector<std::string> same_values, same_hash;
  for (size_t i = 0; i < hashes.size(); ++i) {
    SB_ASSIGN_OR_RETURN(const std::string alike, engine.rows_with_values(values[i]));
    const std::span digest(reinterpret_cast<const uint8_t*>(values[i].data()), values[i].size());
    same_values.push_back(among(alike, fmt::format("value_digest = from_hex('{}')", to_hex(digest))));
    SB_ASSIGN_OR_RETURN(const std::string named, engine.rows_named(hashes[i]));
    same_hash.push_back(among(named, "strategy_hash = " + quote_sql_text(hashes[i])));
  }
  return Relatives{fmt::format("({})", fmt::join(same_values, " OR ")),
                   fmt::format("({})", fmt::join(same_hash, " OR "))};
}

Result<bool> may_have_relatives(SqlEngine& engine, const Table& rows) {
  const TableColumn *const run_ids = rows.find("run_id"), *const trace_ids = rows.find("trace_id"),
                           *const hashes = rows.find("strategy_hash"), *const values = rows.find("value_digest");
  if (rows.row_count() > kFew || run_ids == nullptr || trace_ids == nullptr || hashes == nullptr || values == nullptr) {
    return true;
  }
  if (run_ids->type != ColumnType::text || trace_ids->integers.size() != rows.row_count() ||
      hashes->type != ColumnType::text || values->type != ColumnType::bytes) {
    return true;
  }
  SqlEngine::Rows known;
  for (size_t row = 0; row < rows.row_count(); ++row) known.emplace(run_ids->texts[row], trace_ids->integers[row]);
  const auto has_others = [&](const std::optional<SqlEngine::Rows>& found) {
    return !found || !std::ranges::includes(known, *found);
  };
  for (size_t row = 0; row < rows.row_count(); ++row) {
    if (hashes->is_null(row) || values->is_null(row)) return true;
    SB_ASSIGN_OR_RETURN(const auto alike, engine.known_rows_with_values(values->texts[row]));
    if (has_others(alike)) return true;
    SB_ASSIGN_OR_RETURN(const auto named, engine.known_rows_named(hashes->texts[row]));
    if (has_others(named)) return true;
  }
  return false;
}

size_t count_distinct(const Table& rows, const char* column) {
  const TableColumn* const found = rows.find(column);
  if (found == nullptr) return 0;
  return std::set<std::string>(found->texts.begin(), found->texts.end()).size();
}

Status print_strategy_notes(SqlEngine& engine, const std::string& condition, const CommonOptions& options,
                            const Table* rows) {
  if (options.quiet) return Status();
  // What one trace can be compared with is another.
  if (rows == nullptr || rows->row_count() != 1) SB_RETURN_IF_ERROR(print_determinism(engine, condition, options));
  if (rows != nullptr && count_distinct(*rows, "strategy_digest") == 1) {
    SB_ASSIGN_OR_RETURN(const bool may_have, may_have_relatives(engine, *rows));
    if (!may_have) return Status();
  }
  SB_ASSIGN_OR_RETURN(const Relatives relatives, find_relatives(engine, condition));
  SB_ASSIGN_OR_RETURN(const std::vector<Candidate> spellings,
                      find_candidates(engine, fmt::format("{} AND strategy_digest NOT IN (SELECT strategy_digest FROM "
                                                          "strategies WHERE {} AND strategy_digest IS NOT NULL)",
                                                          relatives.by_values, condition)));
  if (!spellings.empty()) {
    print_note(options, "same values, other spelling (2 and 2.0):" + list_candidates(spellings));
  }
  SB_ASSIGN_OR_RETURN(const std::vector<Candidate> same_hash, find_candidates(engine, relatives.by_hash));
  if (same_hash.size() < 2) return Status();
  SB_ASSIGN_OR_RETURN(const std::string collisions, collision_note(engine, relatives.by_hash));
  if (!collisions.empty()) print_note(options, collisions);
  return Status();
}

}  // namespace signalbook::cli
