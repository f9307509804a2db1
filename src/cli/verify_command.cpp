#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/text_table.h"
#include "query/catalog.h"
#include "store/verify_run.h"

namespace signalbook::cli {

namespace {

std::string count_of(int64_t count, const char* what) {
  return fmt::format("{} {}{}", with_separators(count), what, count == 1 ? "" : "s");
}

}  // namespace

Status run_verify(const VerifyOptions& options) {
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  const auto print = [](const Finding& finding) {
    const std::string place = finding.run_id.empty() ? "" : finding.run_id + ": ";
    fmt::print("{}\n", escape_control_characters(to_valid_utf8(place + finding.what)));
  };
  SB_ASSIGN_OR_RETURN(VerifySummary summary, verify_scope(posix_file_system(), scope, print));
  if (!scope.run_path.has_value()) {
    for (const std::string& file : Catalog::damaged_files(posix_file_system(), scope.store_path)) {
      fmt::print("catalogue: {} is not what was written; make it anew with signalbook catalog --rebuild\n", file);
      ++summary.problem_count;
    }
  }
  const std::string read = fmt::format("{}, {}, {} of bars", count_of(summary.run_count, "run"),
                                       count_of(summary.trace_count, "trace"), count_of(summary.bars_count, "file"));
  if (summary.damage_count > 0) {
    return Status::damaged(
        fmt::format("{} read: {} of damage, {}; bring these files back from a copy, or record the "
                    "run again",
                    read, count_of(summary.damage_count, "case"), count_of(summary.problem_count, "other finding")));
  }
  if (summary.problem_count > 0) {
    return Status::not_found(fmt::format("{} read: every file is the one that was recorded; {}", read,
                                         count_of(summary.problem_count, "other finding")));
  }
  if (!options.common.quiet) fmt::print("{} read: every file is the one that was recorded\n", read);
  return Status();
}

}  // namespace signalbook::cli
