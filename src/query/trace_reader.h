#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/database.h"
#include "query/packed_traces.h"
#include "query/query_paths.h"
#include "store/store.h"

namespace signalbook {

// The traces that a column names, as in `CROSS JOIN read_parquet(t.trace_path)`. A statement has its columns before it
// has any path, so these are all that the traces of some runs have: the eight of the format, `label` where there are
// classifiers, and what files of other origin have beside. A file with yet another column is an error.
class TraceReader {
 public:
  using IndexFile = std::function<std::string(const std::string& run_id)>;
  // `packed` has opened the packs of these runs. `index_file`: by what name DuckDB opens the index of a run.
  // `left_out`: runs that cannot be read, and why. A path into one of them is an error.
  static Result<std::shared_ptr<const TraceReader>> open(
      FileSystem& files, QueryPaths paths, std::shared_ptr<const PackedTraces> packed, const std::string& store_path,
      const std::vector<RunLocation>& runs, const IndexFile& index_file, std::map<std::string, Status> left_out,
      Connection& connection);

  // The columns that a statement does not use that has no other words than these (StatementNames::words).
  std::set<std::string> unused_columns(const std::optional<std::set<std::string>>& words) const;

  // `filename_column`: a column more, with the path as the query names it. `unused` columns are NULL.
  static RowReader row_reader(std::shared_ptr<const TraceReader> reader, std::optional<std::string> filename_column,
                              std::set<std::string> unused);

 private:
  struct TraceFile;
  struct Wanted {
    bool filename = false, order = false;  // columns beside those of the traces
    std::set<std::string> unused;
  };

  TraceReader(FileSystem& files, QueryPaths paths, std::shared_ptr<const PackedTraces> packed, std::string store_path,
              std::map<std::string, Status> left_out)
      : files_(files),
        paths_(std::move(paths)),
        packed_(std::move(packed)),
        store_path_(std::move(store_path)),
        left_out_(std::move(left_out)) {}
  Status find_columns(const std::vector<RunLocation>& runs, const IndexFile& index_file, Connection& connection);
  Result<std::vector<TraceFile>> find_files(Connection& connection, const std::vector<RowReader::Paths>& rows) const;
  Result<RowReader::Select> select(Connection& connection, const std::vector<RowReader::Paths>& rows,
                                   Wanted wanted) const;
  std::string part_select(const std::vector<TraceFile>& files, bool is_label, const Wanted& wanted) const;
  std::string pack_select(const PackedRows& pack, const std::vector<TraceFile>& traces, const Wanted& wanted) const;
  Status refuse(Connection& connection, const std::vector<RowReader::Paths>& rows, const std::string& column) const;

  FileSystem& files_;
  QueryPaths paths_;
  std::shared_ptr<const PackedTraces> packed_;
  std::string store_path_;
  std::map<std::string, Status> left_out_;
  std::set<std::string> known_runs_;  // whose files have the columns of the format
  std::vector<RowReader::Column> columns_;
  bool has_label_ = false;
};

}  // namespace signalbook
