#include "query/catalog.h"

#include <algorithm>

#include "format/trace_schema.h"
#include "query/catalog_refresh.h"

namespace signalbook {

Result<std::map<std::string, RunStamp>> stamp_runs(FileSystem& files, std::span<const RunLocation> runs) {
  std::map<std::string, RunStamp> stamps;
  for (const RunLocation& run : runs) {
    SB_ASSIGN_OR_RETURN(const std::optional<FileStamp> index, files.stamp(join_path(run.path, file::kStrategyIndex)));
    if (!index.has_value()) continue;  // removed a moment ago
    RunStamp stamp = {.index = *index, .components = std::nullopt, .description = std::nullopt};
    SB_ASSIGN_OR_RETURN(stamp.components, files.stamp(join_path(run.path, file::kStrategyComponents)));
    SB_ASSIGN_OR_RETURN(stamp.description, files.stamp(join_path(run.path, file::kRunDescription)));
    stamps.emplace(run.run_id, stamp);
  }
  return stamps;
}

std::string read_history_sql(const std::string& directory, const CatalogManifest& manifest) {
  const auto rows = [&](const CatalogManifest::File& file) {
    return "SELECT * FROM " + read_parquet_sql(std::vector{escape_glob(join_path(directory, file.name))}, "");
  };
  if (!manifest.history_changes.has_value()) return rows(*manifest.history);
  return "SELECT * FROM (" + rows(*manifest.history) + ") h WHERE NOT EXISTS (SELECT 1 FROM (" +
         rows(*manifest.history_changes) + ") c WHERE c.strategy_hash = h.strategy_hash) UNION ALL " +
         rows(*manifest.history_changes) + " WHERE runs > 0";
}

Catalog::Catalog(FileSystem& files, std::string store_path)
    : files_(files),
      store_path_(std::move(store_path)),
      directory_(join_path(join_path(store_path_, file::kStoreDirectory), file::kCatalogDirectory)) {}

Result<Catalog> Catalog::open(FileSystem& files, const std::string& store_path) {
  Catalog catalog(files, store_path);
  catalog.manifest_ = read_manifest(files, catalog.directory_, kMostChecked);
  return catalog;
}

Result<Catalog::Content> Catalog::content(std::span<const RunLocation> runs) const {
  SB_ASSIGN_OR_RETURN(const auto stamps, stamp_runs(files_, runs));
  Content content;
  std::map<std::string, RunLocation> missing;
  for (const RunLocation& run : runs) {
    const auto stamp = stamps.find(run.run_id);
    if (stamp == stamps.end()) continue;
    const auto left_out = manifest_.left_out.find(run.run_id);
    if (left_out != manifest_.left_out.end() && left_out->second.stamp == stamp->second) {
      content.left_out.emplace(run.run_id, left_out->second.why);
    } else {
      missing.emplace(run.run_id, run);
    }
  }
  bool is_behind = false;  // the history counts runs that are not there any more
  for (const CatalogManifest::Segment& segment : manifest_.segments) {
    TableGroup group;
    for (const auto& [run_id, stamp] : segment.runs) {
      const auto now = stamps.find(run_id);
      const auto run = missing.find(run_id);
      const bool is_same = now != stamps.end() && now->second == stamp && run != missing.end();
      if (segment.gone.contains(run_id) || !is_same) {
        group.hidden.push_back(run_id);
        is_behind = is_behind || !segment.gone.contains(run_id);
        continue;
      }
      group.runs.push_back({.run_id = run_id, .path = run->second.path});
      missing.erase(run);
    }
    if (group.runs.empty()) continue;
    for (const RunTable table : {RunTable::strategies, RunTable::components}) {
      const CatalogManifest::File& file = table == RunTable::strategies ? segment.strategies : segment.components;
      group.columns = file.columns;
      group.segment = join_path(directory_, file.name);
      (table == RunTable::strategies ? content.strategies : content.components).push_back(group);
    }
  }
  for (const auto& [run_id, run] : missing) content.missing.push_back(run);
  if (content.missing.empty() && !is_behind && manifest_.history.has_value()) {
    content.history_sql = read_history_sql(directory_, manifest_);
  }
  return content;
}

std::vector<std::string> Catalog::damaged_files(FileSystem& files, const std::string& store_path) {
  const std::string directory = Catalog(files, store_path).directory_;
  const Result<std::string> text = files.read_file(join_path(directory, kManifestName));
  if (!text.ok()) return {};  // there is none
  const std::optional<CatalogManifest> manifest = decode_manifest(*text);
  if (!manifest.has_value()) return {kManifestName};
  std::vector<std::string> damaged;
  for (const CatalogManifest::File& file : files_of(*manifest)) {
    if (!is_as_written(files, directory, file)) damaged.push_back(file.name);
  }
  return damaged;
}

int64_t Catalog::size() const {
  int64_t size = 0;
  for (const CatalogManifest::File& file : files_of(manifest_)) size += file.size;
  return size;
}

}  // namespace signalbook
