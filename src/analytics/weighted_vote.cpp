#include "analytics/weighted_vote.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "analytics/joint_stretches.h"

namespace signalbook {

namespace {

double position_of(double sum, VoteRule rule, double threshold) {
  const double size = std::abs(sum);
  const double sign = size <= kVoteTolerance ? 0.0 : sum > 0 ? 1.0 : -1.0;
  switch (rule) {
    case VoteRule::sum:
      return sum;
    case VoteRule::sign:
      return sign;
    case VoteRule::above:
      return size > threshold + kVoteTolerance ? sign : 0.0;
    case VoteRule::at_least:
      return size >= threshold - kVoteTolerance ? sign : 0.0;
  }
  return sum;
}

double held_position(double value) { return std::isnan(value) ? 0.0 : value; }

}  // namespace

SignalChanges weighted_vote(std::span<const WeightedMember> members, VoteRule rule, double threshold,
                            int64_t bar_count) {
  std::vector<const SignalChanges*> traces;
  for (const WeightedMember& member : members) traces.push_back(member.changes);
  SignalChanges vote;
  for_each_joint_stretch(traces, 0, bar_count, [&](BarIndex begin, BarIndex, std::span<const double> values) {
    if (std::ranges::any_of(values, [](double value) { return std::isnan(value); })) return;
    // Summed anew, not corrected by what changed, so that it is what bar by bar gives, to the last bit.
    double sum = 0.0;
    for (size_t m = 0; m < members.size(); ++m) sum += members[m].weight * values[m];
    const double position = position_of(sum, rule, threshold);
    if (!vote.values.empty() && vote.values.back() == position) return;
    vote.idx.push_back(begin);
    vote.values.push_back(position);
  });
  return vote;
}

bool are_equal_positions(double a, double b) {
  return a == b || std::abs(a - b) <= kVoteTolerance * std::max(1.0, std::abs(a));
}

PositionAgreement compare_positions(const SignalChanges& a, const SignalChanges& b, BarIndex begin, BarIndex end) {
  PositionAgreement agreement;
  const std::array<const SignalChanges*, 2> traces = {&a, &b};
  for_each_joint_stretch(traces, begin, end, [&](BarIndex from, BarIndex until, std::span<const double> values) {
    const double one = held_position(values[0]), other = held_position(values[1]);
    if (are_equal_positions(one, other)) {
      agreement.equal_bars += until - from;
      return;
    }
    if (!agreement.first) agreement.first = {.idx = from, .a = one, .b = other};
    agreement.last = {.idx = until - 1, .a = one, .b = other};
  });
  return agreement;
}

}  // namespace signalbook
