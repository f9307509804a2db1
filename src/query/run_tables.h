#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/merged_table.h"
#include "query/pinned_paths.h"
#include "store/run_description.h"
#include "store/run_files.h"
#include "store/store.h"

namespace signalbook {

// What each run has of a table, found out so that one bad file does not spoil an answer about a thousand runs. What was
// looked at is pinned, as far as there is room.
class RunTables {
 public:
  // `store_path` is absolute.
  RunTables(FileSystem& files, std::string store_path, std::shared_ptr<PinnedPaths> pinned)
      : files_(files), store_path_(std::move(store_path)), pinned_(std::move(pinned)) {}

  // run.json; nothing where there is none. Read once, and again where a file was replaced since then.
  Result<std::optional<RunDescription>> describe(const RunLocation& run);

  // Puts the files of runs into groups of the same columns. Runs whose file is not what run.json says, is torn or is no
  // such table are not in a group: they are in left_out(). Runs without a components file have no composites.
  Result<std::vector<TableGroup>> group(Connection& connection, RunTable table, std::span<const RunLocation> runs,
                                        FileCheck check);

  // By what name DuckDB opens a file that a run's run.json may name, once it has been compared with that.
  Result<std::string> checked_file(const RunLocation& run, const std::string& name, FileCheck check);
  // The same of a file that was checked already; else its path.
  std::string known_file(const std::string& run_id, const std::string& name) const;

  // Reads every value of a run's files, where nothing vouches for them; what cannot be read is left out.
  void read_through(Connection& connection, std::span<const RunLocation> runs);

  // The runs without those that are left out.
  std::vector<RunLocation> usable(std::span<const RunLocation> runs) const;
  std::vector<RunFact> facts(std::span<const RunLocation> runs);

  // run_id -> why.
  const std::map<std::string, Status>& left_out() const { return left_out_; }
  void leave_out(const std::string& run_id, const Status& why) { left_out_.emplace(run_id, why); }
  // Why one of these runs is left out; ok when none is.
  Status first_failure(std::span<const RunLocation> runs) const;

 private:
  struct Known {
    std::string name;
    FileCheck check = FileCheck::size;
  };

  void find_large_integers(Connection& connection, TableGroup& group) const;
  std::string path_of(const std::string& run_id, const std::string& name) const;
  Status compare(const RunLocation& run, const std::string& name, const std::string& opened, FileCheck check);
  void read_signatures(Connection& connection, RunTable table, std::span<const ViewRun> runs,
                       std::map<std::string, std::string>& signatures);

  FileSystem& files_;
  std::string store_path_;
  std::shared_ptr<PinnedPaths> pinned_;
  std::map<std::string, Known> known_;  // what is pinned, by its path
  std::map<std::string, std::optional<RunDescription>> descriptions_;
  std::map<std::string, Status> left_out_;
};

}  // namespace signalbook
