#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analytics/named_metric.h"
#include "analytics/symmetric_matrix.h"
#include "base/status.h"
#include "study/feed_traces.h"
#include "study/metric_terms.h"
#include "study/study_control.h"

namespace signalbook {

// In what traces may be alike (docs/luck.md).
enum class Likeness : uint8_t { positions, pnl, overlap };

struct TraceRelations {
  SymmetricMatrix value;      // the correlation; of overlap: the share of bars on which both hold a position
  SymmetricMatrix same_side;  // of overlap, else without entries
};

// How alike the traces are, each with each by their places in `feed`, over the window of the terms without its last
// bar, which earns nothing. Costs play no part. The changes are taken out of `feed` meanwhile and put back. Invalid for
// fewer than two traces; else errors as find_study_window() and position_correlation().
Result<TraceRelations> relate_traces(FeedTraces& feed, const MetricTerms& terms, Likeness likeness,
                                     const StudyControl& control);

struct TracePair {
  uint32_t a = 0, b = 0;  // a < b
  bool operator==(const TracePair&) const = default;
};

// The pairs of two different traces, by the size of their value without its sign, the largest first; those without a
// value are last, and of equal ones the first come first. `max_count` of them: 16 bytes a pair that is asked for.
std::vector<TracePair> strongest_pairs(const SymmetricMatrix& value, size_t max_count);

struct EnsembleChoice {
  Likeness likeness = Likeness::pnl;  // not overlap
  size_t count = 0;                   // members at the most
  double max_correlation = 0.7;       // in size, with each other
  NamedMetric best;
};

struct EnsembleMember {
  size_t trace = 0;                           // its place in the feed
  double metric = 0;                          // what it was chosen by
  std::optional<double> highest_correlation;  // in size, with those taken before; nullopt for the first
  bool operator==(const EnsembleMember&) const = default;
};

// The best one, the best of those that are unlike it, and so on: select_uncorrelated(), by a metric at the terms. In
// the order in which they are taken. Errors as relate_traces().
Result<std::vector<EnsembleMember>> choose_ensemble(FeedTraces& feed, const MetricTerms& terms,
                                                    const EnsembleChoice& choice, const StudyControl& control);

}  // namespace signalbook
