#include "cli/output_formats.h"

namespace signalbook::cli {

namespace {

// RFC 4180, but for its line ends: \n, as every tool here writes. NULL is empty and the empty text is "".
void append_csv_field(const std::string& field, bool must_quote, std::string& out) {
  if (!must_quote && field.find_first_of(",\"\r\n") == std::string::npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += c;
    out += c;
  }
  out += '"';
}

}  // namespace

Status write_csv(ResultRows& rows, OutputSink& sink) {
  const size_t column_count = rows.columns().size();
  std::string& out = sink.buffer();
  for (size_t c = 0; c < column_count; ++c) {
    if (c > 0) out += ',';
    append_csv_field(rows.columns()[c].name, false, out);
  }
  out += '\n';
  std::string field;
  for (;;) {
    SB_ASSIGN_OR_RETURN(const bool is_row, rows.next());
    if (!is_row) return sink.finish();
    for (size_t c = 0; c < column_count; ++c) {
      if (c > 0) out += ',';
      field.clear();
      SB_RETURN_IF_ERROR(rows.append_value(c, CellStyle::text, field));
      // A line with nothing on it is no row to most readers.
      const bool is_empty_text = field.empty() && (!rows.is_null(c) || column_count == 1);
      append_csv_field(field, is_empty_text, out);
    }
    out += '\n';
    SB_RETURN_IF_ERROR(sink.flush_if_large());
  }
}

}  // namespace signalbook::cli
