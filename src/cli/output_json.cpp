#include "cli/output_formats.h"

namespace signalbook::cli {

// An array with one object a line.
Status write_json(ResultRows& rows, OutputSink& sink) {
  std::vector<std::string> keys;
  for (const ResultColumn& column : rows.columns()) keys.push_back(column.name);
  keys = distinct_names(keys);
  for (std::string& key : keys) {
    std::string quoted;
    append_json_text(key, quoted);
    key = std::move(quoted);
  }
  std::string& out = sink.buffer();
  const char* separator = "[\n";
  for (;;) {
    SB_ASSIGN_OR_RETURN(const bool is_row, rows.next());
    if (!is_row) break;
    out += separator;
    separator = ",\n";
    for (size_t c = 0; c < keys.size(); ++c) {
      out += c == 0 ? '{' : ',';
      out += keys[c];
      out += ':';
      SB_RETURN_IF_ERROR(rows.append_value(c, CellStyle::json, out));
    }
    out += '}';
    SB_RETURN_IF_ERROR(sink.flush_if_large());
  }
  out += *separator == '[' ? "[]\n" : "\n]\n";
  return sink.finish();
}

}  // namespace signalbook::cli
