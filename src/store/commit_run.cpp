#include "store/commit_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/parallel_for.h"
#include "store/change_pass.h"
#include "store/recorded_run.h"
#include "store/run_builder.h"
#include "store/run_journals.h"
#include "store/source_order.h"

namespace signalbook {

namespace {

int64_t bytes_of(const RecordedRun& run, const RecordedSource& source) {
  int64_t bytes = kBytesPerChange * run.record_of(source).change_count;
  for (const RecordedSource& rival : source.rivals) bytes += bytes_of(run, rival);
  return bytes;
}

// Whether `a` says nothing that `b` does not: b is the same and goes on, or is equal.
bool is_beginning_of(const RecordedTrace& a, const RecordedTrace& b) {
  if (a.last_bar > b.last_bar || a.changes.size() > b.changes.size()) return false;
  if (a.changes.size() > 0 && a.changes.kind != b.changes.kind) return false;
  const auto count = static_cast<std::ptrdiff_t>(a.changes.size());
  // What b says next, it says after the end of a.
  if (a.changes.size() < b.changes.size() && b.changes.idx[a.changes.size()] <= a.last_bar) return false;
  return std::equal(a.changes.idx.begin(), a.changes.idx.end(), b.changes.idx.begin(), b.changes.idx.begin() + count) &&
         std::equal(a.changes.values.begin(), a.changes.values.end(), b.changes.values.begin()) &&
         std::equal(a.changes.labels.begin(), a.changes.labels.end(), b.changes.labels.begin()) &&
         a.prices == std::vector(b.prices.begin(), std::find_if(b.prices.begin(), b.prices.end(), [&](const auto& p) {
                                   return p.first >= a.changes.size();
                                 }));
}

// Several writers have recorded the same strategy on the same feed, as when a worker takes over from one that died.
// What one says and another says as well, and more, is kept once. Traces that contradict each other are all kept, the
// later writers' under their own names.
std::vector<RecordedTrace> settle(std::vector<std::pair<RecordedTrace, std::string>> traces,
                                  std::vector<std::string>* warnings) {
  std::vector<RecordedTrace> kept;
  for (auto& [trace, writer] : traces) {
    bool is_settled = false;
    for (RecordedTrace& other : kept) {
      if (is_beginning_of(trace, other)) {
        is_settled = true;
      } else if (is_beginning_of(other, trace)) {
        trace.strategy_id = other.strategy_id;
        other = trace;
        is_settled = true;
      }
      if (is_settled) break;
    }
    if (is_settled) continue;
    if (!kept.empty()) {
      warnings->push_back(fmt::format(
          "strategy {} was recorded by several writers, and not the same: what {} recorded is kept as {}~{}",
          trace.strategy_id, writer, trace.strategy_id, writer));
      trace.strategy_id += '~' + writer;
    }
    kept.push_back(std::move(trace));
  }
  return kept;
}

// Traces are handed on some at a time, so that several threads have something to do and little is in memory twice.
constexpr size_t kTracesAtATime = 1024;
constexpr size_t kChangesAtATime = size_t{1} << 19;

Status commit_group(const RecordedRun& run, size_t begin, size_t end, const CommitOptions& options,
                    RunBuilder& builder) {
  std::vector<const RecordedSource*> sources;
  for (size_t i = begin; i < end; ++i) {
    sources.push_back(&run.sources[i]);
    for (const RecordedSource& rival : run.sources[i].rivals) sources.push_back(&rival);
  }
  auto done = static_cast<int64_t>(begin);
  ChangePass pass(run, sources);
  SB_RETURN_IF_ERROR(pass.read());
  for (size_t k = 0; k < sources.size();) {
    size_t last = k, changes = 0;
    while (last < sources.size() && last - k < kTracesAtATime && changes < kChangesAtATime) {
      const size_t rivals = sources[last]->rivals.size();
      for (size_t i = last; i <= last + rivals; ++i) changes += run.record_of(*sources[i]).change_count;
      last += rivals + 1;
    }
    std::vector<RecordedTrace> taken(last - k), traces;
    SB_RETURN_IF_ERROR(parallel_for(taken.size(), options.threads, [&](size_t i) -> Status {
      SB_ASSIGN_OR_RETURN(taken[i], pass.take(k + i));
      return Status();
    }));
    for (size_t i = 0; i < taken.size();) {
      const size_t rivals = sources[k + i]->rivals.size();
      std::vector<std::pair<RecordedTrace, std::string>> said;
      for (const size_t behind = i + rivals + 1; i < behind; ++i)
        said.emplace_back(std::move(taken[i]), run.writers[sources[k + i]->writer].writer);
      if (rivals == 0) {
        traces.push_back(std::move(said.front().first));
      } else {
        std::ranges::move(settle(std::move(said), &builder.summary().warnings), std::back_inserter(traces));
      }
    }
    SB_RETURN_IF_ERROR(builder.add_traces(std::move(traces)));
    for (; k < last; k += sources[k]->rivals.size() + 1) ++done;
    if (options.progress) options.progress(done, static_cast<int64_t>(run.sources.size()));
  }
  return Status();
}

bool is_packed(const RecordedRun& run) {
  constexpr size_t kMostFiles = 2'000;
  switch (run.layout) {
    case RunLayout::files:
      return false;
    case RunLayout::packed:
    case RunLayout::packed_full:
      return true;
    case RunLayout::automatic:
      break;
  }
  return run.sources.size() > kMostFiles;
}

}  // namespace

Result<CommittedRun> commit_run(FileSystem& files, const std::string& run_path, const CommitOptions& options) {
  SB_ASSIGN_OR_RETURN(RecordedRun run, read_recorded_run(files, run_path));
  ParameterColumns parameters;
  SB_RETURN_IF_ERROR(order_sources(run, options.threads, parameters));
  RunBuilder::Options how = {.is_packed = is_packed(run), .packs = {}, .threads = options.threads};
  how.packs.most_bytes = options.pack_bytes;
  if (run.layout == RunLayout::packed_full) how.packs.columns = PackColumns::full;
  RunBuilder builder(files, run_path, run.description, parameters, how);
  for (auto& [bars, data_id_hex] : run.feeds) builder.add_feed(std::move(bars), std::move(data_id_hex));
  run.feeds.clear();
  builder.summary().warnings = run.warnings;
  // As many traces at a time as memory allows: one pass over the journals for each group.
  for (size_t begin = 0; begin < run.sources.size();) {
    size_t end = begin;
    for (int64_t bytes = 0; end < run.sources.size(); ++end) {
      bytes += bytes_of(run, run.sources[end]);
      if (end > begin && bytes > options.memory_bytes) break;
    }
    SB_RETURN_IF_ERROR(commit_group(run, begin, end, options, builder));
    begin = end;
  }
  CommittedRun committed;
  committed.torn_bytes = run.torn_bytes;
  committed.torn_paths = std::move(run.torn_paths);
  committed.damage = std::move(run.damage);
  SB_ASSIGN_OR_RETURN(committed.summary, builder.commit());
  return committed;
}

std::vector<LostFile> journals_cut_off(const std::vector<std::string>& torn_paths) {
  std::vector<LostFile> kept;
  for (const std::string& path : torn_paths) {
    kept.push_back({.path = join_path(file_name_of(journal_directory("")), file_name_of(path)),
                    .why = "its end is no whole frame: cut off by a crash, or damaged; all before it is in the run"});
  }
  return kept;
}

Result<std::vector<LostFile>> find_foreign_files(FileSystem& files, const std::string& run_path,
                                                 const std::string& directory) {
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_foreign_files(files, join_path(run_path, directory)));
  std::vector<LostFile> found;
  for (const std::string& name : names)
    found.push_back({.path = join_path(directory, name), .why = "came among the journals, and is none of them"});
  return found;
}

