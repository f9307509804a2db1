#include "store/verify_orphans.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>

#include "format/file_names.h"
#include "format/trace_schema.h"
#include "store/run_files.h"
#include "store/run_journals.h"

namespace signalbook {

namespace {

using Kind = Finding::Kind;

class OrphanSearch {
 public:
  OrphanSearch(FileSystem& files, const std::string& run_path, const RunDescription* description,
               const std::vector<IndexRow>& rows, VerifyLog& log)
      : files_(files), run_path_(run_path), log_(log) {
    known_ = {file::kRunDescription, file::kStrategyIndex, file::kStrategyComponents, run_lock_path("")};
    for (const IndexRow& row : rows) {
      known_.insert(row.is_packed() ? row.pack : row.trace_path);
      if (row.is_packed()) packed_.insert(row.trace_path);
    }
    if (description == nullptr) return;
    for (const RunDescription::File& entry : description->files) {
      if (!pack_kind(entry.path)) known_.insert(entry.path);
    }
  }

  Status search() {
    SB_RETURN_IF_ERROR(look_into(run_path_, ""));
    if (left_behind_count_ == 0) return Status();
    const std::string what = left_behind_count_ == 1
                                 ? first_left_behind_
                                 : fmt::format("{} and {} more", first_left_behind_, left_behind_count_ - 1);
    SB_ASSIGN_OR_RETURN(const bool is_locked, is_run_locked());
    if (is_locked) {
      log_.tell(Kind::remark, what + ": is being written or removed");
    } else {
      log_.tell(Kind::problem, what + ": left behind by pack or unpack; recover takes it away");
    }
    return Status();
  }

 private:
  Status look_into(const std::string& directory, const std::string& name);
  Status tell(const std::string& name);
  Result<bool> is_run_locked();
  // What stays where somebody who lays the traces out the other way dies: the files of before or those to come.
  bool is_left_behind(const std::string& name) const { return pack_kind(name).has_value() || packed_.contains(name); }

  FileSystem& files_;
  const std::string& run_path_;
  VerifyLog& log_;
  std::set<std::string> known_, packed_;  // packed_: the files that traces in packs would have
  std::string first_left_behind_;
  int64_t left_behind_count_ = 0;
};

Status OrphanSearch::look_into(const std::string& directory, const std::string& name) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(name, entry.name);
    if (path == done_journal_directory("")) {
      log_.tell(Kind::problem, path + ": left behind; recover removes it");
    } else if (path == journal_directory("")) {
      log_.tell(Kind::problem, path + ": left behind by the commit of this run; recover removes it");
    } else if (entry.is_directory && !entry.is_link) {
      SB_RETURN_IF_ERROR(look_into(join_path(directory, entry.name), path));
    } else if (!known_.contains(path)) {
      SB_RETURN_IF_ERROR(tell(path));
    }
  }
  return Status();
}

// Only a lock that is there is tried, so that nothing is made; one that is left behind is given.
Result<bool> OrphanSearch::is_run_locked() {
  const std::string path = run_lock_path(run_path_);
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path));
  if (!exists) return false;
  const Result<std::unique_ptr<FileLock>> lock = files_.lock_file(path, /*wait=*/false);
  return !lock.ok() || *lock == nullptr;  // where nobody may write, nobody can tell
}

Status OrphanSearch::tell(const std::string& name) {
  if (is_left_behind(name)) {
    if (left_behind_count_++ == 0) first_left_behind_ = name;
    return Status();
  }
  const bool is_temporary = name.ends_with(kTemporarySuffix), is_metrics = metric_set_name(name).has_value();
  if (!is_temporary && !is_metrics) {
    log_.tell(Kind::problem, name + ": belongs to nothing in the index or run.json");
    return Status();
  }
  // Somebody may replace files of this run: he holds its lock, and in the end the file has another name, or run.json
  // names it.
  bool is_locked = false;
  constexpr int kLooks = 3;
  for (int look = 0; look < kLooks && !is_locked; ++look) {
    SB_ASSIGN_OR_RETURN(is_locked, is_run_locked());
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(join_path(run_path_, name)));
    if (!exists) return Status();
    const Result<RunDescription> description = read_run_description(files_, run_path_);
    if (description.ok() && find_run_file(*description, name) != nullptr) return Status();
  }
  if (is_locked) {
    log_.tell(Kind::remark, name + ": is being written or removed");
  } else if (is_metrics) {
    log_.tell(Kind::problem, name +
                                 ": run.json names no such metric set: whoever wrote or removed it died, or it was "
                                 "copied here; compute it again, or let recover take it away");
  } else {
    log_.tell(Kind::problem, name + ": left behind by a recording that did not finish; it can be removed");
  }
  return Status();
}

}  // namespace

Status find_orphans(FileSystem& files, const std::string& run_path, const RunDescription* description,
                    const std::vector<IndexRow>& rows, VerifyLog& log) {
  return OrphanSearch(files, run_path, description, rows, log).search();
}

}  // namespace signalbook
