#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/commands.h"
#include "store/export_run.h"

namespace signalbook::cli {

namespace {

Status write_to_stdout(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return Status();
  return Status::io_error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

}  // namespace

Status run_export(const ExportOptions& options) {
  FileSystem& files = posix_file_system();
  SB_ASSIGN_OR_RETURN(const std::string run, find_run_directory(options.run, options.common));
  const bool is_stream = options.file == "-";
  if (is_stream && ::isatty(STDOUT_FILENO) != 0) {
    return Status::invalid("a tar is not for a terminal; name a file, or send it on with a pipe");
  }
  SB_ASSIGN_OR_RETURN(const ExportedRun exported, is_stream ? export_run(files, run, write_to_stdout)
                                                            : export_run_to_file(files, run, options.file));
  for (const std::string& path : exported.left_out) {
    print_note(options.common, fmt::format("left out: {} is no file of the run", join_path(run, path)));
  }
  const std::string done = fmt::format("exported {} to {}: {}, {} bytes", run, options.file,
                                       count_of(exported.file_count, "file"), with_separators(exported.byte_count));
  if (is_stream) {
    print_note(options.common, done);
  } else if (!options.common.quiet) {
    print_out("{}\n", escape_lines(done));
  }
  return Status();
}

}  // namespace signalbook::cli
