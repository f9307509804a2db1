#include "demo/example_strategies.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "demo/indicators.h"
#include "demo/us_market_calendar.h"

namespace signalbook::demo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Signals = std::vector<double>;

JsonValue object(JsonValue::Object members) { return JsonValue(std::move(members)); }
JsonValue list(JsonValue::Array items) { return JsonValue(std::move(items)); }
JsonValue number(int value) { return JsonValue(int64_t{value}); }
JsonValue number(double value) { return JsonValue(value); }

int sign(double x) { return (x > 0) - (x < 0); }

// {"rsi": {"period": 14}} and, if so, "constraints": "intraday".
JsonValue leaf_config(const char* type, JsonValue::Object parameters, bool intraday) {
  JsonValue::Object config{{type, object(std::move(parameters))}};
  if (intraday) config.emplace_back("constraints", JsonValue("intraday"));
  return object(std::move(config));
}

// The strategies, over one set of bars. A rule is asked on each bar, from the first warm one on, which position to
// take: it sees that bar, the bars before it and the position held.
class Strategies {
 public:
  explicit Strategies(const Bars& bars) : bars_(bars), closes_(bars.close), day_ends_(bars.size()) {
    // By the clock and not by the date of the next bar: that would be a look into the future.
    const int64_t length_us = bars.size() > 1 ? bars.ts[1] - bars.ts[0] : 0;
    for (size_t i = 0; i < bars.size(); ++i) {
      const int64_t end_us = bars.ts[i] + length_us;
      day_ends_[i] =
          new_york_minute(bars.ts[i]) >= kSessionOpenMinute && new_york_minute(end_us) >= kSessionCloseMinute;
    }
  }

  // With the trend: long while the fast average is above the slow one.
  Signals sma_crossover(int fast, int slow, bool intraday) const {
    return follow(size_t(std::max(fast, slow)) - 1, intraday,
                  [&](size_t i, int) { return sign(closes_.mean(i, size_t(fast)) - closes_.mean(i, size_t(slow))); });
  }

  // Against the move: enter outside a band, leave at the middle.
  Signals bollinger_bands(int period, double std_dev, bool intraday) const {
    return follow(size_t(period) - 1, intraday, [&](size_t i, int held) {
      const double distance = bars_.close[i] - closes_.mean(i, size_t(period));
      const double band = std_dev * closes_.deviation(i, size_t(period));
      if (distance < -band) return 1;
      if (distance > band) return -1;
      return held == -sign(distance) ? held : 0;
    });
  }

  // Against the move: enter in an extreme, leave when the index is back in its half.
  Signals rsi(int period, int oversold, int overbought, bool intraday) const {
    const std::vector<double> index = relative_strength_index(bars_.close, size_t(period));
    return follow(size_t(period), intraday, [&](size_t i, int held) {
      if (index[i] < oversold) return 1;
      if (index[i] > overbought) return -1;
      return held == -sign(index[i] - 50.0) ? held : 0;
    });
  }

  // With the move of the last `period` bars, if it is large enough.
  Signals momentum(int period, double threshold, bool intraday) const {
    return follow(size_t(period), intraday, [&](size_t i, int) {
      const double move = bars_.close[i] / bars_.close[i - size_t(period)] - 1.0;
      return std::fabs(move) > threshold ? sign(move) : 0;
    });
  }

  // With the break out of the range of the bars before; out again at the other side of a shorter range.
  Signals breakout(int lookback, int exit_lookback, bool intraday) const {
    const std::vector<double> top = rolling_max(bars_.high, size_t(lookback));
    const std::vector<double> bottom = rolling_min(bars_.low, size_t(lookback));
    const std::vector<double> short_top = rolling_max(bars_.high, size_t(exit_lookback));
    const std::vector<double> short_bottom = rolling_min(bars_.low, size_t(exit_lookback));
    return follow(size_t(std::max(lookback, exit_lookback)), intraday, [&](size_t i, int held) {
      if (bars_.close[i] > top[i - 1]) return 1;
      if (bars_.close[i] < bottom[i - 1]) return -1;
      const bool leave = held > 0 ? bars_.close[i] < short_bottom[i - 1] : bars_.close[i] > short_top[i - 1];
      return leave ? 0 : held;
    });
  }

 private:
  template <typename Rule>
  Signals follow(size_t first_warm, bool intraday, Rule rule) const {
    Signals signals(bars_.size(), kNaN);
    int held = 0;
    for (size_t i = first_warm; i < bars_.size(); ++i) {
      held = intraday && day_ends_[i] ? 0 : rule(i, held);
      signals[i] = held;
    }
    return signals;
  }

  const Bars& bars_;
  RollingMoments closes_;
  std::vector<bool> day_ends_;
};

struct WeightedPart {
  double weight;
  Signals signals;
};

// The side that the weighted sum takes, when it is more than the threshold. Warm when all parts are.
Signals vote(const std::vector<WeightedPart>& parts, double threshold) {
  Signals result(parts.front().signals.size());
  for (size_t i = 0; i < result.size(); ++i) {
    double sum = 0.0;
    for (const WeightedPart& part : parts) sum += part.weight * part.signals[i];  // NaN stays NaN
    result[i] = std::isnan(sum) ? kNaN : std::fabs(sum) > threshold ? sign(sum) : 0;
  }
  return result;
}

class Sweep {
 public:
  explicit Sweep(const Bars& bars) : strategies_(bars) {}

