#include "study/trials.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>

#include "analytics/bars_a_year.h"
#include "analytics/correlation.h"
#include "analytics/effective_trials.h"
#include "analytics/equity.h"
#include "analytics/overfitting.h"
#include "analytics/sharpe_statistics.h"
#include "study/feed_metrics.h"
#include "support/random_positions.h"

namespace signalbook {
namespace {

// A feed in memory, as read_feed_traces() makes it of runs.
class MadeFeed {
 public:
  MadeFeed(std::mt19937_64& random, int64_t bar_count) {
    std::normal_distribution<double> step(0, 0.001);
    double price = 400;
    for (int64_t t = 0; t < bar_count; ++t) {
      price *= std::exp(step(random));
      feed_.bars.ts.push_back(1'704'205'800'000'000 + t * 300'000'000);
      feed_.bars.open.push_back(price);
      feed_.bars.high.push_back(price * 1.0005);
      feed_.bars.low.push_back(price * 0.9995);
      feed_.bars.close.push_back(price);
    }
    feed_.symbol = feed_.bars.symbol = "SPY";
    feed_.timeframe = feed_.bars.timeframe = "5m";
    feed_.bars_per_year = measure_bars_a_year(feed_.bars.ts);
    feed_.bar_count = bar_count;
  }

  void add(SignalChanges changes, std::string config = "") {
    auto row = std::make_unique<IndexRow>();
    row->strategy_id = fmt::format("strategy_{}", rows_.size());
    row->strategy_config = config.empty() ? fmt::format(R"({{"noise":{{"seed":{}}}}})", rows_.size()) : config;
    feed_.traces.push_back({.run = nullptr, .row = row.get(), .changes = std::move(changes)});
    rows_.push_back(std::move(row));
  }
  void add_noise(std::mt19937_64& random, int64_t count) {
    for (int64_t s = 0; s < count; ++s) add(test::random_positions(random, feed_.bar_count, 0.1, {-1, 0, 1}));
  }

  // Knows the next bar's direction in that share of the bars, which nobody does.
  void add_edge(std::mt19937_64& random, double share) {
    std::bernoulli_distribution is_right(share);
    SignalChanges changes;
    for (BarIndex t = 0; t + 1 < feed_.bar_count; ++t) {
      const auto bar = static_cast<size_t>(t);
      const double next = feed_.bars.close[bar + 1] > feed_.bars.close[bar] ? 1 : -1;
      const double value = is_right(random) ? next : -next;
      if (!changes.idx.empty() && value == changes.values.back()) continue;
      changes.idx.push_back(t);
      changes.values.push_back(value);
    }
    add(std::move(changes));
  }

  const FeedTraces& operator*() const { return feed_; }
  FeedTraces& feed() { return feed_; }

 private:
  std::vector<std::unique_ptr<IndexRow>> rows_;
  FeedTraces feed_;
};

SignalChanges hold(double value) { return {.idx = {0}, .values = {value}}; }

// By all threads and with the cross-validation of the command line, this takes long.
TrialsOptions quick() { return {.block_count = 4}; }

TEST(StudyTrials, NoiseIsNoEvidenceAndAnEdgeIs) {
  const bool is_long = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr;
  const int seeds = is_long ? 100 : 10;
  const int64_t strategies = is_long ? 1'000 : 200, bars = is_long ? 2'000 : 1'000;
  int noise_refused = 0, noise_refused_by_implied = 0, edges_found = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    std::mt19937_64 random(static_cast<uint64_t>(seed));
    MadeFeed made(random, bars);
    made.add_noise(random, strategies);
    const Result<TrialStudy> noise = study_trials(*made, quick());
    ASSERT_TRUE(noise.ok()) << noise.status().message();
    ASSERT_EQ(noise->trial_count, strategies);
    noise_refused += *noise->best()->deflated_sharpe < kTrialConfidence;
    noise_refused_by_implied += *noise->implied_deflated_sharpe < kTrialConfidence;
    // Independent strategies are nearly as many trials.
    EXPECT_GT(*noise->implied_trials, strategies * 8 / 10);

    made.add_edge(random, 0.62);
    const Result<TrialStudy> edge = study_trials(*made, quick());
    edges_found +=
        edge->best()->trace == static_cast<size_t>(strategies) && *edge->best()->deflated_sharpe >= kTrialConfidence;
  }
  RecordProperty("noise_refused", noise_refused);
  fmt::print("of {} seeds: best of {} without an edge refused {} times ({} by implied trials), planted edge found {}\n",
             seeds, strategies, noise_refused, noise_refused_by_implied, edges_found);
  EXPECT_GE(noise_refused * 100, 95 * seeds - (is_long ? 0 : 500));  // one more of ten
  EXPECT_GE(noise_refused_by_implied * 100, 93 * seeds - (is_long ? 0 : 800));
  EXPECT_GE(edges_found * 100, 95 * seeds);
}

// Each figure by the library's functions on whole returns and the whole matrix, where the study has sums and parts.
void expect_same_as_slow(const MadeFeed& made, const TrialsOptions& options, const TrialStudy& study) {
  const FeedTraces& feed = *made;
  const Result<PriceSeries> series = PriceSeries::make(feed.bars, study.window);
  std::vector<std::optional<double>> sharpes;
  std::vector<std::optional<SharpeEstimate>> estimates;
  std::vector<SignalChanges> varying;
  Result<ReturnBlocks> blocks = ReturnBlocks::create(study.return_count, options.block_count);
  for (const FeedTrace& trace : feed.traces) {
    const Result<EquityCurve> curve = equity_curve(trace.changes, *series, options.terms.cost);
    ASSERT_TRUE(curve.ok());
    estimates.push_back(sharpe_estimate(return_moments(curve->returns)));
    sharpes.push_back(estimates.back() ? std::optional(estimates.back()->sharpe) : std::nullopt);
    if (estimates.back()) varying.push_back(trace.changes);
    ASSERT_TRUE(blocks->add(curve->returns).ok());
  }
  std::vector<double> returns(feed.bars.size() - 1);
  for (size_t t = 0; t < returns.size(); ++t) returns[t] = feed.bars.close[t + 1] / feed.bars.close[t] - 1;
  const auto correlation =
      pnl_correlation(varying, {.begin = study.window.begin, .end = study.window.end - 1}, returns);
  ASSERT_TRUE(correlation.ok()) << correlation.status().message();

  const double year = study.bars_per_year;
  const auto own = static_cast<int64_t>(varying.size());
  EXPECT_EQ(study.own_trials, own);
  EXPECT_EQ(study.trial_count, own);
  EXPECT_NEAR(*study.sharpe_variance, *sharpe_variance(sharpes) * year, 1e-9);
  const double variance = *sharpe_variance(sharpes);
  EXPECT_NEAR(*study.expected_maximum, *expected_maximum_sharpe(own, variance) * std::sqrt(year), 1e-9);
  double total = 0;
  for (size_t i = 0; i < varying.size(); ++i) {
    for (size_t k = 0; k < i; ++k) total += correlation->raw(i, k);
  }
  EXPECT_NEAR(*study.mean_correlation, total / static_cast<double>(own * (own - 1) / 2), 1e-12);
  EXPECT_EQ(study.implied_trials, implied_trials(*correlation));
  EXPECT_EQ(study.clusters, cluster_trials(*correlation).count);
  const auto overfitting = backtest_overfitting(*blocks);
  EXPECT_EQ(study.overfitting_probability, overfitting->probability);
  EXPECT_EQ(study.loss_probability, overfitting->probability_of_loss);
  EXPECT_NEAR(*study.degradation_slope, *overfitting->degradation_slope, 1e-9);

  ASSERT_EQ(study.trials.size(), feed.traces.size());
  std::vector<bool> seen(feed.traces.size());
  for (size_t place = 0; place < study.trials.size(); ++place) {
    const Trial& trial = study.trials[place];
    ASSERT_FALSE(seen.at(trial.trace));
    seen[trial.trace] = true;
    const auto& estimate = estimates[trial.trace];
    ASSERT_EQ(trial.sharpe_ratio.has_value(), estimate.has_value());
    EXPECT_EQ(trial.deflated_sharpe.has_value(), estimate.has_value());
    EXPECT_EQ(static_cast<int64_t>(place) < own, estimate.has_value());
    if (!estimate) continue;
    EXPECT_NEAR(*trial.sharpe_ratio, estimate->sharpe * std::sqrt(year), 1e-9);
    if (place > 0) {
      EXPECT_LE(*trial.sharpe_ratio, *study.trials[place - 1].sharpe_ratio);
    }
    EXPECT_NEAR(*trial.probabilistic_sharpe, *probabilistic_sharpe_ratio(*estimate), 1e-9);
    EXPECT_NEAR(*trial.deflated_sharpe, *deflated_sharpe_ratio(*estimate, own, variance), 1e-9);
    const auto length = minimum_track_record_length(*estimate, *expected_maximum_sharpe(own, variance));
    ASSERT_EQ(trial.minimum_track_record.has_value(), length.has_value());
    if (length) {
      EXPECT_NEAR(*trial.minimum_track_record / *length, 1, 1e-6);
    }
  }
}

TEST(StudyTrials, SameAsTheSlowWay) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    MadeFeed made(random, 300 + 41 * round);
    if (round == 6) made.feed().bar_count = 290;  // all broke off
    made.add(hold(0));
    made.add_noise(random, 20);
    made.add({});
    made.add(test::random_positions(random, (*made).bar_count, 0.05, {0, 0.5, 2}));
    TrialsOptions options = quick();
    options.terms.cost = round % 2 == 0 ? 0 : 2e-4;
    if (round % 3 == 1) options.terms.from = (*made).bars.ts[70];
    if (round % 4 == 3) options.terms.to = (*made).bars.ts[250];
    const Result<TrialStudy> study = study_trials(*made, options);
    ASSERT_TRUE(study.ok()) << study.status().message();
    EXPECT_EQ(study->window.begin, round % 3 == 1 ? 70 : 0);
    EXPECT_EQ(study->window.end, round % 4 == 3 ? 250 : (*made).bar_count);
    expect_same_as_slow(made, options, *study);
  }
}

