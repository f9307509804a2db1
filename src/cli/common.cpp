#include "cli/common.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/utf8.h"
#include "cli/progress_bar.h"
#include "cli/text_table.h"
#include "query/arrow_c_stream.h"

namespace signalbook::cli {

namespace {

// head and less close the pipe when they have seen enough: that is no failure of ours.
bool reader_is_gone() {
  pollfd output = {.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

// Why standard output first failed; what comes later has other reasons, or none.
int output_error = 0;

}  // namespace

Result<Scope> find_scope(const CommonOptions& options, StoreCheck check) {
  std::string directory = options.store;
  if (directory.empty()) {
    const char* const variable = std::getenv("SIGNALBOOK_STORE");
    if (variable != nullptr) directory = variable;
  }
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  return locate_scope(posix_file_system(), directory.empty() ? "." : directory, check);
}

Result<std::string> find_run_directory(const std::string& run, const CommonOptions& options) {
  std::string path = run;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  SB_ASSIGN_OR_RETURN(const bool is_path, posix_file_system().directory_exists(path));
  if (is_path) return path;
  const Result<Scope> scope = find_scope(options);
  if (scope.ok()) {
    const std::string in_store = join_path(scope->store_path == "." ? "" : scope->store_path, path);
    SB_ASSIGN_OR_RETURN(const bool exists, posix_file_system().directory_exists(in_store));
    if (exists) return in_store;
  }
  return Status::not_found(
      scope.ok() ? fmt::format("there is no run {}, neither here nor in {}", run, scope->store_path)
                 : fmt::format("there is no run {} here, and no store to look for it in: name one with --store", run));
}

int terminal_width() {
  if (::isatty(STDOUT_FILENO) == 0) return 0;
  winsize size = {};
  constexpr int kUsualWidth = 80;
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsualWidth;
}

Result<OutputFormat> parse_format(const std::string& name) {
  if (name == "table") return OutputFormat::table;
  if (name == "csv") return OutputFormat::csv;
  if (name == "json") return OutputFormat::json;
  if (name == "md") return OutputFormat::markdown;
  if (name == "parquet") return OutputFormat::parquet;
  return Status::invalid(fmt::format("--format {} is unknown; there are table, csv, json, md, parquet", name));
}

Status print_result(ArrowArrayStream* stream, const CommonOptions& options) {
  const Result<OutputFormat> format = parse_format(options.format);
  if (!format.ok()) {
    stream->release(stream);
    return format.status();
  }
  hide_progress();
  const Status status =
      write_result(stream, {.format = *format, .limit = options.limit, .terminal_width = terminal_width()}, stdout);
  return status.code() == StatusCode::io_error && reader_is_gone() ? Status() : status;
}

void print_text(std::string_view text) {
  hide_progress();
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() && output_error == 0) output_error = errno;
}

Status finish_output() {
  if (std::fflush(stdout) != 0 && output_error == 0) output_error = errno;
  if (output_error == 0 && std::ferror(stdout) == 0) return Status();
  if (reader_is_gone()) return Status();
  return Status::io_error(
      fmt::format("cannot write to standard output: {}", std::strerror(output_error == 0 ? EIO : output_error)));
}

void say_on_stderr(std::string_view line) {
  const std::string text = escape_lines(line) + "\n";
  hide_progress();
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

Status check_standard_input() {
  const int error = errno;
  if (std::ferror(stdin) == 0) return Status();
  return Status::io_error(fmt::format("cannot read standard input: {}", std::strerror(error)));
}

Status print_table(const Table& table, const CommonOptions& options) {
  ArrowArrayStream stream;
  SB_RETURN_IF_ERROR(table_to_stream(table, &stream));
  return print_result(&stream, options);
}

void print_note(const CommonOptions& options, const std::string& text) {
  if (!options.quiet) say_on_stderr(text);
}

std::string escape_lines(std::string_view text) {
  std::string escaped;
  for (;;) {
    const size_t end = text.find('\n');
    escaped += escape_control_characters(to_valid_utf8(text.substr(0, end)));
    if (end == std::string_view::npos) return escaped;
    escaped += '\n';
    text.remove_prefix(end + 1);
  }
}

Result<int64_t> current_time() {
  const char* const fixed = std::getenv("SOURCE_DATE_EPOCH");
  if (fixed == nullptr) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }
  const std::string_view text = fixed;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || std::abs(seconds) > int64_t{1} << 40) {
    return Status::invalid(fmt::format("SOURCE_DATE_EPOCH is '{}', not a number of seconds", text));
  }
  return seconds * 1'000'000;
}

std::string with_separators(int64_t number) {
  std::string text = std::to_string(number);
  const size_t first_digit = number < 0 ? 1 : 0;
  for (size_t i = text.size(); i > first_digit + 3;) text.insert(i -= 3, ",");
  return text;
}

std::string count_of(int64_t count, std::string_view one, std::string_view several) {
  if (count == 1) return fmt::format("1 {}", one);
  return several.empty() ? fmt::format("{} {}s", with_separators(count), one)
                         : fmt::format("{} {}", with_separators(count), several);
}

}  // namespace signalbook::cli
