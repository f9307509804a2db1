#include "cli/parameter_filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include "base/ascii.h"
#include "base/utf8.h"
#include "cli/find_strategy.h"
#include "cli/text_table.h"
#include "format/strategy_identity.h"
#include "format/strategy_parameters.h"
#include "ingest/cell.h"
#include "query/sql_text.h"

namespace signalbook::cli {

namespace {

constexpr std::string_view kOperators[] = {"!=", "<=", ">=", "==", "=", "<", ">"};
constexpr std::string_view kSpace = " \t\n";

std::string trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos ? ""
                                         : std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

// Where the closing quote of a name stands that is given in double quotes, because an operator is part of it.
std::optional<size_t> end_of_quoted_name(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos || text[begin] != '"') return std::nullopt;
  const size_t end = text.find('"', begin + 1);
  if (end == std::string_view::npos || end == begin + 1) return std::nullopt;
  const size_t next = text.find_first_not_of(kSpace, end + 1);
  if (next == std::string_view::npos || std::string_view("=<>!").find(text[next]) == std::string_view::npos) {
    return std::nullopt;  // the quotes are part of the name
  }
  return end;
}

// A second operator, as in period=<14: a slip of the pen, not the text "<14".
bool begins_with_operator(std::string_view value) {
  return std::ranges::any_of(kOperators, [&](std::string_view op) { return value.starts_with(op); });
}

// "name op " at the beginning, which is taken away; the value is what follows.
std::optional<Comparison> take_name_and_operator(std::string_view& text) {
  Comparison comparison;
  size_t begin = text.find_first_of("=<>!");
  if (const std::optional<size_t> end = end_of_quoted_name(text)) {
    const size_t quote = text.find('"');
    comparison.name = text.substr(quote + 1, *end - quote - 1);
    begin = text.find_first_not_of(kSpace, *end + 1);
  } else {
    comparison.name = trim(text.substr(0, begin));
  }
  if (begin == std::string_view::npos) return std::nullopt;
  for (const std::string_view op : kOperators) {
    if (!text.substr(begin).starts_with(op)) continue;
    comparison.op = op == "==" ? "=" : op;
    text.remove_prefix(begin + op.size());
    break;
  }
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  if (comparison.name.empty() || comparison.op.empty()) return std::nullopt;
  return comparison;
}

// A value, or a type, up to the next space; in double quotes with spaces. A value keeps its quotes: they make it text.
std::string take_word(std::string_view& text) {
  const bool is_quoted = text.starts_with('"') && text.find('"', 1) != std::string_view::npos;
  const size_t end = is_quoted ? text.find('"', 1) + 1 : std::min(text.find_first_of(kSpace), text.size());
  std::string word(text.substr(0, end));
  text.remove_prefix(end);
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return word;
}

std::optional<std::string> unquote(const std::string& word) {
  if (word.size() < 2 || word.front() != '"' || word.back() != '"') return std::nullopt;
  return word.substr(1, word.size() - 2);
}

// ---- Values, as the columns of an index hold them -------------------------------------------------------------------

// A number where a double holds it exactly, else text: an integer beyond that is found by its digits.
JsonValue to_cell(const std::string& digits) {
  const std::optional<double> number = parse_number(digits);
  if (number.has_value() && !is_rounded_integer(digits, *number)) return JsonValue(*number);
  return JsonValue(digits);
}

JsonValue to_cell(const JsonValue& value) {
  if (value.boolean() != nullptr || value.real() != nullptr || value.text() != nullptr) return value;
  if (value.integer() != nullptr || value.big_integer() != nullptr) return to_cell(to_json(value));
  return JsonValue(to_json(value));
}

JsonValue operand(const std::string& value) {
  if (const std::optional<std::string> text = unquote(value)) return JsonValue(*text);
  if (value == "true" || value == "false") return JsonValue(value == "true");
  return to_cell(value);
}

// ---- Integers that a double cannot hold -----------------------------------------------------------------------------

// Whether a text is such an integer, as columns of text hold it beside texts.
bool is_large_integer(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.front() == '0') return false;
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
  const std::optional<double> number = parse_number(text);
  return number.has_value() && is_rounded_integer(text, *number);
}

std::string is_large_integer_sql(const std::string& column) {
  return "(regexp_full_match(" + column + ", '-?[1-9][0-9]{15,}') AND coalesce(format('{:.0f}', TRY_CAST(" + column +
         " AS DOUBLE)) != " + column + ", true))";
}

// Integers by their digits: negative, 0 or positive.
int compare_digits(std::string_view a, std::string_view b) {
  const bool is_negative = a.starts_with('-');
  if (is_negative != b.starts_with('-')) return is_negative ? -1 : 1;
  const int order = a.size() != b.size() ? (a.size() < b.size() ? -1 : 1) : a.compare(b);
  return is_negative ? -order : order;
}

