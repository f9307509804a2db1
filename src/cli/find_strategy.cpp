#include "cli/find_strategy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

#include "base/ascii.h"
#include "base/digest.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "cli/config_summary.h"
#include "cli/text_table.h"
#include "format/json_value.h"
#include "format/short_digest.h"
#include "format/strategy_identity.h"
#include "query/arrow_c_stream.h"
#include "query/sql_views.h"

namespace signalbook::cli {

Result<std::unique_ptr<SqlEngine>> open_engine(const Scope& scope, const CommonOptions& options, bool confined) {
  return SqlEngine::open(posix_file_system(), scope, {.confined = confined, .note = [options](const std::string& text) {
                                                        print_note(options,
                                                                   escape_control_characters(to_valid_utf8(text)));
                                                      }});
}

Result<Table> ask(SqlEngine& engine, const std::string& query) {
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(engine.query(query, &stream));
  return table_from_stream(&stream);
}

Result<std::vector<Candidate>> find_candidates(SqlEngine& engine, const std::string& condition) {
  SB_ASSIGN_OR_RETURN(const Table rows,
                      ask(engine, fmt::format("SELECT lower(hex(strategy_digest)) AS digest, any_value(strategy_type), "
                                              "any_value(strategy_config) FROM strategies WHERE {} GROUP BY digest "
                                              "ORDER BY digest",
                                              condition)));
  std::vector<Candidate> candidates;
  for (size_t row = 0; row < rows.row_count(); ++row) {
    candidates.push_back({rows.columns[0].texts[row], rows.columns[1].texts[row], rows.columns[2].texts[row]});
  }
  return candidates;
}

std::string list_candidates(const std::vector<Candidate>& candidates, size_t least_digits) {
  constexpr size_t kMostNamed = 20;
  std::vector<std::string> digests;
  for (const Candidate& candidate : candidates) digests.push_back(candidate.digest);
  const size_t digits = digits_to_tell_apart(digests, least_digits);
  std::string text;
  for (size_t i = 0; i < candidates.size() && i < kMostNamed; ++i) {
    text +=
        fmt::format("\n  {}  {}  {}", candidates[i].digest.substr(0, digits),
                    escape_control_characters(to_valid_utf8(candidates[i].type)), config_summary(candidates[i].config));
  }
  if (candidates.size() > kMostNamed) text += fmt::format("\n  and {} more", candidates.size() - kMostNamed);
  return text;
}

Result<std::string> collision_note(SqlEngine& engine, const std::string& condition) {
  const std::string colliding = fmt::format(
      "strategy_hash IN (SELECT strategy_hash FROM strategies{} GROUP BY strategy_hash "
      "HAVING count(DISTINCT strategy_digest) > 1)",
      condition.empty() ? "" : " WHERE " + condition);
  SB_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates, find_candidates(engine, colliding));
  if (candidates.empty()) return std::string();
  return fmt::format(
      "{} different strategies share the {} digits of a strategy_hash with another one; they are kept apart, and more "
      "digits name each:{}",
      candidates.size(), kStrategyHashLength, list_candidates(candidates, kCollisionDigits));
}

Result<std::string> strategy_condition(SqlEngine& engine, const std::string& name, const std::string& among) {
  const std::string and_among = among.empty() ? "" : " AND " + among;
  const std::string quoted = quote_sql_text(name);
  const std::string by_id = fmt::format("(strategy_id = {0} OR list_contains(aliases, {0}))", quoted);
  SB_ASSIGN_OR_RETURN(const Table ids, ask(engine, "SELECT count(*) FROM strategies WHERE " + by_id + and_among));
  if (ids.columns.front().integers.front() > 0) return by_id;

  constexpr size_t kMinDigits = 4, kMaxDigits = 64;
  const bool is_prefix = name.size() >= kMinDigits && name.size() <= kMaxDigits &&
                         name.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (is_prefix) {
    const std::string prefix = to_lower_ascii(name);
    // The hash is shorter than the digest and need not be written out first.
    std::string by_hash = fmt::format("starts_with(strategy_hash, '{}')", prefix.substr(0, kStrategyHashLength));
    if (prefix.size() > kStrategyHashLength) {
      by_hash += fmt::format(" AND starts_with(lower(hex(strategy_digest)), '{}')", prefix);
    }
    SB_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates, find_candidates(engine, by_hash + and_among));
    if (candidates.size() == 1) return by_hash;
    if (candidates.size() > 1) {
      return Status::invalid(fmt::format("{} fits {} strategies; give more digits:", name, candidates.size()) +
                             list_candidates(candidates));
    }
  }
  return Status::not_found(
      fmt::format("there is no strategy {}; give a strategy_id, or 4 or more digits of a strategy_hash "
                  "(signalbook list shows both)",
                  name));
}

std::string sort_clause(const std::string& sort_by) {
  std::string column = sort_by, direction;
  for (const char* word : {" desc", " DESC", " asc", " ASC"}) {
    if (!sort_by.ends_with(word)) continue;
    column = sort_by.substr(0, sort_by.size() - std::string_view(word).size());
    direction = word;
  }
  return " ORDER BY " + quote_sql_name(column) + direction + " NULLS LAST";
}

std::string cell_text(const TableColumn& column, size_t row) {
  if (column.is_null(row)) return "";
  switch (column.type) {
    case ColumnType::boolean:
      return column.integers[row] != 0 ? "true" : "false";
    case ColumnType::int32:
    case ColumnType::int64:
      return std::to_string(column.integers[row]);
    case ColumnType::timestamp:
      return format_time(column.integers[row]);
    case ColumnType::real: {
      std::string text;
      append_python_float(column.reals[row], text);
      return text;
    }
    case ColumnType::text:
      return column.texts[row];
    case ColumnType::bytes: {
      const std::string& bytes = column.texts[row];
      return to_hex(std::span(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
    }
    case ColumnType::text_list:
      return fmt::format("{}", fmt::join(column.lists[row], ", "));
  }
  return "";
}

}  // namespace signalbook::cli
