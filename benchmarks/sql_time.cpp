// How long a statement takes in a process that is warm already: opens the scope around a directory, runs the statement
// N times, reads each answer to its end and prints one line of JSON. `first_ms` is the first of them, in which the
// views are written; `open_ms` is what comes before it.
//
// usage: bench_sql_time DIRECTORY N SQL
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"

namespace signalbook {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The most memory this process has held. getrusage would count that of the process it was forked from.
double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024.0;
  }
  return 0.0;
}

// Rows of the answer.
Result<int64_t> run(SqlEngine& engine, const std::string& sql) {
  ArrowArrayStream stream = {};
  SB_RETURN_IF_ERROR(engine.query(sql, &stream));
  int64_t rows = 0;
  Status status;
  for (;;) {
    ArrowArray batch = {};
    if (stream.get_next(&stream, &batch) != 0) {
      status = Status::io_error(stream.get_last_error(&stream));
      break;
    }
    if (batch.release == nullptr) break;
    rows += batch.length;
    batch.release(&batch);
  }
  stream.release(&stream);
  if (!status.ok()) return status;
  return rows;
}

Status measure(const std::string& directory, int count, const std::string& sql) {
  FileSystem& files = posix_file_system();
  const Clock::time_point start = Clock::now();
  SB_ASSIGN_OR_RETURN(const Scope scope, locate_scope(files, directory));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, SqlEngine::open(files, scope));
  const double open_ms = milliseconds_since(start);
  std::vector<double> times;
  int64_t rows = 0;
  for (int i = 0; i < count; ++i) {
    const Clock::time_point begin = Clock::now();
    SB_ASSIGN_OR_RETURN(rows, run(*engine, sql));
    times.push_back(milliseconds_since(begin));
  }
  fmt::print(R"({{"open_ms": {:.3f}, "first_ms": {:.3f}, "ms": [{:.3f}], "rows": {}, "max_rss_mb": {:.1f}}})"
             "\n",
             open_ms, times.front(), fmt::join(times.begin() + 1, times.end(), ", "), rows, peak_memory_mb());
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Times a statement in a warm process.");
  std::string directory, sql;
  int count = 0;
  app.add_option("directory", directory, "in or above a store")->required();
  app.add_option("count", count)->required()->check(CLI::PositiveNumber);
  app.add_option("sql", sql)->required();
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = signalbook::measure(directory, count, sql);
  if (!status.ok()) fmt::print(stderr, "bench_sql_time: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
