#include "analytics/metrics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "support/dense_metrics.h"
#include "support/random_prices.h"

namespace signalbook {
namespace {

SignalChanges trace(std::vector<BarIndex> idx, std::vector<double> values) {
  return {.idx = std::move(idx), .values = std::move(values)};
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
    window = {.begin = integer(random, 0, bars - 1), .end = 0};
    window->end = integer(random, window->begin + 1, bars);
  }
  const auto series = PriceSeries::make(close, window);
  ASSERT_TRUE(series.ok()) << series.status().message();
  const double tables[] = {1, -1, 0.25, 7};
  const auto kernel = MetricsKernel::make(
      *series, to_options(terms),
      one_of(random, {true, false}) ? std::span<const double>(tables) : MetricsKernel::kUsualPositions);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();

  const BarWindow all = window.value_or(BarWindow{.begin = 0, .end = bars});
  const auto part = [&](const std::vector<double>& column) {
    return std::vector<double>(column.begin() + all.begin, column.begin() + all.end);
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
  const uint64_t count = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 500'000 : 12'000;
  for (uint64_t seed = 0; seed < count; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check_one(seed);
    if (HasFailure()) return;
  }
}

Metrics compute(const SignalChanges& changes, const std::vector<double>& close, MetricsOptions options = {}) {
  // So that little is extrapolated, and figures come from the changes where that is what is tested.
  if (options.bars_per_year == 0) options.bars_per_year = static_cast<double>(close.size()) + 1;
  const auto series = PriceSeries::make(close);
  const auto kernel = MetricsKernel::make(*series, options);
  auto metrics = kernel->compute(changes);
  EXPECT_TRUE(metrics.ok()) << metrics.status().message();
  return *metrics;
}

TEST(Metrics, ByHand) {
  // Long from bar 0, short from bar 2, out on bar 3; a cost of 0.1% a side.
  const Metrics m =
      compute(trace({0, 2, 3}, {1, -1, 0}), {100, 110, 99, 103.95, 110}, {.cost = 0.001, .bars_per_year = 20});
  const double e1 = 1 + 0.1 - 0.001, e2 = e1 * (1 - 0.1), e3 = e2 * (1 - 0.05 - 0.002), e4 = e3 * (1 - 0.001);
  EXPECT_NEAR(*m.total_return, e4 - 1, 1e-15);
  EXPECT_NEAR(*m.total_pnl, 100'000 * (e4 - 1), 1e-9);
  EXPECT_NEAR(*m.max_drawdown, e4 / e1 - 1, 1e-15);
  EXPECT_EQ(m.max_drawdown_bars, 3);
  EXPECT_EQ(m.trade_count, 2);
  EXPECT_EQ(m.long_trades, 1);
  EXPECT_EQ(m.short_trades, 1);
  const double long_return = -0.01 - 0.001 * 1.99, short_return = -0.05 - 0.001 * 2.05;
  EXPECT_NEAR(*m.avg_trade_return, (long_return + short_return) / 2, 1e-15);
  EXPECT_EQ(m.win_rate, 0);
  EXPECT_EQ(m.profit_factor, 0);
  EXPECT_EQ(m.avg_bars_held, 1.5);
  EXPECT_EQ(m.exposure, 0.75);
  EXPECT_EQ(m.turnover, 4);
  EXPECT_NEAR(*m.annual_return, std::pow(e4, 20.0 / 4) - 1, 1e-14);
  EXPECT_NEAR(*m.calmar_ratio, *m.annual_return / -*m.max_drawdown, 1e-12);
  const double r[] = {e1 - 1, -0.1, -0.052, -0.001};
  const double mean = (r[0] + r[1] + r[2] + r[3]) / 4;
  double squares = 0;
  for (const double x : r) squares += (x - mean) * (x - mean);
  EXPECT_NEAR(*m.annual_volatility, std::sqrt(squares / 3 * 20), 1e-13);
  EXPECT_NEAR(*m.sharpe_ratio, mean / std::sqrt(squares / 3) * std::sqrt(20), 1e-13);
  const double below = (r[1] * r[1] + r[2] * r[2] + r[3] * r[3]) / 4;
  EXPECT_NEAR(*m.sortino_ratio, mean / std::sqrt(below) * std::sqrt(20), 1e-13);
}

// ---- Mistakes that others made --------------------------------------------------------------------------------------

TEST(Metrics, AFlipIsAnExitAndAnEntry) {
  const Metrics m = compute(trace({0, 1, 2}, {1, -1, 0}), {100, 110, 99, 99}, {.cost = 0.01});
  EXPECT_EQ(m.trade_count, 2);
  EXPECT_EQ(m.win_rate, 1);
  EXPECT_NEAR(*m.total_return, (1 + 0.1 - 0.01) * (1 + 0.1 - 0.02) * (1 - 0.01) - 1, 1e-15);
  EXPECT_EQ(m.turnover, 4);
}

TEST(Metrics, TheLastOpenTradeCounts) {
  const Metrics m = compute(trace({0, 1, 2}, {1, 0, 1}), {100, 90, 100, 120});
  EXPECT_EQ(m.trade_count, 2);
  EXPECT_NEAR(*m.total_return, 0.9 * 1.2 - 1, 1e-15);
  EXPECT_NEAR(*m.avg_trade_return, (-0.1 + 0.2) / 2, 1e-15);
  EXPECT_EQ(m.win_rate, 0) << "won and lost is only what is closed";
}

TEST(Metrics, DrawdownBeginsAtTheStartingEquity) {
  const Metrics m = compute(trace({0}, {1}), {100, 90, 95, 96});
  EXPECT_NEAR(*m.max_drawdown, -0.1, 1e-15);
  EXPECT_EQ(m.max_drawdown_bars, 3);
}

TEST(Metrics, AShortLosesWhatPricesGain) {
  // 1 / (60 / 100) - 1 = 67% would be the long formula, upside down.
  const Metrics m = compute(trace({0, 2}, {-1, 0}), {100, 80, 60, 60});
  EXPECT_NEAR(*m.total_return, 1.2 * 1.25 - 1, 1e-15);
  EXPECT_NEAR(*m.avg_trade_return, 0.4, 1e-15);
  EXPECT_EQ(m.short_trades, 1);
}

TEST(Metrics, AChangeEarnsFromTheNextBarOn) {
  // It jumps on the very bar on which the strategy says long: that was yesterday's return.
  const Metrics m = compute(trace({1, 2}, {1, 0}), {100, 200, 220, 110});
  EXPECT_NEAR(*m.total_return, 0.1, 1e-15);
  EXPECT_EQ(m.max_drawdown, 0);
}

TEST(Metrics, IntradayBarsAnnualiseByTheirOwnCount) {
  // 26 bars a day: the square root of 6,552 a year, which is 5.1 times that of 252.
  const std::vector<double> close = {100, 101, 100, 102, 101};
  const Metrics m = compute(trace({0}, {1}), close, {.bars_per_year = 6552});
  const Metrics daily = compute(trace({0}, {1}), close, {.bars_per_year = 252});
  EXPECT_NEAR(*m.sharpe_ratio / *daily.sharpe_ratio, std::sqrt(26.0), 1e-13);
  EXPECT_NEAR(*m.annual_volatility / *daily.annual_volatility, std::sqrt(26.0), 1e-13);
}

// ---- Edges ----------------------------------------------------------------------------------------------------------

TEST(Metrics, WithoutATradeNothingIsKnownOfTrades) {
  for (const SignalChanges& changes : {trace({}, {}), trace({0}, {0}), trace({3}, {1})}) {
    const Metrics m = compute(changes, {100, 101, 99, 100});
    EXPECT_EQ(m.trade_count, 0);
    EXPECT_EQ(m.win_rate, std::nullopt);
    EXPECT_EQ(m.profit_factor, std::nullopt);
    EXPECT_EQ(m.avg_trade_return, std::nullopt);
    EXPECT_EQ(m.avg_bars_held, std::nullopt);
    EXPECT_EQ(m.sharpe_ratio, std::nullopt);
    EXPECT_EQ(m.sortino_ratio, std::nullopt);
    EXPECT_EQ(m.calmar_ratio, std::nullopt);
    EXPECT_EQ(m.total_return, 0);
    EXPECT_EQ(m.annual_volatility, 0);
    EXPECT_EQ(m.max_drawdown, 0);
    EXPECT_EQ(m.exposure, 0);
    EXPECT_EQ(m.turnover, 0);
  }
}

TEST(Metrics, OneBarAndNone) {
  const Metrics one = compute(trace({0}, {1}), {100});
  EXPECT_EQ(one.total_return, 0);
  EXPECT_EQ(one.annual_return, std::nullopt);
  EXPECT_EQ(one.exposure, std::nullopt);
  EXPECT_EQ(one.trade_count, 0);
  const Metrics none = compute(trace({}, {}), {});
  EXPECT_EQ(none.total_return, std::nullopt);
  EXPECT_EQ(none.trade_count, 0);
}

TEST(Metrics, AConstantReturnHasNoVariance) {
  // Prices are rounded, so that returns vary by 1e-16: a Sharpe ratio of 1e15 would be made of that.
  std::vector<double> close = {100};
  for (int bar = 1; bar < 50; ++bar) close.push_back(close.back() * 1.1);
  const Metrics m = compute(trace({0}, {1}), close);
  EXPECT_EQ(m.sharpe_ratio, std::nullopt);
  EXPECT_EQ(m.annual_volatility, 0);
}

TEST(Metrics, NothingLostIsNoProfitFactor) {
  const Metrics m = compute(trace({0, 1}, {1, 0}), {100, 110, 100});
  EXPECT_EQ(m.win_rate, 1);
  EXPECT_EQ(m.profit_factor, std::nullopt);
  EXPECT_EQ(m.sortino_ratio, std::nullopt);
  EXPECT_EQ(m.calmar_ratio, std::nullopt);
}

TEST(Metrics, RuinStays) {
  // Three times long into a fall by 40%: equity is gone, and no later rise brings it back.
  const std::vector<double> close = {100, 110, 66, 132, 140};
  const Metrics m = compute(trace({0}, {3}), close);
  EXPECT_EQ(m.total_return, -1);
  EXPECT_EQ(m.total_pnl, -100'000);
  EXPECT_EQ(m.annual_return, -1);
  EXPECT_EQ(m.max_drawdown, -1);
  EXPECT_EQ(m.calmar_ratio, -1);
  EXPECT_EQ(m.max_drawdown_bars, 3);
  const auto series = PriceSeries::make(close);
  const auto curve = equity_curve(trace({0}, {3}), *series, 0);
  ASSERT_TRUE(curve.ok());
  EXPECT_EQ(curve->ruined_on, 2);
  EXPECT_EQ(curve->equity[2], 0);
  EXPECT_EQ(curve->equity[4], 0);
  EXPECT_EQ(curve->returns[1], -1);
  EXPECT_EQ(curve->returns[3], 0);
}

TEST(Metrics, EquityComesBackFromNextToNothing) {
  std::vector<double> close;
  for (int power = 0; power <= 24; ++power) close.push_back(100 * std::pow(10.0, std::abs(power - 12) - 12));
  close.back() = 101;
  EXPECT_NEAR(*compute(trace({0}, {1}), close).total_return, 0.01, 1e-13);
  const auto series = PriceSeries::make(close);
  const auto kernel = MetricsKernel::make(*series, {.bars_per_year = 25});
  EXPECT_NEAR(*kernel->compute_bar_by_bar(trace({0}, {1}))->total_return, 0.01, 1e-13);
}

TEST(Metrics, CostsRuinToo) {
  // Half of what is traded: in for a half, and a flip trades twice what is held.
  const Metrics m = compute(trace({0, 2}, {1, -1}), {100, 100, 100, 100, 80}, {.cost = 0.5});
  EXPECT_EQ(m.total_return, -1);
  EXPECT_EQ(m.max_drawdown, -1);
  EXPECT_EQ(m.max_drawdown_bars, 4);
}

TEST(Metrics, AWindowStandsAlone) {
  // What is held when it begins is entered, and paid, at its first close.
  const std::vector<double> close = {100, 105, 103, 108, 104, 110};
  const auto series = PriceSeries::make(close, BarWindow{.begin = 2, .end = 5});
  const auto kernel = MetricsKernel::make(*series, {.cost = 0.001, .bars_per_year = 6});
  const auto window = kernel->compute(trace({0, 3, 5}, {1, -1, 0}));
  ASSERT_TRUE(window.ok());
  EXPECT_EQ(*window, compute(trace({0, 1}, {1, -1}), {103, 108, 104}, {.cost = 0.001, .bars_per_year = 6}));
}

TEST(Metrics, EquityCurveIsTheEquationsOwn) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const int64_t bars = integer(random, 1, 200);
    const std::vector<double> close = random_closes(random, bars);
    const SignalChanges changes = random_trace(random, bars);
    const auto series = PriceSeries::make(close);
    const auto curve = equity_curve(changes, *series, 0.001);
    ASSERT_TRUE(curve.ok());
    const auto returns = dense_returns(dense_positions(changes, bars), close, 0.001);
    ASSERT_EQ(curve->returns.size(), returns.size());
    ASSERT_EQ(curve->equity.size(), close.size());
    long double equity = 1;
    for (size_t i = 0; i < returns.size(); ++i) {
      equity *= 1 + returns[i];
      ASSERT_NEAR(curve->returns[i], static_cast<double>(returns[i]), 1e-14) << "seed " << seed << ", bar " << i + 1;
      expect_near("equity", curve->equity[i + 1], equity);
    }
  }
}

// ---- What is refused ------------------------------------------------------------------------------------------------

TEST(Metrics, RefusesPricesThatAreNone) {
  for (const double price : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    const auto series = PriceSeries::make(std::vector<double>{1, 2, price, 3});
    ASSERT_EQ(series.status().code(), StatusCode::invalid);
    EXPECT_TRUE(series.status().message().starts_with("bar 2: its close is ")) << series.status().message();
    EXPECT_TRUE(PriceSeries::make(std::vector<double>{1, 2, price, 3}, BarWindow{.begin = 3, .end = 4}).ok());
  }
  const std::vector<double> close = {1, 2};
  EXPECT_FALSE(PriceSeries::make(close, BarWindow{.begin = 1, .end = 3}).ok());
  EXPECT_FALSE(PriceSeries::make(close, BarWindow{.begin = 1, .end = 1}).ok());
  EXPECT_FALSE(PriceSeries::make(close, BarWindow{.begin = -1, .end = 1}).ok());
  EXPECT_FALSE(PriceSeries::make(Bars{.open = {1}, .high = {}, .low = {}, .close = {1, 2}}).ok());
}

TEST(Metrics, RefusesWhatIsNoPosition) {
  const auto series = PriceSeries::make(std::vector<double>{1, 2, 3});
  const auto kernel = MetricsKernel::make(*series, {.bars_per_year = 252});
  SignalChanges labels = {.kind = SignalKind::label, .idx = {0}, .values = {}, .labels = {"bull"}};
  EXPECT_EQ(kernel->compute(labels).status().code(), StatusCode::invalid);
  EXPECT_EQ(kernel->compute(trace({3}, {1})).status().code(), StatusCode::damaged);
  EXPECT_EQ(kernel->compute(trace({1, 1}, {1, 0})).status().code(), StatusCode::damaged);
  EXPECT_EQ(kernel->compute(trace({1}, {std::nan("")})).status().code(), StatusCode::damaged);
}

TEST(Metrics, RefusesTermsThatMakeNoSense) {
  const auto series = PriceSeries::make(std::vector<double>{1, 2, 3});
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(MetricsKernel::make(*series, {}).ok()) << "bars a year are not guessed";
  for (const MetricsOptions& options : {MetricsOptions{.cost = -0.1, .bars_per_year = 1},
                                        {.cost = inf, .bars_per_year = 1},
                                        {.capital = 0, .bars_per_year = 1},
                                        {.risk_free_rate = -1, .bars_per_year = 1},
                                        {.bars_per_year = -252}}) {
    EXPECT_EQ(MetricsKernel::make(*series, options).status().code(), StatusCode::invalid);
  }
}

// ---- Beside the bars ------------------------------------------------------------------------------------------------

TEST(Metrics, WithoutBarsTradesAreKnown) {
  const auto m =
      metrics_without_bars(trace({1, 3, 5, 7}, {1, -1, 0, 1}), std::vector<double>{100, 110, 99, 100}, 10, 0);
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(m->trade_count, 3);
  EXPECT_EQ(m->win_rate, 1);
  EXPECT_NEAR(*m->avg_trade_return, 0.1, 1e-15) << "the open trade has no price to be marked at";
  EXPECT_EQ(m->avg_bars_held, 2);
  EXPECT_NEAR(*m->exposure, 6.0 / 9, 1e-15);
  EXPECT_EQ(m->turnover, 5);
  EXPECT_EQ(m->total_return, std::nullopt);
  EXPECT_EQ(m->sharpe_ratio, std::nullopt);
}

TEST(Metrics, DefinitionNamesWhatFiguresDependOn) {
  const std::vector<double> close = {1, 2, 3};
  const auto all = PriceSeries::make(close), part = PriceSeries::make(close, BarWindow{.begin = 1, .end = 3});
  const MetricsOptions options = {.cost = 0.0005, .bars_per_year = 19656};
  EXPECT_EQ(metrics_definition(options, all->window()),
            R"({"equation":1,"prices":"close","cost":0.0005,"capital":100000,"risk_free_rate":0,)"
            R"("bars_per_year":19656,"window":null})");
  EXPECT_TRUE(metrics_definition(options, part->window()).ends_with(R"("window":[1,2]})"));
  EXPECT_EQ(metrics_definition_without_bars(options.cost), R"({"equation":1,"prices":"px","cost":0.0005})");
}

}  // namespace
}  // namespace signalbook
