#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "store/store.h"

namespace signalbook {

// What a path in a query means. In a run, `strategy_index.parquet` and `traces/...` are that run's; in a store they
// are every run's. `results/...` is the store, whatever its name, and `run_1/...` and `bars/...` are in it. Any other
// path is read from the working directory if that leads into the store, else from the store. `traces/signals/...` is
// meant for every feed.
class QueryPaths {
 public:
  struct Place {
    std::string store_path;             // absolute
    std::string working_directory;      // absolute
    std::optional<std::string> run_id;  // of a scope that is one run
    std::vector<RunLocation> all_runs;
  };
  struct Meaning {
    std::vector<std::string> run_ids;          // set when the path means the indexes of these runs
    std::vector<std::string> patterns;         // else the files: absolute, as DuckDB's globs
    std::vector<std::string> pattern_run_ids;  // the run each pattern is of; empty for a file of no run
  };

  QueryPaths(FileSystem& files, Place place) : files_(files), place_(std::move(place)) {}

  // Nothing for a path that leads out of the store or is absolute: it is DuckDB's to read or refuse.
  std::optional<Meaning> resolve(const std::string& path) const;

  // Whether a run has a file that matches. DuckDB refuses a list in which one pattern finds nothing.
  bool has_files(const std::string& run_id, const std::string& pattern) const;

 private:
  std::optional<std::string> path_in_store(const std::string& path) const;
  bool has_match(const std::string& directory, const std::vector<std::string>& parts, size_t i) const;

  FileSystem& files_;
  Place place_;
};

}  // namespace signalbook
