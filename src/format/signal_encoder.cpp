#include "format/signal_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "format/find_changes.h"

namespace signalbook {

Status SignalEncoder::check_follows(BarIndex bar) const {
  if (bar > last_bar_) return Status();
  if (bar < 0) return Status::invalid(fmt::format("bar {} does not exist: bars are numbered from 0", bar));
  if (bar == last_bar_) return Status::invalid(fmt::format("bar {} is given twice", bar));
  return Status::invalid(fmt::format("bar {} comes after bar {}: bars must go forward", bar, last_bar_));
}

Status SignalEncoder::append_number(BarIndex bar, double value) {
  if (std::isnan(value)) {
    if (changes_.idx.empty() || missing_ == MissingSignal::hold) return Status();
    if (missing_ == MissingSignal::refuse) {
      return Status::invalid(fmt::format(
          "bar {}: NaN after the first value; say --na flat or --na hold if that is meant, or mend the strategy", bar));
    }
    value = 0.0;
  }
  if (std::isinf(value)) return Status::invalid(fmt::format("bar {}: the signal is infinite", bar));
  if (!changes_.idx.empty() && value == changes_.values.back()) return Status();
  changes_.idx.push_back(bar);
  changes_.values.push_back(value + 0.0);  // -0.0 becomes 0.0
  return Status();
}

Status SignalEncoder::observe(BarIndex bar, double value) {
  SB_RETURN_IF_ERROR(check_follows(bar));
  SB_RETURN_IF_ERROR(append_number(bar, value));
  last_bar_ = bar;
  return Status();
}

Status SignalEncoder::observe_label(BarIndex bar, std::string_view label) {
  SB_RETURN_IF_ERROR(check_follows(bar));
  if (label.empty()) {
    if (!changes_.idx.empty() && missing_ != MissingSignal::hold) {
      return Status::invalid(fmt::format(
          "bar {}: no label after the first one; say --na hold if that is meant, or mend the classifier", bar));
    }
  } else if (changes_.idx.empty() || changes_.labels.back() != label) {
    changes_.idx.push_back(bar);
    changes_.labels.emplace_back(label);
  }
  last_bar_ = bar;
  return Status();
}

template <typename T>
Status SignalEncoder::append_element(BarIndex bar, T value) {
  const double number = static_cast<double>(value);
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    // 2^63 and 2^64 are what the largest integers round up to; casting them back would be undefined.
    constexpr double kEnd = std::is_signed_v<T> ? 0x1p63 : 0x1p64;
    if (number >= kEnd || static_cast<T>(number) != value) {
      return Status::invalid(fmt::format("bar {}: {} is more than a double holds exactly", bar, value));
    }
  }
  return append_number(bar, number);
}

template <typename T>
Status SignalEncoder::append_differences(BarIndex first_bar, const uint32_t* bars, const T* values, size_t count) {
  if constexpr (std::is_integral_v<T> && sizeof(T) < 8) {
    // Neither NaN nor rounding: every difference is a change.
    const size_t old_size = changes_.idx.size();
    changes_.idx.resize(old_size + count);
    changes_.values.resize(old_size + count);
    for (size_t k = 0; k < count; ++k) changes_.idx[old_size + k] = first_bar + bars[k];
    for (size_t k = 0; k < count; ++k) changes_.values[old_size + k] = static_cast<double>(values[k]);
  } else {
    for (size_t k = 0; k < count; ++k) SB_RETURN_IF_ERROR(append_element(first_bar + bars[k], values[k]));
  }
  return Status();
}

template <typename T>
Status SignalEncoder::observe_series(BarIndex first_bar, const void* values, int64_t count, int64_t stride) {
  if (count == 0) return Status();
  SB_RETURN_IF_ERROR(check_follows(first_bar));
  const auto* bytes = static_cast<const uint8_t*>(values);
  const auto element = [&](int64_t i) {
    T value;
    std::memcpy(&value, bytes + i * stride, sizeof(T));
    return value;
  };
  // The first value is compared with what was said before this series, the others with their neighbour.
  SB_RETURN_IF_ERROR(append_element(first_bar, element(0)));
  if (stride == sizeof(T)) {
    constexpr int64_t kBlock = 2048;
    uint32_t bars[kBlock + kDifferencesSlack];
    T changed[kBlock];
    for (int64_t begin = 1; begin < count; begin += kBlock) {
      const uint8_t* block = bytes + begin * stride;
      const int64_t block_size = std::min(kBlock, count - begin);
      const int64_t found = find_differences<sizeof(T)>(block, block - stride, block_size, bars);
      for (int64_t k = 0; k < found; ++k) changed[k] = element(begin + bars[k]);
      SB_RETURN_IF_ERROR(append_differences(first_bar + begin, bars, changed, static_cast<size_t>(found)));
    }
  } else {
    for (int64_t i = 1; i < count; ++i) {
      const T value = element(i), before = element(i - 1);
      if (std::memcmp(&value, &before, sizeof(T)) != 0) SB_RETURN_IF_ERROR(append_element(first_bar + i, value));
    }
  }
  last_bar_ = first_bar + count - 1;
  return Status();
}