// More returns than are held at a time, on any number of threads.
TEST(StudyTrials, TakesStrategiesInParts) {
  std::mt19937_64 random(2);
  MadeFeed made(random, 20'000);
  made.add_noise(random, 130);
  TrialsOptions options = quick();
  options.control.threads = 1;
  int64_t told = 0;
  options.control.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++told);
    EXPECT_EQ(total, 130);
  };
  const Result<TrialStudy> one = study_trials(*made, options);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(told, 130);
  options.control = {.threads = 4};
  const Result<TrialStudy> four = study_trials(*made, options);
  expect_same_as_slow(made, options, *one);
  EXPECT_EQ(one->mean_correlation, four->mean_correlation);
  EXPECT_EQ(one->overfitting_probability, four->overfitting_probability);
  for (size_t i = 0; i < one->trials.size(); ++i) {
    EXPECT_EQ(one->trials[i].trace, four->trials[i].trace);
    EXPECT_EQ(one->trials[i].deflated_sharpe, four->trials[i].deflated_sharpe);
  }

  const std::atomic<int> interrupt = 2;
  options.control.interrupt = &interrupt;
  EXPECT_EQ(study_trials(*made, options).status().code(), StatusCode::io_error);
}

// As the index would have it at these terms, digit by digit.
TEST(StudyTrials, SharpeRatiosAreThoseOfTheIndex) {
  std::mt19937_64 random(3);
  MadeFeed made(random, 900);
  made.add_noise(random, 12);
  made.add(hold(0.25));
  made.add(hold(0));
  std::vector<MetricTerms> all_terms(4);
  all_terms[1].cost = 5e-4;
  all_terms[1].risk_free_rate = 0.04;
  all_terms[2].bars_per_year = 252;
  all_terms[2].from = (*made).bars.ts[100];
  all_terms[3].exits = {.stop = 0.002, .trail = 0.001, .slippage = 1e-4};
  for (const MetricTerms& terms : all_terms) {
    const auto metrics = FeedMetrics::make(&(*made).bars, terms);
    TrialsOptions options = quick();
    options.terms = terms;
    const Result<TrialStudy> study = study_trials(*made, options);
    ASSERT_TRUE(study.ok()) << study.status().message();
    EXPECT_EQ(study->own_trials, 13);
    for (const Trial& trial : study->trials) {
      const TraceChanges trace = {.changes = (*made).traces[trial.trace].changes, .px = {}};
      EXPECT_EQ(trial.sharpe_ratio, (**(*metrics)->compute(trace, 900)).sharpe_ratio);
      if (!trial.sharpe_ratio) {
        EXPECT_EQ(trial.trace, 13u);
      }
    }
  }
}

