// A finished run read through the C++ API. Prints one line of JSON.
//   bench_reading RUN --hashes FILE     the trace of each of the hashes in the file, one after the other: `seconds` is
//                                       the median of all but the first, `first_seconds` that with the opening before
//   bench_reading RUN --dense           every trace, from the opening of the run on, into one dense int8 matrix [bars,
//                                       strategies]; strategy_<n> is column n, and what is not observed is 0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/parallel_for.h"
#include "store/run_reader.h"
#include "support.h"

namespace signalbook {
namespace {

Status read_by_hash(const std::string& run_path, const std::string& hashes_path) {
  SB_ASSIGN_OR_RETURN(const std::string hashes, posix_file_system().read_file(hashes_path));
  const Stopwatch opening;
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunReader> run, RunReader::open(posix_file_system(), run_path));
  const double open_seconds = opening.seconds();
  std::vector<double> seconds;
  int64_t rows = 0, idx_sum = 0;
  for (const std::string_view hash : split_lines(hashes)) {
    const Stopwatch one;
    SB_ASSIGN_OR_RETURN(const std::vector<const IndexRow*> found, run->find(hash));
    SB_ASSIGN_OR_RETURN(const Trace trace, run->read_trace(*found.front()));
    seconds.push_back(one.seconds());
    rows += static_cast<int64_t>(trace.changes.size());
    for (const BarIndex idx : trace.changes.idx) idx_sum += idx;
  }
  const double first = open_seconds + seconds.front();
  if (seconds.size() > 1) seconds.erase(seconds.begin());
  fmt::print(R"({{"seconds": {:.9f}, "min_seconds": {:.9f}, "first_seconds": {:.6f}, "open_seconds": {:.6f}, )"
             R"("peak_mb": {:.1f}, "answer": {{"rows": {}, "idx_sum": {}}}}})"
             "\n",
             median(seconds), *std::min_element(seconds.begin(), seconds.end()), first, open_seconds, peak_memory_mb(),
             rows, idx_sum);
  return Status();
}

// The values of some traces, each contiguous.
Status decode_block(RunReader& run, std::span<const IndexRow> rows, size_t bars, std::vector<int8_t>& block) {
  block.assign(rows.size() * bars, 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    SB_ASSIGN_OR_RETURN(const TraceChanges trace, run.read_changes(rows[i]));
    const SignalChanges& changes = trace.changes;
    int8_t* values = block.data() + i * bars;
    for (size_t k = 0; k < changes.size(); ++k) {
      const auto end = k + 1 < changes.size() ? changes.idx[k + 1] : static_cast<BarIndex>(bars);
      std::fill(values + changes.idx[k], values + end, static_cast<int8_t>(changes.values[k]));
    }
  }
  return Status();
}

Status read_dense(const std::string& run_path) {
  const Stopwatch whole;
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<RunReader> run, RunReader::open(posix_file_system(), run_path));
  const std::span<const IndexRow> rows = run->rows();
  const auto bars = static_cast<size_t>(run->description().feeds.front().bar_count);
  std::vector<int8_t> dense(bars * rows.size());
  constexpr size_t kTracesABlock = 64;  // a cache line of each row of the matrix
  const size_t blocks = (rows.size() + kTracesABlock - 1) / kTracesABlock;
  const Status status = parallel_for(blocks, 0, [&](size_t b) {
    const auto block_rows = rows.subspan(b * kTracesABlock, std::min(kTracesABlock, rows.size() - b * kTracesABlock));
    std::vector<int8_t> block;
    SB_RETURN_IF_ERROR(decode_block(*run, block_rows, bars, block));
    std::vector<size_t> columns;
    for (const IndexRow& row : block_rows) {
      columns.push_back(static_cast<size_t>(std::stoll(row.strategy_id.substr(std::strlen("strategy_")))));
    }
    for (size_t bar = 0; bar < bars; ++bar) {
      for (size_t i = 0; i < columns.size(); ++i) dense[bar * rows.size() + columns[i]] = block[i * bars + bar];
    }
    return Status();
  });
  if (!status.ok()) return status;
  const double seconds = whole.seconds();
  const std::string_view bytes(reinterpret_cast<const char*>(dense.data()), dense.size());
  fmt::print(R"({{"seconds": {:.6f}, "peak_mb": {:.1f}, "answer": {{"sha256": "{}"}}}})"
             "\n",
             seconds, peak_memory_mb(), to_hex(sha256(bytes)));
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Times the reading of a run.");
  std::string run, hashes;
  bool dense = false;
  app.add_option("run", run)->required();
  auto* by_hash = app.add_option("--hashes", hashes, "a hash a line")->check(CLI::ExistingFile);
  app.add_flag("--dense", dense)->excludes(by_hash);
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = dense ? signalbook::read_dense(run) : signalbook::read_by_hash(run, hashes);
  if (!status.ok()) fmt::print(stderr, "bench_reading: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
