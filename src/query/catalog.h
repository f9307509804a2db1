#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "query/catalog_manifest.h"
#include "query/merged_table.h"
#include "store/store.h"

namespace signalbook {

// The merged catalogue of a store: the indexes of all runs in a few files, and the history of each strategy, so that a
// question about a thousand runs opens no thousand files. All of it is derived and may be deleted at any time.
//
// Readers never see half of it: files are written under new names, and the manifest, which names those that count, is
// replaced last. Files that it no longer names stay for a while, for readers of the one before. Those who refresh wait
// for each other (flock). A run whose files have changed since they were read is not taken from the catalogue, so what
// it says is right even when it is old.
class Catalog {
 public:
  // `store_path` is absolute. A catalogue that is not there or cannot be read is an empty one.
  static Result<Catalog> open(FileSystem& files, const std::string& store_path);

  // What the catalogue knows about these runs of the store, as they are now.
  struct Content {
    std::vector<TableGroup> strategies, components;  // segments
    std::vector<RunLocation> missing;                // must be read from their own files
    std::map<std::string, std::string> left_out;     // run_id -> why it cannot be read
    std::optional<std::string> history_sql;          // where it tells of these runs and no other
  };
  Result<Content> content(std::span<const RunLocation> runs) const;

  struct Refreshed {
    int64_t added = 0, removed = 0;  // runs; a replaced one counts as both
    int64_t run_count = 0;
    bool is_busy = false;  // somebody else refreshes at the moment
  };
  // Brings it up to the runs that there are now. `from_scratch` forgets what it knew. Without `wait` it does nothing
  // when somebody else is at it.
  Result<Refreshed> refresh(bool from_scratch, bool wait);

  const CatalogManifest& manifest() const { return manifest_; }
  // The files of a store's catalogue whose bytes are not those that were written.
  static std::vector<std::string> damaged_files(FileSystem& files, const std::string& store_path);
  // Files of a store's catalogue that it no longer names, once no reader of an older one can be at them any more:
  // `now_ns` since 1970 UTC by the disk's clock. Where `removes`, they are gone; nothing while somebody refreshes it.
  struct StaleFile {
    std::string path;  // within the store
    int64_t byte_count = 0;
  };
  static Result<std::vector<StaleFile>> stale_files(FileSystem& files, const std::string& store_path, int64_t now_ns,
                                                    bool removes);
  // Bytes of its files.
  int64_t size() const;

 private:
  Catalog(FileSystem& files, std::string store_path);

  FileSystem& files_;
  std::string store_path_, directory_;
  CatalogManifest manifest_;
};

}  // namespace signalbook
