#include "analytics/metrics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>

#include "support/dense_metrics.h"

namespace signalbook {
namespace {

using Random = std::mt19937_64;

double uniform(Random& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}
int64_t integer(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}
template <typename T>
T one_of(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[integer(random, 0, static_cast<int64_t>(choices.size()) - 1)];
}

SignalChanges trace(std::vector<BarIndex> idx, std::vector<double> values) {
  return {.idx = std::move(idx), .values = std::move(values)};
}

// A walk; some rounded to cents, so that prices and equity come back to where they were, some with gaps.
std::vector<double> random_closes(Random& random, int64_t bars) {
  const double noise = one_of(random, {0.0, 1e-4, 1e-3, 0.02, 0.1}), tick = one_of(random, {0.0, 0.01, 1.0});
  const double gap_share = one_of(random, {0.0, 0.0, 0.02});
  std::normal_distribution<double> move(0, 1);
  std::vector<double> close;
  double price = 100;
  for (int64_t bar = 0; bar < bars; ++bar) {
    price *= std::max(0.3, 1 + noise * move(random));
    if (uniform(random, 0, 1) < gap_share) price *= one_of(random, {0.4, 0.7, 1.5, 2.5});
    if (tick > 0) price = std::max(tick, std::round(price / tick) * tick);
    close.push_back(price);
  }
  return close;
}

SignalChanges random_trace(Random& random, int64_t bars) {
  const std::function<double()> kinds[] = {
      [&] { return static_cast<double>(integer(random, -1, 1)); },
      [&] { return static_cast<double>(integer(random, 0, 1)); },
      [&] {
        return one_of(random, {-1.0, 1.0});
      },  // flips only
      [&] { return static_cast<double>(integer(random, -4, 4)) / 4; },
      [&] { return uniform(random, -1.5, 1.5); },
      [&] { return static_cast<double>(integer(random, -30, 30)); },  // to ruin
      [&] { return 0.0; },
  };
  const auto& draw = kinds[static_cast<size_t>(integer(random, 0, 6))];
  const double share = one_of(random, {0.0, 0.01, 0.05, 0.3, 1.0});
  const bool at_first = one_of(random, {true, false}), at_last = one_of(random, {true, false});
  SignalChanges changes;
  for (int64_t bar = 0; bar < bars; ++bar) {
    const bool must = (bar == 0 && at_first) || (bar == bars - 1 && at_last);
    if (!must && uniform(random, 0, 1) >= share) continue;
    const double value = draw();
    if (!changes.values.empty() && changes.values.back() == value) continue;
    changes.idx.push_back(bar);
    changes.values.push_back(value);
  }
  return changes;
}

void expect_near(const char* name, std::optional<double> got, std::optional<long double> expected) {
  ASSERT_EQ(got.has_value(), expected.has_value())
      << name << " is " << (got ? fmt::format("{}", *got) : "nothing") << ", expected "
      << (expected ? fmt::format("{}", static_cast<double>(*expected)) : "nothing");
  if (!got) return;
  EXPECT_TRUE(std::isfinite(*got)) << name;
  const long double allowed = 1e-12L * std::max(1.0L, std::fabs(*expected));
  EXPECT_LE(std::fabs(*got - *expected), allowed)
      << name << " is " << fmt::format("{} and not {}", *got, static_cast<double>(*expected));
}

void expect_same(const Metrics& got, const DenseMetrics& expected) {
  expect_near("total_return", got.total_return, expected.total_return);
  expect_near("total_pnl", got.total_pnl, expected.total_pnl);
  expect_near("annual_return", got.annual_return, expected.annual_return);
  expect_near("annual_volatility", got.annual_volatility, expected.annual_volatility);
  expect_near("sharpe_ratio", got.sharpe_ratio, expected.sharpe_ratio);
  expect_near("sortino_ratio", got.sortino_ratio, expected.sortino_ratio);
  expect_near("calmar_ratio", got.calmar_ratio, expected.calmar_ratio);
  expect_near("max_drawdown", got.max_drawdown, expected.max_drawdown);
  expect_near("win_rate", got.win_rate, expected.win_rate);
  expect_near("profit_factor", got.profit_factor, expected.profit_factor);
  expect_near("avg_trade_return", got.avg_trade_return, expected.avg_trade_return);
  expect_near("avg_bars_held", got.avg_bars_held, expected.avg_bars_held);
  expect_near("exposure", got.exposure, expected.exposure);
  expect_near("turnover", got.turnover, expected.turnover);
  EXPECT_EQ(got.max_drawdown_bars, expected.max_drawdown_bars);
  EXPECT_EQ(got.trade_count, expected.trade_count);
  EXPECT_EQ(got.long_trades, expected.long_trades);
  EXPECT_EQ(got.short_trades, expected.short_trades);
}

MetricsOptions to_options(const DenseTerms& terms) {
  return {.cost = terms.cost,
          .capital = terms.capital,
          .risk_free_rate = terms.risk_free_rate,
          .bars_per_year = terms.bars_per_year};
}

void check_one(uint64_t seed) {
  Random random(seed);
  const int64_t bars = one_of<int64_t>(random, {1, 2, 3, 5, 40, 300, 1500}) + integer(random, 0, 3);
  const DenseTerms terms = {.cost = one_of(random, {0.0, 0.0001, 0.003, 0.2}),
                            .capital = one_of(random, {100'000.0, 1.0}),
                            .risk_free_rate = one_of(random, {0.0, 0.0, 0.04, -0.01}),
                            .bars_per_year = one_of(random, {252.0, 6552.0, 19656.0, 98280.0})};
  const std::vector<double> close = random_closes(random, bars);
  const SignalChanges changes = random_trace(random, bars);
  std::optional<BarWindow> window;
  if (integer(random, 0, 3) == 0) {
    window = {.first = integer(random, 0, bars - 1), .last = 0};
    window->last = integer(random, window->first, bars - 1);
  }
  const auto series = PriceSeries::make(close, window);
  ASSERT_TRUE(series.ok()) << series.status().message();
  const double tables[] = {1, -1, 0.25, 7};
  const auto kernel = MetricsKernel::make(
      *series, to_options(terms),
      one_of(random, {true, false}) ? std::span<const double>(tables) : MetricsKernel::kUsualPositions);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();

  const BarWindow all = window.value_or(BarWindow{.first = 0, .last = bars - 1});
  const auto part = [&](const std::vector<double>& column) {
    return std::vector<double>(column.begin() + all.first, column.begin() + all.last + 1);
  };
  const DenseMetrics expected = dense_metrics(part(dense_positions(changes, bars)), part(close), terms);
  const auto got = kernel->compute(changes);
  ASSERT_TRUE(got.ok()) << got.status().message();
  expect_same(*got, expected);
  const auto slow = kernel->compute_bar_by_bar(changes);
  ASSERT_TRUE(slow.ok()) << slow.status().message();
  expect_same(*slow, expected);
}

TEST(Metrics, FromChangesAsFromBars) {
  const uint64_t count = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 1'000'000 : 12'000;
  for (uint64_t seed = 0; seed < count; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check_one(seed);
    if (HasFailure() && std::getenv("KEEP_GOING") == nullptr) return;
  }
}

}  // namespace
}  // namespace signalbook
