#include "analytics/correlation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "format/signal_encoder.h"

// Compiled for what the processor has, chosen when the program starts. No clone rounds otherwise than another: ISO C++
// does not let the compiler fuse a product and a sum, and each lane adds in its own order. Sanitizers do not know such
// functions.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define SB_FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SB_FOR_EACH_CPU
#endif

namespace signalbook {
namespace {

constexpr int64_t kChunkBars = 1'024;  // their prefix sums stay in the second-level cache
constexpr size_t kBlockBytes = 128;    // of sums in the registers

template <typename Sum>
constexpr size_t kLanes = kBlockBytes / sizeof(Sum);

// ---- Traces as steps
// -------------------------------------------------------------------------------------------------

// What a trace says over the window, whose first bar is 0 here: value[k] from bar begin[k] on. begin[0] is 0.
struct Track {
  std::vector<uint32_t> begin;
  std::vector<double> value;
};

// Calls take(first bar, number of bars, value) for the stretches of equal value within [begin, end).
template <typename Take>
void for_each_stretch(const Track& track, int64_t begin, int64_t end, Take&& take) {
  size_t k = static_cast<size_t>(std::ranges::upper_bound(track.begin, begin) - track.begin.begin()) - 1;
  while (begin < end) {
    const int64_t next = k + 1 < track.begin.size() ? std::min<int64_t>(track.begin[k + 1], end) : end;
    take(begin, next - begin, track.value[k]);
    begin = next;
    ++k;
  }
}

template <typename Transform>
Result<std::vector<Track>> tracks_of(std::span<const SignalChanges> traces, BarWindow bars, Transform&& transform) {
  if (bars.begin < 0 || bars.size() < 0 || bars.size() >= int64_t{1} << 31) {
    return Status::invalid(
        fmt::format("bars {} to {} are no window to compare traces over: it begins at bar 0 or later "
                    "and has less than 2^31 bars",
                    bars.begin, bars.end));
  }
  std::vector<Track> tracks(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    const SignalChanges& changes = traces[i];
    const std::string place = fmt::format("trace {}", i);
    if (changes.kind != SignalKind::number) {
      return Status::invalid(place + ": it holds labels, and only numbers can be compared");
    }
    SB_RETURN_IF_ERROR(check_changes(changes, std::numeric_limits<int64_t>::max()).at(place));
    Track& track = tracks[i];
    track.begin.push_back(0);
    track.value.push_back(0);
    for (size_t k = 0; k < changes.size() && changes.idx[k] < bars.end; ++k) {
      if (!std::isfinite(changes.values[k])) {
        return Status::invalid(fmt::format("{}: the value on bar {} is not a finite number", place, changes.idx[k]));
      }
      const double value = transform(changes.values[k]);
      if (changes.idx[k] <= bars.begin) {
        track.value.back() = value;
      } else if (value != track.value.back()) {
        track.begin.push_back(static_cast<uint32_t>(changes.idx[k] - bars.begin));
        track.value.push_back(value);
      }
    }
  }
  return tracks;
}

// ---- Sums over pairs
// -------------------------------------------------------------------------------------------------

// The sum of v(t) x(t) over a chunk, where v seldom changes, is the sum over the steps of v down (value before - value
// after; the last one, to 0, at the chunk's end) times the sum of x before the step.
template <typename Sum>
struct Steps {
  std::vector<size_t> begin;  // of chunk c, track i: begin[c * tracks + i]; one more at the end
  std::vector<uint16_t> bar;  // within the chunk, 1 to kChunkBars
  std::vector<Sum> down;
};

template <typename Sum>
Sum to_sum(double value) {
  if constexpr (std::is_integral_v<Sum>) {
    return static_cast<Sum>(static_cast<int64_t>(value));  // modulo 2^32, which is what all sums are
  } else {
    return value;
  }
}

template <typename Sum>
Steps<Sum> steps_of(const std::vector<Track>& tracks, int64_t bar_count) {
  Steps<Sum> steps;
  steps.begin.push_back(0);
  for (int64_t chunk = 0; chunk < bar_count; chunk += kChunkBars) {
    const int64_t chunk_end = std::min(chunk + kChunkBars, bar_count);
    for (const Track& track : tracks) {
      double after = 0;
      const auto step = [&](int64_t bar, double before) {
        if (before == after || bar == chunk) return;  // before the chunk's first bar the sum is 0
        steps.bar.push_back(static_cast<uint16_t>(bar - chunk));
        steps.down.push_back(to_sum<Sum>(before) - to_sum<Sum>(after));
      };
      double before = 0;
      for_each_stretch(track, chunk, chunk_end, [&](int64_t bar, int64_t, double value) {
        after = value;
        step(bar, before);
        before = value;
      });
      after = 0;
      step(chunk_end, before);
      steps.begin.push_back(steps.bar.size());
    }
  }
  return steps;
}

// sums[lane] += down[k] * prefix[bar[k]][lane], with two chains of additions so that they need not wait for each other.
template <typename Sum>
[[gnu::always_inline]] inline void add_steps(const uint16_t* bar, const Sum* down, size_t count, const Sum* prefix,
                                             Sum* sums) {
  constexpr size_t kWidth = kLanes<Sum>;
  Sum even[kWidth], odd[kWidth];
  for (size_t lane = 0; lane < kWidth; ++lane) even[lane] = sums[lane];
  for (size_t lane = 0; lane < kWidth; ++lane) odd[lane] = 0;
  size_t k = 0;
  for (; k + 1 < count; k += 2) {
    const Sum* first = prefix + bar[k] * kWidth;
    const Sum* second = prefix + bar[k + 1] * kWidth;
    for (size_t lane = 0; lane < kWidth; ++lane) even[lane] += down[k] * first[lane];
    for (size_t lane = 0; lane < kWidth; ++lane) odd[lane] += down[k + 1] * second[lane];
  }
  if (k < count) {
    const Sum* first = prefix + bar[k] * kWidth;
    for (size_t lane = 0; lane < kWidth; ++lane) even[lane] += down[k] * first[lane];
  }
  for (size_t lane = 0; lane < kWidth; ++lane) sums[lane] = even[lane] + odd[lane];
}

SB_FOR_EACH_CPU void add_steps_of(const uint16_t* bar, const double* down, size_t count, const double* prefix,
                                  double* sums) {
  add_steps<double>(bar, down, count, prefix, sums);
}
SB_FOR_EACH_CPU void add_steps_of(const uint16_t* bar, const uint32_t* down, size_t count, const uint32_t* prefix,
                                  uint32_t* sums) {
  add_steps<uint32_t>(bar, down, count, prefix, sums);
}

// Calls take(row, column, sum over t of row's value(t) * x(t)) for each pair with row >= column, where
// fill(column, first bar, xs) gives the column's x(t) for the bars from the first on. Several threads call both.
template <typename Sum, typename Fill, typename Take>
Status sum_over_pairs(const std::vector<Track>& tracks, int64_t bar_count, const PairWork& work, Fill&& fill,
                      Take&& take) {
  constexpr size_t kWidth = kLanes<Sum>;
  const size_t count = tracks.size();
  const Steps<Sum> steps = steps_of<Sum>(tracks, bar_count);
  const auto sum_block = [&](size_t number) -> Status {
    const size_t block = number * kWidth;
    std::vector<Sum> xs(kChunkBars), prefix((kChunkBars + 1) * kWidth), sums;
    const size_t width = std::min(kWidth, count - block);
    sums.assign((count - block) * kWidth, 0);
    size_t begin = 0;  // of the chunk in steps.begin
    for (int64_t chunk = 0; chunk < bar_count; chunk += kChunkBars, begin += count) {
      const auto length = static_cast<size_t>(std::min(kChunkBars, bar_count - chunk));
      for (size_t lane = 0; lane < width; ++lane) {
        fill(block + lane, chunk, std::span(xs.data(), length));
        Sum sum = 0;
        for (size_t t = 0; t < length; ++t) {
          prefix[t * kWidth + lane] = sum;
          sum += xs[t];
        }
        prefix[length * kWidth + lane] = sum;
      }
      for (size_t row = block; row < count; ++row) {
        const size_t first = steps.begin[begin + row], last = steps.begin[begin + row + 1];
        add_steps_of(steps.bar.data() + first, steps.down.data() + first, last - first, prefix.data(),
                     sums.data() + (row - block) * kWidth);
      }
    }
    for (size_t row = block; row < count; ++row) {
      for (size_t lane = 0; lane < width && block + lane <= row; ++lane) {
        take(row, block + lane, sums[(row - block) * kWidth + lane]);
      }
    }
    return Status();
  };
  return parallel_for((count + kWidth - 1) / kWidth, work.threads, sum_block, work.interrupt);
}

// ---- Whole numbers
// ---------------------------------------------------------------------------------------------------

// Whether no sum of products of two of these leaves 32 bits.
bool sums_fit_32_bits(const std::vector<Track>& tracks, int64_t bar_count) {
  double largest = 0;
  for (const Track& track : tracks) {
    for (double value : track.value) {
      if (value != std::trunc(value)) return false;
      largest = std::max(largest, std::abs(value));
    }
  }
  return largest * largest * static_cast<double>(bar_count) < 0x1p31;
}

// take(row, column, sum of the products of the two traces' values), exact.
template <typename Take>
Status sum_whole_numbers(const std::vector<Track>& tracks, int64_t bar_count, const PairWork& work, Take&& take) {
  const auto fill = [&](size_t column, int64_t begin, std::span<uint32_t> xs) {
    for_each_stretch(tracks[column], begin, begin + static_cast<int64_t>(xs.size()),
                     [&](int64_t bar, int64_t bars, double value) {
                       std::fill_n(xs.begin() + (bar - begin), bars, to_sum<uint32_t>(value));
                     });
  };
  return sum_over_pairs<uint32_t>(tracks, bar_count, work, fill, [&](size_t row, size_t column, uint32_t sum) {
    take(row, column, static_cast<int64_t>(static_cast<int32_t>(sum)));
  });
}

double between_minus_one_and_one(double value) { return std::clamp(value, -1.0, 1.0); }

Result<SymmetricMatrix> correlate_whole_numbers(const std::vector<Track>& tracks, int64_t bar_count,
                                                const PairWork& work) {
  std::vector<int64_t> total(tracks.size());
  std::vector<double> spread(tracks.size());  // bars^2 * variance
  for (size_t i = 0; i < tracks.size(); ++i) {
    int64_t squares = 0;
    for_each_stretch(tracks[i], 0, bar_count, [&](int64_t, int64_t bars, double value) {
      const auto whole = static_cast<int64_t>(value);
      total[i] += bars * whole;
      squares += bars * whole * whole;
    });
    // Below 2^62: the number of bars and the sum of squares are both below 2^31.
    spread[i] = static_cast<double>(bar_count * squares - total[i] * total[i]);
  }
  SymmetricMatrix correlation(tracks.size());
  SB_RETURN_IF_ERROR(sum_whole_numbers(tracks, bar_count, work, [&](size_t row, size_t column, int64_t sum) {
    if (spread[row] == 0 || spread[column] == 0) return;
    const auto together = static_cast<double>(bar_count * sum - total[row] * total[column]);
    correlation.set(row, column, between_minus_one_and_one(together / std::sqrt(spread[row] * spread[column])));
  }));
  return correlation;
}

// ---- Other numbers
// ---------------------------------------------------------------------------------------------------

// Correlations of y(t) = value(t) * weight[t]. Of the two factors of a covariance one needs to have its mean taken off.
Result<SymmetricMatrix> correlate_weighted(const std::vector<Track>& tracks, std::span<const double> weights,
                                           const PairWork& work) {
  const auto bar_count = static_cast<int64_t>(weights.size());
  const auto for_each_y = [&](size_t i, int64_t begin, int64_t end, auto&& take) {
    for_each_stretch(tracks[i], begin, end, [&](int64_t bar, int64_t bars, double value) {
      const double* weight = weights.data() + bar;
      for (int64_t t = 0; t < bars; ++t) take(value * weight[t], weight[t]);
    });
  };

  std::vector<double> mean(tracks.size()), length(tracks.size());  // of the vector y - mean; 0 if all y are equal
  for (size_t i = 0; i < tracks.size() && bar_count > 0; ++i) {
    double total = 0, smallest = std::numeric_limits<double>::infinity(), largest = -smallest;
    for_each_y(i, 0, bar_count, [&](double y, double) {
      total += y;
      smallest = std::min(smallest, y);
      largest = std::max(largest, y);
    });
    if (smallest == largest) continue;
    mean[i] = total / static_cast<double>(bar_count);
    double squares = 0;
    for_each_y(i, 0, bar_count, [&](double y, double) { squares += (y - mean[i]) * (y - mean[i]); });
    length[i] = std::sqrt(squares);
  }

  const auto fill = [&](size_t column, int64_t begin, std::span<double> xs) {
    auto x = xs.begin();
    for_each_y(column, begin, begin + static_cast<int64_t>(xs.size()),
               [&](double y, double weight) { *x++ = (y - mean[column]) * weight; });
  };
  SymmetricMatrix correlation(tracks.size());
  SB_RETURN_IF_ERROR(sum_over_pairs<double>(tracks, bar_count, work, fill, [&](size_t row, size_t column, double sum) {
    if (!(length[row] > 0 && length[column] > 0)) return;
    const double together = sum / length[row] / length[column];
    correlation.set(row, column, row == column ? 1 : between_minus_one_and_one(together));
  }));
  return correlation;
}

}  // namespace

Result<SymmetricMatrix> position_correlation(std::span<const SignalChanges> traces, BarWindow bars,
                                             const PairWork& work) {
  SB_ASSIGN_OR_RETURN(std::vector<Track> tracks, tracks_of(traces, bars, [](double value) { return value; }));
  if (sums_fit_32_bits(tracks, bars.size())) return correlate_whole_numbers(tracks, bars.size(), work);
  // Where they are far from 0 and hardly vary, most of their digits would cancel.
  for (Track& track : tracks) {
    double total = 0;
    for_each_stretch(track, 0, bars.size(),
                     [&](int64_t, int64_t count, double value) { total += value * static_cast<double>(count); });
    for (double& value : track.value) value -= total / static_cast<double>(bars.size());
  }
  return correlate_weighted(tracks, std::vector<double>(static_cast<size_t>(bars.size()), 1.0), work);
}

Result<SymmetricMatrix> pnl_correlation(std::span<const SignalChanges> traces, BarWindow bars,
                                        std::span<const double> returns, const PairWork& work) {
  SB_ASSIGN_OR_RETURN(const std::vector<Track> tracks, tracks_of(traces, bars, [](double value) { return value; }));
  if (static_cast<int64_t>(returns.size()) < bars.end) {
    return Status::invalid(fmt::format("{} returns for bars up to {}: the last bar of a feed has none, so leave it out",
                                       returns.size(), bars.end - 1));
  }
  const auto earned = returns.subspan(static_cast<size_t>(bars.begin), static_cast<size_t>(bars.size()));
  const auto bad = std::ranges::find_if_not(earned, [](double value) { return std::isfinite(value); });
  if (bad != earned.end()) {
    return Status::invalid(fmt::format("the return of bar {} is not a finite number: look at its price",
                                       bars.begin + (bad - earned.begin())));
  }
  return correlate_weighted(tracks, earned, work);
}

Result<PositionOverlap> position_overlap(std::span<const SignalChanges> traces, BarWindow bars, const PairWork& work) {
  SB_ASSIGN_OR_RETURN(const std::vector<Track> held,
                      tracks_of(traces, bars, [](double value) { return value != 0 ? 1.0 : 0.0; }));
  SB_ASSIGN_OR_RETURN(const std::vector<Track> sides, tracks_of(traces, bars, [](double value) {
                        return static_cast<double>((value > 0) - (value < 0));
                      }));
  std::vector<int64_t> bars_held(traces.size());
  for (size_t i = 0; i < traces.size(); ++i) {
    for_each_stretch(held[i], 0, bars.size(),
                     [&](int64_t, int64_t count, double value) { bars_held[i] += value != 0 ? count : 0; });
  }
  PositionOverlap overlap{.both = SymmetricMatrix(traces.size()), .same_side = SymmetricMatrix(traces.size())};
  SB_RETURN_IF_ERROR(sum_whole_numbers(held, bars.size(), work, [&](size_t row, size_t column, int64_t both) {
    overlap.both.set(row, column, static_cast<double>(both));
  }));
  // Same side counts 1 and opposite sides -1 in this sum, and together they are `both`.
  const auto share_out = [&](size_t row, size_t column, int64_t same_less_opposite) {
    const auto both = static_cast<int64_t>(overlap.both.raw(row, column));
    const auto either = static_cast<double>(bars_held[row] + bars_held[column] - both);
    const double none = std::numeric_limits<double>::quiet_NaN();
    overlap.both.set(row, column, either > 0 ? static_cast<double>(both) / either : none);
    overlap.same_side.set(row, column, either > 0 ? static_cast<double>(both + same_less_opposite) / 2 / either : none);
  };
  SB_RETURN_IF_ERROR(sum_whole_numbers(sides, bars.size(), work, share_out));
  return overlap;
}

}  // namespace signalbook
