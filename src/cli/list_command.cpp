#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "analytics/named_metric.h"
#include "cli/commands.h"
#include "cli/drop_empty_columns.h"
#include "cli/find_strategy.h"
#include "cli/parameter_filter.h"
#include "cli/run_filter.h"
#include "cli/strategy_report.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"
#include "query/sql_views.h"

namespace signalbook::cli {

namespace {

constexpr const char* kLeadingColumns[] = {"strategy_id", "strategy_hash", "strategy_type", "symbol", "timeframe"};
constexpr const char* kLeafColumns[] = {"leaf_path", "leaf_weight", "effective_weight"};
constexpr const char* kOptionalColumns[] = {"constraints",  "threshold",   "total_return", "sharpe_ratio",
                                            "max_drawdown", "trade_count", "win_rate"};
constexpr const char* kTrailingColumns[] = {"change_count", "bar_count"};

// A column as it is selected, and what it is called then.
struct ListedColumn {
  std::string sql, name;
};

// A parameter has its short name, unless another column of the list is called so.
ListedColumn listed_column(const std::string& column) {
  constexpr std::string_view kPrefix = "param_";
  if (!column.starts_with(kPrefix)) return {column, column};
  const std::string name = column.substr(kPrefix.size());
  const auto is_among = [&](const auto& names) {
    return std::any_of(std::begin(names), std::end(names), [&](const char* other) { return name == other; });
  };
  const bool taken = name == "run_id" || is_among(kLeadingColumns) || is_among(kLeafColumns) ||
                     is_among(kOptionalColumns) || is_among(kTrailingColumns);
  const std::string quoted = quote_sql_name(column);
  if (taken || name.empty()) return {quoted, column};
  return {quoted + " AS " + quote_sql_name(name), name};
}

std::string leaf_relation(const std::string& strategies, const std::string& condition) {
  // The names of a strategy's columns and of a component's overlap, so the leaves are chosen before they meet.
  return fmt::format(
      "(SELECT * FROM {} JOIN (SELECT run_id, strategy_digest, path AS leaf_path, weight AS leaf_weight, "
      "effective_weight FROM components WHERE {}) USING (run_id, strategy_digest))",
      strategies, condition);
}

// What is listed, as a table to select from: the view, or the view with a row for each leaf that fits.
struct Listed {
  std::string relation = "strategies";
  std::vector<std::string> conditions;
  std::vector<std::string> leaf_columns;

  std::string where() const {
    return conditions.empty() ? "" : fmt::format(" WHERE {}", fmt::join(conditions, " AND "));
  }
};

Result<std::string> leaf_condition(SqlEngine& engine, const LeafPattern& pattern) {
  std::vector<std::string> conditions = {"is_leaf"};
  if (pattern.type != "*") conditions.push_back("component_type = " + quote_sql_text(pattern.type));
  if (!pattern.comparisons.empty()) {
    SB_ASSIGN_OR_RETURN(const ParameterView view,
                        describe_parameters(engine, "components", "component_digest", "component_config"));
    for (const Comparison& comparison : pattern.comparisons) {
      SB_ASSIGN_OR_RETURN(std::string condition, comparison_condition(engine, view, comparison));
      conditions.push_back(std::move(condition));
    }
  }
  return fmt::format("{}", fmt::join(conditions, " AND "));
}

// A list may be empty; that a type is nowhere in the index is more likely a slip of the pen. `types` is a query.
Status print_unknown_type(SqlEngine& engine, const std::string& types, const std::string& what, const std::string& type,
                          const CommonOptions& options) {
  SB_ASSIGN_OR_RETURN(const Table table, ask(engine, types));
  const std::vector<std::string>& known = table.columns.front().texts;
  if (std::ranges::find(known, type) != known.end()) return Status();
  SB_ASSIGN_OR_RETURN(const std::string nearest, nearest_names(engine, type, known));
  print_note(options, fmt::format("no {} here has the type '{}'; {}", what, type, nearest));
  return Status();
}

Status print_unknown_types(SqlEngine& engine, const ListOptions& options) {
  if (!options.filter.type.empty()) {
    SB_RETURN_IF_ERROR(
        print_unknown_type(engine, "SELECT DISTINCT strategy_type FROM strategies WHERE strategy_type IS NOT NULL",
                           "strategy", options.filter.type, options.common));
  }
  if (options.leaf.empty()) return Status();
  SB_ASSIGN_OR_RETURN(const LeafPattern pattern, parse_leaf(options.leaf));
  if (pattern.type == "*") return Status();
  return print_unknown_type(
      engine, "SELECT DISTINCT component_type FROM components WHERE is_leaf AND component_type IS NOT NULL", "leaf",
      pattern.type, options.common);
}

Result<Listed> find_listed(SqlEngine& engine, const ListOptions& options, const ParameterView& view,
                           const std::string& run_condition) {
  Listed listed;
  if (!run_condition.empty()) listed.conditions.push_back(run_condition);
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> conditions, filter_conditions(engine, view, options.filter));
  listed.conditions.insert(listed.conditions.end(), conditions.begin(), conditions.end());
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> by_metrics, metric_conditions(options.metrics));
  listed.conditions.insert(listed.conditions.end(), by_metrics.begin(), by_metrics.end());
  SB_ASSIGN_OR_RETURN(listed.relation, metric_relation(engine, options.metrics));
  if (options.leaf.empty()) return listed;