// What the returns over the risk-free ones are, as a whole: the probabilistic ratio looks at them, and the blocks do.
TEST(StudyTrials, TheRiskFreeRateIsTakenOffEverywhere) {
  std::mt19937_64 random(4);
  MadeFeed made(random, 400);
  made.add_noise(random, 6);
  TrialsOptions options = quick();
  options.terms.risk_free_rate = 1e60;  // so much that everything loses
  const Result<TrialStudy> study = study_trials(*made, options);
  EXPECT_LT(*study->best()->sharpe_ratio, 0);
  EXPECT_LT(*study->best()->probabilistic_sharpe, 0.5);
  EXPECT_EQ(study->loss_probability, 1);
}

TEST(StudyTrials, CountsWhatWasTried) {
  std::mt19937_64 random(5);
  MadeFeed made(random, 500);
  made.add_noise(random, 9);
  for (const double value : {0.0, 0.0, 1.0}) made.add(hold(value));
  TrialsOptions options = quick();
  const Result<TrialStudy> own = study_trials(*made, options);
  EXPECT_EQ(own->trial_count, 10);  // the two that hold nothing tried nothing
  options.tried_elsewhere = 90;
  const Result<TrialStudy> more = study_trials(*made, options);
  EXPECT_EQ(more->own_trials, 10);
  EXPECT_EQ(more->trial_count, 100);
  EXPECT_GT(*more->expected_maximum, *own->expected_maximum);
  EXPECT_GT(*more->implied_trials, *own->implied_trials);
  EXPECT_LT(*more->best()->deflated_sharpe, *own->best()->deflated_sharpe);
  EXPECT_EQ(more->sharpe_variance, own->sharpe_variance);
  options.trial_count = 10;
  EXPECT_EQ(study_trials(*made, options)->best()->deflated_sharpe, own->best()->deflated_sharpe);
  options.trial_count = 9;
  EXPECT_EQ(study_trials(*made, options).status().code(), StatusCode::invalid);
}

