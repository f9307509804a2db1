#include "analytics/overfitting.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace signalbook {
namespace {

constexpr int kMaxBlocks = 20;

// From sums. Returns that are all equal leave a variance that is only rounding.
double sharpe_of(double sum, double squares, double count) {
  const double mean = sum / count;
  const double variance = (squares - sum * mean) / (count - 1);
  return variance > 1e-14 * squares / count ? mean / std::sqrt(variance) : 0;
}

double share_of(size_t part, size_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

void fit_degradation(Overfitting& result) {
  const auto count = static_cast<double>(result.splits.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (const OverfittingSplit& split : result.splits) {
    mean_x += split.in_sample_sharpe / count;
    mean_y += split.out_of_sample_sharpe / count;
  }
  for (const OverfittingSplit& split : result.splits) {
    const double x = split.in_sample_sharpe - mean_x;
    xx += x * x;
    xy += x * (split.out_of_sample_sharpe - mean_y);
  }
  if (!(xx > 0)) return;
  result.degradation_slope = xy / xx;
  result.degradation_intercept = mean_y - xy / xx * mean_x;
}

}  // namespace

Result<ReturnBlocks> ReturnBlocks::create(int64_t return_count, int block_count) {
  if (block_count < 2 || block_count > kMaxBlocks || block_count % 2 != 0) {
    return Status::invalid(fmt::format("{} blocks: choose an even number from 2 to {}", block_count, kMaxBlocks));
  }
  if (return_count < 2 * block_count) {
    return Status::invalid(
        fmt::format("{} returns are too few for {} blocks of at least 2: take fewer blocks or more bars", return_count,
                    block_count));
  }
  return ReturnBlocks(return_count, block_count);
}

Status ReturnBlocks::add(std::span<const double> returns) {
  if (static_cast<int64_t>(returns.size()) != return_count_) {
    return Status::invalid(
        fmt::format("strategy {} has {} returns and not {} as agreed", added_, returns.size(), return_count_));
  }
  const auto bad = std::ranges::find_if_not(returns, [](double value) { return std::isfinite(value); });
  if (bad != returns.end()) {
    return Status::invalid(fmt::format("strategy {}: return {} is not a finite number", added_, bad - returns.begin()));
  }
  const size_t place = added_++;
  if (std::ranges::adjacent_find(returns, std::not_equal_to()) == returns.end()) return Status();
  ranked_.push_back(place);
  for (int block = 0; block < block_count_; ++block) {
    double sum = 0, squares = 0;
    for (int64_t t = block_begin(block); t < block_begin(block + 1); ++t) {
      const double value = returns[static_cast<size_t>(t)];
      sum += value;
      squares += value * value;
    }
    sums_.push_back(sum);
    squares_.push_back(squares);
  }
  return Status();
}

// Sums over any set of blocks (a bit each), for all strategies: those over each set of the lower half of the blocks and
// of the upper half are added up beforehand, so that a split costs two additions a strategy, and no rounding is carried
// from split to split.
class HalfSums {
 public:
  explicit HalfSums(const ReturnBlocks& blocks)
      : blocks_(blocks),
        half_(blocks.block_count() / 2),
        lower_(table(0)),
        upper_(table(half_)),
        lower_mask_((uint32_t{1} << half_) - 1) {}

  size_t strategy_count() const { return blocks_.ranked_.size(); }
  size_t place(size_t strategy) const { return blocks_.ranked_[strategy]; }

  void sharpes(uint32_t set, std::vector<double>& out) const {
    int64_t count = 0;
    for (int block = 0; block < blocks_.block_count_; ++block) {
      if (set >> block & 1) count += blocks_.block_begin(block + 1) - blocks_.block_begin(block);
    }
    const Sums& a = lower_[set & lower_mask_];
    const Sums& b = upper_[set >> half_];
    out.resize(strategy_count());
    for (size_t k = 0; k < out.size(); ++k) {
      out[k] = sharpe_of(a.sum[k] + b.sum[k], a.squares[k] + b.squares[k], static_cast<double>(count));
    }
  }

 private:
  struct Sums {
    std::vector<double> sum, squares;  // by strategy
  };

  std::vector<Sums> table(int first_block) const {
    std::vector<Sums> sets(size_t{1} << half_);
    sets[0] = {.sum = std::vector<double>(strategy_count()), .squares = std::vector<double>(strategy_count())};
    for (size_t set = 1; set < sets.size(); ++set) {
      sets[set] = sets[set & (set - 1)];
      const auto block = static_cast<size_t>(first_block + std::countr_zero(set));
      for (size_t k = 0; k < strategy_count(); ++k) {
        const size_t at = k * static_cast<size_t>(blocks_.block_count_) + block;
        sets[set].sum[k] += blocks_.sums_[at];
        sets[set].squares[k] += blocks_.squares_[at];
      }
    }
    return sets;
  }

  const ReturnBlocks& blocks_;
  int half_;
  std::vector<Sums> lower_, upper_;
  uint32_t lower_mask_;
};

Result<Overfitting> backtest_overfitting(const ReturnBlocks& blocks) {
  const HalfSums sums(blocks);
  Overfitting result{.strategy_count = sums.strategy_count()};
  if (result.strategy_count < 2) {
    return Status::invalid(
        fmt::format("overfitting is a matter of choosing, and {} of {} strategies have returns that "
                    "are not all equal: take at least two that trade",
                    result.strategy_count, blocks.strategy_count()));
  }
  const uint32_t all = (uint32_t{1} << blocks.block_count()) - 1;
  std::vector<double> in_sample, out_of_sample;
  size_t overfit = 0, losses = 0;
  for (uint32_t set = 1; set < all; ++set) {
    if (2 * std::popcount(set) != blocks.block_count()) continue;
    sums.sharpes(set, in_sample);
    sums.sharpes(all & ~set, out_of_sample);
    const auto best = static_cast<size_t>(std::ranges::max_element(in_sample) - in_sample.begin());
    const double there = out_of_sample[best];
    size_t below = 0, equal = 0;
    for (double other : out_of_sample) {
      below += other < there;
      equal += other == there;
    }
    const double rank = static_cast<double>(below) + static_cast<double>(equal + 1) / 2;  // from 1
    const double logit = std::log(rank / (static_cast<double>(result.strategy_count + 1) - rank));
    overfit += logit <= 0;
    losses += there < 0;
    result.splits.push_back({.chosen = sums.place(best),
                             .in_sample_sharpe = in_sample[best],
                             .out_of_sample_sharpe = there,
                             .logit = logit});
  }
  result.probability = share_of(overfit, result.splits.size());
  result.probability_of_loss = share_of(losses, result.splits.size());
  fit_degradation(result);
  return result;
}

}  // namespace signalbook
