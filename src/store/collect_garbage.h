#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace signalbook {

// Something in a store that nobody needs, or that is put back.
struct Garbage {
  std::string path;  // within the store
  int64_t byte_count = 0;
  std::string why;
  bool is_put_back = false;  // bars that a gc which died had taken, and a run refers to
};

struct GarbageReport {
  std::vector<Garbage> found;      // what was, or when nothing was deleted would be, done
  std::vector<std::string> notes;  // what was not looked at or is left alone, and why
};

// Bars that no run refers to, finished or not, in lost+found or on its way into the store, what an import, a removal or
// a gc that died has left, and look-ups of runs that are gone. Without `deletes` nothing is changed. Where something
// may refer to bars and cannot be read, no bars are garbage. Never touches what is not ours, or lost+found. Invalid
// where nothing marks a store, or a newer program made it.
//
// Safe beside recordings and imports: these first say what bars they need (.journal/<data_id>.bars, run.json) and then
// look whether the store has them. Bars are first taken away, by a rename, then it is looked again who refers to them,
// and who does gets them back.
Result<GarbageReport> collect_garbage(FileSystem& files, const std::string& store_path, bool deletes);

}  // namespace signalbook