// `column`, which holds the digits of integers, against digits; op is < or >.
std::string compare_digits_sql(const std::string& column, std::string_view op, const std::string& digits) {
  const bool is_negative = digits.starts_with('-');
  const std::string_view among_same = (op == "<") != is_negative ? "<" : ">";
  const std::string same_sign = fmt::format("(starts_with({0}, '-') = {1} AND (len({0}), {0}) {2} ({3}, {4}))", column,
                                            is_negative, among_same, digits.size(), quote_sql_text(digits));
  return fmt::format("({} OR (starts_with({}, '-') = {} AND {}))", same_sign, column, !is_negative,
                     (op == "<") != is_negative);
}

// The digits of the integer a number has at or below it; enough to compare with integers that no double holds.
std::string floor_digits(double number) {
  const std::string digits = fmt::format("{:.0f}", std::floor(number));
  return digits == "-0" ? "0" : digits;
}

// How a large integer stands to a double; they are never equal.
int compare_large(std::string_view digits, double number) {
  if (!std::isfinite(number)) return number < 0 ? 1 : -1;
  return compare_digits(digits, floor_digits(number)) > 0 ? 1 : -1;
}

// A column of numbers that doubles hold, against a large integer.
std::string compare_with_large_sql(const std::string& column, std::string_view op, const std::string& digits) {
  if (op == "=") return "false";
  if (op == "!=") return column + " IS NOT NULL";
  const double nearest = *parse_number(digits);
  const bool is_above = compare_large(digits, nearest) < 0;  // nearest stands above the integer
  const std::string_view sql_op = op.front() == '<' ? (is_above ? "<" : "<=") : (is_above ? ">=" : ">");
  return fmt::format("{} {} CAST('{}' AS DOUBLE)", column, sql_op, nearest);
}

// A column of texts, some of which are large integers, against a number that an operand means.
std::string compare_large_sql(const std::string& column, std::string_view op, const JsonValue& number) {
  const double* const real = number.real();
  const std::string digits = real == nullptr ? *number.text() : std::isfinite(*real) ? floor_digits(*real) : "";
  if (op == "=" || op == "!=") {
    if (real == nullptr) return fmt::format("({} AND {} {} '{}')", is_large_integer_sql(column), column, op, digits);
    return op == "=" ? "false" : is_large_integer_sql(column);
  }
  const bool is_less = op.front() == '<';
  if (digits.empty()) return is_less == (*real < 0) ? "false" : is_large_integer_sql(column);
  // No large integer equals a double: it lies below where it does not lie above.
  std::string condition = compare_digits_sql(column, real == nullptr ? op.substr(0, 1) : ">", digits);
  if (real != nullptr && is_less) condition = "NOT " + condition;
  if (real == nullptr && op.size() == 2) condition = fmt::format("({} OR {} = '{}')", condition, column, digits);
  return fmt::format("({} AND {})", is_large_integer_sql(column), condition);
}

std::string_view column_type_of(const JsonValue& cell) {
  if (cell.boolean() != nullptr) return "BOOLEAN";
  return cell.real() != nullptr ? "DOUBLE" : "VARCHAR";
}

std::string sql_literal(const JsonValue& cell) {
  if (const bool* boolean = cell.boolean()) return *boolean ? "true" : "false";
  if (const double* real = cell.real())
    return fmt::format("CAST({} AS DOUBLE)", quote_sql_text(fmt::format("{}", *real)));
  return quote_sql_text(*cell.text());
}

template <typename T>
bool compare(const T& a, std::string_view op, const T& b) {
  if (op == "=") return a == b;
  if (op == "!=") return a != b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  return op == ">" ? a > b : a >= b;
}

// ---- Columns --------------------------------------------------------------------------------------------------------

constexpr std::string_view kPrefix = "param_";

// How a column's name stands to a parameter's: it is made of it, or of one that differs only in case, or not at all.
// param_x, param_x__str and param_x__bool are made of x; numbers behind them (__2) tell names apart that SQL would not.
enum class Relation { none, certain, ambiguous };

Relation relation(std::string_view column, const std::string& name) {
  if (!column.starts_with(kPrefix)) return Relation::none;
  column.remove_prefix(kPrefix.size());
  if (to_lower_ascii(column.substr(0, name.size())) != to_lower_ascii(name)) return Relation::none;
  const bool is_exact = column.starts_with(name);
  std::string_view rest = column.substr(name.size());
  for (const std::string_view form : {"__str", "__bool"}) {
    if (rest.starts_with(form)) {
      rest.remove_prefix(form.size());
      break;
    }
  }
  if (rest.empty()) return is_exact ? Relation::certain : Relation::ambiguous;
  // __2, or __2__2 where several runs came together.
  while (rest.starts_with("__")) {
    rest.remove_prefix(2);
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0) return Relation::none;
    rest.remove_prefix(digits);
  }
  return rest.empty() ? Relation::ambiguous : Relation::none;
}

