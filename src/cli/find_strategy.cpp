#include "cli/find_strategy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/ascii.h"
#include "base/digest.h"
#include "base/time_text.h"
#include "base/utf8.h"
#include "cli/config_summary.h"
#include "cli/parameter_filter.h"
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

namespace {

// Of rows with digest, type and configuration in front.
std::vector<Candidate> candidates_of(const Table& rows) {
  std::vector<Candidate> candidates;
  for (size_t row = 0; row < rows.row_count(); ++row) {
    candidates.push_back({rows.columns[0].texts[row], rows.columns[1].texts[row], rows.columns[2].texts[row]});
  }
  return candidates;
}

}  // namespace

Result<std::vector<Candidate>> find_candidates(SqlEngine& engine, const std::string& condition) {
  SB_ASSIGN_OR_RETURN(const Table rows,
                      ask(engine, fmt::format("SELECT lower(hex(strategy_digest)) AS digest, any_value(strategy_type), "
                                              "any_value(strategy_config) FROM strategies WHERE {} GROUP BY digest "
                                              "ORDER BY digest",
                                              condition)));
  return candidates_of(rows);
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

namespace {

// Digits that may be the first of a hash.
bool is_prefix(const std::string& name) {
  constexpr size_t kMinDigits = 4, kMaxDigits = 64;
  return name.size() >= kMinDigits && name.size() <= kMaxDigits &&
         name.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
}

std::string prefix_condition(const std::string& digits) {
  const std::string prefix = to_lower_ascii(digits);
  // The hash is shorter than the digest and need not be written out first.
  std::string condition = fmt::format("starts_with(strategy_hash, '{}')", prefix.substr(0, kStrategyHashLength));
  if (prefix.size() > kStrategyHashLength) {
    condition += fmt::format(" AND starts_with(lower(hex(strategy_digest)), '{}')", prefix);
  }
  return condition;
}

}  // namespace

Status print_prefix_note(SqlEngine& engine, const std::string& name, const std::string& condition,
                         const std::string& among, const CommonOptions& options) {
  if (options.quiet || !is_prefix(name) || condition.ends_with(prefix_condition(name))) return Status();
  SB_ASSIGN_OR_RETURN(const std::string rows, engine.rows_named(name));
  const std::string others =
      (rows.empty() ? "" : rows + " AND ") +
      fmt::format(
          "{} AND strategy_digest NOT IN (SELECT strategy_digest FROM strategies WHERE {} AND strategy_digest IS NOT "
          "NULL){}",
          prefix_condition(name), condition, among.empty() ? "" : " AND " + among);
  SB_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates, find_candidates(engine, others));
  if (candidates.empty()) return Status();
  const bool is_one = candidates.size() == 1;
  const std::string fitting =
      is_one ? "hash of another strategy" : fmt::format("hashes of {} other strategies", candidates.size());
  print_note(options,
             fmt::format("{} is taken as a strategy_id here; these digits also fit the {}; more digits name {}:{}",
                         name, fitting, is_one ? "it" : "each",
                         list_candidates(candidates, std::max(kStrategyHashLength, name.size() + 1))));
  return Status();
}

Result<std::string> strategy_condition(SqlEngine& engine, const std::string& name, const std::string& among) {
  const std::string and_among = among.empty() ? "" : " AND " + among;
  const std::string quoted = quote_sql_text(name);
  SB_ASSIGN_OR_RETURN(const std::string rows, engine.rows_named(name));
  const std::string among_rows = rows.empty() ? "" : rows + " AND ";
  const std::string by_id = fmt::format("(strategy_id = {0} OR list_contains(aliases, {0}))", quoted);
  const bool may_be_hash = is_prefix(name);
  const std::string by_hash = may_be_hash ? prefix_condition(name) : "false";
  // An id goes before a hash; both are asked for at once, because on a large index every statement counts.
  SB_ASSIGN_OR_RETURN(
      const Table found,
      ask(engine, fmt::format("SELECT lower(hex(strategy_digest)) AS digest, any_value(strategy_type), "
                              "any_value(strategy_config), bool_or(coalesce({0}, false)) FROM strategies WHERE {1}({0} "
                              "OR {2}){3} GROUP BY digest ORDER BY digest",
                              by_id, among_rows, by_hash, and_among)));
  if (std::ranges::find(found.columns[3].integers, 1) != found.columns[3].integers.end()) return among_rows + by_id;
  const std::vector<Candidate> candidates = candidates_of(found);
  if (candidates.size() == 1) return among_rows + by_hash;
  if (candidates.size() > 1) {
    return Status::invalid(fmt::format("{} fits {} strategies; give more digits:", name, candidates.size()) +
                           list_candidates(candidates));
  }
  return Status::not_found(
      fmt::format("there is no strategy {}; give a strategy_id, or 4 or more digits of a strategy_hash "
                  "(signalbook list shows both)",
                  name));
}

namespace {

// Column and direction.
std::pair<std::string, std::string> split_sort(const std::string& sort_by) {
  for (const char* word : {" desc", " DESC", " asc", " ASC"}) {
    if (sort_by.ends_with(word)) return {sort_by.substr(0, sort_by.size() - std::string_view(word).size()), word};
  }
  return {sort_by, ""};
}

}  // namespace

std::string sort_clause(const std::string& sort_by) {
  const auto [column, direction] = split_sort(sort_by);
  return " ORDER BY " + quote_sql_name(column) + direction + " NULLS LAST";
}

Status explain_sort_error(SqlEngine& engine, const Status& error, const std::string& relation,
                          const std::string& sort_by) {
  if (error.ok() || sort_by.empty()) return error;
  const Result<Table> columns =
      ask(engine, fmt::format("SELECT column_name FROM (DESCRIBE SELECT * FROM {})", relation));
  if (!columns.ok()) return error;  // it was not the order
  const std::string column = split_sort(sort_by).first;
  const std::vector<std::string>& known = columns->columns.front().texts;
  for (const std::string& name : known) {
    if (to_lower_ascii(name) == to_lower_ascii(column)) return error;
  }
  SB_ASSIGN_OR_RETURN(const std::string nearest, nearest_names(engine, column, known));
  return Status::invalid(fmt::format("--sort-by {}: there is no such column; {}", sort_by, nearest));
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
