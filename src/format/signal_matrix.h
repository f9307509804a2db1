#pragma once

#include <cstdint>
#include <span>

#include "base/status.h"
#include "format/signal_encoder.h"

namespace signalbook {

enum class ElementType : uint8_t { int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64 };

int64_t element_size(ElementType type);

// The i-th of elements that lie one after the other. Integers beyond 2^53 lose digits.
double element_at(ElementType type, const void* elements, int64_t i);

// A dense matrix of signals in somebody else's memory: what numpy, Arrow or C++ hands over, without a copy. Strides
// are in bytes and may be anything, so that [bars, strategies] in C or Fortran order and slices of both are the same.
struct SignalMatrix {
  const void* data = nullptr;
  ElementType type = ElementType::int8;
  int64_t bar_count = 0;
  int64_t strategy_count = 0;
  int64_t bar_stride = 0;       // bytes from one bar to the next
  int64_t strategy_stride = 0;  // bytes from one strategy to the next
};

// Feeds the matrix to one encoder a strategy; its first row is bar `first_bar`. On an error nothing after the wrong
// value is recorded for that strategy, `failed_strategy` says which one it was, and the others are undefined.
Status observe_matrix(const SignalMatrix& matrix, BarIndex first_bar, std::span<SignalEncoder> encoders,
                      int64_t* failed_strategy);

}  // namespace signalbook
