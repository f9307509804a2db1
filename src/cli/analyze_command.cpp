#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "cli/analyze_questions.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/metric_terms_input.h"
#include "cli/progress_bar.h"
#include "cli/study_scope.h"
#include "study/analyze_run.h"

namespace signalbook::cli {

namespace {

void print_report(const std::string& run, const AnalyzeReport& report, double seconds) {
  const std::string where = report.set_name == kIndexSet ? "its index" : fmt::format("metric set {}", report.set_name);
  std::string line = fmt::format("{} {}: ", report.was_there ? "has been analysed" : "analysed", escape_lines(run));
  line += fmt::format("{} in {}", count_of(report.trace_count, "trace"), where);
  if (report.classifier_count > 0) {
    line += fmt::format(", {} without figures", count_of(report.classifier_count, "classifier"));
  }
  if (report.outside_count > 0) {
    line += fmt::format(", {} without a bar to compute on", count_of(report.outside_count, "trace"));
  }
  if (!report.was_there) line += fmt::format(", {:.2f} s", seconds);
  print_out("{}\n", line);
}

Status analyze_one(const std::string& run, AnalyzeOptions analysis, const AnalyzeCommandOptions& options) {
  if (!options.drop.empty()) {
    SB_RETURN_IF_ERROR(drop_metric_set(posix_file_system(), run, options.drop));
    if (!options.common.quiet) print_out("removed metric set {} of {}\n", options.drop, escape_lines(run));
    return Status();
  }
  const auto start = std::chrono::steady_clock::now();
  ProgressBar bar(options.common.quiet);
  analysis.control.progress = bar.counter("analyze " + file_name_of(run), "traces");
  SB_ASSIGN_OR_RETURN(const AnalyzeReport report, analyze_run(posix_file_system(), run, analysis));
  bar.hide();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (!options.common.quiet) print_report(run, report, seconds.count());
  return Status();
}

}  // namespace

Status run_analyze(const AnalyzeCommandOptions& options, int* interrupted_by) {
  SB_ASSIGN_OR_RETURN(AnalyzeOptions analysis, read_analyze_options(options));
  SB_ASSIGN_OR_RETURN(const AnalyzeQuestion question, find_question(options));
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<Interrupt> interrupt, Interrupt::catch_signals());
  analysis.control.interrupt = &interrupt->signal_number();
  if (question != nullptr) {
    ProgressBar bar(options.common.quiet);
    analysis.control.progress = bar.counter("analyze", "steps");
    Status answer = question(options, analysis.control);
    *interrupted_by = interrupt->signal_number();
    return *interrupted_by != 0 ? Status() : answer;
  }
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, find_analyzed_runs(options));
  Status worst;
  std::vector<std::string> failed;
  for (const auto& [run_id, run] : runs) {
    Status status = analyze_one(run, analysis, options);
    if (interrupt->signal_number() != 0) {
      *interrupted_by = interrupt->signal_number();
      say_on_stderr(fmt::format("signalbook: interrupted: figures of {} are as they were", run));
      return Status();
    }
    if (status.ok()) continue;
    if (runs.size() > 1) say_on_stderr("signalbook: " + status.message());
    failed.push_back(run_id);
    if (status.code() > worst.code()) worst = std::move(status);
  }
  if (failed.empty() || runs.size() == 1) return worst;
  return worst.at(fmt::format("{} of {} runs failed ({})", failed.size(), runs.size(), fmt::join(failed, ", ")));
}

}  // namespace signalbook::cli
