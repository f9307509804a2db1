#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "analytics/symmetric_matrix.h"

namespace signalbook {

// Members for an ensemble, best first: a strategy is taken unless its correlation with one already taken is above
// `max_correlation` in size, or undefined. Strategies without a score are not looked at; of equal scores the first
// comes first. Ends with `max_count` members. The first is always the best of all; that no other choice would be better
// is not said: this is a greedy search.
std::vector<size_t> select_uncorrelated(std::span<const std::optional<double>> scores,
                                        const SymmetricMatrix& correlation, double max_correlation,
                                        size_t max_count = std::numeric_limits<size_t>::max());

}  // namespace signalbook
