#include "store/verify_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "base/digest.h"
#include "format/file_names.h"
#include "format/short_digest.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/run_description.h"
#include "store/strategy_components.h"
#include "store/strategy_index.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;

// One trace of a store, as far as it is compared with others; a million of them are held.
struct KnownTrace {
  Digest digest;
  uint32_t feed, code;  // numbers of texts: symbol, timeframe and data_id; code_version
  TraceHash trace_hash;
  uint32_t run;
};

class Texts {
 public:
  uint32_t number_of(const std::string& text) {
    return numbers_.emplace(text, static_cast<uint32_t>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, uint32_t> numbers_;
};

class Verification {
 public:
  Verification(FileSystem& files, std::string store_path, const std::function<void(const Finding&)>& report)
      : files_(files), store_path_(std::move(store_path)), report_(report) {}

  Status check_run(const RunLocation& run);
  Status check_store_directory(const std::vector<RunLocation>& runs);
  void compare_traces();
  const VerifySummary& summary() const { return summary_; }

 private:
  void tell(Kind kind, const std::string& what) { tell(kind, run_id_, what); }
  void tell(Kind kind, const std::string& run_id, const std::string& what) {
    (kind == Kind::damage    ? summary_.damage_count
     : kind == Kind::problem ? summary_.problem_count
                             : summary_.remark_count) += 1;
    report_({.kind = kind, .run_id = run_id, .what = what});
  }

  // The bytes of a file; nothing, and a finding, when it is missing. What the disk refuses is damage as well, because
  // the rest can still be looked at.
  std::optional<std::string> read(const std::string& path, const std::string& name) {
    Result<std::string> bytes = files_.read_file(path);
    if (bytes.ok()) {
      summary_.byte_count += static_cast<int64_t>(bytes->size());
      return std::move(bytes).value();
    }
    tell(Kind::damage,
         bytes.status().code() == StatusCode::not_found ? name + ": missing" : name + ": " + bytes.status().message());
    return std::nullopt;
  }

  bool is_as_recorded(const std::string& name, const std::string& bytes, int64_t size, const std::string& sha256_hex) {
    if (static_cast<int64_t>(bytes.size()) != size) {
      tell(Kind::damage, fmt::format("{}: {} bytes, {} were recorded", name, bytes.size(), size));
      return false;
    }
    if (to_hex(sha256(bytes)) == sha256_hex) return true;
    tell(Kind::damage, name + ": not the bytes that were recorded");
    return false;
  }

  std::optional<std::vector<IndexRow>> check_described_files(const RunLocation& run, const RunDescription& description);
  void check_counts(const RunDescription& description, const std::vector<IndexRow>& rows);
  void check_traces(const RunLocation& run, const std::vector<IndexRow>& rows);
  void check_bars(const RunDescription& description, const std::vector<IndexRow>& rows);
  Status find_orphans(const std::string& directory, const std::string& name, const std::set<std::string>& known);
  void keep(const RunDescription& description, const std::vector<IndexRow>& rows);
  void keep_components(const std::string& bytes);
  void report_conflict(std::span<const KnownTrace> traces);
  void report_collisions();

  FileSystem& files_;
  std::string store_path_;
  const std::function<void(const Finding&)>& report_;
  VerifySummary summary_;
  std::string run_id_;
  std::map<std::string, std::string> bars_;  // data_id -> what is wrong with it, empty when nothing is
  bool knows_all_bars_ = true;               // that some run refers to: every run.json could be read
  std::vector<std::string> run_ids_;
  std::vector<KnownTrace> traces_;
  std::set<Digest> components_;
  Texts feeds_, codes_;
};

// ---- One run --------------------------------------------------------------------------------------------------------

Status Verification::check_run(const RunLocation& run) {
  ++summary_.run_count;
  run_id_ = run.run_id;
  const std::optional<std::string> text = read(join_path(run.path, file::kRunDescription), file::kRunDescription);
  if (!text) {
    knows_all_bars_ = false;
    return Status();
  }
  const Result<RunDescription> description = decode_run_description(*text, file::kRunDescription);
  if (!description.ok()) {
    knows_all_bars_ = false;
    const bool is_newer = description.status().code() == StatusCode::invalid;
    tell(is_newer ? Kind::problem : Kind::damage, description.status().message());
    return Status();
  }
  const std::optional<std::vector<IndexRow>> rows = check_described_files(run, *description);
  std::set<std::string> known = {file::kRunDescription, file::kStrategyIndex};
  for (const RunDescription::File& entry : description->files) known.insert(entry.path);
  check_bars(*description, rows.value_or(std::vector<IndexRow>()));
  if (!rows) return Status();
  check_counts(*description, *rows);
  keep(*description, *rows);
  if (description->layout != "files") {
    tell(Kind::problem,
         fmt::format("layout '{}' is unknown to this program; its traces were not checked", description->layout));
    return Status();
  }
  check_traces(run, *rows);
  for (const IndexRow& row : *rows) known.insert(row.trace_path);
  return find_orphans(run.path, "", known);
}

// What run.json vouches for. The rows of the index, when it is whole.
std::optional<std::vector<IndexRow>> Verification::check_described_files(const RunLocation& run,
                                                                         const RunDescription& description) {
  std::optional<std::string> index;
  bool is_listed = false;
  for (const RunDescription::File& entry : description.files) {
    const std::optional<std::string> bytes = read(join_path(run.path, entry.path), entry.path);
    const bool is_whole = bytes && is_as_recorded(entry.path, *bytes, entry.size, entry.sha256);
    if (is_whole && entry.path == file::kStrategyComponents) keep_components(*bytes);
    if (entry.path != file::kStrategyIndex) continue;
    is_listed = true;
    if (is_whole) index = bytes;
  }
  if (!is_listed) {
    tell(Kind::damage, fmt::format("{}: does not say what {} is", file::kRunDescription, file::kStrategyIndex));
  }
  if (!index) return std::nullopt;
  Result<std::vector<IndexRow>> rows = decode_index(*index, file::kStrategyIndex);
  if (rows.ok()) return std::move(rows).value();
  tell(Kind::damage, rows.status().message());
  return std::nullopt;
}

void Verification::check_counts(const RunDescription& description, const std::vector<IndexRow>& rows) {
  int64_t changes = 0;
  for (const IndexRow& row : rows) changes += row.change_count;
  if (static_cast<int64_t>(rows.size()) == description.trace_count && changes == description.change_count) return;
  tell(Kind::damage,
       fmt::format("{}: counts {} traces with {} changes, the index has {} with {}", file::kRunDescription,
                   description.trace_count, description.change_count, rows.size(), changes));
}

void Verification::check_traces(const RunLocation& run, const std::vector<IndexRow>& rows) {
  for (const IndexRow& row : rows) {
    ++summary_.trace_count;
    const std::optional<std::string> bytes = read(join_path(run.path, row.trace_path), row.trace_path);
    if (bytes) is_as_recorded(row.trace_path, *bytes, row.file_size, to_hex(row.file_sha256));
  }
}

// The bars of each feed are there and are those that the run was recorded on. A file that several runs share is read
// once, and named by each of them.
void Verification::check_bars(const RunDescription& description, const std::vector<IndexRow>& rows) {
  std::set<std::string> data_ids;
  for (const RunDescription::Feed& feed : description.feeds) data_ids.insert(feed.data_id);
  for (const IndexRow& row : rows) {
    if (data_ids.contains(row.data_id)) continue;
    tell(Kind::damage, fmt::format("{}: no feed has the data_id {} of strategy {}", file::kRunDescription, row.data_id,
                                   row.strategy_id));
    data_ids.insert(row.data_id);
  }
  for (const std::string& data_id_hex : data_ids) {
    const auto [known, is_new] = bars_.try_emplace(data_id_hex);
    if (is_new) {
      ++summary_.bars_count;
      const std::string path = join_path(store_path_, bars_path(data_id_hex));
      const Result<std::string> bytes = files_.read_file(path);
      if (bytes.ok()) {
        summary_.byte_count += static_cast<int64_t>(bytes->size());
        const Result<Bars> bars = decode_bars_file(*bytes, bars_path(data_id_hex));
        if (!bars.ok()) {
          known->second = bars.status().message();
        } else if (to_hex(data_id(*bars)) != data_id_hex) {
          known->second = bars_path(data_id_hex) + ": these are other bars";
        }
      } else if (bytes.status().code() == StatusCode::not_found) {
        known->second = bars_path(data_id_hex) + ": missing";
      } else {
        known->second = bytes.status().message();
      }
    }
    if (!known->second.empty()) tell(Kind::damage, known->second);
  }
}

// Files of a run that neither run.json nor the index knows. They do no harm, and somebody may miss them elsewhere.
Status Verification::find_orphans(const std::string& directory, const std::string& name,
                                  const std::set<std::string>& known) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(name, entry.name);
    if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(find_orphans(join_path(directory, entry.name), path, known));
    } else if (!known.contains(path)) {
      tell(Kind::problem, entry.name.ends_with(kTemporarySuffix)
                              ? path + ": left behind by a recording that did not finish; it can be removed"
                              : path + ": belongs to nothing in the index or run.json");
    }
  }
  return Status();
}

