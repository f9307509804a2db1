#include <fmt/format.h>

#include <chrono>

#include "cli/commands.h"
#include "query/catalog.h"
#include "store/collect_garbage.h"

namespace signalbook::cli {

namespace {

// The time as the disk has it: what it is compared with are times of files.
int64_t disk_time_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Status run_garbage(const GarbageOptions& options) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options.common));
  SB_ASSIGN_OR_RETURN(const std::string store_path, files.absolute_path(scope.store_path));
  SB_ASSIGN_OR_RETURN(GarbageReport report, collect_garbage(files, store_path, options.deletes));
  SB_ASSIGN_OR_RETURN(const std::vector<Catalog::StaleFile> stale,
                      Catalog::stale_files(files, store_path, disk_time_ns(), options.deletes));
  for (const Catalog::StaleFile& file : stale) {
    report.found.push_back(
        {.path = file.path, .byte_count = file.byte_count, .why = "the catalogue does not name it any more"});
  }
  Table table;
  table.add("path", ColumnType::text);
  table.add("bytes", ColumnType::int64);
  table.add("action", ColumnType::text);
  table.add("why", ColumnType::text);
  int64_t bytes = 0;
  for (const Garbage& garbage : report.found) {
    table.columns[0].append_text(garbage.path);
    table.columns[1].append_integer(garbage.byte_count);
    const char* const action = garbage.is_put_back ? (options.deletes ? "put back" : "would be put back")
                                                   : (options.deletes ? "removed" : "would be removed");
    table.columns[2].append_text(action);
    table.columns[3].append_text(garbage.why);
    if (!garbage.is_put_back) bytes += garbage.byte_count;
  }
  for (const std::string& note : report.notes) print_note(options.common, note);
  SB_RETURN_IF_ERROR(print_table(table, options.common));
  print_note(options.common,
             report.found.empty()
                 ? "nothing to remove"
                 : fmt::format("{} bytes {}", with_separators(bytes),
                               options.deletes ? "removed" : "could be removed: signalbook gc --delete"));
  return Status();
}

}  // namespace signalbook::cli
