// What a journal costs: changes appended one by one, made durable in groups, and read back. In each turn
//   append   changes until they are in the system's hands, nothing made durable
//   durable  the same with group sync, as JournalOptions has it, and a sync at the end
//   plain    the same bytes by write() in pieces of a MB, with fdatasync after as many bytes and at the end
//   scan     the journal read back, all of it decoded
// one after the other, in a directory of its own; then prints the medians as one line of JSON.
//
// usage: bench_journal DIRECTORY [--changes N] [--turns N]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "journal/journal_file.h"

namespace signalbook {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kNever = int64_t{1} << 60;
constexpr uint32_t kTraces = 1640;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Bar by bar over all traces, as a sweep that streams.
Status write_journal(FileSystem& files, const std::string& path, int64_t change_count, const JournalOptions& options,
                     bool durable) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<JournalWriter> writer,
                      JournalWriter::create(files, path, {.writer = "main"}, options));
  uint32_t trace = 0, bar = 0;
  for (int64_t i = 0; i < change_count; ++i) {
    writer->batch().changes.push_back({.trace = trace, .bar = bar, .value = static_cast<double>(i % 3) - 1.0});
    if (++trace == kTraces) {
      trace = 0;
      ++bar;
    }
    writer->batch().position = i + 1;
    SB_RETURN_IF_ERROR(writer->write_if_large());
  }
  return durable ? writer->sync() : writer->write();
}

Status write_plainly(FileSystem& files, const std::string& path, const std::string& bytes) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<AppendFile> file, files.create_append_file(path));
  const JournalOptions options;
  int64_t waiting = 0;
  for (size_t begin = 0; begin < bytes.size(); begin += static_cast<size_t>(options.frame_bytes)) {
    const std::string_view piece = std::string_view(bytes).substr(begin, static_cast<size_t>(options.frame_bytes));
    SB_RETURN_IF_ERROR(file->append(piece));
    waiting += static_cast<int64_t>(piece.size());
    if (waiting < options.sync_bytes) continue;
    SB_RETURN_IF_ERROR(file->sync());
    waiting = 0;
  }
  return file->sync();
}

Status read_journal(FileSystem& files, const std::string& path, int64_t change_count) {
  int64_t found = 0;
  const auto scan = scan_journal(files, path, std::nullopt, [&](const JournalBatch& batch, const JournalPlace&) {
    found += static_cast<int64_t>(batch.changes.size());
    return Status();
  });
  SB_RETURN_IF_ERROR(scan.status());
  return found == change_count ? Status()
                               : Status::damaged(fmt::format("{} changes in place of {}", found, change_count));
}

Status measure(const std::string& directory, int64_t change_count, int turns) {
  FileSystem& files = posix_file_system();
  std::vector<double> append, durable, plain, scan, ratio;
  size_t byte_count = 0;
  for (int turn = 0; turn < turns; ++turn) {
    const auto path = [&](const char* what) { return join_path(directory, fmt::format("{}-{}", what, turn)); };
    const auto timed = [](std::vector<double>& seconds, auto call) {
      const Clock::time_point start = Clock::now();
      const Status status = call();
      seconds.push_back(seconds_since(start));
      return status;
    };
    const JournalOptions never{.sync_bytes = kNever, .sync_milliseconds = kNever};
    SB_RETURN_IF_ERROR(timed(append, [&] { return write_journal(files, path("append"), change_count, never, false); }));
    SB_ASSIGN_OR_RETURN(const std::string bytes, files.read_file(path("append")));
    byte_count = bytes.size();
    SB_RETURN_IF_ERROR(files.remove_file(path("append")));
    const auto run_plain = [&] { return timed(plain, [&] { return write_plainly(files, path("plain"), bytes); }); };
    if (turn % 2 == 0) SB_RETURN_IF_ERROR(run_plain());
    SB_RETURN_IF_ERROR(timed(durable, [&] { return write_journal(files, path("durable"), change_count, {}, true); }));
    if (turn % 2 == 1) SB_RETURN_IF_ERROR(run_plain());
    SB_RETURN_IF_ERROR(timed(scan, [&] { return read_journal(files, path("durable"), change_count); }));
    ratio.push_back(plain.back() / durable.back());
    for (const char* what : {"plain", "durable"}) SB_RETURN_IF_ERROR(files.remove_file(path(what)));
  }
  const auto changes = static_cast<double>(change_count), megabytes = static_cast<double>(byte_count) / 1e6;
  fmt::print(R"({{"bytes_a_change": {:.2f}, "append_million_a_second": {:.1f}, "durable_mb_a_second": {:.0f}, )"
             R"("plain_mb_a_second": {:.0f}, "durable_to_plain": {:.2f}, "scan_mb_a_second": {:.0f}}})"
             "\n",
             static_cast<double>(byte_count) / changes, changes / median(append) / 1e6, megabytes / median(durable),
             megabytes / median(plain), median(ratio), megabytes / median(scan));
  return Status();
}

}  // namespace
}  // namespace signalbook

int main(int argc, char** argv) {
  CLI::App app("Times a journal beside a plain file.");
  std::string directory;
  int64_t changes = 10'000'000;
  int turns = 5;
  app.add_option("directory", directory, "for files that are removed again")->required()->check(CLI::ExistingDirectory);
  app.add_option("--changes", changes)->check(CLI::PositiveNumber);
  app.add_option("--turns", turns)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const signalbook::Status status = signalbook::measure(directory, changes, turns);
  if (!status.ok()) fmt::print(stderr, "bench_journal: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
