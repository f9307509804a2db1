// How long a statement takes in a process that is warm already: opens the scope around a directory, runs the statements
// in turn, N runs in all, reads each answer to its end and prints one line of JSON. `first_ms` is the first of them, in
// which the views are written; `open_ms` is what comes before it. `rows` and `value`, the sum of the first column where
// that is of whole numbers, are those of the last answer.
//
// usage: bench_sql_time DIRECTORY N SQL...
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "query/arrow_c_stream.h"
#include "query/sql_engine.h"
#include "support.h"

namespace signalbook {
namespace {

struct Answer {
  int64_t rows = 0;
  std::optional<int64_t> value;
};

template <typename T>
int64_t sum(const ArrowArray& column) {
  const T* values = static_cast<const T*>(column.buffers[1]) + column.offset;
  return std::accumulate(values, values + column.length, int64_t{0});
}

// Of a column of 32 or 64 bits without nulls.
std::optional<int64_t> sum_of(const ArrowArray& column, std::string_view format) {
  if (column.null_count > 0) return std::nullopt;
  if (format == "i") return sum<int32_t>(column);
  if (format == "l") return sum<int64_t>(column);
  return std::nullopt;
}

Result<Answer> run(SqlEngine& engine, const std::string& sql) {
  ArrowArrayStream stream = {};
  SB_RETURN_IF_ERROR(engine.query(sql, &stream));
  ArrowSchema schema = {};
  std::string format;
  if (stream.get_schema(&stream, &schema) == 0) {
    format = schema.children[0]->format;
    schema.release(&schema);
  }
  Answer answer;
  if (format == "i" || format == "l") answer.value = 0;
  Status status;
  for (;;) {
    ArrowArray batch = {};
    if (stream.get_next(&stream, &batch) != 0) {
      status = Status::io_error(stream.get_last_error(&stream));
      break;
    }
    if (batch.release == nullptr) break;
    answer.rows += batch.length;
    const std::optional<int64_t> part = sum_of(*batch.children[0], format);
    answer.value = answer.value && part ? std::optional(*answer.value + *part) : std::nullopt;
    batch.release(&batch);
  }
  stream.release(&stream);
  if (!status.ok()) return status;
  return answer;
}

Status measure(const std::string& directory, size_t count, const std::vector<std::string>& statements) {
  FileSystem& files = posix_file_system();
  const Stopwatch opening;
  SB_ASSIGN_OR_RETURN(const Scope scope, locate_scope(files, directory));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<SqlEngine> engine, SqlEngine::open(files, scope));
  const double open_ms = opening.seconds() * 1e3;
  std::vector<double> times;
  Answer answer;
  for (size_t i = 0; i < count; ++i) {
    const Stopwatch one;
    SB_ASSIGN_OR_RETURN(answer, run(*engine, statements[i % statements.size()]));
    times.push_back(one.seconds() * 1e3);
  }
  fmt::print(R"({{"open_ms": {:.3f}, "first_ms": {:.3f}, "ms": [{:.4f}], "rows": {}, {}"peak_mb": {:.1f}}})"
             "\n",
             open_ms, times.front(), fmt::join(times.begin() + 1, times.end(), ", "), answer.rows,
             answer.value ? fmt::format(R"("value": {}, )", *answer.value) : "", peak_memory_mb());
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Times a statement in a warm process.");
  std::string directory;
  std::vector<std::string> statements;
  size_t count = 0;
  app.add_option("directory", directory, "in or above a store")->required();
  app.add_option("count", count)->required()->check(CLI::PositiveNumber);
  app.add_option("sql", statements)->required();
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = signalbook::measure(directory, count, statements);
  if (!status.ok()) fmt::print(stderr, "bench_sql_time: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