TEST(StudyTrials, OneStrategyHasNoLuckToTakeOff) {
  std::mt19937_64 random(6);
  MadeFeed made(random, 500);
  made.add_noise(random, 1);
  made.add(hold(0));
  TrialsOptions options = quick();
  const Result<TrialStudy> one = study_trials(*made, options);
  EXPECT_EQ(one->trial_count, 1);
  EXPECT_EQ(one->implied_trials, 1);
  EXPECT_EQ(one->expected_maximum, 0);
  EXPECT_EQ(one->best()->deflated_sharpe, one->best()->probabilistic_sharpe);
  EXPECT_EQ(one->overfitting_probability, std::nullopt);
  EXPECT_NE(one->no_overfitting, "");
  // Of several of which one is here, nobody knows how they vary.
  options.trial_count = 20;
  const Result<TrialStudy> unknown = study_trials(*made, options);
  EXPECT_TRUE(unknown->best()->probabilistic_sharpe);
  EXPECT_EQ(unknown->best()->deflated_sharpe, std::nullopt);
  EXPECT_EQ(unknown->best()->minimum_track_record, std::nullopt);
  EXPECT_EQ(unknown->expected_maximum, std::nullopt);
}

TEST(StudyTrials, NobodyTrades) {
  std::mt19937_64 random(7);
  MadeFeed made(random, 100);
  for (int s = 0; s < 3; ++s) made.add(hold(0));
  const Result<TrialStudy> study = study_trials(*made, quick());
  ASSERT_TRUE(study.ok());
  EXPECT_EQ(study->best(), nullptr);
  EXPECT_EQ(study->trial_count, 0);
  EXPECT_EQ(study->trials.size(), 3u);
  EXPECT_EQ(study->sharpe_variance, std::nullopt);
  EXPECT_EQ(study->implied_trials, std::nullopt);
  EXPECT_EQ(study->clusters, std::nullopt);
  EXPECT_EQ(study->overfitting_probability, std::nullopt);
}

// A price that grows by the same share each bar: what its returns vary by is rounding, which would be the best of all.
TEST(StudyTrials, RoundingIsNoVariance) {
  std::mt19937_64 random(8);
  MadeFeed made(random, 200);
  for (size_t t = 1; t < 200; ++t) made.feed().bars.close[t] = made.feed().bars.close[t - 1] * 1.001;
  made.add(hold(1));
  made.add_noise(random, 3);
  const Result<TrialStudy> study = study_trials(*made, quick());
  EXPECT_EQ(study->own_trials, 3);
  EXPECT_EQ(study->trials.back().trace, 0u);
}

