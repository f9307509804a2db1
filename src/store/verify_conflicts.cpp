#include "store/verify_conflicts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "format/short_digest.h"
#include "format/strategy_identity.h"

namespace signalbook {

using Kind = Finding::Kind;

void TraceConflicts::keep(const std::string& run_id, const RunDescription& description,
                          const std::vector<IndexRow>& rows) {
  const auto run = static_cast<uint32_t>(run_ids_.size());
  run_ids_.push_back(run_id);
  // Runs that do not say which code it was count as one code, as in the view hash_history.
  const uint32_t code = codes_.number_of(description.code_version.value_or(""));
  for (const IndexRow& row : rows) {
    std::string feed = row.symbol + '\0' + row.timeframe + '\0' + row.data_id;
    // What was not observed to its end differs for another reason; it still has a hash to collide with.
    if (!row.complete) feed += '\0' + row.strategy_id + '\0' + run_id;
    traces_.push_back({row.strategy_digest, feeds_.number_of(feed), code, row.trace_hash, run});
  }
}

void TraceConflicts::report(const Tell& tell) {
  const auto key = [](const KnownTrace& trace) { return std::tie(trace.digest, trace.feed, trace.code); };
  std::ranges::sort(traces_, [&](const KnownTrace& a, const KnownTrace& b) {
    return std::tuple(key(a), a.run, a.trace_hash) < std::tuple(key(b), b.run, b.trace_hash);
  });
  report_collisions(tell);
  for (auto begin = traces_.begin(); begin != traces_.end();) {
    const auto end = std::find_if(begin, traces_.end(), [&](const KnownTrace& t) { return key(t) != key(*begin); });
    report_conflict(std::span(begin, end), tell);
    begin = end;
  }
}

// Traces of one strategy, feed and code, of which one says: which runs have which.
void TraceConflicts::report_conflict(std::span<const KnownTrace> traces, const Tell& tell) {
  std::map<TraceHash, std::vector<std::string>> by_trace;
  for (const KnownTrace& trace : traces) {
    std::vector<std::string>& runs = by_trace[trace.trace_hash];
    if (runs.empty() || runs.back() != run_ids_[trace.run]) runs.push_back(run_ids_[trace.run]);
  }
  if (by_trace.size() < 2) return;
  std::vector<std::vector<std::string>> groups;
  for (auto& [trace_hash, runs] : by_trace) groups.push_back(std::move(runs));
  // What few runs say is what somebody looks for: they are all named, of those that most agree on only some.
  std::ranges::sort(groups,
                    [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
  constexpr size_t kMostNamed = 3;
  size_t unnamed = 0;
  if (std::vector<std::string>& most = groups.back(); most.size() > std::max(kMostNamed, groups.end()[-2].size())) {
    unnamed = most.size() - kMostNamed;
    most.resize(kMostNamed);
  }
  std::vector<std::string> named;
  for (const std::vector<std::string>& runs : groups) named.push_back(fmt::format("{}", fmt::join(runs, ", ")));
  if (unnamed > 0) named.back() += fmt::format(" and {} more", unnamed);
  const bool has_code = traces.front().code != codes_.number_of("");
  tell(Kind::problem,
       fmt::format("strategy {} has one configuration, {} code_version and the same bars, but {} different traces "
                   "({}): the code is not deterministic{}",
                   to_hex(traces.front().digest).substr(0, kCollisionDigits), has_code ? "one" : "no", by_trace.size(),
                   fmt::join(named, " | "), has_code ? "" : ", or was not the same"));
}

// In sorted order whoever shares the first digits stands side by side.
void TraceConflicts::report_collisions(const Tell& tell) {
  std::vector<std::string> sharing;
  const auto tell_sharing = [&] {
    if (sharing.size() > 1) {
      const size_t digits = digits_to_tell_apart(sharing, kCollisionDigits);
      std::string list;
      for (const std::string& digest : sharing) list += (list.empty() ? "" : ", ") + digest.substr(0, digits);
      tell(Kind::remark, fmt::format("{} different strategies share the hash {}; they are kept apart: {}",
                                     sharing.size(), sharing.front().substr(0, kStrategyHashLength), list));
    }
    sharing.clear();
  };
  constexpr size_t kHashBytes = kStrategyHashLength / 2;
  std::vector<Digest> digests(components_.begin(), components_.end());
  for (const KnownTrace& trace : traces_) digests.push_back(trace.digest);
  std::ranges::sort(digests);
  digests.erase(std::ranges::unique(digests).begin(), digests.end());
  const Digest* previous = nullptr;
  for (const Digest& digest : digests) {
    const bool shares =
        previous != nullptr && std::equal(digest.begin(), digest.begin() + kHashBytes, previous->begin());
    if (!shares) tell_sharing();
    if (shares && sharing.empty()) sharing.push_back(to_hex(*previous));
    if (shares) sharing.push_back(to_hex(digest));
    previous = &digest;
  }
  tell_sharing();
}

}  // namespace signalbook
