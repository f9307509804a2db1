#include "study/analyze_run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "analytics/metric_names.h"
#include "format/file_names.h"
#include "store/metric_set.h"
#include "store/recover_run.h"
#include "store/run_files.h"
#include "store/run_reader.h"
#include "store/run_writer.h"
#include "support/dense_metrics.h"
#include "support/small_run.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

constexpr int64_t kBars = 120;

// Positions that say nothing before bar `warm_up`, and then now and then another thing.
std::vector<std::optional<double>> random_signal(std::mt19937_64& random, int64_t warm_up) {
  std::vector<std::optional<double>> signal(kBars);
  double value = 0;
  for (int64_t bar = warm_up; bar < kBars; ++bar) {
    if (random() % 6 == 0) value = std::vector<double>{-1, 0, 0.5, 1, 2}[random() % 5];
    signal[static_cast<size_t>(bar)] = value;
  }
  return signal;
}

Bars random_bars(uint64_t seed) {
  std::mt19937_64 random(seed);
  Bars bars = make_small_bars(kBars);
  double close = 100;
  for (size_t i = 0; i < bars.size(); ++i) {
    close *= std::exp(0.01 * std::normal_distribution<double>()(random));
    bars.close[i] = close;
    bars.open[i] = bars.high[i] = bars.low[i] = close;
    bars.high[i] *= 1.004;
    bars.low[i] *= 0.996;
  }
  return bars;
}

// A run of random signals, one of which broke off, and a classifier.
class AnalyzeRun : public ::testing::Test {
 protected:
  static constexpr size_t kStrategies = 8;
  static constexpr int64_t kBrokenOffAt = 50;

  void SetUp() override {
    std::mt19937_64 random(7);
    auto run = RunWriter::create(files_, run_path_, {}).value();
    const size_t feed = run->add_feed(bars_).value();
    for (size_t s = 0; s < kStrategies; ++s) {
      const size_t strategy =
          run->add_strategy("strategy_" + std::to_string(s), parse(R"({"rsi":{"period":)" + std::to_string(s) + "}}"))
              .value();
      const size_t trace = run->add_trace(strategy, feed);
      signals_.push_back(random_signal(random, static_cast<int64_t>(s)));
      const int64_t end = s == 3 ? kBrokenOffAt : kBars;
      for (int64_t bar = 0; bar < end; ++bar) {
        const auto value = signals_[s][static_cast<size_t>(bar)];
        if (!value) continue;
        ASSERT_TRUE(run->record(trace, bar, *value).ok());
      }
    }
    const size_t classifier = run->add_strategy("regime_0", parse(R"({"regime":{"lookback":3}})")).value();
    const size_t trace = run->add_trace(classifier, feed);
    for (BarIndex bar = 0; bar < kBars; ++bar) ASSERT_TRUE(run->record_label(trace, bar, "quiet").ok());
    // A commit would say that what broke off holds to the end.
    ASSERT_TRUE(run->close().ok());
    run.reset();
    ASSERT_TRUE(recover_run(files_, run_path_, {}).ok());
  }

