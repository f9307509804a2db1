#include "store/verify_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace signalbook {

void VerifyLog::tell(Finding::Kind kind, const std::string& what) {
  if (held_ != nullptr) return held_->emplace_back(kind, what), void();
  (kind == Finding::Kind::damage    ? summary.damage_count
   : kind == Finding::Kind::problem ? summary.problem_count
                                    : summary.remark_count) += 1;
  report_({.kind = kind, .run_id = run_id_, .what = what});
}

void VerifyLog::tell_all(const std::string& name, const std::vector<std::string>& faults) {
  for (const std::string& fault : faults) tell(Finding::Kind::damage, name + ": " + fault);
}

void VerifyLog::tell_lines(const Lines& lines) {
  for (const auto& [kind, what] : lines) tell(kind, what);
}

bool VerifyLog::Hold::has(Finding::Kind kind) const {
  return std::ranges::any_of(lines_, [&](const auto& line) { return line.first == kind; });
}

std::string describe_other_bytes(const std::string& name, int64_t found_size, int64_t recorded_size) {
  return found_size != recorded_size ? fmt::format("{}: {} bytes, {} were recorded", name, found_size, recorded_size)
                                     : name + ": not the bytes that were recorded";
}

}  // namespace signalbook
