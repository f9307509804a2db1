#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/query_paths.h"
#include "query/sql_statement.h"
#include "query/trace_reader.h"
#include "query/view_builder.h"
#include "store/store.h"

namespace signalbook {

// Gives the calls of a statement that read files what their paths mean. As little of the text changes as can be:
// - read_parquet(t.trace_path), which DuckDB does not have, and calls that name indexes or traces in packs get another
//   function's name, a macro made for them; their arguments stay;
// - in other calls the files take the place of the literals;
// - a statement without such calls stays as it is.
class PathCalls {
 public:
  struct Place {
    std::string store_path;               // absolute
    std::vector<RunLocation> scope_runs;  // whose traces are meant
    std::vector<RunLocation> all_runs;
    bool confined = true;  // else a macro of the user's may use columns that a statement does not name
  };

  PathCalls(FileSystem& files, Place place, QueryPaths paths, std::shared_ptr<const PackedTraces> packed)
      : files_(files), place_(std::move(place)), paths_(std::move(paths)), packed_(std::move(packed)) {}

  // The statement to run in place of this one, on `connection`.
  Result<std::string> rewrite(Connection& connection, ViewBuilder& builder, const std::string& statement,
                              const StatementNames& names);

 private:
  struct Edit {
    size_t offset;
    size_t length;
    std::string text;
  };
  struct Rewriting;  // of one statement

  Result<bool> rewrite_indexes(Rewriting& rewriting, size_t i);
  Result<bool> rewrite_packed(Rewriting& rewriting, size_t i);
  Status rewrite_columns(Rewriting& rewriting, size_t i);
  Status rewrite_literals(Rewriting& rewriting, size_t i);
  Result<std::vector<RunLocation>> runs_of_columns(Rewriting& rewriting);
  Result<std::string> rows_function(Rewriting& rewriting, const std::optional<std::string>& filename_column);

  FileSystem& files_;
  Place place_;
  QueryPaths paths_;
  std::shared_ptr<const PackedTraces> packed_;
  std::map<std::string, std::shared_ptr<const TraceReader>> readers_;  // by their runs
  std::map<std::string, std::string> rows_functions_;                  // by their runs and columns
};

}  // namespace signalbook
