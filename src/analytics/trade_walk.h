#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "analytics/trades.h"
#include "analytics/wide.h"
#include "format/signal.h"

namespace signalbook {

// A trade as the walk over a trace's changes sees it: prices and positions, no equity.
struct WalkedTrade {
  BarIndex entry = 0, exit = 0;  // bars of the series
  int direction = 0;             // 1 long, -1 short
  double size = 0;               // the largest position, without its sign
  Wide entry_price = 0, exit_price = 0;
  Wide net_return = 0;  // by price, net of cost
  bool is_open = false;
};

inline Trade to_trade(const WalkedTrade& walked, BarIndex first_bar) {
  return {.entry_idx = first_bar + walked.entry,
          .exit_idx = first_bar + walked.exit,
          .entry_price = static_cast<double>(walked.entry_price),
          .exit_price = static_cast<double>(walked.exit_price),
          .direction = walked.direction,
          .size = walked.size,
          .net_return = static_cast<double>(walked.net_return),
          .bars_held = walked.exit - walked.entry,
          .is_open = walked.is_open};
}

// From changes of a position to trades: maximal stretches of one sign. A flip is an exit and an entry. Whoever resizes
// enters and leaves in parts: the prices are the means of the parts, weighted by size. Each part that is entered or
// left pays `cost`, a fraction of its price; what is marked at the end has not been left and pays nothing.
class TradeWalk {
 public:
  explicit TradeWalk(double cost) : cost_(cost) {}

  // From now on the position is `value`, taken at this price; emit(const WalkedTrade&) gets the trade that ends.
  // Nothing is paid on the last bar. What is entered or resized there holds no bar: it is no trade, and changes none.
  template <typename Emit>
  void change(BarIndex bar, double price, double value, bool is_last, Emit&& emit) {
    if (value == position_) return;
    const bool was_in = position_ != 0;
    if (was_in && value != 0 && (value > 0) == (position_ > 0)) {
      if (!is_last) resize(price, value);
      return;
    }
    if (was_in) end(bar, price, !is_last, false, emit);
    if (value != 0 && !is_last) {
      begin(bar, price, value);
    } else {
      position_ = 0;
    }
  }

  // The last bar: what is held is marked at its price.
  template <typename Emit>
  void finish(BarIndex bar, double price, Emit&& emit) {
    if (position_ != 0) end(bar, price, false, true, emit);
    position_ = 0;
  }

 private:
  void begin(BarIndex bar, double price, double value) {
    position_ = value;
    trade_ = {.entry = bar, .direction = value > 0 ? 1 : -1, .size = std::abs(value), .entry_price = price};
    is_resized_ = false;
  }

  void resize(double price, double value) {
    const Wide old_size = std::abs(position_), size = std::abs(value);
    if (!is_resized_) {
      is_resized_ = true;
      entered_ = {.size = old_size, .value = old_size * trade_.entry_price};
      left_ = {};
    }
    if (size > old_size) {
      entered_.add(size - old_size, price);
    } else {
      left_.add(old_size - size, price);
    }
    trade_.size = std::max(trade_.size, std::abs(value));
    position_ = value;
  }

  template <typename Emit>
  void end(BarIndex bar, double price, bool pays, bool is_open, Emit&& emit) {
    trade_.exit = bar;
    trade_.is_open = is_open;
    Wide paid = 1;  // in parts of what was entered: the entries, and the exits that pay
    if (!is_resized_) {
      trade_.exit_price = price;
      if (pays) paid += trade_.exit_price / trade_.entry_price;
    } else {
      if (!pays) paid += left_.value / entered_.value;
      left_.add(std::abs(position_), price);
      if (pays) paid += left_.value / entered_.value;
      trade_.entry_price = entered_.value / entered_.size;
      trade_.exit_price = left_.value / left_.size;
    }
    trade_.net_return = (trade_.exit_price - trade_.entry_price) / trade_.entry_price;
    if (trade_.direction < 0) trade_.net_return = -trade_.net_return;
    if (cost_ != 0) trade_.net_return -= cost_ * paid;
    emit(std::as_const(trade_));
  }

  struct Parts {
    Wide size = 0, value = 0;
    void add(Wide more, Wide price) {
      size += more;
      value += more * price;
    }
  };

  const double cost_;
  double position_ = 0;
  WalkedTrade trade_;
  bool is_resized_ = false;
  Parts entered_, left_;
};

}  // namespace signalbook