std::vector<std::string> parameter_names(const ParameterView& view) {
  std::set<std::string> columns;
  for (const std::string& column : view.columns.columns[0].texts) {
    if (column.starts_with(kPrefix)) columns.insert(column.substr(kPrefix.size()));
  }
  std::vector<std::string> names;
  for (const std::string& name : columns) {
    const size_t end = name.rfind("__");
    if (end != std::string::npos && columns.contains(name.substr(0, end))) continue;  // a form of that one
    names.push_back(name);
  }
  return names;
}

// The digests of the configurations that fit, as a condition.
Result<std::string> ask_configurations(SqlEngine& engine, const ParameterView& view, const Comparison& comparison,
                                       const std::vector<std::string>& columns) {
  std::vector<std::string> is_given;
  for (const std::string& column : columns) is_given.push_back(quote_sql_name(column) + " IS NOT NULL");
  SB_ASSIGN_OR_RETURN(
      const Table rows,
      ask(engine, fmt::format("SELECT lower(hex({0})), any_value({1}) FROM {2} WHERE {3} GROUP BY {0}",
                              view.digest_column, view.config_column, view.name, fmt::join(is_given, " OR "))));
  std::vector<std::string> digests;
  for (size_t row = 0; row < rows.row_count(); ++row) {
    const Result<JsonValue> config = parse_json(rows.columns[1].texts[row]);
    if (!config.ok()) return Status::damaged("a strategy_config is no JSON: " + config.status().message());
    SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(*config));
    if (fits(queryable_parameters(node), comparison)) {
      digests.push_back(fmt::format("unhex('{}')", rows.columns[0].texts[row]));
    }
  }
  if (digests.empty()) return std::string("false");
  return fmt::format("{} IN ({})", view.digest_column, fmt::join(digests, ", "));
}

}  // namespace

Result<Comparison> parse_comparison(const std::string& text) {
  std::string_view rest = text;
  std::optional<Comparison> comparison = take_name_and_operator(rest);
  if (!comparison) {
    return Status::invalid(fmt::format("--param {} is not of the form name=value; there are = != < <= > >=", text));
  }
  comparison->value = rest;
  if (begins_with_operator(rest)) {
    return Status::invalid(
        fmt::format("--param {} has a second operator behind {}; there are = != < <= > >=, and a text that begins so "
                    "is given in double quotes: '{}{}\"{}\"'",
                    text, comparison->op, comparison->name, comparison->op, comparison->value));
  }
  return *comparison;
}

Result<LeafPattern> parse_leaf(const std::string& text) {
  std::string_view rest = text;
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
  const std::string word = take_word(rest);
  LeafPattern pattern = {.type = unquote(word).value_or(word), .comparisons = {}};
  const auto invalid = [&] {
    return Status::invalid(
        fmt::format("--leaf {} is not a type with comparisons, such as 'bollinger_bands period=20 std_dev>=2'; "
                    "a type alone and * for any type will do",
                    text));
  };
  if (word.empty() || pattern.type.empty()) return invalid();
  // "period=20" where a type should be. A type of such letters can be given in double quotes.
  if (word.front() != '"' && word.find_first_of("=<>!") != std::string::npos) return invalid();
  while (!rest.empty()) {
    std::optional<Comparison> comparison = take_name_and_operator(rest);
    if (!comparison || rest.empty() || begins_with_operator(rest)) return invalid();
    comparison->value = take_word(rest);
    pattern.comparisons.push_back(std::move(*comparison));
  }
  return pattern;
}

bool fits(const JsonValue::Object& parameters, const Comparison& comparison) {
  const auto member = std::ranges::find(parameters, comparison.name, &JsonValue::Member::first);
  if (member == parameters.end() || member->second.is_null()) return false;
  const JsonValue cell = to_cell(member->second), other = operand(comparison.value);
  const bool is_large = cell.text() != nullptr && is_large_integer(*cell.text());
  const bool is_large_operand = is_large_integer(comparison.value);
  if (is_large && other.real() != nullptr) return compare(compare_large(*cell.text(), *other.real()), comparison.op, 0);
  if (is_large_operand) {
    if (cell.real() != nullptr) return compare(-compare_large(*other.text(), *cell.real()), comparison.op, 0);
    return is_large && compare(compare_digits(*cell.text(), *other.text()), comparison.op, 0);
  }
  if (column_type_of(cell) != column_type_of(other)) return false;
  if (cell.boolean() != nullptr) return compare(*cell.boolean(), comparison.op, *other.boolean());
  if (cell.real() != nullptr) return compare(*cell.real(), comparison.op, *other.real());
  return compare(*cell.text(), comparison.op, *other.text());
}

