#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/catalog.h"
#include "query/catalog_manifest.h"
#include "query/database.h"
#include "query/run_tables.h"
#include "store/store.h"

namespace signalbook {

// How a catalogue is written; who only asks it needs catalog.h.

inline constexpr const char* kManifestName = "manifest.json";

// How long somebody may be at the files that a manifest named.
inline constexpr int64_t kLongestReading = int64_t{10 * 60} * 1'000'000'000;  // nanoseconds

// Of a very large catalogue reading every byte would be all that a question does.
inline constexpr int64_t kMostChecked = 32 << 20;

// An empty one when there is none, or one of another version, or one whose files are not what was written. Up to
// `most_checked` bytes of them are compared with their digests, above that their sizes only.
CatalogManifest read_manifest(FileSystem& files, const std::string& directory, int64_t most_checked);

// Whether a file of the catalogue is, byte for byte, the one that was written.
bool is_as_written(FileSystem& files, const std::string& directory, const CatalogManifest::File& file);

// By run_id; without those that were removed meanwhile.
Result<std::map<std::string, RunStamp>> stamp_runs(FileSystem& files, std::span<const RunLocation> runs);

// The rows of the view hash_history.
std::string read_history_sql(const std::string& directory, const CatalogManifest& manifest);

// One refresh, under the lock of the catalogue.
class CatalogRefresh {
 public:
  CatalogRefresh(FileSystem& files, std::string store_path, std::string directory, CatalogManifest before);

  // Looks at the runs, writes what has changed and makes it count.
  Result<Catalog::Refreshed> run();
  // Whether a failure may be that of runs which were removed or replaced meanwhile.
  bool have_runs_changed() const;
  CatalogManifest take_manifest() { return std::move(now_); }

 private:
  Status find_changes();
  Status write_segment();
  Status write_history();
  Status rewrite_history();
  Status commit();
  void remove_old_files();

  Result<CatalogManifest::File> write_table(const std::string& kind, const std::string& select);
  // The segments of a manifest with the rows of the runs for which `counts`.
  template <typename Predicate>
  std::vector<TableGroup> segment_groups(const CatalogManifest& manifest, RunTable table, Predicate counts) const;
  std::vector<TableGroup> history_groups() const;

  FileSystem& files_;
  std::string store_path_, directory_;
  CatalogManifest before_, now_;
  std::shared_ptr<PinnedPaths> pinned_;
  RunTables tables_;
  std::shared_ptr<Database> database_;
  std::shared_ptr<Connection> connection_;

  std::map<std::string, RunStamp> stamps_;                 // of the runs there are
  std::vector<RunLocation> added_;                         // not in a segment as they are now
  std::vector<std::pair<std::string, std::string>> lost_;  // segment file and run: rows that count no more
  std::vector<TableGroup> absorbed_, absorbed_components_;
};

}  // namespace signalbook
