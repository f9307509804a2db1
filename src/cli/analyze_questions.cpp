#include "cli/analyze_questions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "cli/analyze_ensembles.h"

namespace signalbook::cli {

Result<AnalyzeQuestion> find_question(const AnalyzeCommandOptions& options) {
  std::vector<std::string> asked;
  AnalyzeQuestion found;
  const auto add = [&](bool is_asked, const char* option, const AnalyzeQuestion& question) {
    if (!is_asked) return;
    asked.emplace_back(option);
    found = question;
  };
  add(options.ensembles, "--ensembles", analyze_ensembles);
  if (asked.size() > 1) {
    return Status::invalid(fmt::format("{} are questions of their own; ask one at a time", fmt::join(asked, ", ")));
  }
  return found;
}

}  // namespace signalbook::cli
