#include "cli/sort_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/ascii.h"

namespace signalbook::cli {

namespace {

template <typename Value>
void put_in_order(std::vector<Value>& values, const std::vector<size_t>& order) {
  if (values.size() != order.size()) return;
  std::vector<Value> sorted;
  sorted.reserve(order.size());
  for (const size_t row : order) sorted.push_back(std::move(values[row]));
  values = std::move(sorted);
}

bool is_less(const TableColumn& column, size_t a, size_t b) {
  if (!column.reals.empty()) return column.reals[a] < column.reals[b];
  if (!column.texts.empty()) return column.texts[a] < column.texts[b];
  return column.integers[a] < column.integers[b];
}

}  // namespace

Status sort_table(Table& table, const std::string& sort_by) {
  const std::string wanted = to_lower_ascii(sort_by);
  const auto without = [&](std::string_view word) {
    return wanted.ends_with(word) ? wanted.substr(0, wanted.size() - word.size()) : wanted;
  };
  const bool is_descending = wanted.ends_with(" desc");
  const std::string name = is_descending ? without(" desc") : without(" asc");
  const auto column = std::ranges::find(table.columns, name, [](const auto& c) { return to_lower_ascii(c.name); });
  if (column == table.columns.end()) {
    std::string names;
    for (const TableColumn& known : table.columns) names += (names.empty() ? "" : ", ") + known.name;
    return Status::invalid(fmt::format("--sort-by {}: there is no such column; there are {}", sort_by, names));
  }
  std::vector<size_t> order(table.row_count());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    if (column->is_null(a) || column->is_null(b)) return !column->is_null(a) && column->is_null(b);
    return is_descending ? is_less(*column, b, a) : is_less(*column, a, b);
  });
  for (TableColumn& cells : table.columns) {
    put_in_order(cells.valid, order);
    put_in_order(cells.integers, order);
    put_in_order(cells.reals, order);
    put_in_order(cells.texts, order);
    put_in_order(cells.lists, order);
  }
  return Status();
}

}  // namespace signalbook::cli