  SB_ASSIGN_OR_RETURN(const LeafPattern pattern, parse_leaf(options.leaf));
  SB_ASSIGN_OR_RETURN(const std::string leaf, leaf_condition(engine, pattern));
  listed.relation = leaf_relation(listed.relation, leaf);
  listed.leaf_columns.assign(std::begin(kLeafColumns), std::end(kLeafColumns));
  return listed;
}

// How many rows there are, and in how many of them each optional column is not NULL.
struct Counts {
  int64_t rows = 0;
  std::vector<int64_t> given;
};

Result<int64_t> count_rows(SqlEngine& engine, const Listed& listed) {
  SB_ASSIGN_OR_RETURN(const Table table,
                      ask(engine, fmt::format("SELECT count(*) FROM {}{}", listed.relation, listed.where())));
  return table.columns.front().integers.front();
}

Result<Counts> count_listed(SqlEngine& engine, const Listed& listed, const std::vector<std::string>& columns) {
  std::string counts = "count(*) AS n";
  for (const std::string& column : columns) counts += fmt::format(", count({})", quote_sql_name(column));
  SB_ASSIGN_OR_RETURN(const Table table,
                      ask(engine, fmt::format("SELECT {} FROM {}{}", counts, listed.relation, listed.where())));
  Counts result = {.rows = table.columns.front().integers.front(), .given = {}};
  for (size_t i = 0; i < columns.size(); ++i) result.given.push_back(table.columns[i + 1].integers.front());
  return result;
}

// Conditions that only these rows (run_id, trace_id) fulfil; nothing where there are none, or no trace_ids, as in an
// index of another program.
std::optional<std::vector<std::string>> row_conditions(const Table& keys) {
  if (keys.row_count() == 0 || keys.columns[1].type == ColumnType::text) return std::nullopt;
  std::vector<std::string> trace_ids, pairs;
  for (size_t i = 0; i < keys.row_count(); ++i) {
    if (keys.columns[1].is_null(i)) return std::nullopt;
    const int64_t trace_id = keys.columns[1].integers[i];
    trace_ids.push_back(std::to_string(trace_id));
    pairs.push_back(fmt::format("({}, {})", quote_sql_text(keys.columns[0].texts[i]), trace_id));
  }
  return std::vector<std::string>{fmt::format("trace_id IN ({})", fmt::join(trace_ids, ", ")),
                                  fmt::format("(run_id, trace_id) IN ({})", fmt::join(pairs, ", "))};
}

// Of the rows that are shown: the order decides which, and to read more columns than it needs of all that fit would
// take longer than all the rest. Nothing where all, or many, are shown.
Result<std::optional<Listed>> find_shown(SqlEngine& engine, const Listed& listed, const std::string& order,
                                         int64_t limit, const std::string& sort_by) {
  constexpr int64_t kMost = 1'000;
  if (limit < 1 || limit > kMost || !listed.leaf_columns.empty()) return std::optional<Listed>();
  const Result<Table> keys =
      ask(engine, fmt::format("SELECT run_id, trace_id FROM {}{}{}", listed.relation, listed.where(), order));
  if (!keys.ok()) return explain_sort_error(engine, keys.status(), listed.relation, sort_by);
  const std::optional<std::vector<std::string>> conditions = row_conditions(*keys);
  if (!conditions) return std::optional<Listed>();
  Listed shown = listed;
  shown.conditions = *conditions;
  return std::optional(std::move(shown));
}