#define SB_INSTANTIATE(T)                                                                    \
  template Status SignalEncoder::observe_series<T>(BarIndex, const void*, int64_t, int64_t); \
  template Status SignalEncoder::append_differences(BarIndex, const uint32_t*, const T*, size_t);
SB_INSTANTIATE(int8_t)
SB_INSTANTIATE(int16_t)
SB_INSTANTIATE(int32_t)
SB_INSTANTIATE(int64_t)
SB_INSTANTIATE(uint8_t)
SB_INSTANTIATE(uint16_t)
SB_INSTANTIATE(uint32_t)
SB_INSTANTIATE(uint64_t)
SB_INSTANTIATE(float)
SB_INSTANTIATE(double)
#undef SB_INSTANTIATE

void SignalEncoder::observe_held_until(BarIndex last_bar) { last_bar_ = std::max(last_bar_, last_bar); }

void SignalEncoder::keep_last() {
  const auto keep = [](auto& column) {
    if (column.size() <= 1) return;
    // A long series leaves a large vector behind: then a new one.
    constexpr size_t kFewEnoughToKeep = 16;
    auto last = std::move(column.back());
    if (column.capacity() > kFewEnoughToKeep) column = {};
    column.resize(1);
    column.front() = std::move(last);
  };
  keep(changes_.idx);
  keep(changes_.values);
  keep(changes_.labels);
  handed_over_ = changes_.size();
}

void SignalEncoder::resume_number(double value, BarIndex last_bar) {
  changes_ = {.kind = SignalKind::number, .idx = {last_bar}, .values = {value}, .labels = {}};
  handed_over_ = 1;
  last_bar_ = last_bar;
}

void SignalEncoder::resume_label(std::string label, BarIndex last_bar) {
  changes_ = {.kind = SignalKind::label, .idx = {last_bar}, .values = {}, .labels = {std::move(label)}};
  handed_over_ = 1;
  last_bar_ = last_bar;
}

std::optional<BarIndex> SignalEncoder::observed_from() const {
  if (changes_.idx.empty()) return std::nullopt;
  return changes_.idx.front();
}

std::optional<BarIndex> SignalEncoder::observed_to() const {
  if (changes_.idx.empty()) return std::nullopt;
  return last_bar_;
}

Status check_changes(const SignalChanges& changes, int64_t bar_count) {
  const size_t value_count = changes.kind == SignalKind::number ? changes.values.size() : changes.labels.size();
  if (value_count != changes.size()) {
    return Status::damaged(fmt::format("{} changes but {} values", changes.size(), value_count));
  }
  BarIndex previous = -1;
  for (size_t i = 0; i < changes.size(); ++i) {
    const BarIndex bar = changes.idx[i];
    if (bar <= previous) return Status::damaged(fmt::format("row {}: idx {} does not lie after {}", i, bar, previous));
    previous = bar;
  }
  if (previous >= bar_count) {
    return Status::damaged(fmt::format("idx {} lies outside the {} bars observed", previous, bar_count));
  }
  return Status();
}

namespace {

// Stretches each value from its change to the next one.
template <typename Value>
std::vector<Value> stretch(const std::vector<BarIndex>& idx, const std::vector<Value>& values, int64_t bar_count,
                           const Value& before) {
  std::vector<Value> dense(static_cast<size_t>(bar_count), before);
  for (size_t i = 0; i < idx.size(); ++i) {
    const BarIndex end = i + 1 < idx.size() ? idx[i + 1] : bar_count;
    std::fill(dense.begin() + idx[i], dense.begin() + end, values[i]);
  }
  return dense;
}

}  // namespace

Result<std::vector<double>> decode(const SignalChanges& changes, int64_t bar_count) {
  if (changes.kind != SignalKind::number) return Status::invalid("these are labels, not numbers");
  SB_RETURN_IF_ERROR(check_changes(changes, bar_count));
  return stretch(changes.idx, changes.values, bar_count, std::numeric_limits<double>::quiet_NaN());
}

Result<std::vector<std::string>> decode_labels(const SignalChanges& changes, int64_t bar_count) {
  if (changes.kind != SignalKind::label) return Status::invalid("these are numbers, not labels");
  SB_RETURN_IF_ERROR(check_changes(changes, bar_count));
  return stretch(changes.idx, changes.labels, bar_count, std::string());
}

}  // namespace signalbook
