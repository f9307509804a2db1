#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/run_description.h"
#include "store/strategy_index.h"

namespace signalbook {

// Files of a finished run are replaced while others read it. A reader finds a file's old bytes or its new ones, and a
// run.json that vouches for what it finds, if it reads as store/run_files.h says. So does whoever comes after a crash.
// The caller holds the run's lock (RunLock).
//
// run.json names both versions before the file is renamed over, and the new one alone after that. A file that run.json
// does not name yet has its name before run.json speaks of it; one that is removed has it until run.json does not.

// The index, whose rows tell of the same traces, or a metric set (metrics/<x>.parquet), which may be new. Where the
// same bytes are there nothing is written. Invalid for another name; Damaged when run.json or the index is not what was
// written.
Status replace_run_file(FileSystem& files, const std::string& run_path, const std::string& name,
                        std::string_view bytes);

// A metric set. NotFound when run.json names none of that name, and none is left of a removal that died. Invalid for
// another name.
Status remove_run_file(FileSystem& files, const std::string& run_path, const std::string& name);

// Ends what died: where run.json names two versions of a file it names the one that is there, and what was in flight is
// removed. Where it names none twice nothing is done.
Status settle_run_files(FileSystem& files, const std::string& run_path);

// The counts of a run with these rows.
void count_rows(const std::vector<IndexRow>& rows, RunDescription& description);

struct NewRunFile {
  std::string name;
  std::string_view bytes;
};

// Replaces run.json, and these files, each of which `next` names. What `next` says of them is filled in here; what it
// says of others is taken as it is. `encode` gives the text of run.json. Also where no run.json can be read, or no
// index is there: then the index has its name last.
Status replace_run_files(FileSystem& files, const std::string& run_path, RunDescription next,
                         const std::vector<NewRunFile>& changed,
                         const std::function<Result<std::string>(const RunDescription&)>& encode);

}  // namespace signalbook
