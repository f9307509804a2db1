#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analytics/wide.h"
#include "analytics/windows.h"
#include "base/status.h"
#include "format/bars.h"
#include "format/signal.h"

namespace signalbook {

// The prices of a feed, or of a window of it, prepared once for all strategies. Bars of a series count from 0 at the
// beginning of the window; traces keep counting from the feed's first bar.
class PriceSeries {
 public:
  // Invalid, with the feed's number of the bar, for a close that is not a finite number above 0, for columns of
  // different length, and for a window that does not lie in the bars. A bar without a usable high or low takes its
  // close for them; open, high and low may be missing altogether.
  static Result<PriceSeries> make(const Bars& bars, std::optional<BarWindow> window = {});
  // Closes alone.
  static Result<PriceSeries> make(std::span<const double> close, std::optional<BarWindow> window = {});

  int64_t size() const { return static_cast<int64_t>(close_.size()); }
  int64_t feed_size() const { return feed_size_; }             // bars of the whole feed
  BarIndex first_bar() const { return first_bar_; }            // the feed's number of bar 0
  std::optional<BarWindow> window() const { return window_; }  // as given

  double close(BarIndex bar) const { return close_[static_cast<size_t>(bar)]; }
  // Whether bars say how far the price went, and where it began; else high(), low() and open() may not be called.
  bool has_range() const { return !high_.empty(); }
  bool has_open() const { return !open_.empty(); }
  double high(BarIndex bar) const { return high_[static_cast<size_t>(bar)]; }  // at least the close
  double low(BarIndex bar) const { return low_[static_cast<size_t>(bar)]; }    // at most the close
  double open(BarIndex bar) const { return open_[static_cast<size_t>(bar)]; }

  // From the close of the bar before to this bar's; 0 for bar 0.
  Wide simple_return(BarIndex bar) const { return returns_[static_cast<size_t>(bar)]; }

 private:
  static Result<PriceSeries> make(std::span<const double> open, std::span<const double> high,
                                  std::span<const double> low, std::span<const double> close,
                                  std::optional<BarWindow> window);

  int64_t feed_size_ = 0;
  BarIndex first_bar_ = 0;
  std::optional<BarWindow> window_;
  std::vector<double> open_, high_, low_, close_;
  std::vector<Wide> returns_;
};

}  // namespace signalbook