// The strategies that notes speak of: all that are listed. Where a limit cuts the list, only those that are like one
// of the rows shown: to compare a million identities would take longer than all the rest.
std::string noted_condition(const Listed& listed, const std::string& order, bool is_cut) {
  if (!is_cut && listed.relation == "strategies") return fmt::format("{}", fmt::join(listed.conditions, " AND "));
  const std::string shown = fmt::format("FROM {}{}", listed.relation, listed.where()) + (is_cut ? order : "");
  if (!is_cut) return fmt::format("strategy_digest IN (SELECT strategy_digest {})", shown);
  return fmt::format("(strategy_hash IN (SELECT strategy_hash {0}) OR value_digest IN (SELECT value_digest {0}))",
                     shown);
}

// The same where the rows that are shown are known. Nothing where look-ups tell that no two strategies are alike.
Result<std::optional<std::string>> noted_condition(SqlEngine& engine, const Listed& shown) {
  const std::string condition = fmt::format("{}", fmt::join(shown.conditions, " AND "));
  SB_ASSIGN_OR_RETURN(const Table rows,
                      ask(engine,
                          "SELECT run_id, trace_id, strategy_digest, strategy_hash, value_digest FROM "
                          "strategies WHERE " +
                              condition));
  const size_t digests = count_distinct(rows, "strategy_digest");
  if (count_distinct(rows, "strategy_hash") == digests && count_distinct(rows, "value_digest") == digests) {
    SB_ASSIGN_OR_RETURN(const bool may_have, may_have_relatives(engine, rows));
    if (!may_have) return std::optional<std::string>();
  }
  SB_ASSIGN_OR_RETURN(const Relatives relatives, find_relatives(engine, condition));
  SB_ASSIGN_OR_RETURN(const Table keys,
                      ask(engine, fmt::format("SELECT run_id, trace_id FROM strategies WHERE {} UNION SELECT run_id, "
                                              "trace_id FROM strategies WHERE {}",
                                              relatives.by_values, relatives.by_hash)));
  const std::optional<std::vector<std::string>> alike = row_conditions(keys);
  return std::optional(alike ? fmt::format("{}", fmt::join(*alike, " AND ")) : condition);
}

Status print_identity_notes(SqlEngine& engine, const std::string& condition, const CommonOptions& options) {
  SB_ASSIGN_OR_RETURN(
      const Table table,
      ask(engine, fmt::format("SELECT count(strategy_digest), count(DISTINCT h), count(DISTINCT v) FROM (SELECT "
                              "strategy_digest, any_value(strategy_hash) AS h, any_value(value_digest) AS v FROM "
                              "strategies{}{} GROUP BY strategy_digest)",
                              condition.empty() ? "" : " WHERE ", condition)));
  const auto count = [&](size_t column) { return table.columns[column].integers.front(); };
  const int64_t digests = count(0), hashes = count(1), values = count(2);
  if (digests > values) {
    print_note(options,
               fmt::format("{} configurations stand here with the same values in another spelling (2 and 2.0): they "
                           "have the same value_digest and different hashes",
                           with_separators(digests - values)));
  }
  if (digests == hashes) return Status();
  // So rare that a second question does no harm.
  SB_ASSIGN_OR_RETURN(const std::string note, collision_note(engine, condition));
  print_note(options, note);
  return Status();
}

Result<std::string> order_of(const Listed& listed, const ListOptions& options) {
  std::string order = options.common.sort_by.empty() ? " ORDER BY " : sort_clause(options.common.sort_by) + ", ";
  if (!options.metrics.best.empty()) {
    SB_ASSIGN_OR_RETURN(const std::string by_metric, metric_order(options.metrics));
    order += by_metric + ", ";
  }
  order += listed.leaf_columns.empty() ? "run_id, trace_id" : "run_id, trace_id, leaf_path";
  if (options.common.limit >= 0) order += fmt::format(" LIMIT {}", options.common.limit);
  return order;
}

}  // namespace

