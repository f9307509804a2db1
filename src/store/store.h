#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// Where a question is asked: a store, and the run inside it when it is asked from there.
struct Scope {
  std::string store_path;               // the directory with .signalbook/store.json; of a run alone, its parent
  std::optional<std::string> run_path;  // set inside a run, or when a run was named
};

// What store.json says.
struct StoreMark {
  int64_t format_version = 0;
  bool is_sealed = false;  // it vouches for itself (store/sealed_json.h)
};
// Damaged, naming `file_name`, when it is none or its seal is wrong (where it has one).
Result<StoreMark> decode_store_mark(std::string_view text, const std::string& file_name);

// Whether a store with a damaged store.json, or of a newer format, is refused.
enum class StoreCheck { version, none };

// The scope a directory stands in: in a run that run, in a store the store, above stores `results`, else the only
// one below it. A directory that holds runs, finished or not, counts as a store where nothing is marked as one.
// NotFound, naming what to do (or the candidates), when there is none, when it cannot be told, and in a run that is not
// finished.
Result<Scope> locate_scope(FileSystem& files, const std::string& directory, StoreCheck check = StoreCheck::version);

struct RunLocation {
  std::string run_id;  // the directory's name
  std::string path;    // store_path/run_id
};

// The finished runs of a store (those with a strategy_index.parquet), sorted by run_id.
Result<std::vector<RunLocation>> list_runs(FileSystem& files, const std::string& store_path);

// The runs a scope means: its run, else all of its store.
Result<std::vector<RunLocation>> runs_in_scope(FileSystem& files, const Scope& scope);

// NotFound, with what there is in place of one: recordings that go on, or have died.
Status no_finished_run(FileSystem& files, const std::string& store_path);

// Invalid when a newer program made the store, which may hold what this one would misread; a directory that is none is
// fine.
Status check_store_version(FileSystem& files, const std::string& store_path);

// Makes a directory a store where it is none yet, by way of a temporary file that nobody else uses: several may do so
// at once. Existing stores of a newer format are refused.
Status ensure_store(FileSystem& files, const std::string& store_path, const std::string& created_at,
                    const std::string& temporary);

}  // namespace signalbook