  std::vector<ExampleSignals> run() {
    for (const bool intraday : {false, true}) {
      for (const int fast : {5, 8, 10, 12, 15, 20}) {
        for (const int slow : {30, 40, 50, 60, 80, 100, 120, 150}) {
          add(leaf_config("sma_crossover", {{"fast_period", number(fast)}, {"slow_period", number(slow)}}, intraday),
              strategies_.sma_crossover(fast, slow, intraday));
        }
      }
      for (int period = 10; period <= 50; period += 5) {
        for (const double std_dev : {1.0, 1.5, 2.0, 2.5}) {  // the last of 10 bars is never more than 3 out
          add(leaf_config("bollinger_bands", {{"period", number(period)}, {"std_dev", number(std_dev)}}, intraday),
              strategies_.bollinger_bands(period, std_dev, intraday));
        }
      }
      for (const int period : {7, 10, 14, 21}) {
        for (const int oversold : {20, 25, 30}) {
          for (const int overbought : {70, 75, 80}) {
            add(leaf_config(
                    "rsi",
                    {{"period", number(period)}, {"oversold", number(oversold)}, {"overbought", number(overbought)}},
                    intraday),
                strategies_.rsi(period, oversold, overbought, intraday));
          }
        }
      }
      for (const int period : {6, 12, 24, 39, 78, 156}) {
        for (const double threshold : {0.001, 0.002, 0.003, 0.004, 0.005, 0.006}) {
          add(leaf_config("momentum", {{"period", number(period)}, {"threshold", number(threshold)}}, intraday),
              strategies_.momentum(period, threshold, intraday));
        }
      }
      for (const int lookback : {10, 15, 20, 26, 39, 52, 78, 100}) {
        for (const int exit_lookback : {5, 8, 10}) {
          add(leaf_config("breakout", {{"lookback", number(lookback)}, {"exit_lookback", number(exit_lookback)}},
                          intraday),
              strategies_.breakout(lookback, exit_lookback, intraday));
        }
      }
    }
    add_ensemble();
    add_composite();
    return std::move(sweep_);
  }

 private:
  void add(JsonValue config, Signals signals) {
    sweep_.push_back({"strategy_" + std::to_string(sweep_.size()), std::move(config), std::move(signals)});
  }

  static JsonValue part(const char* type, JsonValue::Object parameters, double weight) {
    parameters.emplace_back("weight", number(weight));
    return leaf_config(type, std::move(parameters), false);
  }

  // Trend and its opposite in one vote; the threshold is an item of the list.
  void add_ensemble() {
    JsonValue config = object(
        {{"strategy", list({part("sma_crossover", {{"fast_period", number(15)}, {"slow_period", number(50)}}, 0.4),
                            part("bollinger_bands", {{"period", number(20)}, {"std_dev", number(2.0)}}, 0.6),
                            object({{"threshold", JsonValue("0.5")}})})}});
    add(std::move(config),
        vote({{0.4, strategies_.sma_crossover(15, 50, false)}, {0.6, strategies_.bollinger_bands(20, 2.0, false)}},
             0.5));
  }

  // Two groups that vote first among themselves.
  void add_composite() {
    JsonValue trend = object(
        {{"weight", number(0.6)},
         {"strategy", list({part("sma_crossover", {{"fast_period", number(10)}, {"slow_period", number(30)}}, 0.5),
                            part("momentum", {{"period", number(24)}, {"threshold", number(0.002)}}, 0.5)})},
         {"threshold", JsonValue("0.3")}});
    JsonValue reversion = object(
        {{"weight", number(0.4)},
         {"strategy",
          list({part("bollinger_bands", {{"period", number(20)}, {"std_dev", number(2.0)}}, 0.6),
                part("rsi", {{"period", number(14)}, {"oversold", number(30)}, {"overbought", number(70)}}, 0.4)})},
         {"threshold", JsonValue("0.5")}});
    const Signals trend_says =
        vote({{0.5, strategies_.sma_crossover(10, 30, false)}, {0.5, strategies_.momentum(24, 0.002, false)}}, 0.3);
    const Signals reversion_says =
        vote({{0.6, strategies_.bollinger_bands(20, 2.0, false)}, {0.4, strategies_.rsi(14, 30, 70, false)}}, 0.5);
    add(object({{"strategy", list({std::move(trend), std::move(reversion)})}, {"threshold", JsonValue("0.3")}}),
        vote({{0.6, trend_says}, {0.4, reversion_says}}, 0.3));
  }

  Strategies strategies_;
  std::vector<ExampleSignals> sweep_;
};

}  // namespace

std::vector<ExampleSignals> make_example_sweep(const Bars& bars) { return Sweep(bars).run(); }

std::vector<ExampleLabels> make_regimes(const Bars& bars) {
  struct Classifier {
    int period;
    double threshold;
  };
  std::vector<ExampleLabels> result;
  for (const auto& [period, threshold] : {Classifier{39, 0.3}, Classifier{156, 0.2}}) {
    JsonValue config =
        leaf_config("market_regime", {{"period", number(period)}, {"threshold", number(threshold)}}, false);
    std::vector<std::string> labels;
    for (const double straight : signed_efficiency(bars.close, size_t(period))) {
      labels.emplace_back(std::isnan(straight)    ? ""
                          : straight > threshold  ? "trending_up"
                          : straight < -threshold ? "trending_down"
                                                  : "ranging");
    }
    result.push_back({"classifier_" + std::to_string(result.size()), std::move(config), std::move(labels)});
  }
  return result;
}

}  // namespace signalbook::demo
