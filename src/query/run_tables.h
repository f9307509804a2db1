#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/merged_table.h"
#include "store/run_description.h"
#include "store/run_files.h"
#include "store/store.h"

namespace signalbook {

// What each run has of a table, found out so that one bad file does not spoil an answer about a thousand runs.
class RunTables {
 public:
  // `store_path` is absolute.
  RunTables(FileSystem& files, std::string store_path) : files_(files), store_path_(std::move(store_path)) {}

  // run.json; nothing where there is none. Read once, and again where a file was replaced since then.
  Result<std::optional<RunDescription>> describe(const RunLocation& run);

  // Puts the files of runs into groups of the same columns. Runs whose file is not what run.json says, is torn or is no
  // such table are not in a group: they are in left_out(). Runs without a components file have no composites.
  Result<std::vector<TableGroup>> group(Connection& connection, RunTable table, std::span<const RunLocation> runs,
                                        FileCheck check);

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
  void find_large_integers(Connection& connection, RunTable table, TableGroup& group) const;
  std::string table_path(RunTable table, const RunLocation& run) const;
  Status check_run(RunTable table, const RunLocation& run, FileCheck check);
  void read_signatures(Connection& connection, RunTable table, std::span<const RunLocation> runs,
                       std::map<std::string, std::string>& signatures);

  FileSystem& files_;
  std::string store_path_;
  std::map<std::string, std::optional<RunDescription>> descriptions_;
  std::map<std::string, Status> left_out_;
};

}  // namespace signalbook
