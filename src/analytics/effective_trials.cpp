#include "analytics/effective_trials.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace signalbook {
namespace {

// The clusters still to be joined. Each goes by its first member, in whose row of the matrix its mean correlations
// stand.
class OpenClusters {
 public:
  OpenClusters(SymmetricMatrix correlation) : mean_(std::move(correlation)), members_(mean_.size()) {
    for (size_t i = 0; i < mean_.size(); ++i) {
      if (!mean_.at(i, i)) continue;
      open_.push_back(i);
      members_[i] = {i};
    }
  }

  bool empty() const { return open_.empty(); }
  size_t first() const { return open_.front(); }
  double mean(size_t a, size_t b) const { return mean_.raw(a, b); }

  // The cluster closest to `a`; of equal ones `favoured`, else the first. nullopt if it is alone.
  std::optional<size_t> nearest(size_t a, std::optional<size_t> favoured) const {
    std::optional<size_t> best = favoured;
    for (size_t b : open_) {
      if (b != a && (!best || mean(a, b) > mean(a, *best))) best = b;
    }
    return best;
  }

  void join(size_t a, size_t b) {
    if (b < a) std::swap(a, b);
    const auto size_a = static_cast<double>(members_[a].size()), size_b = static_cast<double>(members_[b].size());
    std::erase(open_, b);
    for (size_t c : open_) {
      if (c != a) mean_.set(a, c, (size_a * mean(a, c) + size_b * mean(b, c)) / (size_a + size_b));
    }
    members_[a].insert(members_[a].end(), members_[b].begin(), members_[b].end());
    members_[b].clear();
  }

  std::vector<size_t> close(size_t a) {
    std::erase(open_, a);
    return std::move(members_[a]);
  }

 private:
  SymmetricMatrix mean_;
  std::vector<std::vector<size_t>> members_;
  std::vector<size_t> open_;  // increasing
};

}  // namespace

int64_t implied_trials(const SymmetricMatrix& correlation) {
  double total = 0, count = 0;
  for (size_t a = 0; a < correlation.size(); ++a) {
    if (!correlation.at(a, a)) continue;
    ++count;
    for (size_t b = 0; b < a; ++b) {
      if (correlation.at(b, b)) total += correlation.raw(a, b);
    }
  }
  if (count < 2) return static_cast<int64_t>(count);
  const double mean = total / (count * (count - 1) / 2);
  return static_cast<int64_t>(std::clamp(std::ceil(mean + (1 - mean) * count), 1.0, count));
}

TrialClusters cluster_trials(SymmetricMatrix correlation, double least_mean) {
  TrialClusters clusters{.cluster_of = std::vector<std::optional<size_t>>(correlation.size())};
  OpenClusters open(std::move(correlation));
  std::vector<std::vector<size_t>> done;
  std::vector<size_t> chain;  // each is the nearest of the one before, so their means increase
  while (!open.empty()) {
    if (chain.empty()) chain.push_back(open.first());
    const size_t last = chain.back();
    const std::optional<size_t> before = chain.size() > 1 ? std::optional(chain[chain.size() - 2]) : std::nullopt;
    const std::optional<size_t> nearest = open.nearest(last, before);
    if (!nearest || !(open.mean(last, *nearest) >= least_mean)) {
      // A mean with two joined clusters lies between the means with each, so nothing will ever be close enough.
      done.push_back(open.close(last));
      chain.clear();
    } else if (nearest == before) {
      chain.resize(chain.size() - 2);
      open.join(last, *nearest);
    } else {
      chain.push_back(*nearest);
    }
  }

  const auto first_member = [](const std::vector<size_t>& members) { return *std::ranges::min_element(members); };
  std::ranges::sort(done, {}, first_member);
  for (size_t cluster = 0; cluster < done.size(); ++cluster) {
    for (size_t member : done[cluster]) clusters.cluster_of[member] = cluster;
  }
  clusters.count = static_cast<int64_t>(done.size());
  return clusters;
}

}  // namespace signalbook
