#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "format/signal.h"

namespace signalbook {

// What becomes of the weighted sum of several positions.
enum class VoteRule : uint8_t {
  sum,       // that is the position
  sign,      // its sign is
  above,     // its sign where |sum| > threshold, else 0
  at_least,  // its sign where |sum| >= threshold, else 0
};

// Sums and thresholds are short decimals, which doubles only come near: 0.1 + 0.2 is not above 0.3. What lies closer
// together than this is the same.
inline constexpr double kVoteTolerance = 1e-9;

struct WeightedMember {
  double weight = 0;
  const SignalChanges* changes = nullptr;  // positions
};

// The vote of `members` on the bars before `bar_count`: from the first bar on which all of them have said something.
// The threshold counts for the rules that have one.
SignalChanges weighted_vote(std::span<const WeightedMember> members, VoteRule rule, double threshold,
                            int64_t bar_count);

struct PositionDifference {
  BarIndex idx = 0;
  double a = 0, b = 0;
};

struct PositionAgreement {
  int64_t equal_bars = 0;
  std::optional<PositionDifference> first, last;
};

// Two traces of positions on the bars of [begin, end). Who has said nothing yet holds nothing, which is 0. Positions
// are equal within kVoteTolerance x max(1, |a|).
PositionAgreement compare_positions(const SignalChanges& a, const SignalChanges& b, BarIndex begin, BarIndex end);
bool are_equal_positions(double a, double b);

}  // namespace signalbook
