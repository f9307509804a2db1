#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/recovery_text.h"
#include "cli/text_table.h"
#include "format/trace_schema.h"
#include "store/recover_run.h"
#include "store/run_inspection.h"

namespace signalbook::cli {

namespace {

// What was done, behind the run's name.
std::string outcome(const RecoveryReport& report, bool is_dry) {
  switch (report.action) {
    case RecoveryAction::keep:
      if (!report.damage.empty()) return "is not whole, and nothing here can mend it";
      if (report.moved.empty()) return "is whole, there is nothing to do";
      return is_dry ? "is whole, and would be rid of what does not belong to it"
                    : "is whole, and rid of what does not belong to it";
    case RecoveryAction::clean:
      return is_dry ? "would be rid of its journals" : "is rid of its journals";
    case RecoveryAction::finish:
      return is_dry ? "would be finished" : "finished";
    case RecoveryAction::rebuild:
      return is_dry ? "its index would be made anew" : "its index is made anew";
    case RecoveryAction::set_aside:
      return is_dry ? "would be moved to lost+found" : "moved to lost+found";
    case RecoveryAction::refuse:
      return "nothing was touched";
  }
  return "";
}

void print_report(const std::string& run, const RecoveryReport& report, bool is_dry) {
  print_out("{}: {}\n", escape_control_characters(to_valid_utf8(run)), outcome(report, is_dry));
  print_fact("because", report.why);
  const RecoveryFacts& facts = report.facts;
  if (!report.alive_writers.empty()) {
    print_fact("writers", fmt::format("{}", fmt::join(report.alive_writers, ", ")));
    return;
  }
  print_fact("found",
             fmt::format("journal {}, bars {}, index {}, run.json {}, traces {}", to_text(facts.journal),
                         to_text(facts.bars), to_text(facts.index), to_text(facts.description), to_text(facts.traces)));
  const bool makes_tables = report.action == RecoveryAction::finish || report.action == RecoveryAction::rebuild;
  if (makes_tables && !is_dry) {
    print_fact("traces", count_traces(report.summary));
  } else if (report.is_whole()) {
    print_fact("traces", with_separators(report.summary.trace_count));
  }
  if (report.torn_bytes > 0) {
    print_fact("dropped", fmt::format("{} bytes at the ends of journals, which the crash cut off; they were never "
                                      "acknowledged",
                                      with_separators(report.torn_bytes)));
  }
  for (const std::string& line : report.damage) print_fact("damage", line);
  for (const std::string& line : report.remarks) print_fact("note", line);
  for (const std::string& line : report.summary.warnings) print_fact("note", line);
  print_moved(report.moved, is_dry);
}

Status judge(const std::string& run, const RecoveryReport& report, bool is_dry) {
  if (!report.alive_writers.empty()) {
    return Status::invalid(fmt::format("{} is being written by {}: wait until it ends, or end it", run,
                                       fmt::join(report.alive_writers, ", ")));
  }
  if (report.action == RecoveryAction::refuse) return Status::damaged(run + ": " + report.why);
  if (!report.damage.empty()) {
    const char* const rest = report.action == RecoveryAction::set_aside ? "nothing could be read"
                             : report.action == RecoveryAction::keep    ? "bring these files back from a copy"
                             : is_dry                                   ? "what can be read would be saved"
                                                                        : "what could be read is saved";
    return Status::damaged(fmt::format("{}: {} case{} of damage; {}", run, report.damage.size(),
                                       report.damage.size() == 1 ? "" : "s", rest));
  }
  if (report.action == RecoveryAction::set_aside) return Status::not_found(run + ": " + report.why);
  return Status();
}

Status recover_one(const std::string& run, const RecoverCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const int64_t now, current_time());
  ProgressBar bar(options.common.quiet);
  SB_ASSIGN_OR_RETURN(
      const RecoveryReport report,
      recover_run(posix_file_system(), run,
                  {.is_dry = options.is_dry, .now = now, .threads = options.threads, .progress = bar.callback()}));
  bar.hide();
  if (!options.common.quiet) print_report(run, report, options.is_dry);
  return judge(run, report, options.is_dry);
}

// Every unfinished run of a store in turn. The worst of what happened is the answer.
Status recover_store(const std::string& store, const RecoverCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> runs, list_unfinished_runs(posix_file_system(), store));
  if (runs.empty() && !options.common.quiet) print_out("{}: every run is finished\n", store);
  Status worst;
  std::vector<std::string> failed;
  for (const std::string& run : runs) {
    Status status = recover_one(join_path(store == "." ? "" : store, run), options);
    if (status.ok()) continue;
    failed.push_back(run);
    if (status.code() > worst.code()) worst = std::move(status);
  }
  if (failed.size() < 2) return worst;
  const Status all =
      worst.at(fmt::format("{} of {} runs need a look ({})", failed.size(), runs.size(), fmt::join(failed, ", ")));
  return all;
}

}  // namespace

Status run_recover(const RecoverCommandOptions& options) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(const std::string path, find_run_directory(options.run, options.common));
  SB_ASSIGN_OR_RETURN(const bool is_run, looks_like_run(files, path));
  if (is_run) return recover_one(path, options);
  SB_ASSIGN_OR_RETURN(const bool is_store,
                      files.file_exists(join_path(join_path(path, file::kStoreDirectory), file::kStoreMarker)));
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> unfinished, list_unfinished_runs(files, path));
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> finished, list_runs(files, path));
  if (is_store || !unfinished.empty() || !finished.empty()) return recover_store(path, options);
  return Status::not_found(fmt::format("{} is no run, nor what is left of one, and no store", path));
}

}  // namespace signalbook::cli