  // What the index or a set says of a strategy.
  std::optional<std::pair<Metrics, std::string>> figures_of(const std::string& id, const std::string& set = "index") {
    const CheckedIndex index = read_checked_index(files_, run_path_).value();
    const std::vector<IndexRow> rows = decode_index(index.bytes, "index").value();
    const MetricSet figures =
        set == "index"
            ? decode_index_metrics(index.bytes, "index").value()
            : decode_metric_set(read_run_file(files_, run_path_, index.description, metric_set_path(set)).value(), set,
                                rows)
                  .value();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].strategy_id != id) continue;
      if (figures.definition(i) == nullptr) return std::nullopt;
      return std::pair(figures.figures[i], *figures.definition(i));
    }
    ADD_FAILURE() << "no strategy " << id;
    return std::nullopt;
  }

  // Bar by bar, from what was recorded, of bars [begin, end).
  DenseMetrics expected(size_t strategy, double cost, int64_t begin, int64_t end) const {
    std::vector<double> positions, closes;
    for (int64_t bar = begin; bar < end; ++bar) {
      positions.push_back(signals_[strategy][static_cast<size_t>(bar)].value_or(0.0));
      closes.push_back(bars_.close[static_cast<size_t>(bar)]);
    }
    return dense_metrics(positions, closes, {.cost = cost, .bars_per_year = 1000});
  }

  static void expect_close(std::optional<double> got, std::optional<long double> wanted, const char* name) {
    ASSERT_EQ(got.has_value(), wanted.has_value()) << name;
    if (!got) return;
    EXPECT_NEAR(*got, static_cast<double>(*wanted), 1e-12 * std::max(1.0, std::fabs(*got))) << name;
  }

  void expect_figures(size_t strategy, const std::string& set, double cost, int64_t begin, int64_t end) {
    SCOPED_TRACE("strategy " + std::to_string(strategy));
    const auto got = figures_of("strategy_" + std::to_string(strategy), set);
    ASSERT_TRUE(got.has_value());
    const DenseMetrics wanted = expected(strategy, cost, begin, end);
    expect_close(got->first.total_return, wanted.total_return, "total_return");
    expect_close(got->first.sharpe_ratio, wanted.sharpe_ratio, "sharpe_ratio");
    expect_close(got->first.max_drawdown, wanted.max_drawdown, "max_drawdown");
    expect_close(got->first.win_rate, wanted.win_rate, "win_rate");
    EXPECT_EQ(got->first.trade_count, wanted.trade_count);
  }

  MetricTerms terms(double cost = 0) const { return {.cost = cost, .bars_per_year = 1000}; }
  Result<AnalyzeReport> analyze(const MetricTerms& at, const std::string& set = "") {
    return analyze_run(files_, run_path_, {.terms = at, .set_name = set});
  }
  int64_t ts(int64_t bar) const { return bars_.ts[static_cast<size_t>(bar)]; }
  std::string bytes_of(const std::string& name) { return files_.read_file(join_path(run_path_, name)).value(); }

  TemporaryDirectory directory_;
  FileSystem& files_ = posix_file_system();
  std::string run_path_ = directory_.path() + "/results/run_1";
  Bars bars_ = random_bars(1);
  std::vector<std::vector<std::optional<double>>> signals_;
};

TEST_F(AnalyzeRun, PutsIntoTheIndexWhatBarByBarGives) {
  const auto report = analyze(terms(0.001));
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->set_name, kIndexSet);
  EXPECT_EQ(report->trace_count, static_cast<int64_t>(kStrategies));
  EXPECT_EQ(report->classifier_count, 1);
  EXPECT_FALSE(report->was_there);
  for (size_t s = 0; s < kStrategies; ++s) expect_figures(s, "index", 0.001, 0, s == 3 ? kBrokenOffAt : kBars);
  EXPECT_EQ(figures_of("regime_0"), std::nullopt);
  EXPECT_NE(figures_of("strategy_3")->second, figures_of("strategy_2")->second);  // it says where it ends
  // All else is as it was: the run opens, and each trace is the one that was recorded.
  const auto run = RunReader::open(files_, run_path_);
  ASSERT_TRUE(run.ok()) << run.status().message();
  for (const IndexRow& row : (*run)->rows()) EXPECT_TRUE((*run)->read_trace(row).ok());
}

TEST_F(AnalyzeRun, IsDoneOnceAtTheSameTerms) {
  ASSERT_TRUE(analyze(terms(0.001)).ok());
  const std::string index = bytes_of("strategy_index.parquet"), description = bytes_of("run.json");
  const auto again = analyze(terms(0.001));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_TRUE(again->was_there);
  EXPECT_EQ(again->set_name, kIndexSet);
  EXPECT_EQ(again->trace_count, static_cast<int64_t>(kStrategies));
  EXPECT_EQ(bytes_of("strategy_index.parquet"), index);
  EXPECT_EQ(bytes_of("run.json"), description);
}

TEST_F(AnalyzeRun, KeepsOtherTermsBesideTheFirst) {
  ASSERT_TRUE(analyze(terms(0.001)).ok());
  const auto other = analyze(terms(0.002));
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ(other->set_name, "cost20bp_bars1000");
  expect_figures(1, "index", 0.001, 0, kBars);
  expect_figures(1, "cost20bp_bars1000", 0.002, 0, kBars);
  EXPECT_TRUE(analyze(terms(0.002))->was_there);
  // By name they go over each other, or into the index.
  EXPECT_FALSE(analyze(terms(0.003), "mine")->was_there);
  EXPECT_FALSE(analyze(terms(0.004), "mine")->was_there);
  expect_figures(1, "mine", 0.004, 0, kBars);
  EXPECT_FALSE(analyze(terms(0.004), kIndexSet)->was_there);
  expect_figures(1, "index", 0.004, 0, kBars);
  EXPECT_EQ(analyze(terms(0.001), "No Name").status().code(), StatusCode::invalid);
}