namespace {

// Removes a directory of journals under the name that it has for that; what is none of ours goes to lost+found. The
// last segments go first, so that what a crash leaves is a beginning.
Status remove_done_journals(FileSystem& files, const std::string& run_path, const std::string& former_name,
                            LostAndFound& lost, std::vector<LostFile> kept) {
  const std::string done = done_journal_directory(run_path), done_name = file_name_of(done);
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(done));
  if (!exists) return Status();
  SB_ASSIGN_OR_RETURN(const std::vector<LostFile> foreign, find_foreign_files(files, run_path, done_name));
  for (const LostFile& file : foreign) {
    const std::string path = join_path(former_name, file_name_of(file.path));
    if (std::ranges::find(kept, path, &LostFile::path) == kept.end()) kept.push_back({.path = path, .why = file.why});
  }
  for (LostFile& file : kept) file.found_at = join_path(done_name, file_name_of(file.path));
  SB_RETURN_IF_ERROR(lost.take(kept));
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(done));
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
    SB_RETURN_IF_ERROR(files.remove_file(join_path(done, entry->name)));
  SB_RETURN_IF_ERROR(files.remove_directory(done));
  return files.sync_directory(run_path);
}

}  // namespace

Status remove_journals(FileSystem& files, const std::string& run_path, LostAndFound& lost,
                       const std::vector<LostFile>& kept) {
  const std::string journals = journal_directory(run_path), done = done_journal_directory(run_path);
  SB_RETURN_IF_ERROR(remove_done_journals(files, run_path, file_name_of(done), lost, {}));
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(journals));
  if (!exists) return Status();
  // All at once by its name: a part of the journals, taken for the whole, would make a smaller run.
  SB_RETURN_IF_ERROR(files.rename(journals, done));
  SB_RETURN_IF_ERROR(files.sync_directory(run_path));
  return remove_done_journals(files, run_path, file_name_of(journals), lost, kept);
}

Status remove_journals(FileSystem& files, const std::string& run_path) {
  LostAndFound lost(files, run_path, std::nullopt);
  return remove_journals(files, run_path, lost, {});
}

}  // namespace signalbook
