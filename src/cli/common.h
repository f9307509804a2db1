#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "cli/output.h"
#include "store/store.h"
#include "store/table.h"

struct ArrowArrayStream;

namespace signalbook::cli {

// What every command that reads a store takes.
struct CommonOptions {
  std::string store;  // a store or a run; empty: SIGNALBOOK_STORE, else the working directory
  std::string format = "table";
  int64_t limit = -1;
  std::string sort_by;  // a column, or "column desc"
  bool quiet = false;
};

Result<Scope> find_scope(const CommonOptions& options, StoreCheck check = StoreCheck::version);

// A run named by its directory or, in the store of the options, by its name. NotFound when there is no such directory.
Result<std::string> find_run_directory(const std::string& run, const CommonOptions& options);

Result<OutputFormat> parse_format(const std::string& name);

// Columns of the terminal that standard output is; 0 when it is none, and nothing is to be shortened.
int terminal_width();

// Writes a result to standard output as the options ask.
Status print_result(ArrowArrayStream* stream, const CommonOptions& options);
Status print_table(const Table& table, const CommonOptions& options);

// A text on standard output. What it costs that it cannot be written says finish_output.
void print_text(std::string_view text);

template <typename... Arguments>
void print_out(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  print_text(fmt::format(format, std::forward<Arguments>(arguments)...));
}

// What is still on its way to standard output arrives, or this says why not. The last thing a command does.
Status finish_output();

// A line for people, on standard error. Where that is full or closed the exit status has to be enough.
void say_on_stderr(std::string_view line);

// The configurations, queries and signals of standard input have all come, or this says what the system refused.
Status check_standard_input();

// For people, on standard error; nothing when `quiet`.
void print_note(const CommonOptions& options, const std::string& text);

// What others named, in our own words to people: only line breaks are left of its control characters.
std::string escape_lines(std::string_view text);

// Microseconds since 1970 UTC: the clock, or SOURCE_DATE_EPOCH (seconds) where a run is to be reproduced byte by byte.
Result<int64_t> current_time();

// 1640 -> "1,640"
std::string with_separators(int64_t number);

// "1 trace", "1,640 traces"; where -s is not enough, `several` is the plural.
std::string count_of(int64_t count, std::string_view one, std::string_view several = "");

}  // namespace signalbook::cli
