#include "store/lock_finished_run.h"

#include <fmt/format.h>

#include "format/trace_schema.h"

namespace signalbook {

Result<std::unique_ptr<RunLock>> lock_finished_run(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
  if (!is_finished) {
    return Status::not_found(fmt::format("{} is no finished run: it has no {}", run_path, file::kStrategyIndex));
  }
  SB_ASSIGN_OR_RETURN(std::unique_ptr<RunLock> lock, RunLock::take(files, run_path, /*wait=*/true));
  SB_ASSIGN_OR_RETURN(const bool has_journal, files.directory_exists(journal_directory(run_path)));
  if (!has_journal) return lock;
  return Status::invalid(
      fmt::format("{} has a journal: its commit died, or goes on; finish it with signalbook recover", run_path));
}

}  // namespace signalbook
