#include "analytics/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "analytics/stretches.h"
#include "analytics/trade_walk.h"

namespace signalbook {

namespace {

Status check_rules(const ExitRules& rules) {
  struct Rule {
    const char* name;
    double value, limit;
  };
  for (const Rule& rule : {Rule{"stop", rules.stop, HUGE_VAL}, Rule{"target", rules.target, HUGE_VAL},
                           Rule{"trail", rules.trail, 1}, Rule{"slippage", rules.slippage, 1}}) {
    if (!(rule.value >= 0 && rule.value < rule.limit)) {
      return Status::invalid(fmt::format("a {} of {}: it is a fraction, 0.01 for 1%", rule.name, rule.value));
    }
  }
  return Status();
}

// A position that may be left on each bar after its entry. Prices are mirrored for shorts, by the sign: what is worse
// is lower.
class GuardedPosition {
 public:
  GuardedPosition(const PriceSeries& series, const ExitRules& rules, double value, double price)
      : series_(series),
        rules_(rules),
        sign_(value > 0 ? 1 : -1),
        size_(std::abs(value)),
        entry_(price),
        best_(price) {}

  void resize(double value, double price) {
    const double size = std::abs(value);
    if (size > size_) entry_ = (size_ * entry_ + (size - size_) * price) / size;
    size_ = size;
  }

  struct Exit {
    double price;
    ExitReason reason;
  };
  std::optional<Exit> test(BarIndex bar) {
    const bool has_range = series_.has_range();
    const double worst = sign_ * (has_range ? (sign_ > 0 ? series_.low(bar) : series_.high(bar)) : series_.close(bar));
    const double best = sign_ * (has_range ? (sign_ > 0 ? series_.high(bar) : series_.low(bar)) : series_.close(bar));
    const double stop = rules_.stop > 0 ? sign_ * entry_ * (1 - sign_ * rules_.stop) : -HUGE_VAL;
    const double trail = rules_.trail > 0 ? sign_ * best_ * (1 - sign_ * rules_.trail) : -HUGE_VAL;
    const double target = rules_.target > 0 ? sign_ * entry_ * (1 + sign_ * rules_.target) : HUGE_VAL;
    const double level = std::max(stop, trail);
    if (worst <= level) {
      double price = has_range ? level : worst;
      if (has_range && series_.has_open()) price = std::min(price, sign_ * series_.open(bar));
      price = sign_ * price * (1 - sign_ * rules_.slippage);
      return Exit{.price = price, .reason = trail > stop ? ExitReason::trail : ExitReason::stop};
    }
    if (best >= target) {
      double price = has_range ? target : best;
      if (has_range && series_.has_open()) price = std::max(price, sign_ * series_.open(bar));
      return Exit{.price = sign_ * price, .reason = ExitReason::target};
    }
    best_ = sign_ * std::max(sign_ * best_, best);
    return std::nullopt;
  }

 private:
  const PriceSeries& series_;
  const ExitRules& rules_;
  const double sign_;
  double size_, entry_;
  double best_;  // price since the entry
};

int sign_of(double value) { return (value > 0) - (value < 0); }

// Changes and trades as they come to be.
class Outcome {
 public:
  Outcome(const PriceSeries& series, double cost) : series_(series), walk_(cost) {}

  void hold(BarIndex bar, double value) {
    add_change(bar, value);
    walk_.change(bar, series_.close(bar), value, is_last(bar),
                 [this](const WalkedTrade& trade) { keep(trade, ExitReason::signal); });
  }
  void leave(BarIndex bar, double price, ExitReason reason) {
    add_change(bar, 0);
    outcome_.fills.push_back({.bar = bar, .price = price});
    walk_.change(bar, price, 0, is_last(bar), [&](const WalkedTrade& trade) { keep(trade, reason); });
  }
  WhatIf finish(double cost) {
    if (series_.size() > 0) {
      walk_.finish(series_.size() - 1, series_.close(series_.size() - 1),
                   [this](const WalkedTrade& trade) { keep(trade, ExitReason::open); });
    }
    measure_trades(outcome_.changes, series_, cost, outcome_.fills, outcome_.trades);
    return std::move(outcome_);
  }

 private:
  void keep(const WalkedTrade& trade, ExitReason reason) {
    outcome_.trades.push_back(to_trade(trade, series_.first_bar()));
    outcome_.reasons.push_back(reason);
  }

  bool is_last(BarIndex bar) const { return bar + 1 == series_.size(); }

  void add_change(BarIndex bar, double value) {
    SignalChanges& changes = outcome_.changes;
    const BarIndex idx = series_.first_bar() + bar;
    if (!changes.idx.empty() && changes.idx.back() == idx) {
      changes.values.back() = value;
    } else if (changes.idx.empty() || changes.values.back() != value) {
      changes.idx.push_back(idx);
      changes.values.push_back(value);
    }
  }

  const PriceSeries& series_;
  TradeWalk walk_;
  WhatIf outcome_;
};

}  // namespace

Result<WhatIf> apply_exits(const SignalChanges& changes, const PriceSeries& series, double cost,
                           const ExitRules& rules) {
  SB_RETURN_IF_ERROR(check_positions(changes, series));
  SB_RETURN_IF_ERROR(check_rules(rules));
  Outcome outcome(series, cost);
  double previous = 0;
  std::optional<GuardedPosition> guarded;  // nothing while flat or out
  for_each_stretch(changes, series, [&](BarIndex begin, BarIndex end, double value) {
    if (sign_of(value) != sign_of(previous)) {
      guarded.reset();
      if (value != 0) guarded.emplace(series, rules, value, series.close(begin));
    } else if (guarded) {
      guarded->resize(value, series.close(begin));
    }
    previous = value;
    outcome.hold(begin, guarded ? value : 0.0);
    for (BarIndex bar = begin + 1; bar <= end && guarded; ++bar) {
      const auto exit = guarded->test(bar);
      if (!exit) continue;
      outcome.leave(bar, exit->price, exit->reason);
      guarded.reset();
    }
  });
  return outcome.finish(cost);
}

}  // namespace signalbook
