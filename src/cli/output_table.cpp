#include <fmt/format.h>

#include <utility>

#include "cli/output_formats.h"
#include "cli/text_table.h"

namespace signalbook::cli {

namespace {

// Rows that are held to find the widths of the columns; later rows keep to them, so that a result of any size passes.
constexpr size_t kRowsForLayout = 10'000;

using TextRow = std::vector<std::string>;

Result<TextRow> table_row(const ResultRows& rows) {
  TextRow cells;
  for (size_t c = 0; c < rows.columns().size(); ++c) {
    std::string cell;
    SB_RETURN_IF_ERROR(rows.append_value(c, CellStyle::rounded, cell));
    cells.push_back(escape_control_characters(cell));
  }
  return cells;
}

std::string with_thousands(int64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string count_text(int64_t row_count, bool has_more, const TextTable& table) {
  std::string text =
      fmt::format("({}{} row{}", has_more ? "first " : "", with_thousands(row_count), row_count == 1 ? "" : "s");
  if (has_more) text += "; there are more";
  if (table.hidden_count() > 0) {
    text += fmt::format("; {} of {} columns, --format csv shows all", table.column_count() - table.hidden_count(),
                        table.column_count());
  }
  return text + ")\n";
}

// The plan of a query is a drawing of many lines: it is shown as it is.
bool is_plan(const std::vector<ResultColumn>& columns) {
  return columns.size() == 2 && columns[0].name == "explain_key" && columns[1].name == "explain_value";
}

Status write_plan(ResultRows& rows, OutputSink& sink) {
  for (;;) {
    SB_ASSIGN_OR_RETURN(const bool is_row, rows.next());
    if (!is_row) return sink.finish();
    SB_RETURN_IF_ERROR(rows.append_value(1, CellStyle::text, sink.buffer()));
  }
}

}  // namespace

Status write_table(ResultRows& rows, int terminal_width, OutputSink& sink) {
  if (is_plan(rows.columns())) return write_plan(rows, sink);
  std::vector<TextColumn> columns;
  for (const ResultColumn& column : rows.columns()) {
    columns.push_back({.name = escape_control_characters(column.name),
                       .is_number = column.kind == ResultColumn::Kind::number,
                       .is_text = column.kind == ResultColumn::Kind::text});
  }
  TextTable table(std::move(columns), terminal_width);
  std::vector<TextRow> held;
  bool is_begun = false;
  const auto begin = [&] {
    is_begun = true;
    table.begin(held, sink.buffer());
    for (const TextRow& row : held) table.add_row(row, sink.buffer());
    held.clear();
  };
  int64_t row_count = 0;
  for (;;) {
    SB_ASSIGN_OR_RETURN(const bool is_row, rows.next());
    if (!is_row) break;
    ++row_count;
    SB_ASSIGN_OR_RETURN(TextRow row, table_row(rows));
    if (is_begun) {
      table.add_row(row, sink.buffer());
      SB_RETURN_IF_ERROR(sink.flush_if_large());
    } else {
      held.push_back(std::move(row));
      if (held.size() == kRowsForLayout) begin();
    }
  }
  if (!is_begun) begin();
  SB_ASSIGN_OR_RETURN(const bool has_more, rows.has_more());
  sink.buffer() += count_text(row_count, has_more, table);
  return sink.finish();
}

}  // namespace signalbook::cli
