#include "analytics/selection.h"

#include <algorithm>
#include <cmath>

namespace signalbook {

std::vector<size_t> select_uncorrelated(std::span<const std::optional<double>> scores,
                                        const SymmetricMatrix& correlation, double max_correlation, size_t max_count) {
  std::vector<size_t> best_first;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i]) best_first.push_back(i);
  }
  std::ranges::stable_sort(best_first, [&](size_t a, size_t b) { return *scores[a] > *scores[b]; });

  std::vector<size_t> taken;
  for (size_t candidate : best_first) {
    if (taken.size() == max_count) break;
    const bool differs = std::ranges::all_of(taken, [&](size_t member) {
      return std::abs(correlation.raw(candidate, member)) <= max_correlation;  // false where undefined
    });
    if (differs) taken.push_back(candidate);
  }
  return taken;
}

}  // namespace signalbook
