#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "query/merged_table.h"

namespace signalbook {

// The files of a run that a catalogue was made from, as they were. A run that is written again has other stamps.
struct RunStamp {
  FileStamp index;
  std::optional<FileStamp> components, description;

  bool operator==(const RunStamp&) const = default;
};

// What the catalogue of a store consists of: .signalbook/catalog/manifest.json. All in it is derived from the runs, so
// a manifest that cannot be read counts as none.
struct CatalogManifest {
  struct File {
    std::string name;  // in the catalogue's directory
    int64_t size = 0;
    std::string sha256;  // hex
    int64_t row_count = 0;
    std::vector<ViewColumn> columns;
  };
  struct Segment {  // the rows of some runs
    File strategies, components;
    std::map<std::string, RunStamp> runs;  // by run_id
    std::set<std::string> gone;            // of these, those whose rows count no more
  };
  struct LeftOut {  // a run that cannot be read
    RunStamp stamp;
    std::string why;
  };

  int64_t generation = 0;  // one more at each refresh; file names carry it
  std::vector<Segment> segments;
  // One row a strategy: `history`, but for the strategies that stand in `history_changes`.
  std::optional<File> history, history_changes;
  std::map<std::string, LeftOut> left_out;  // by run_id
};

// Its files.
std::vector<CatalogManifest::File> files_of(const CatalogManifest& manifest);

std::string encode_manifest(const CatalogManifest& manifest);
// Nothing when it is none that this program wrote.
std::optional<CatalogManifest> decode_manifest(std::string_view text);

}  // namespace signalbook
