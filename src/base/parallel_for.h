#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "base/status.h"

namespace signalbook {

// Calls body(i) once for each i in [0, count), on up to `threads` threads, of which the caller's is one; 0 stands for
// one a core, and fewer do where the system gives no more. Which thread takes which item, and in what order, is
// chance: body writes its result to a place of its own.
//
// Fails with what the smallest i that failed said, whatever the number of threads; every item before it was done, of
// those behind it some. IoError where `interrupt` was not 0 before all was begun, and nothing had failed.
Status parallel_for(size_t count, size_t threads, const std::function<Status(size_t)>& body,
                    const std::atomic<int>* interrupt = nullptr);

// How many threads 0 stands for; at least 1.
size_t core_count();

}  // namespace signalbook
