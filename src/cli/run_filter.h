#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "store/store.h"

namespace signalbook::cli {

// Which runs --run means: names of runs of the store, or patterns with * and ?. One run becomes the scope itself, so
// that nothing of the others is read; of several the condition on run_id is returned, and of none given an empty one.
// From inside a run its neighbours may be named, too. NotFound, naming the runs that there are, when a name fits none.
Result<std::string> choose_runs(const std::vector<std::string>& names, Scope& scope);

// The same as a list: the runs that are meant, or all in scope where none is named.
Result<std::vector<RunLocation>> find_chosen_runs(const std::vector<std::string>& names, const Scope& scope);

}  // namespace signalbook::cli