Status run_list(const ListOptions& options) {
  if (!options.metrics.best.empty() && !options.common.sort_by.empty()) {
    return Status::invalid("--best and --sort-by are two orders; give one");
  }
  SB_ASSIGN_OR_RETURN(Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::string run_condition, choose_runs(options.runs, scope));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, open_engine(scope, options.common));
  SB_ASSIGN_OR_RETURN(const ParameterView view,
                      describe_parameters(*engine, "strategies", "strategy_digest", "strategy_config"));
  SB_ASSIGN_OR_RETURN(const Listed fitting, find_listed(*engine, options, view, run_condition));
  SB_ASSIGN_OR_RETURN(const std::string order, order_of(fitting, options));
  SB_ASSIGN_OR_RETURN(const std::optional<Listed> shown,
                      find_shown(*engine, fitting, order, options.common.limit, options.common.sort_by));
  const Listed& listed = shown ? *shown : fitting;

  // Which columns say something about the strategies that fit: a sweep of moving averages needs no column of std_dev.
  std::vector<std::string> optional_columns;
  for (const std::string& column : view.columns.columns.front().texts) {
    if (column.starts_with("param_")) optional_columns.push_back(column);
  }
  optional_columns.insert(optional_columns.end(), std::begin(kOptionalColumns), std::end(kOptionalColumns));
  if (!options.metrics.best.empty()) {
    SB_ASSIGN_OR_RETURN(const NamedMetric best, NamedMetric::find(options.metrics.best));
    if (std::ranges::find(optional_columns, best.name()) == optional_columns.end()) {
      optional_columns.emplace_back(best.name());
    }
  }
  // Of the rows that are shown, when they are few, those columns are asked for and left out afterwards: to look into
  // them twice would take twice the time.
  Counts counts;
  if (!shown) {
    SB_ASSIGN_OR_RETURN(counts, count_listed(*engine, listed, optional_columns));
  }

  std::vector<std::string> selected;
  std::set<std::string, std::less<>> may_be_empty;  // as they are called in the list
  if (!scope.run_path) selected.emplace_back("run_id");
  selected.insert(selected.end(), std::begin(kLeadingColumns), std::end(kLeadingColumns));
  selected.insert(selected.end(), listed.leaf_columns.begin(), listed.leaf_columns.end());
  for (size_t i = 0; i < optional_columns.size(); ++i) {
    if (!shown && counts.given[i] == 0) continue;
    const ListedColumn column = listed_column(optional_columns[i]);
    selected.push_back(column.sql);
    may_be_empty.insert(column.name);
  }
  selected.insert(selected.end(), std::begin(kTrailingColumns), std::end(kTrailingColumns));

  ArrowArrayStream stream;
  const Status asked = engine->query(
      fmt::format("SELECT {} FROM {}{}{}", fmt::join(selected, ", "), listed.relation, listed.where(), order), &stream);
  SB_RETURN_IF_ERROR(explain_sort_error(*engine, asked, listed.relation, options.common.sort_by));
  if (shown) {
    SB_RETURN_IF_ERROR(drop_empty_columns(&stream, [&](std::string_view name) { return may_be_empty.contains(name); }));
  }
  SB_RETURN_IF_ERROR(print_result(&stream, options.common));

  if (options.common.quiet) return Status();
  int64_t fitting_count = counts.rows;
  if (shown) {
    SB_ASSIGN_OR_RETURN(fitting_count, count_rows(*engine, fitting));
  }
  if (fitting_count == 0) {
    SB_RETURN_IF_ERROR(print_unknown_types(*engine, options));
  }
  SB_RETURN_IF_ERROR(print_metric_notes(*engine, options.metrics, fitting.relation, fitting.where(), options.common));
  const bool is_cut = options.common.limit >= 0 && fitting_count > options.common.limit;
  if (is_cut) {
    print_note(options.common,
               fmt::format("{} of {} shown", with_separators(options.common.limit), with_separators(fitting_count)));
  }
  std::optional<std::string> noted;
  if (shown) {
    SB_ASSIGN_OR_RETURN(noted, noted_condition(*engine, *shown));
  } else {
    noted = noted_condition(listed, order, is_cut);
  }
  return noted ? print_identity_notes(*engine, *noted, options.common) : Status();
}

}  // namespace signalbook::cli
