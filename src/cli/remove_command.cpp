#include <fmt/format.h>

#include "cli/commands.h"
#include "store/remove_run.h"

namespace signalbook::cli {

Status run_remove(const RemoveCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const int64_t now, current_time());
  for (const std::string& name : options.runs) {
    SB_ASSIGN_OR_RETURN(const std::string run, find_run_directory(name, options.common));
    SB_ASSIGN_OR_RETURN(const RemovedRun removed,
                        remove_run(posix_file_system(), run,
                                   {.takes_unfinished = options.unfinished, .is_dry = options.is_dry, .now = now}));
    for (const std::string& note : removed.notes) print_note(options.common, "note: " + note);
    if (options.common.quiet) continue;
    print_out("{} {}{}: {}, {} bytes\n", options.is_dry ? "would remove" : "removed", escape_lines(run),
              removed.was_finished ? "" : " (not finished)", count_of(removed.file_count, "file"),
              with_separators(removed.byte_count));
    for (const MovedFile& file : removed.moved) {
      print_out("  {}: no file of a run, {} to {}\n", escape_lines(file.from),
                options.is_dry ? "would be moved" : "moved", escape_lines(file.to));
    }
  }
  return Status();
}

}  // namespace signalbook::cli
