#include "query/sql_error.h"

namespace signalbook {

Status duckdb_error(const std::string& text) {
  // What our own functions say reaches us as DuckDB's.
  constexpr std::string_view kOurs = "Invalid Input Error: read_parquet('";
  const std::string message = text.starts_with(kOurs) ? text.substr(text.find("read_parquet")) : text;
  if (message.find("the trace is missing") != std::string::npos) return Status::damaged(message);
  if (message.find("there is no such file in") != std::string::npos) return Status::not_found(message);
  if (message.find("No files found that match") != std::string::npos) return Status::not_found(message);
  for (const char* sign :
       {"No magic bytes found", "TProtocolException", "Corrupt", "corrupt", "Failed to read Parquet"}) {
    if (message.find(sign) != std::string::npos) return Status::damaged(message);
  }
  if (message.starts_with("IO Error")) return Status::io_error(message);
  return Status::invalid(message);
}

Status explain_error(const Status& status, const std::string& store_path) {
  const std::string& message = status.message();
  if (message.find("file system operations are disabled") != std::string::npos) {
    return Status::invalid(message + "\nsignalbook sql reads only files of " + store_path +
                           "; --unconfined lets it read any");
  }
  if (message.starts_with("Catalog Error: Table with name")) {
    return Status::invalid(message +
                           "\nThe views are strategies, traces, bars and runs; DESCRIBE strategies shows its "
                           "columns.");
  }
  // What PathCalls rewrites in a SELECT stays as it is in other statements.
  if (message.find("does not support lateral join column parameters") != std::string::npos) {
    return Status::invalid(message +
                           "\nread_parquet over a column works in a SELECT, and not inside COPY or CREATE: send the "
                           "SELECT by itself with --format parquet > file, or name the files in quotes");
  }
  return status;
}

Status refusal(const std::string& what) {
  return Status::invalid("signalbook sql only reads: one SELECT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE statement; " +
                         what + "; --unconfined opens it up");
}

}  // namespace signalbook
