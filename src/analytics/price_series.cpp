#include "analytics/price_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace signalbook {

namespace {

bool is_price(double price) { return std::isfinite(price) && price > 0; }

}  // namespace

Result<PriceSeries> PriceSeries::make(const Bars& bars, std::optional<BarWindow> window) {
  for (const std::vector<double>* column : {&bars.open, &bars.high, &bars.low}) {
    if (!column->empty() && column->size() != bars.close.size()) {
      return Status::invalid(fmt::format("{} closes, but {} of another price: give columns of equal length",
                                         bars.close.size(), column->size()));
    }
  }
  if (bars.high.empty() != bars.low.empty()) return Status::invalid("highs without lows, or lows without highs");
  return make(bars.open, bars.high, bars.low, bars.close, window);
}

Result<PriceSeries> PriceSeries::make(std::span<const double> close, std::optional<BarWindow> window) {
  return make({}, {}, {}, close, window);
}

Result<PriceSeries> PriceSeries::make(std::span<const double> open, std::span<const double> high,
                                      std::span<const double> low, std::span<const double> close,
                                      std::optional<BarWindow> window) {
  const auto feed_size = static_cast<int64_t>(close.size());
  if (window && (window->begin < 0 || window->end <= window->begin || window->end > feed_size)) {
    return Status::invalid(
        fmt::format("bars {} to {} are no window of a feed with {} bars", window->begin, window->end - 1, feed_size));
  }
  const BarIndex first = window ? window->begin : 0, end = window ? window->end : feed_size;
  const auto part = [&](std::span<const double> column) {
    return column.empty() ? column : column.subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  };
  PriceSeries series;
  series.feed_size_ = feed_size;
  series.first_bar_ = first;
  series.window_ = window;
  const auto copy = [&](std::span<const double> column) { return std::vector<double>(column.begin(), column.end()); };
  series.open_ = copy(part(open));
  series.high_ = copy(part(high));
  series.low_ = copy(part(low));
  series.close_ = copy(part(close));
  const size_t size = series.close_.size();
  for (size_t i = 0; i < size; ++i) {
    const double price = series.close_[i];
    if (!is_price(price)) {
      return Status::invalid(
          fmt::format("bar {}: its close is {}; metrics need closes above 0", first + static_cast<BarIndex>(i), price));
    }
    if (!series.open_.empty() && !is_price(series.open_[i])) series.open_[i] = price;
    if (!series.has_range()) continue;
    double& top = series.high_[i];
    double& bottom = series.low_[i];
    top = is_price(top) ? std::max(top, price) : price;
    bottom = is_price(bottom) ? std::min(bottom, price) : price;
  }
  series.returns_.resize(size);
  for (size_t i = 1; i < size; ++i) {
    const Wide before = series.close_[i - 1];
    series.returns_[i] = (series.close_[i] - before) / before;
  }
  return series;
}

}  // namespace signalbook
