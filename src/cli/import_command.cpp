#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/time_text.h"
#include "cli/commands.h"
#include "store/import_run.h"

namespace signalbook::cli {

namespace {

// Where a store is named that is not there, or that is an empty directory, one is made.
Result<std::string> find_store_to_fill(const CommonOptions& options) {
  FileSystem& files = posix_file_system();
  std::string directory = options.store;
  const char* const variable = std::getenv("SIGNALBOOK_STORE");
  if (directory.empty() && variable != nullptr) directory = variable;
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  if (!directory.empty()) {
    SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(directory));
    if (!exists) return directory;
    SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(directory));
    if (entries.empty()) return directory;
  }
  SB_ASSIGN_OR_RETURN(const Scope scope, find_scope(options));
  return scope.store_path;
}

Result<TarSource> open_source(const std::string& name) {
  if (name == "-") {
    return TarSource([](std::span<char> into) -> Result<size_t> {
      const size_t count = std::fread(into.data(), 1, into.size(), stdin);
      if (count == 0) SB_RETURN_IF_ERROR(check_standard_input());
      return count;
    });
  }
  SB_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> opened, posix_file_system().open_file(name));
  return TarSource([file = std::shared_ptr<ReadableFile>(std::move(opened)),
                    offset = int64_t{0}](std::span<char> into) mutable -> Result<size_t> {
    SB_ASSIGN_OR_RETURN(const size_t count, file->read(offset, into));
    offset += static_cast<int64_t>(count);
    return count;
  });
}

}  // namespace

Status run_import(const ImportCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(TarSource source, open_source(options.file));
  SB_ASSIGN_OR_RETURN(const std::string store, find_store_to_fill(options.common));
  SB_ASSIGN_OR_RETURN(const int64_t now, current_time());
  const Result<ImportedRun> imported =
      import_run(posix_file_system(), store, std::move(source), {.name = options.name, .created_at = format_time(now)});
  if (!imported.ok()) return options.file == "-" ? imported.status() : imported.status().at(options.file);
  for (const std::string& note : imported->notes) print_note(options.common, "note: " + note);
  if (options.common.quiet) return Status();
  print_out("imported {}: {}, {}, {} of bars ({} new here)\n", escape_lines(imported->run_path),
            count_of(imported->trace_count, "trace"), count_of(imported->change_count, "change"),
            count_of(imported->new_bars + imported->known_bars, "file"), imported->new_bars);
  return Status();
}

}  // namespace signalbook::cli
