#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/merged_table.h"
#include "query/packed_traces.h"
#include "query/query_paths.h"
#include "query/run_tables.h"
#include "query/sql_views.h"
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
    bool is_store = false;                // the scope is the store: what cannot be read is left out, and named
    bool confined = true;                 // a file outside the store may not be read
  };

  ViewBuilder(FileSystem& files, Place place, QueryPaths paths, std::shared_ptr<PinnedPaths> pinned,
              std::shared_ptr<PackedTraces> packed)
      : files_(files),
        tables_(files, place.store_path, std::move(pinned)),
        place_(std::move(place)),
        paths_(std::move(paths)),
        packed_(std::move(packed)) {}

  // The views of our own, in lowercase.
  static const std::vector<std::string>& view_names();
  // The SELECT of one of them.
  Result<std::string> view(const std::string& name, Connection& connection);
  // The SELECT of a table that is named by a path; nothing when the path is not ours to read.
  Result<std::optional<std::string>> path_view(const std::string& path, Connection& connection);

  // The SELECT of several paths that all name indexes (or components), as one table; nothing when one does not, or two
  // name the same.
  Result<std::optional<std::string>> paths_view(const std::vector<std::string>& paths, Connection& connection);

  // What read_parquet(path) gets in place of the path.
  struct PathArgument {
    QueryPaths::Kind kind = QueryPaths::Kind::files;
    std::vector<RunLocation> runs;   // of indexes and components: by itself the path means path_view(path)
    std::vector<std::string> files;  // absolute globs
    std::vector<PackedRows> packs;   // traces that the path means as well
    bool match_by_name = false;      // some files are older than the format
  };
  Result<std::optional<PathArgument>> path_argument(const std::string& path, Connection& connection);
  // The rows of traces in packs, with the columns of a trace and, where it is named, one with its path.
  std::string packed_rows_sql(const std::vector<PackedRows>& packs, const std::optional<std::string>& filename) const;

  // Opens the packs of runs, for who finds a trace by its path.
  Status open_packs(Connection& connection, const std::set<std::string>& run_ids);

  // By what name DuckDB opens the index of a run: the version that the views made so far read, if any does.
  std::string index_file(const std::string& run_id) const;

  // The runs that the views made so far leave out, because they cannot be read: run_id -> why.
  const std::map<std::string, Status>& left_out() const { return tables_.left_out(); }

 private:
  // Where the rows of the runs in scope come from: the catalogue, their own files, or both.
  struct Sources {
    std::vector<TableGroup> strategies, components;
    std::optional<std::string> history_sql;  // where the catalogue has it
  };

  std::string run_directory(const std::string& run_id) const { return join_path(place_.store_path, run_id); }
  std::string index_path(const std::string& run_id) const;
  std::vector<RunLocation> runs_by_id(const std::vector<std::string>& run_ids) const;
  Result<bool> has_known_format(const RunLocation& run);
  Result<const Sources*> scope_sources(Connection& connection);
  Result<const Sources*> store_sources(Connection& connection);
  Status read_catalog(Sources& sources, std::vector<RunLocation>& missing);
  Result<Sources> read_runs(Connection& connection, std::span<const RunLocation> runs);
  Result<std::string> rows_of_runs(QueryPaths::Kind kind, const std::vector<RunLocation>& runs, Connection& connection);
  Result<std::string> history(Connection& connection);
  Result<std::array<std::vector<std::string>, 2>> trace_files(const RunLocation& run);
  Status find_packs(Connection& connection, bool of_store);
  Status add_packs(Connection& connection, const QueryPaths::Meaning& meaning, PathArgument& argument);
  Result<std::string> traces(Connection& connection);
  Result<std::string> trades(Connection& connection);
  Result<std::vector<DescribedRun>> describe_scope();
  Result<std::string> metrics(const std::string& strategies_sql);
  Result<std::string> bars();
  Result<std::string> runs();

  FileSystem& files_;
  RunTables tables_;
  Place place_;
  QueryPaths paths_;
  std::shared_ptr<PackedTraces> packed_;
  std::optional<Sources> scope_sources_, store_sources_;
  std::map<std::string, std::string> views_;  // written so far, by name or path
};

}  // namespace signalbook