TEST_F(AnalyzeRun, TakesAWindowByTheTimesOfItsBars) {
  MetricTerms at = terms(0.001);
  at.from = ts(20) - 1;
  at.to = ts(90) + 1;  // bar 90 is in
  const auto report = analyze(at, "window");
  ASSERT_TRUE(report.ok()) << report.status().message();
  for (size_t s = 0; s < kStrategies; ++s) expect_figures(s, "window", 0.001, 20, s == 3 ? kBrokenOffAt : 91);
  // A window is never what the index has, unless it is told to.
  EXPECT_NE(analyze(at)->set_name, kIndexSet);
  EXPECT_EQ(figures_of("strategy_0"), std::nullopt);
  // Which strategy_3 does not reach.
  at.from = ts(kBrokenOffAt);
  const auto later = analyze(at, "later");
  ASSERT_TRUE(later.ok()) << later.status().message();
  EXPECT_EQ(later->outside_count, 1);
  EXPECT_EQ(figures_of("strategy_3", "later"), std::nullopt);
  at.from = at.to = bars_.ts.back() + 1;
  const auto none = analyze(at, "none");
  EXPECT_EQ(none.status().code(), StatusCode::not_found);
  EXPECT_NE(none.status().message().find("SPY 5m"), std::string::npos) << none.status().message();
}

TEST_F(AnalyzeRun, LaysExitsOverTheTraces) {
  MetricTerms at = terms();
  at.exits = {.stop = 0.01, .target = 0.02};
  const auto report = analyze(at);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->set_name, "bars1000_stop0.01_target0.02");
  const auto run = RunReader::open(files_, run_path_).value();
  const auto series = PriceSeries::make(bars_).value();
  const auto kernel = MetricsKernel::make(series, {.bars_per_year = 1000}).value();
  const IndexRow* const row = run->find("strategy_1").value().front();
  const WhatIf outcome = apply_exits(run->read_trace(*row)->changes, series, 0, at.exits).value();
  const auto got = figures_of("strategy_1", report->set_name);
  EXPECT_EQ(got->first, kernel.compute_with_fills(outcome.changes, outcome.fills, outcome.trades).value());
  EXPECT_NE(got->second.find(R"("exits":{"stop":0.01,"target":0.02,"trail":0,"slippage":0})"), std::string::npos);
}

TEST_F(AnalyzeRun, FollowsThePricesAtWhichChangesWereFilled) {
  const std::string path = directory_.path() + "/results/run_2";
  auto run = RunWriter::create(files_, path, {}).value();
  const size_t feed = run->add_feed(bars_).value();
  const size_t trace = run->add_trace(run->add_strategy("s", parse(R"({"rsi":{"period":1}})")).value(), feed);
  for (BarIndex bar = 0; bar < kBars; ++bar) {
    const bool is_fill = bar == 10 || bar == 20;
    ASSERT_TRUE(run->record(trace, bar, bar >= 10 && bar < 20 ? 1.0 : 0.0,
                            is_fill ? std::optional(bar == 10 ? 100.0 : 150.0) : std::nullopt)
                    .ok());
  }
  ASSERT_TRUE(run->commit().ok());
  ASSERT_TRUE(analyze_run(files_, path, {.terms = terms()}).ok());
  run_path_ = path;
  EXPECT_EQ(figures_of("s")->first.avg_trade_return, 0.5);
  const double earned = bars_.close[20] / bars_.close[10] - 1;  // equity is close to close
  EXPECT_NEAR(*figures_of("s")->first.total_return, earned, 1e-12);
}

TEST_F(AnalyzeRun, WithoutBarsTellsWhatTradesTell) {
  ASSERT_TRUE(analyze(terms()).ok());
  const auto report = analyze({.without_bars = true});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->set_name, "px");
  const auto from_px = figures_of("strategy_1", "px")->first, from_bars = figures_of("strategy_1")->first;
  EXPECT_EQ(from_px.trade_count, from_bars.trade_count);
  EXPECT_NEAR(*from_px.win_rate, *from_bars.win_rate, 1e-12);
  EXPECT_EQ(from_px.sharpe_ratio, std::nullopt);
}