// ---- The store around -----------------------------------------------------------------------------------------------

Status Verification::check_store_directory(const std::vector<RunLocation>& runs) {
  run_id_.clear();
  std::set<std::string> known = {file::kStoreDirectory, file::kBarsDirectory};
  for (const RunLocation& run : runs) known.insert(run.run_id);
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(store_path_));
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || known.contains(entry.name)) continue;
    const std::string path = join_path(store_path_, entry.name);
    SB_ASSIGN_OR_RETURN(const bool is_described, files_.file_exists(join_path(path, file::kRunDescription)));
    SB_ASSIGN_OR_RETURN(const bool has_traces, files_.directory_exists(join_path(path, file::kTracesDirectory)));
    knows_all_bars_ = knows_all_bars_ && !is_described;
    if (is_described) {
      // The description is renamed into place last but one.
      tell(
          Kind::damage, entry.name,
          fmt::format("{}: missing; the recording died at its very end, or somebody removed it", file::kStrategyIndex));
    } else if (has_traces) {
      tell(Kind::problem, entry.name, "no finished run: a recording that died, or is still going on");
    }
  }
  if (!knows_all_bars_) return Status();
  const std::string bars_directory = join_path(store_path_, file::kBarsDirectory);
  const Result<std::vector<DirectoryEntry>> bars = files_.list_directory(bars_directory);
  if (!bars.ok()) return bars.status().code() == StatusCode::not_found ? Status() : bars.status();
  for (const DirectoryEntry& entry : *bars) {
    const std::string stem = entry.name.substr(0, entry.name.find('.'));
    if (bars_.contains(stem) && file_name_of(bars_path(stem)) == entry.name) continue;
    tell(Kind::problem, join_path(file::kBarsDirectory, entry.name) + ": no run of this store refers to it");
  }
  return Status();
}

