#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analytics/neighbourhood.h"
#include "base/status.h"
#include "study/feed_traces.h"

namespace signalbook {

// What each trace's strategy stands on among its neighbours in the grid of numeric parameters, in the order of
// `traces`; `scores` are theirs, higher where better. Strategies stand in one grid where all else is equal:
// strategy_type, text, booleans, threshold, constraints. Where two traces have the same point of a grid (two runs of
// one sweep), each run is a grid of its own, and the first of two in one run (2 and 2.0) the one that counts.
// Places in `neighbours` are those of `traces`. Nothing for a strategy that holds others: its parameters are theirs
// as well.
Result<std::vector<std::optional<Neighbourhood>>> grid_neighbourhoods(std::span<const FeedTrace> traces,
                                                                      std::span<const std::optional<double>> scores);

}  // namespace signalbook