Result<ParameterView> describe_parameters(SqlEngine& engine, const std::string& view, const std::string& digest_column,
                                          const std::string& config_column) {
  SB_ASSIGN_OR_RETURN(Table columns,
                      ask(engine, fmt::format("SELECT column_name, column_type FROM (DESCRIBE {})", view)));
  return ParameterView{view, digest_column, config_column, std::move(columns)};
}

Result<std::string> comparison_condition(SqlEngine& engine, const ParameterView& view, const Comparison& comparison) {
  const JsonValue other = operand(comparison.value);
  const bool is_number = other.real() != nullptr || is_large_integer(comparison.value);
  std::vector<std::string> columns, conditions;
  bool is_ambiguous = false;
  for (size_t i = 0; i < view.columns.row_count(); ++i) {
    const std::string& column = view.columns.columns[0].texts[i];
    const Relation related = relation(column, comparison.name);
    if (related == Relation::none) continue;
    is_ambiguous = is_ambiguous || related == Relation::ambiguous;
    columns.push_back(column);
    const std::string& type = view.columns.columns[1].texts[i];
    if (is_number && type == "VARCHAR") {
      conditions.push_back(compare_large_sql(quote_sql_name(column), comparison.op, other));
      continue;
    }
    if (is_number && type == "DOUBLE" && other.real() == nullptr) {
      conditions.push_back(compare_with_large_sql(quote_sql_name(column), comparison.op, *other.text()));
      continue;
    }
    if (type != column_type_of(other)) continue;
    conditions.push_back(fmt::format("{} {} {}", quote_sql_name(column), comparison.op, sql_literal(other)));
  }
  if (is_ambiguous) {
    // Names that differ only in case: whether the very one is among them is in the configurations, too.
    SB_ASSIGN_OR_RETURN(std::string condition, ask_configurations(engine, view, comparison, columns));
    const auto is_certain = [&](const std::string& c) { return relation(c, comparison.name) == Relation::certain; };
    if (condition != "false" || std::ranges::any_of(columns, is_certain)) return condition;
  }
  if (columns.empty() || is_ambiguous) {
    SB_ASSIGN_OR_RETURN(const std::string known, nearest_names(engine, comparison.name, parameter_names(view)));
    return Status::not_found(fmt::format("no strategy here has a parameter '{}'; {}", comparison.name, known));
  }
  // The parameter is there, but never of the kind that is asked for.
  if (conditions.empty()) return std::string("false");
  return fmt::format("({})", fmt::join(conditions, " OR "));
}

Result<std::string> nearest_names(SqlEngine& engine, const std::string& name, const std::vector<std::string>& known) {
  if (known.empty()) return std::string("there are none");
  constexpr size_t kMostNamed = 12;
  std::vector<std::string> quoted;
  for (const std::string& text : known) quoted.push_back(quote_sql_text(text));
  SB_ASSIGN_OR_RETURN(const Table sorted,
                      ask(engine, fmt::format("SELECT name FROM (SELECT unnest([{}]) AS name) ORDER BY "
                                              "damerau_levenshtein(lower(name), lower({})), name LIMIT {}",
                                              fmt::join(quoted, ", "), quote_sql_text(name), kMostNamed)));
  std::vector<std::string> names;
  for (const std::string& text : sorted.columns.front().texts) {
    names.push_back(escape_control_characters(to_valid_utf8(text)));
  }
  std::string text = fmt::format("there are {}", fmt::join(names, ", "));
  if (known.size() > kMostNamed) text += fmt::format(" and {} more", known.size() - kMostNamed);
  return text;
}

Result<std::vector<std::string>> filter_conditions(SqlEngine& engine, const ParameterView& view,
                                                   const StrategyFilter& filter) {
  std::vector<std::string> conditions;
  if (!filter.type.empty()) conditions.push_back("strategy_type = " + quote_sql_text(filter.type));
  for (const std::string& parameter : filter.parameters) {
    SB_ASSIGN_OR_RETURN(const Comparison comparison, parse_comparison(parameter));
    SB_ASSIGN_OR_RETURN(std::string condition, comparison_condition(engine, view, comparison));
    conditions.push_back(std::move(condition));
  }
  if (!filter.where.empty()) conditions.push_back("(" + filter.where + ")");
  return conditions;
}

}  // namespace signalbook::cli
