#include "query/sql_error.h"

#include <optional>

namespace signalbook {

namespace {

// In front of what a function says, with the number of its code behind it.
constexpr std::string_view kOurs = "signalbook failure ";

// What function_error() wrote, wherever it stands.
std::optional<Status> function_failure(const std::string& text) {
  const size_t place = text.find(kOurs);
  const size_t digit = place + kOurs.size();
  if (place == std::string::npos || digit + 2 > text.size()) return std::nullopt;
  std::string message = text.substr(digit + 2);
  switch (static_cast<StatusCode>(text[digit] - '0')) {
    case StatusCode::ok:
      return std::nullopt;
    case StatusCode::not_found:
      return Status::not_found(std::move(message));
    case StatusCode::invalid:
      return Status::invalid(std::move(message));
    case StatusCode::damaged:
      return Status::damaged(std::move(message));
    case StatusCode::io_error:
      return Status::io_error(std::move(message));
  }
  return std::nullopt;
}

}  // namespace

std::string function_error(const Status& status) {
  return std::string(kOurs) + static_cast<char>('0' + static_cast<int>(status.code())) + ":" + status.message();
}

Status duckdb_error(const std::string& text) {
  if (std::optional<Status> ours = function_failure(text)) return *std::move(ours);
  // What our own functions say reaches us as DuckDB's, and what DuckDB says to them by its name twice.
  constexpr std::string_view kFunction = "Invalid Input Error: ";
  const std::string said = text.starts_with(kFunction) ? text.substr(kFunction.size()) : text;
  const size_t kind = said.find(" Error: ");
  constexpr size_t kLongestKind = 30;
  const std::string message = said.starts_with("read_parquet('") || kind < kLongestKind ? said : text;
  if (message.find("the trace is missing") != std::string::npos) return Status::damaged(message);
  if (message.find("is left out, because it cannot be read") != std::string::npos) return Status::damaged(message);
  if (message.find("there is no such file in") != std::string::npos) return Status::not_found(message);
  if (message.find("No files found that match") != std::string::npos) return Status::not_found(message);
  for (const char* sign : {"No magic bytes found", "TProtocolException", "Corrupt", "corrupt", "Failed to read Parquet",
                           "Footer length error"}) {
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
    return Status::invalid(
        message +
        "\nThe views are strategies, components, runs, traces, trades, bars, metrics and hash_history; DESCRIBE "
        "strategies shows its columns.");
  }
  // What PathCalls rewrites in a SELECT stays as it is in other statements.
  if (message.find("does not support lateral join column parameters") != std::string::npos) {
    return Status::invalid(message +
                           "\nread_parquet over a column works in a SELECT, and not inside COPY or CREATE: send the "
                           "SELECT by itself with --format parquet > file, or name the files in quotes");
  }
  return status;
}

Status no_access(const std::string& path) {
  return Status::invalid("Permission Error: Cannot access file \"" + path +
                         "\" - file system operations are disabled by configuration");
}

Status refusal(const std::string& what) {
  return Status::invalid("signalbook sql only reads: one SELECT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE statement; " +
                         what + "; --unconfined opens it up");
}

}  // namespace signalbook
