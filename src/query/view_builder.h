#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/query_paths.h"
#include "store/run_description.h"
#include "store/store.h"

namespace signalbook {

// Finds out what the views of a scope are made of and writes their SELECTs: lists and describes runs, asks a database
// (a connection, which needs none of our names) for the columns of Parquet files. Each SELECT is written once.
class ViewBuilder {
 public:
  struct Place {
    std::string store_path;               // absolute
    std::string shown_store_path;         // as the user named it, for messages
    std::vector<RunLocation> scope_runs;  // what `strategies` means
    std::vector<RunLocation> all_runs;    // of the store around
  };

  ViewBuilder(FileSystem& files, Place place, QueryPaths paths)
      : files_(files), place_(std::move(place)), paths_(std::move(paths)) {}

  // The views of our own, in lowercase.
  static const std::vector<std::string>& view_names();
  // The SELECT of one of them.
  Result<std::string> view(const std::string& name, Connection& connection);
  // The SELECT of a table that is named by a path; nothing when the path is not ours to read.
  Result<std::optional<std::string>> path_view(const std::string& path, Connection& connection);

  // The SELECT of several paths that all name indexes, as one table; nothing when one does not, or two name the same.
  Result<std::optional<std::string>> paths_view(const std::vector<std::string>& paths, Connection& connection);

  // What read_parquet(path) gets in place of the path.
  struct PathArgument {
    QueryPaths::Kind kind = QueryPaths::Kind::files;
    std::vector<RunLocation> index_of;  // set when these are indexes: by itself the path means path_view(path)
    std::vector<std::string> files;     // absolute globs
    bool match_by_name = false;         // some files are older than the format
  };
  Result<std::optional<PathArgument>> path_argument(const std::string& path);

 private:
  std::string run_directory(const std::string& run_id) const { return join_path(place_.store_path, run_id); }
  std::string index_path(const std::string& run_id) const;
  std::vector<RunLocation> runs_by_id(const std::vector<std::string>& run_ids) const;
  Result<std::optional<RunDescription>> describe_run(const RunLocation& run);
  Result<bool> has_known_format(const RunLocation& run);
  Result<std::string> strategies(const std::vector<RunLocation>& runs, Connection& connection);
  Result<std::array<std::vector<std::string>, 2>> trace_files(const RunLocation& run);
  Result<std::string> traces(Connection& connection);
  Result<std::string> bars();
  Result<std::string> runs();

  FileSystem& files_;
  Place place_;
  QueryPaths paths_;
  std::map<std::string, std::optional<RunDescription>> run_descriptions_;  // read so far
  std::map<std::string, std::string> views_;                               // written so far, by name or path
};

}  // namespace signalbook
