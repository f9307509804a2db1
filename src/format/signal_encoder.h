#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "format/signal.h"

namespace signalbook {

// What a NaN means once a strategy has said something. Before that it always means: not yet observed.
enum class MissingSignal : uint8_t {
  refuse,  // an error: most likely a bug in the strategy
  flat,    // 0
  hold,    // what the strategy said before
};

// Signals change rarely, so a trace stores the changes and not the bars. The encoder of one trace takes what the
// strategy says bar by bar and keeps the changes; bars left out between two observations hold the earlier value.
// decode(changes(), bar_count()) gives back what was observed, NaN before the first observation.
// Errors are Invalid and name the bar; the encoder is then as it was before the call's first wrong value.
class SignalEncoder {
 public:
  explicit SignalEncoder(SignalKind kind = SignalKind::number, MissingSignal missing = MissingSignal::refuse)
      : missing_(missing) {
    changes_.kind = kind;
  }

  // One bar. `bar` lies after every bar observed so far. Infinities are errors.
  Status observe(BarIndex bar, double value);
  Status observe_label(BarIndex bar, std::string_view label);  // an empty label is a missing one

  // Consecutive bars from `first_bar` on: `count` values that lie `stride` bytes apart. T is a fixed-width integer or
  // a floating point type; an integer that a double cannot hold is an error.
  template <typename T>
  Status observe_series(BarIndex first_bar, const void* values, int64_t count, int64_t stride = sizeof(T));

  // Nothing new on these bars, but they were seen: the signal held until here. Earlier bars are ignored.
  void observe_held_until(BarIndex last_bar);

  SignalKind kind() const { return changes_.kind; }
  const SignalChanges& changes() const { return changes_; }
  // Bars from bar 0 to the last one observed; 0 before the first observation.
  int64_t bar_count() const { return changes_.idx.empty() ? 0 : last_bar_ + 1; }
  std::optional<BarIndex> observed_from() const;  // before the first hand_over()
  std::optional<BarIndex> observed_to() const;
  // The last bar any call was made for, observed or missing; -1 before the first.
  BarIndex last_bar() const { return last_bar_; }

  // Calls take(changes, begin) with the changes found since the last call of this; those before `begin` were handed
  // over earlier. Only the last one is kept then, to compare with, so that memory does not grow with the changes.
  template <typename Function>
  void hand_over(Function&& take) {
    if (changes_.size() > handed_over_) take(std::as_const(changes_), handed_over_);
    keep_last();
  }
  // How many of changes() hand_over() has not seen yet.
  size_t new_change_count() const { return changes_.size() - handed_over_; }

  // As after hand_over(), for a trace that goes on: what it said last, and the last bar any call was made for.
  void resume_number(double value, BarIndex last_bar);
  void resume_label(std::string label, BarIndex last_bar);

 private:
  friend class MatrixRows;

  Status check_follows(BarIndex bar) const;
  // Whether the value is a change, a NaN or an infinity is decided here; callers filter only for speed.
  Status append_number(BarIndex bar, double value);
  // One value of a series that differs from the one before it, or is the first.
  template <typename T>
  Status append_element(BarIndex bar, T value);
  // The k-th of these values stands on bar first_bar + bars[k] and differs from the value on the bar before it.
  template <typename T>
  Status append_differences(BarIndex first_bar, const uint32_t* bars, const T* values, size_t count);
  void keep_last();

  SignalChanges changes_;
  size_t handed_over_ = 0;  // 0 or 1: the first of them is the last of those before
  BarIndex last_bar_ = -1;
  MissingSignal missing_;
};

// Dense series of `bar_count` values from changes; NaN (or empty labels) before the first. Damaged when changes are
// not strictly increasing, begin before bar 0 or reach past bar_count.
Result<std::vector<double>> decode(const SignalChanges& changes, int64_t bar_count);
Result<std::vector<std::string>> decode_labels(const SignalChanges& changes, int64_t bar_count);

// Strictly increasing within [0, bar_count), a value for each.
Status check_changes(const SignalChanges& changes, int64_t bar_count);

}  // namespace signalbook
