#include "cli/recovery_text.h"

#include <fmt/format.h>

#include <string_view>

#include "base/utf8.h"
#include "cli/text_table.h"

namespace signalbook::cli {

void print_fact(const std::string& name, const std::string& text) {
  print_out("  {:<9}{}\n", name, escape_control_characters(to_valid_utf8(text)));
}

std::string count_traces(const RunSummary& summary) {
  const int64_t complete = summary.trace_count - summary.incomplete_count;
  if (summary.incomplete_count == 0) return fmt::format("{}, all complete", with_separators(summary.trace_count));
  return fmt::format("{}: {} complete, {} not, whose signals end before the last bar",
                     with_separators(summary.trace_count), with_separators(complete),
                     with_separators(summary.incomplete_count));
}

void print_moved(const std::vector<MovedFile>& moved, bool is_dry) {
  constexpr size_t kMostNamed = 20;
  const auto shorten = [](std::string_view path) { return path.starts_with("./") ? path.substr(2) : path; };
  for (size_t i = 0; i < moved.size() && i < kMostNamed; ++i) {
    const MovedFile& file = moved[i];
    print_fact(file.is_copied ? "copied" : "moved",
               fmt::format("{}{} to {}: {}", is_dry ? "(not yet) " : "", file.from, shorten(file.to), file.why));
  }
  if (moved.size() > kMostNamed) {
    print_fact("moved", fmt::format("{} more; NOTE.txt beside them lists all", moved.size() - kMostNamed));
  }
}

}  // namespace signalbook::cli
