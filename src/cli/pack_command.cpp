#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "store/repack_run.h"

namespace signalbook::cli {

namespace {

double in_megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

Status run_pack(const PackCommandOptions& options, bool to_packs, int* interrupted_by) {
  if (options.columns != "few" && options.columns != "full") {
    return Status::invalid(fmt::format("--columns {} is unknown; there are few and full", options.columns));
  }
  SB_ASSIGN_OR_RETURN(const std::string run, find_run_directory(options.run, options.common));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<Interrupt> interrupt, Interrupt::catch_signals());
  RepackOptions repack = {.to_packs = to_packs, .packs = {}, .threads = options.threads};
  if (options.columns == "full") repack.packs.columns = PackColumns::full;
  repack.interrupt = &interrupt->signal_number();
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar(options.common.quiet);
  repack.progress = bar.counter((to_packs ? "pack " : "unpack ") + file_name_of(run), "traces");
  const Result<RepackReport> report = repack_run(posix_file_system(), run, repack);
  bar.hide();
  if (!report.ok() && interrupt->signal_number() != 0) {
    *interrupted_by = interrupt->signal_number();
    say_on_stderr(fmt::format("signalbook: interrupted: the traces of {} lie as they did", run));
    return Status();
  }
  SB_RETURN_IF_ERROR(report.status());
  if (options.common.quiet) return Status();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const char* const done = to_packs ? "packed" : "unpacked";
  const std::string name = escape_lines(run), traces = count_of(report->trace_count, "trace");
  if (report->was_so) {
    const std::string left = report->removed_count == 0 ? "nothing was changed"
                                                        : fmt::format("{} left over by an attempt that died removed",
                                                                      count_of(report->removed_count, "file"));
    print_out("{} is {} already: {}, {}\n", name, done, traces, left);
  } else {
    print_out("{} {}: {}, {:.1f} MB before, {:.1f} MB now, {:.2f} s\n", done, name, traces,
              in_megabytes(report->bytes_before), in_megabytes(report->bytes_after), seconds.count());
  }
  return Status();
}

}  // namespace signalbook::cli
