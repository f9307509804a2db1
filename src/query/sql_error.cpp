#include "query/sql_error.h"

namespace signalbook {

Status duckdb_error(const std::string& message) {
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
    return Status::invalid(message + "\nsignalbook sql reads only files of " + store_path);
  }
  if (message.starts_with("Catalog Error: Table with name")) {
    return Status::invalid(message +
                           "\nThe views are strategies, traces, bars and runs; DESCRIBE strategies shows its "
                           "columns.");
  }
  return status;
}

Status refusal(const std::string& what) {
  return Status::invalid("signalbook sql only reads: one SELECT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE statement; " +
                         what);
}

}  // namespace signalbook
