#include "analytics/correlation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "support/random_positions.h"

namespace signalbook {
namespace {

using test::dense_positions;
using test::random_positions;
using test::random_returns;

using Dense = std::vector<std::vector<double>>;

// Two passes in long double over the bars of the window.
std::optional<double> slow_correlation(const std::vector<double>& x, const std::vector<double>& y, BarWindow bars) {
  const auto count = static_cast<long double>(bars.size());
  long double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  bool x_varies = false, y_varies = false;
  for (auto t = static_cast<size_t>(bars.begin); t < static_cast<size_t>(bars.end); ++t) {
    mean_x += x[t] / count;
    mean_y += y[t] / count;
    x_varies |= x[t] != x[static_cast<size_t>(bars.begin)];
    y_varies |= y[t] != y[static_cast<size_t>(bars.begin)];
  }
  if (!x_varies || !y_varies) return std::nullopt;
  for (auto t = static_cast<size_t>(bars.begin); t < static_cast<size_t>(bars.end); ++t) {
    xx += (x[t] - mean_x) * (x[t] - mean_x);
    yy += (y[t] - mean_y) * (y[t] - mean_y);
    xy += (x[t] - mean_x) * (y[t] - mean_y);
  }
  return static_cast<double>(xy / std::sqrt(xx * yy));
}

void expect_same(const SymmetricMatrix& got, const Dense& series, BarWindow bars, double tolerance) {
  ASSERT_EQ(got.size(), series.size());
  for (size_t a = 0; a < series.size(); ++a) {
    for (size_t b = 0; b < series.size(); ++b) {
      const std::optional<double> expected = slow_correlation(series[a], series[b], bars);
      ASSERT_EQ(got.at(a, b).has_value(), expected.has_value()) << a << " " << b;
      if (!expected) continue;
      ASSERT_NEAR(*got.at(a, b), *expected, tolerance) << a << " " << b;
    }
  }
}

struct Workload {
  std::vector<SignalChanges> traces;
  Dense positions;
};

// More traces than are summed at once, more bars than a chunk, and the odd ones: nothing observed, always flat, always
// long, in the market for one bar, changing on every bar.
Workload make_workload(std::mt19937_64& random, int64_t bar_count, const std::vector<double>& values) {
  Workload made;
  for (double share : {0.002, 0.05, 0.5}) {
    for (int i = 0; i < 13; ++i) made.traces.push_back(random_positions(random, bar_count, share, values));
  }
  const double one = values.back();
  made.traces.push_back({});
  made.traces.push_back({.idx = {0}, .values = {0}});
  made.traces.push_back({.idx = {0}, .values = {one}});
  made.traces.push_back({.idx = {bar_count / 2, bar_count / 2 + 1}, .values = {one, 0}});
  SignalChanges restless;
  for (BarIndex bar = 0; bar < bar_count; ++bar) {
    restless.idx.push_back(bar);
    restless.values.push_back(bar % 2 == 0 ? one : 0);
  }
  made.traces.push_back(restless);
  for (const SignalChanges& trace : made.traces) made.positions.push_back(dense_positions(trace, bar_count));
  return made;
}

// Whole feed, parts whose ends are not those of chunks, a single bar, none.
std::vector<BarWindow> windows_of(int64_t bar_count) {
  return {{0, bar_count}, {3, bar_count - 5}, {1'024, 2'048}, {1'023, 1'026}, {40, 41}, {40, 40}};
}

constexpr int64_t kBars = 2'500;

TEST(PositionCorrelation, SameAsBarByBarForPositions) {
  std::mt19937_64 random(1);
  const Workload made = make_workload(random, kBars, {-1, 0, 1});
  for (BarWindow bars : windows_of(kBars)) {
    SCOPED_TRACE(bars.begin);
    const auto got = position_correlation(made.traces, bars);
    ASSERT_TRUE(got.ok());
    expect_same(*got, made.positions, bars, 1e-12);
  }
}

TEST(PositionCorrelation, SameAsBarByBarForWeights) {
  std::mt19937_64 random(2);
  const std::vector<std::vector<double>> alphabets = {
      {-3, 2, 5}, {-1, -0.25, 0, 1.0 / 3}, {1e6 + 0.1, 1e6 + 0.7, 1e6}, {1e-9, -2e-9}, {-40'000, 0, 40'000}};
  for (const auto& values : alphabets) {
    SCOPED_TRACE(values[0]);
    const Workload made = make_workload(random, kBars, values);
    for (BarWindow bars : windows_of(kBars)) {
      const auto got = position_correlation(made.traces, bars);
      ASSERT_TRUE(got.ok());

      expect_same(*got, made.positions, bars, 1e-12);
    }
  }
}

TEST(PositionCorrelation, OfItselfIsOneAndOfItsOppositeMinusOne) {
  std::mt19937_64 random(3);
  for (const std::vector<double>& values : {std::vector<double>{-1, 0, 1}, std::vector<double>{-0.3, 0.1}}) {
    SignalChanges trace = random_positions(random, kBars, 0.05, values), opposite = trace;
    for (double& value : opposite.values) value = -value;
    const auto got = position_correlation(std::vector{trace, trace, opposite}, {0, kBars});
    EXPECT_EQ(got->at(0, 0), 1);
    EXPECT_NEAR(*got->at(0, 1), 1, 1e-13);
    EXPECT_NEAR(*got->at(2, 0), -1, 1e-13);
    EXPECT_LE(std::abs(*got->at(2, 0)), 1);
  }
}

TEST(PnlCorrelation, SameAsBarByBar) {
  std::mt19937_64 random(4);
  const std::vector<double> returns = random_returns(random, kBars, 0.0001, 0.01);
  for (const auto& values : std::vector<std::vector<double>>{{-1, 0, 1}, {-1.5, 0, 0.2, 3}}) {
    const Workload made = make_workload(random, kBars, values);
    Dense pnl = made.positions;
    for (std::vector<double>& earned : pnl) {
      for (size_t t = 0; t < earned.size(); ++t) earned[t] *= returns[t];
    }
    for (BarWindow bars : windows_of(kBars)) {
      SCOPED_TRACE(bars.begin);
      const auto got = pnl_correlation(made.traces, bars, returns);
      ASSERT_TRUE(got.ok());
      expect_same(*got, pnl, bars, 1e-12);
    }
  }
}

TEST(PnlCorrelation, WithoutVarianceIsUndefined) {
  const std::vector<SignalChanges> traces = {{.idx = {0}, .values = {0.1}}, {.idx = {0, 2}, .values = {1, -1}}};
  // The mean of a thousand times 0.01 is not 0.01, and still nothing varies.
  const auto still = pnl_correlation(traces, {0, 1'000}, std::vector<double>(1'000, 0.1));
  EXPECT_EQ(still->at(0, 0), std::nullopt);
  EXPECT_EQ(still->at(0, 1), std::nullopt);
  EXPECT_EQ(still->at(1, 1), 1);
  const auto dead = pnl_correlation(traces, {0, 4}, std::vector<double>(4, 0.0));
  EXPECT_EQ(dead->at(1, 1), std::nullopt);
}

// To the last bit: each pair is summed in one order, whoever does it.
TEST(Correlation, IsTheSameInAnyNumberOfThreads) {
  std::mt19937_64 random(9);
  const std::vector<double> returns = random_returns(random, kBars, 0.0001, 0.01);
  const BarWindow bars = {.begin = 0, .end = kBars};
  const auto expect_equal = [](const SymmetricMatrix& one, const SymmetricMatrix& other) {
    for (size_t a = 0; a < one.size(); ++a) {
      for (size_t b = 0; b <= a; ++b) ASSERT_EQ(one.at(a, b), other.at(a, b)) << a << " " << b;
    }
  };
  for (const auto& values : std::vector<std::vector<double>>{{-1, 0, 1}, {-1.5, 0, 0.2, 3}}) {
    const Workload made = make_workload(random, kBars, values);
    for (const size_t threads : {size_t{0}, size_t{2}, size_t{5}}) {
      const PairWork work = {.threads = threads};
      expect_equal(*position_correlation(made.traces, bars, work), *position_correlation(made.traces, bars));
      expect_equal(*pnl_correlation(made.traces, bars, returns, work), *pnl_correlation(made.traces, bars, returns));
      const PositionOverlap many = *position_overlap(made.traces, bars, work),
                            one = *position_overlap(made.traces, bars);
      expect_equal(many.both, one.both);
      expect_equal(many.same_side, one.same_side);
    }
    const std::atomic<int> interrupt = 1;
    for (const size_t threads : {size_t{1}, size_t{3}}) {
      const PairWork stopped = {.threads = threads, .interrupt = &interrupt};
      EXPECT_EQ(position_correlation(made.traces, bars, stopped).status().code(), StatusCode::io_error);
      EXPECT_EQ(pnl_correlation(made.traces, bars, returns, stopped).status().code(), StatusCode::io_error);
      EXPECT_EQ(position_overlap(made.traces, bars, stopped).status().code(), StatusCode::io_error);
    }
  }
}

TEST(PositionOverlap, SameAsCountingBars) {
  std::mt19937_64 random(5);
  const Workload made = make_workload(random, kBars, {-2, -0.5, 0, 0, 1});
  for (BarWindow bars : windows_of(kBars)) {
    const auto got = position_overlap(made.traces, bars);
    ASSERT_TRUE(got.ok());
    for (size_t a = 0; a < made.traces.size(); ++a) {
      for (size_t b = 0; b < made.traces.size(); ++b) {
        double either = 0, both = 0, same = 0;
        for (auto t = static_cast<size_t>(bars.begin); t < static_cast<size_t>(bars.end); ++t) {
          const double x = made.positions[a][t], y = made.positions[b][t];
          either += x != 0 || y != 0;
          both += x != 0 && y != 0;
          same += x * y > 0;
        }
        if (either == 0) {
          ASSERT_EQ(got->both.at(a, b), std::nullopt);
          ASSERT_EQ(got->same_side.at(a, b), std::nullopt);
        } else {
          ASSERT_DOUBLE_EQ(*got->both.at(a, b), both / either);
          ASSERT_DOUBLE_EQ(*got->same_side.at(a, b), same / either);
        }
      }
    }
  }
}

TEST(Correlation, RefusesWhatCannotBeCompared) {
  const std::vector<SignalChanges> good = {{.idx = {0}, .values = {1}}, {.idx = {1}, .values = {1}}};
  const auto message = [&](SignalChanges bad, BarWindow bars = {0, 4}) {
    const std::vector<SignalChanges> traces = {good[0], std::move(bad)};
    const Status status = position_correlation(traces, bars).status();
    EXPECT_EQ(status.code(), position_overlap(traces, bars).status().code());
    EXPECT_EQ(status.code(), pnl_correlation(traces, bars, std::vector<double>(4)).status().code());
    return status.message();
  };
  EXPECT_NE(message({.kind = SignalKind::label, .idx = {0}, .labels = {"bull"}}).find("trace 1: it holds labels"),
            std::string::npos);
  EXPECT_NE(message({.idx = {2}, .values = {NAN}}).find("trace 1: the value on bar 2"), std::string::npos);
  EXPECT_NE(message({.idx = {2, 1}, .values = {1, 0}}).find("trace 1: row 1"), std::string::npos);
  EXPECT_NE(message(good[1], {3, 2}).find("bars 3 to 2"), std::string::npos);
  EXPECT_NE(message(good[1], {-1, 2}).find("bars -1 to 2"), std::string::npos);
  EXPECT_EQ(message(good[1]), "");

  EXPECT_NE(pnl_correlation(good, {0, 5}, std::vector<double>(4)).status().message().find("4 returns for bars up to 4"),
            std::string::npos);
  EXPECT_NE(pnl_correlation(good, {1, 3}, std::vector<double>{0, 0, INFINITY}).status().message().find("bar 2"),
            std::string::npos);
  EXPECT_TRUE(pnl_correlation(good, {0, 2}, std::vector<double>{0, 0, INFINITY}).ok());
  EXPECT_EQ(position_correlation({}, {0, 5})->size(), 0u);
}

}  // namespace
}  // namespace signalbook
