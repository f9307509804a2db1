#include "analytics/equity.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "analytics/stretches.h"
#include "format/signal_encoder.h"

namespace signalbook {

namespace {

// Changes that lie in memory and not in a cache are asked for some time before they are needed.
constexpr size_t kAhead = 256;

// All at once, without a branch: nearly always all is well.
bool are_positions(const SignalChanges& changes, int64_t bar_count) {
  if (changes.values.size() != changes.size()) return false;
  if (changes.size() == 0) return true;
  constexpr uint64_t kExponent = uint64_t{0x7ff} << 52, kOne = uint64_t{1} << 52;
  constexpr size_t kLine = 8;  // changes in a cache line
  const BarIndex* idx = changes.idx.data();
  const double* values = changes.values.data();
  for (size_t k = 0; k < std::min(kAhead, changes.size()); k += kLine) {
    __builtin_prefetch(idx + k);
    __builtin_prefetch(values + k);
  }
  uint64_t is_bad = 0, next = 0;  // bad by the highest bit; the least that may come
  for (size_t begin = 0; begin < changes.size(); begin += kLine) {
    __builtin_prefetch(idx + begin + kAhead);
    __builtin_prefetch(values + begin + kAhead);
    const size_t end = std::min(begin + kLine, changes.size());
    for (size_t k = begin; k < end; ++k) {
      // Numbers that are not negative, of which none is less than one more than the one before. All of an exponent set
      // is no finite number: one more overflows it.
      const auto bar = static_cast<uint64_t>(idx[k]);
      is_bad |= bar | (bar - next);
      is_bad |= (std::bit_cast<uint64_t>(values[k]) & kExponent) + kOne;
      next = bar + 1;
    }
  }
  return is_bad >> 63 == 0 && changes.idx.back() < bar_count;
}

}  // namespace

Status check_positions(const SignalChanges& changes, const PriceSeries& series) {
  if (changes.kind != SignalKind::number) return Status::invalid("labels are no positions: metrics need numbers");
  if (are_positions(changes, series.feed_size())) return Status();
  SB_RETURN_IF_ERROR(check_changes(changes, series.feed_size()));
  const auto bad = std::ranges::find_if_not(changes.values, [](double value) { return std::isfinite(value); });
  const auto row = bad - changes.values.begin();
  return Status::damaged(fmt::format("row {}: the value of bar {} is {}, which is no position", row,
                                     changes.idx[static_cast<size_t>(row)], *bad));
}

std::vector<Wide> wide_returns(const SignalChanges& changes, const PriceSeries& series, double cost,
                               std::span<const Fill> fills) {
  std::vector<Wide> returns(series.size() > 0 ? static_cast<size_t>(series.size() - 1) : 0);
  auto fill = fills.begin();
  double previous = 0;
  bool is_ruined = false;
  for_each_stretch(changes, series, [&](BarIndex begin, BarIndex end, double value) {
    for (BarIndex bar = begin + 1; bar <= end && !is_ruined; ++bar) {
      Wide price_return = series.simple_return(bar);
      while (fill != fills.end() && fill->bar < bar) ++fill;
      if (fill != fills.end() && fill->bar == bar) {
        const Wide before = series.close(bar - 1);
        price_return = (fill->price - before) / before;
      }
      Wide& earned = returns[static_cast<size_t>(bar - 1)];
      earned = value * price_return;
      if (bar == begin + 1) earned -= cost * std::abs(Wide(value) - previous);
      is_ruined = earned <= -1;
      if (is_ruined) earned = -1;
    }
    previous = value;
  });
  return returns;
}

Result<EquityCurve> equity_curve(const SignalChanges& changes, const PriceSeries& series, double cost,
                                 std::span<const Fill> fills) {
  SB_RETURN_IF_ERROR(check_positions(changes, series));
  EquityCurve curve;
  if (series.size() == 0) return curve;
  Wide equity = 1;
  curve.equity.push_back(1);
  for (const Wide earned : wide_returns(changes, series, cost, fills)) {
    equity *= 1 + earned;
    if (equity <= 0 && !curve.ruined_on) curve.ruined_on = static_cast<BarIndex>(curve.equity.size());
    curve.equity.push_back(static_cast<double>(equity));
    curve.returns.push_back(static_cast<double>(earned));
  }
  return curve;
}

}  // namespace signalbook
