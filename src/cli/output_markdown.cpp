#include <string>
#include <string_view>

#include "cli/output_formats.h"
#include "cli/text_table.h"

namespace signalbook::cli {

namespace {

void append_markdown_cell(std::string_view cell, std::string& out) {
  out += ' ';
  std::string line;
  const auto end_line = [&] {
    for (const char c : escape_control_characters(line)) {
      if (c == '|') out += '\\';
      out += c;
    }
    line.clear();
  };
  for (const char c : cell) {
    if (c == '\n') {
      end_line();
      out += "<br>";
    } else if (c != '\r') {
      line += c;
    }
  }
  end_line();
  out += " |";
}

}  // namespace

Status write_markdown(ResultRows& rows, OutputSink& sink) {
  const std::vector<ResultColumn>& columns = rows.columns();
  std::string& out = sink.buffer();
  out += '|';
  for (const ResultColumn& column : columns) append_markdown_cell(column.name, out);
  out += "\n|";
  for (const ResultColumn& column : columns) {
    out += column.kind == ResultColumn::Kind::number ? " ---: |" : " --- |";
  }
  out += '\n';
  std::string cell;
  for (;;) {
    SB_ASSIGN_OR_RETURN(const bool is_row, rows.next());
    if (!is_row) return sink.finish();
    out += '|';
    for (size_t c = 0; c < columns.size(); ++c) {
      cell.clear();
      SB_RETURN_IF_ERROR(rows.append_value(c, CellStyle::rounded, cell));
      append_markdown_cell(cell, out);
    }
    out += '\n';
    SB_RETURN_IF_ERROR(sink.flush_if_large());
  }
}

}  // namespace signalbook::cli
