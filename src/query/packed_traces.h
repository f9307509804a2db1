#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/recently_used.h"
#include "base/status.h"
#include "format/bars.h"
#include "format/signal.h"
#include "query/database.h"
#include "query/run_tables.h"
#include "store/store.h"

namespace signalbook {

// Traces from trace_id `first` to `last`.
struct TraceRange {
  int64_t first = 0, last = 0;
};

// A pack, as the index of its run tells of it.
struct PackOfRun {
  std::string run_id;
  std::string path;  // in the run
  SignalKind kind = SignalKind::number;
  std::string symbol, data_id;
  int64_t trace_count = 0, row_count = 0;
  int64_t first_trace = 0, last_trace = 0;  // trace_ids; of traces that have changes
};

// A pack that was looked at: it is what the index says.
struct OpenedPack {
  PackOfRun about;
  std::string file;       // by what name DuckDB opens it
  bool is_full = false;   // ts, sym, strat and px stand on every row
  bool has_more = false;  // than the traces of the index
};

// Some traces of a pack; no ranges: all of them.
struct PackedRows {
  OpenedPack pack;
  std::vector<TraceRange> ranges;
};

// The traces of runs that lie in packs, for SQL. Which packs there are is asked of the indexes once; what rows of packs
// do not say themselves (ts, strat, px) is looked up in index and bars, row by row and only where a query uses it, by
// functions of ours: a bar or a row of an index that is not there is an error, never a row less. For several threads.
class PackedTraces : public std::enable_shared_from_this<PackedTraces> {
 public:
  struct Place {
    std::string store_path;                  // absolute
    std::optional<std::string> confined_to;  // bars elsewhere are not read
    std::vector<RunLocation> runs;           // of the store, with the paths that messages show
  };
  PackedTraces(FileSystem& files, Place place) : files_(files), place_(std::move(place)) {}

  // Asks the indexes of runs (`strategies_sql`: the SELECT of a view strategies) for packs, and makes the functions.
  Status load(Connection& connection, std::span<const RunLocation> runs, const std::string& strategies_sql);

  // Of runs that were loaded.
  bool has_packs(const std::string& run_id) const;
  bool has_files(const std::string& run_id) const;                     // also, or only: traces in files of their own
  std::optional<int64_t> file_count(const std::string& run_id) const;  // of them; nothing where that is not known
  std::vector<PackOfRun> packs_of(const std::string& run_id) const;

  // Compares packs with the index and run.json: that they are there, their sizes, by their footers their rows and
  // traces. Those that were compared before are not looked at again.
  Status open(Connection& connection, RunTables& tables, std::span<const PackOfRun> packs);
  // The same; what cannot be opened is told by who asks for its rows.
  void open_each(Connection& connection, RunTables& tables, std::span<const PackOfRun> packs);
  // Of packs that were opened: these traces, or all that the index tells of.
  Result<PackedRows> rows_of(const std::string& run_id, const std::string& pack, std::vector<TraceRange> ranges) const;
  Result<PackedRows> all_rows_of(const PackOfRun& pack) const;

  // The traces of a run with packs whose trace_path matches a pattern as of DuckDB's files, by where they lie.
  struct Matches {
    std::map<std::string, std::vector<TraceRange>> packed;  // by pack
    std::vector<std::string> files;                         // trace_paths
  };
  Result<Matches> match(const std::string& run_id, const std::string& pattern) const;

  // Where a trace lies, if a pack has it.
  struct Found {
    std::string pack;
    int64_t trace_id = 0, row_count = 0;
  };
  Result<std::optional<Found>> find(const std::string& run_id, const std::string& trace_path) const;
  // A pack that was opened.
  Result<OpenedPack> opened(const std::string& run_id, const std::string& pack) const;

 private:
  struct RunPacks {
    std::vector<PackOfRun> packs;
    int64_t file_count = 0;  // traces in files of their own
  };
  struct Identities;  // of the traces of a run
  struct Paths;

  Status add_functions(Connection& connection);
  const RunLocation* find_run(const std::string& run_id) const;
  Result<std::shared_ptr<const Bars>> bars_of(const std::string& data_id) const;
  Result<std::shared_ptr<const Identities>> identities_of(const std::string& run_id) const;
  Result<std::shared_ptr<const Paths>> paths_of(const std::string& run_id) const;
  template <typename Take>
  Status give_of_bars(const ValueFunction::Calls& calls, Take take) const;
  Status give_of_traces(const ValueFunction::Calls& calls, bool gives_path, ValueFunction::Values& values) const;

  static constexpr size_t kMostBytes = 256 << 20;

  FileSystem& files_;
  const Place place_;
  mutable std::mutex mutex_;  // of those below
  std::map<std::string, RunPacks> runs_;
  std::map<std::string, std::string> run_of_data_;  // data_id -> run_id
  std::map<std::pair<std::string, std::string>, OpenedPack> opened_;
  std::map<std::pair<std::string, std::string>, Status> failures_;
  bool has_functions_ = false;
  mutable RecentlyUsed<Bars> bars_{kMostBytes};
  mutable RecentlyUsed<std::shared_ptr<Identities>> identities_{kMostBytes};
  mutable RecentlyUsed<std::shared_ptr<Paths>> paths_{kMostBytes};
};

// The rows of packs of one kind, feed and set of columns, with the eight columns of a trace, by name: expressions over
// the pack's own (those of the view, see sql_views.h).
struct PackedColumns {
  SignalKind kind = SignalKind::number;
  std::string run_id, trace_path;         // VARCHAR
  std::map<std::string, std::string> of;  // column of a trace -> expression
  std::string from;                       // FROM ... [WHERE ...]
};
PackedColumns packed_columns(const std::string& store_path, std::span<const PackedRows> packs);

// Packs that one SELECT can read: of the same kind, feed and columns, and where only some rows are meant, one.
std::vector<std::vector<PackedRows>> group_packs(std::vector<PackedRows> packs);

}  // namespace signalbook
