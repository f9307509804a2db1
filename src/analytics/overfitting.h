#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"

namespace signalbook {

// The returns of many strategies over the same bars, cut into blocks of equal length (or one longer than the others,
// where bars do not divide) and kept as a sum and a sum of squares for each: 16 bytes a block and strategy.
class ReturnBlocks {
 public:
  // An even number of blocks from 2 to 20, each of at least 2 returns; else Invalid.
  static Result<ReturnBlocks> create(int64_t return_count, int block_count = 16);

  // The next strategy's returns, one a bar. Invalid if their number is not return_count or one is not finite.
  Status add(std::span<const double> returns);

  int64_t return_count() const { return return_count_; }
  int block_count() const { return block_count_; }
  size_t strategy_count() const { return added_; }

 private:
  friend class HalfSums;

  ReturnBlocks(int64_t return_count, int block_count) : return_count_(return_count), block_count_(block_count) {}
  int64_t block_begin(int block) const { return return_count_ * block / block_count_; }

  int64_t return_count_;
  int block_count_;
  size_t added_ = 0;
  std::vector<size_t> ranked_;          // those whose returns are not all equal, by their place
  std::vector<double> sums_, squares_;  // of block b of the k-th of them: [k * block_count_ + b]
};

// One way to take half of the blocks as in sample. Sharpe ratios are per bar.
struct OverfittingSplit {
  size_t chosen = 0;  // the strategy with the best Sharpe ratio in sample, by its place; of equal ones the first
  double in_sample_sharpe = 0;  // its Sharpe ratio there
  double out_of_sample_sharpe = 0;
  double logit = 0;  // ln(w / (1 - w)), w its rank out of sample / (strategies + 1); equal ones share a rank
};

struct Overfitting {
  size_t strategy_count = 0;  // that were ranked
  double probability = 0;  // PBO: share of the splits with logit <= 0, the chosen one being no better than the median
  double probability_of_loss = 0;  // share of the splits in which the chosen one loses out of sample
  // Line of least squares through the splits' (in sample, out of sample); nullopt where it would be vertical.
  std::optional<double> degradation_slope, degradation_intercept;
  std::vector<OverfittingSplit> splits;  // all C(blocks, blocks / 2)
};

// Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV), for choosing by the Sharpe
// ratio: Bailey, Borwein, Lopez de Prado and Zhu, "The probability of backtest overfitting" (2017). Strategies whose
// returns are all equal take no part; one whose returns are all equal in one half counts as 0 there. Invalid with fewer
// than two. Needs 32 * 2^(blocks / 2) bytes a strategy: 8 KB for 16 blocks.
Result<Overfitting> backtest_overfitting(const ReturnBlocks& blocks);

}  // namespace signalbook