TEST_F(AnalyzeRun, ChangesNothingWhereATraceIsDamaged) {
  ASSERT_TRUE(analyze(terms(0.001)).ok());
  const std::string index = bytes_of("strategy_index.parquet"), description = bytes_of("run.json");
  const auto run = RunReader::open(files_, run_path_).value();
  const std::string trace_path = run->find("strategy_5").value().front()->trace_path;
  std::string bytes = bytes_of(trace_path);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  ASSERT_TRUE(replace_file(files_, join_path(run_path_, trace_path), bytes).ok());
  for (const std::string& set : {std::string(kIndexSet), std::string("mine")}) {
    const auto report = analyze(terms(0.002), set);
    EXPECT_EQ(report.status().code(), StatusCode::damaged);
    EXPECT_NE(report.status().message().find("strategy_5"), std::string::npos) << report.status().message();
  }
  EXPECT_EQ(bytes_of("strategy_index.parquet"), index);
  EXPECT_EQ(bytes_of("run.json"), description);
}

TEST_F(AnalyzeRun, ChangesNothingWhenItIsInterrupted) {
  const std::string index = bytes_of("strategy_index.parquet"), description = bytes_of("run.json");
  for (const int64_t after : {0, 1, 5}) {
    std::atomic<int> interrupt = after == 0 ? 2 : 0;
    AnalyzeOptions options = {.terms = terms()};
    options.control.threads = 1;
    options.control.interrupt = &interrupt;
    options.control.progress = [&](int64_t done, int64_t) {
      if (done == after) interrupt = 2;
    };
    EXPECT_EQ(analyze_run(files_, run_path_, options).status().code(), StatusCode::io_error) << after;
  }
  EXPECT_EQ(bytes_of("strategy_index.parquet"), index);
  EXPECT_EQ(bytes_of("run.json"), description);
}

TEST_F(AnalyzeRun, GivesTheSameBytesOnAnyNumberOfThreads) {
  const std::string before = bytes_of("strategy_index.parquet"), description = bytes_of("run.json");
  std::string first;
  for (const size_t threads : {1, 2, 5}) {
    ASSERT_TRUE(replace_file(files_, join_path(run_path_, "strategy_index.parquet"), before).ok());
    ASSERT_TRUE(replace_file(files_, join_path(run_path_, "run.json"), description).ok());
    AnalyzeOptions options = {.terms = terms()};
    options.control.threads = threads;
    const auto report = analyze_run(files_, run_path_, options);
    ASSERT_TRUE(report.ok()) << report.status().message();
    if (first.empty()) first = bytes_of("strategy_index.parquet");
    EXPECT_EQ(bytes_of("strategy_index.parquet"), first);
  }
  EXPECT_NE(first, before);
}

TEST_F(AnalyzeRun, RefusesWhatIsNoFinishedRun) {
  EXPECT_EQ(analyze_run(files_, directory_.path() + "/results/none", {}).status().code(), StatusCode::not_found);
  const std::string path = directory_.path() + "/results/run_2";
  auto run = RunWriter::create(files_, path, {}).value();
  EXPECT_EQ(analyze_run(files_, path, {}).status().code(), StatusCode::not_found);
}

TEST_F(AnalyzeRun, DropsASetBesideTheIndex) {
  ASSERT_TRUE(analyze(terms(0.001)).ok());
  ASSERT_TRUE(analyze(terms(0.002), "mine").ok());
  const Status unknown = drop_metric_set(files_, run_path_, "yours");
  EXPECT_EQ(unknown.code(), StatusCode::not_found);
  EXPECT_NE(unknown.message().find("there are mine"), std::string::npos) << unknown.message();
  ASSERT_TRUE(drop_metric_set(files_, run_path_, "mine").ok());
  EXPECT_FALSE(files_.file_exists(join_path(run_path_, metric_set_path("mine"))).value());
  EXPECT_EQ(drop_metric_set(files_, run_path_, "mine").code(), StatusCode::not_found);
  EXPECT_NE(figures_of("strategy_0"), std::nullopt);
}

}  // namespace
}  // namespace signalbook