// ---- Traces of several runs -----------------------------------------------------------------------------------------

void Verification::keep(const RunDescription& description, const std::vector<IndexRow>& rows) {
  const auto run = static_cast<uint32_t>(run_ids_.size());
  run_ids_.push_back(run_id_);
  // Runs that do not say which code it was count as one code, as in the view hash_history.
  const uint32_t code = codes_.number_of(description.code_version.value_or(""));
  for (const IndexRow& row : rows) {
    std::string feed = row.symbol + '\0' + row.timeframe + '\0' + row.data_id;
    // What was not observed to its end differs for another reason; it still has a hash to collide with.
    if (!row.complete) feed += '\0' + row.strategy_id + '\0' + run_id_;
    traces_.push_back({row.strategy_digest, feeds_.number_of(feed), code, row.trace_hash, run});
  }
}

// Strategies inside others have a hash as well.
void Verification::keep_components(const std::string& bytes) {
  const Result<std::vector<Digest>> digests = decode_component_digests(bytes, file::kStrategyComponents);
  if (!digests.ok()) return tell(Kind::damage, digests.status().message());
  components_.insert(digests->begin(), digests->end());
}

void Verification::compare_traces() {
  run_id_.clear();
  const auto key = [](const KnownTrace& trace) { return std::tie(trace.digest, trace.feed, trace.code); };
  std::ranges::sort(traces_, [&](const KnownTrace& a, const KnownTrace& b) {
    return std::tuple(key(a), a.run, a.trace_hash) < std::tuple(key(b), b.run, b.trace_hash);
  });
  report_collisions();
  for (auto begin = traces_.begin(); begin != traces_.end();) {
    const auto end = std::find_if(begin, traces_.end(), [&](const KnownTrace& t) { return key(t) != key(*begin); });
    report_conflict(std::span(begin, end));
    begin = end;
  }
}

// Traces of one strategy, feed and code, of which one says: which runs have which.
void Verification::report_conflict(std::span<const KnownTrace> traces) {
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
void Verification::report_collisions() {
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

}  // namespace

Result<VerifySummary> verify_scope(FileSystem& files, const Scope& scope,
                                   const std::function<void(const Finding&)>& report) {
  SB_ASSIGN_OR_RETURN(const std::vector<RunLocation> runs, runs_in_scope(files, scope));
  Verification verification(files, scope.store_path, report);
  for (const RunLocation& run : runs) SB_RETURN_IF_ERROR(verification.check_run(run));
  verification.compare_traces();
  if (!scope.run_path) SB_RETURN_IF_ERROR(verification.check_store_directory(runs));
  return verification.summary();
}

}  // namespace signalbook
