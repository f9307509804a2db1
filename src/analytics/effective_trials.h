#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "analytics/symmetric_matrix.h"

namespace signalbook {

// How many different things a sweep tried: strategies that do nearly the same are less than as many trials. There are
// two answers. To deflate a Sharpe ratio take implied_trials, or simply all: counting clusters takes everything within
// one for a single trial and so believes too much in the best of few large ones (docs/luck.md has how often).

// Independent trials that the mean correlation of all pairs implies: m + (1 - m) * n, rounded up, from 1 to n. From the
// appendix of Bailey and Lopez de Prado, "The deflated Sharpe ratio" (2014). Those whose correlation with themselves is
// undefined, for want of variance, tried nothing and are left out; 0 if nobody is left.
int64_t implied_trials(const SymmetricMatrix& correlation);

struct TrialClusters {
  int64_t count = 0;
  // By strategy: the number of its cluster, from 0 on in the order of their first members; nullopt where it is left
  // out, as above.
  std::vector<std::optional<size_t>> cluster_of;
};

// Average linkage (UPGMA) on the correlations of P&L: as long as there are two clusters whose members' correlations,
// each with each, are `least_mean` or more in the mean, those with the highest mean become one. Signs count: a strategy
// and its opposite are two trials, since the better of them is chosen. Nothing is drawn at random, and of equal ones
// the first are joined, so that the same matrix gives the same clusters.
//
// Sokal and Michener, "A statistical method for evaluating systematic relationships" (1958); found by chains of nearest
// neighbours as in Murtagh, "A survey of recent advances in hierarchical clustering algorithms" (1983), in time of
// about the square of the number of strategies. Lopez de Prado and Lewis, "Detection of false investment strategies
// using unsupervised learning methods" (2019), count trials by clusters too, by k-means, which begins at random.
TrialClusters cluster_trials(SymmetricMatrix correlation, double least_mean = 0.9);

}  // namespace signalbook