TEST(StudyTrials, EqualOnesAreOneTrial) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    MadeFeed made(random, 1'000);
    const SignalChanges changes = test::random_positions(random, 1'000, 0.1, {-1, 0, 1});
    for (int s = 0; s < 50; ++s) made.add(changes);
    TrialsOptions options = quick();
    options.trial_count = 1'000'000;  // rounding of the mean a million times
    const Result<TrialStudy> study = study_trials(*made, options);
    EXPECT_EQ(study->implied_trials, 1);
    EXPECT_EQ(study->clusters, 1);
    EXPECT_NEAR(*study->mean_correlation, 1, 1e-12);
  }
}

TEST(StudyTrials, RefusesWhatMakesNoSense) {
  std::mt19937_64 random(10);
  MadeFeed made(random, 60);
  made.add_noise(random, 4);
  for (const int blocks : {0, 3, 22}) {
    EXPECT_EQ(study_trials(*made, {.block_count = blocks}).status().code(), StatusCode::invalid) << blocks;
  }
  // Too few bars are no mistake: all else is said.
  TrialsOptions options;
  options.terms.to = (*made).bars.ts[20];
  const Result<TrialStudy> few = study_trials(*made, options);
  ASSERT_TRUE(few.ok());
  EXPECT_EQ(few->overfitting_probability, std::nullopt);
  EXPECT_NE(few->no_overfitting.find("blocks"), std::string::npos);
  EXPECT_TRUE(few->best()->deflated_sharpe);
  options.terms.to = (*made).bars.ts[0];
  EXPECT_EQ(study_trials(*made, options).status().code(), StatusCode::not_found);
  options.terms.to = (*made).bars.ts[1];  // one bar, no return
  EXPECT_EQ(study_trials(*made, options)->best(), nullptr);
}

TEST(StudyTrials, NeighboursStandInOneGrid) {
  std::mt19937_64 random(11);
  MadeFeed made(random, 400);
  const auto add = [&](std::string config) {
    made.add(test::random_positions(random, 400, 0.1, {-1, 0, 1}), std::move(config));
  };
  add(R"({"bb":{"period":10,"std_dev":2.0,"kind":"sma"}})");                            // 0
  add(R"({"type":"bb","parameters":{"period":20,"std_dev":2.0,"kind":"sma"}})");        // 1: another spelling
  add(R"({"bb":{"period":40,"std_dev":2.0,"kind":"sma"}})");                            // 2
  add(R"({"bb":{"period":20,"std_dev":2.5,"kind":"sma"}})");                            // 3
  add(R"({"bb":{"period":20,"std_dev":3.0,"kind":"ema"}})");                            // 4: another kind
  add(R"({"rsi":{"period":20,"std_dev":3.0,"kind":"sma"}})");                           // 5: another type
  add(R"({"bb":{"period":20,"std_dev":3.0,"kind":"sma"},"constraints":"intraday"})");   // 6: constrained
  add(R"({"bb":{"period":20.0,"std_dev":2.0,"kind":"sma"}})");                          // 7: 1 in another spelling
  add(R"({"strategy":[{"bb":{"period":20}},{"rsi":{"period":20}}],"threshold":0.5})");  // 8: holds others
  add(R"({"bb":{"period":20,"kind":"sma"}})");                                          // 9: without std_dev
  add(R"({"bb":{"period":30,"kind":"sma"}})");                                          // 10
  add(R"({"type":"old","params":{"period":1},"threshold":0.5})");                       // 11
  add(R"({"type":"old","params":{"period":2},"threshold":0.5})");                       // 12
  add(R"({"type":"old","params":{"period":3},"threshold":0.6})");                       // 13
  const Result<TrialStudy> study = study_trials(*made, quick());
  ASSERT_TRUE(study.ok()) << study.status().message();
  const std::vector<std::optional<std::vector<size_t>>> expected = {
      {{1}}, {{0, 2, 3}}, {{1}}, {{1}}, {{}}, {{}}, {{}}, {}, {}, {{10}}, {{9}}, {{12}}, {{11}}, {{}}};
  for (const Trial& trial : study->trials) {
    const auto& around = trial.neighbourhood;
    ASSERT_EQ(around.has_value(), expected[trial.trace].has_value()) << trial.trace;
    if (!around) continue;
    EXPECT_EQ(around->neighbours, *expected[trial.trace]) << trial.trace;
    if (around->neighbours.empty()) continue;
    double total = 0;
    for (const size_t neighbour : around->neighbours) {
      const auto there = std::ranges::find(study->trials, neighbour, &Trial::trace);
      total += *there->sharpe_ratio / static_cast<double>(around->neighbours.size());
    }
    EXPECT_NEAR(*around->mean, total, 1e-12);
  }
}

}  // namespace
}  // namespace signalbook
