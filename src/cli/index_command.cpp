#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/recovery_text.h"
#include "cli/text_table.h"
#include "store/rebuild_index.h"

namespace signalbook::cli {

Status run_index_rebuild(const IndexRebuildOptions& options) {
  SB_ASSIGN_OR_RETURN(const std::string run, find_run_directory(options.run, options.common));
  SB_ASSIGN_OR_RETURN(const int64_t now, current_time());
  ProgressBar bar(options.common.quiet);
  SB_ASSIGN_OR_RETURN(
      const RebuildReport report,
      rebuild_index(posix_file_system(), run,
                    {.is_dry = false, .now = now, .threads = options.threads, .progress = bar.callback()}));
  bar.hide();
  if (!options.common.quiet) {
    print_out("{}: {}\n", escape_control_characters(to_valid_utf8(run)),
              report.changed ? "its index is made anew" : "its index says what the traces say, nothing was changed");
    print_fact("traces", count_traces(report.summary));
    for (const std::string& line : report.damage) print_fact("damage", line);
    for (const std::string& line : report.missing) print_fact("damage", line);
    for (const std::string& line : report.remarks) print_fact("note", line);
    print_moved(report.moved, /*is_dry=*/false);
  }
  const size_t count = report.damage.size() + report.missing.size();
  if (count == 0) return Status();
  const char* const rest = report.damage.empty() ? "what is missing is left out"
                           : report.missing.empty()
                               ? "what could not be read is left out, and stays in the run or in lost+found"
                               : "what is missing or could not be read is left out; what is there stays in the run or "
                                 "in lost+found";
  return Status::damaged(fmt::format("{}: {} of damage; {}", run, count_of(static_cast<int64_t>(count), "case"), rest));
}

}  // namespace signalbook::cli
