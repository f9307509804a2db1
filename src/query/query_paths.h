#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/store.h"

namespace signalbook {

// What a path in a query means. In a run, `strategy_index.parquet` and `traces/...` are that run's; in a store they
// are every run's. `results/...` is the store, whatever its name, and `run_1/...` and `bars/...` are in it. Any other
// path is read from the working directory if that leads into the store, else from the store; an absolute path into
// the store is as good as one from it. `traces/signals/...` is meant for every feed.
class QueryPaths {
 public:
  struct Place {
    std::string store_path;             // absolute, without links
    std::string shown_store_path;       // absolute, by the links that the user named
    std::string working_directory;      // absolute
    std::optional<std::string> run_id;  // of a scope that is one run
    std::vector<RunLocation> all_runs;
    bool confined = true;  // a file outside the store may not be read
    // Whether a pack of a run has the trace of this path (from the run), which then is no file.
    std::function<Result<bool>(const std::string& run_id, const std::string& trace_path)> is_packed;
  };

  // A path in the text of a query may be a pattern, and stands for all that matches.
  enum class Kind {
    index,       // the indexes of runs, which together are one table
    components,  // likewise their strategy_components.parquet
    files,       // any others
  };
  struct InRun {
    std::string run_id, pattern;
  };
  struct Meaning {
    Kind kind = Kind::files;
    std::vector<std::string> run_ids;          // of indexes, or of runs that have components
    std::vector<std::string> patterns;         // of all but indexes: absolute, as DuckDB's globs
    std::vector<std::string> pattern_run_ids;  // the run each pattern is of; empty for a file of no run
    std::vector<InRun> in_runs;                // where a path may name traces: in each run that it may be of
    bool covers_runs = false;                  // its ** stands for the runs too: DuckDB looks, and sees files alone
  };

  QueryPaths(FileSystem& files, Place place) : files_(files), place_(std::move(place)) {}

  // Nothing for a path that leads out of the store: it is DuckDB's to read or refuse.
  std::optional<Meaning> resolve(const std::string& path) const;

  // Whether a run has a file that matches. DuckDB refuses a list in which one pattern finds nothing.
  bool has_files(const std::string& run_id, const std::string& pattern) const;

  // A path in a column names one file, by the same rules; it is no pattern.
  struct File {
    std::string path;    // absolute, without links
    std::string run_id;  // empty for a file of no run
    // Where a pack has it: from the run, as the index names it; then there is no such file.
    std::optional<std::string> trace_path;
  };
  Result<File> find_file(const std::string& path) const;

 private:
  enum class Names { patterns, literal };
  bool is_run(const std::string& name, Names names) const;
  std::optional<std::string> path_in_store(const std::string& path, Names names) const;
  std::optional<std::string> absolute_in_store(const std::string& path) const;
  bool has_match(const std::string& directory, const std::vector<std::string>& parts, size_t i) const;
  Result<std::vector<std::string>> candidates(const std::string& path) const;
  Result<std::optional<File>> find_packed(const std::string& absolute) const;
  Result<File> check_file(const std::string& path, const std::string& found) const;

  FileSystem& files_;
  Place place_;
};

}  // namespace signalbook
