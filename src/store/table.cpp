#include "store/table.h"

#include <utility>

namespace signalbook {

size_t TableColumn::size() const {
  switch (type) {
    case ColumnType::boolean:
    case ColumnType::int32:
    case ColumnType::int64:
    case ColumnType::timestamp:
      return integers.size();
    case ColumnType::real:
      return reals.size();
    case ColumnType::text:
    case ColumnType::bytes:
      return texts.size();
    case ColumnType::text_list:
      return lists.size();
  }
  return 0;
}

void TableColumn::append_null() {
  if (valid.empty()) valid.assign(size(), 1);
  valid.push_back(0);
  switch (type) {
    case ColumnType::boolean:
    case ColumnType::int32:
    case ColumnType::int64:
    case ColumnType::timestamp:
      integers.push_back(0);
      break;
    case ColumnType::real:
      reals.push_back(0.0);
      break;
    case ColumnType::text:
    case ColumnType::bytes:
      texts.emplace_back();
      break;
    case ColumnType::text_list:
      lists.emplace_back();
      break;
  }
}

void TableColumn::append_integer(int64_t value) {
  if (!valid.empty()) valid.push_back(1);
  integers.push_back(value);
}

void TableColumn::append_real(double value) {
  if (!valid.empty()) valid.push_back(1);
  reals.push_back(value);
}

void TableColumn::append_text(std::string value) {
  if (!valid.empty()) valid.push_back(1);
  texts.push_back(std::move(value));
}

void TableColumn::append_integer(std::optional<int64_t> value) { value ? append_integer(*value) : append_null(); }
void TableColumn::append_real(std::optional<double> value) { value ? append_real(*value) : append_null(); }
void TableColumn::append_list(std::vector<std::string> value) {
  if (!valid.empty()) valid.push_back(1);
  lists.push_back(std::move(value));
}

const TableColumn* Table::find(std::string_view name) const {
  for (const TableColumn& column : columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

TableColumn* Table::find(std::string_view name) { return const_cast<TableColumn*>(std::as_const(*this).find(name)); }

TableColumn& Table::add(std::string name, ColumnType type, int width) {
  TableColumn& column = columns.emplace_back();
  column.name = std::move(name);
  column.type = type;
  column.width = width;
  return column;
}

}  // namespace signalbook
