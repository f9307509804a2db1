#include <fmt/format.h>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/text_table.h"
#include "format/file_names.h"
#include "format/trace_schema.h"
#include "query/catalog.h"
#include "store/run_journals.h"
#include "store/verify_run.h"
#include "store/verify_trace.h"

namespace signalbook::cli {

namespace {

void print_line(const std::string& text) { print_out("{}\n", escape_control_characters(to_valid_utf8(text))); }

// A run that is not finished is one here. A store.json that is damaged is a finding, and no reason to stop.
Result<Scope> find_scope_to_verify(const CommonOptions& options) {
  std::string directory = options.store;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (!directory.empty()) {
    SB_ASSIGN_OR_RETURN(const bool has_journal, posix_file_system().directory_exists(journal_directory(directory)));
    if (has_journal) {
      SB_ASSIGN_OR_RETURN(const std::string path, posix_file_system().absolute_path(directory));
      return Scope{.store_path = parent_path(path), .run_path = path};
    }
  }
  return find_scope(options, StoreCheck::none);
}

// What vouches for a file of a store that is no trace: its run, or for what runs share their store. Nothing for any
// other file.
std::optional<std::string> find_owner(const std::string& path) {
  const std::string name = file_name_of(path), directory = parent_path(path), place = file_name_of(directory);
  if (name == file::kStrategyIndex || name == file::kStrategyComponents || name == file::kRunDescription)
    return directory;
  const bool is_among_journals = place == journal_directory("") || place == done_journal_directory("");
  const std::string stem = name.substr(0, name.find('.'));
  const bool is_bars = is_data_id(stem) && file_name_of(bars_path(stem)) == name && place == file::kBarsDirectory;
  if (is_among_journals || is_bars || (name == file::kStoreMarker && place == file::kStoreDirectory))
    return parent_path(directory);
  return std::nullopt;
}

// A trace file of its own, held to what it says of itself.
Status verify_trace_file(const std::string& path, bool quiet) {
  SB_ASSIGN_OR_RETURN(const std::string bytes, posix_file_system().read_file(path));
  const std::vector<std::string> faults = check_trace_file_alone(bytes);
  for (const std::string& fault : faults) print_line(path + ": " + fault);
  if (!faults.empty()) {
    return Status::damaged(fmt::format("{}: {} of damage; bring it back from a copy, or record the run again", path,
                                       count_of(static_cast<int64_t>(faults.size()), "case")));
  }
  if (!quiet) print_out("{} agrees with itself; verify the run to compare it with the index\n", path);
  return Status();
}

}  // namespace

Status run_verify(const VerifyCommandOptions& options) {
  if (!options.common.store.empty()) {
    SB_ASSIGN_OR_RETURN(const bool is_file, posix_file_system().file_exists(options.common.store));
    const std::optional<std::string> owner = find_owner(options.common.store);
    if (is_file && owner) {
      const bool is_shared = file_name_of(parent_path(options.common.store)) == file::kBarsDirectory ||
                             file_name_of(options.common.store) == file::kStoreMarker;
      return Status::invalid(fmt::format("{} is no trace; verify its {}: signalbook verify {}", options.common.store,
                                         is_shared ? "store" : "run", *owner));
    }
    if (is_file) return verify_trace_file(options.common.store, options.common.quiet);
  }
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope_to_verify(options.common));
  ProgressBar bar(options.common.quiet);
  const auto print = [](const Finding& finding) {
    print_line((finding.run_id.empty() ? "" : finding.run_id + ": ") + finding.what);
  };
  SB_ASSIGN_OR_RETURN(VerifySummary summary,
                      verify_scope(posix_file_system(), scope, print,
                                   {.depth = options.deep ? VerifyDepth::contents : VerifyDepth::bytes,
                                    .threads = options.threads,
                                    .progress = bar.callback()}));
  bar.hide();
  if (!scope.run_path.has_value()) {
    for (const std::string& file : Catalog::damaged_files(posix_file_system(), scope.store_path)) {
      print_out("catalogue: {} is not what was written; make it anew with signalbook catalog --rebuild\n", file);
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
    return Status::not_found(fmt::format("{} read: no file of a finished run is damaged; {}", read,
                                         count_of(summary.problem_count, "other finding")));
  }
  if (!options.common.quiet) print_out("{} read: every file is the one that was recorded\n", read);
  return Status();
}

}  // namespace signalbook::cli
