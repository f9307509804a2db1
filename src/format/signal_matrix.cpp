#include "format/signal_matrix.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "format/find_changes.h"

namespace signalbook {

// Rows that lie contiguous in memory (C order) are compared with the row before: one pass over the matrix in the
// order of its bytes. The differences of some rows are sorted by strategy in cache before they go to the encoders,
// because appending to a thousand encoders in turns would miss the cache on each change.
class MatrixRows {
 public:
  template <typename T>
  static Status observe(const SignalMatrix& matrix, BarIndex first_bar, std::span<SignalEncoder> encoders,
                        int64_t* failed_strategy) {
    const auto* bytes = static_cast<const uint8_t*>(matrix.data);
    const auto strategies = static_cast<size_t>(matrix.strategy_count);
    for (size_t s = 0; s < strategies; ++s) {
      Status status = encoders[s].observe_series<T>(first_bar, bytes + s * sizeof(T), 1);
      if (!status.ok()) return fail(status, s, failed_strategy);
    }
    // Of one block of rows: which strategies differ, row after row, and where each row's list ends.
    std::vector<uint32_t> differing;
    size_t row_ends[kRowsPerBlock];
    // The same sorted by strategy: bar within the block and value, and where each strategy's stretch ends.
    std::vector<uint32_t> bars, ends(strategies);
    std::vector<T> values;
    for (int64_t begin = 1; begin < matrix.bar_count; begin += kRowsPerBlock) {
      const auto rows = static_cast<size_t>(std::min(kRowsPerBlock, matrix.bar_count - begin));
      const auto row_at = [&](size_t r) { return bytes + (begin + static_cast<int64_t>(r)) * matrix.bar_stride; };
      size_t total = 0;
      for (size_t r = 0; r < rows; ++r) {
        // Grown as needed: for every row to differ everywhere, 100,000 strategies would take 200 MB.
        const size_t room = total + strategies + kDifferencesSlack;
        if (differing.size() < room) differing.resize(std::max(room, 2 * differing.size()));
        total += static_cast<size_t>(find_differences<sizeof(T)>(row_at(r), row_at(r) - matrix.bar_stride,
                                                                 matrix.strategy_count, differing.data() + total));
        row_ends[r] = total;
      }
      std::fill(ends.begin(), ends.end(), 0);
      for (size_t k = 0; k < total; ++k) ++ends[differing[k]];
      uint32_t next = 0;
      for (uint32_t& end : ends) next += std::exchange(end, next);  // where each begins, until they are filled
      if (bars.size() < total) {
        bars.resize(total);
        values.resize(total);
      }
      for (size_t r = 0, k = 0; r < rows; ++r) {
        const uint8_t* row = row_at(r);
        for (; k < row_ends[r]; ++k) {
          const uint32_t s = differing[k];
          const uint32_t place = ends[s]++;
          bars[place] = static_cast<uint32_t>(r);
          std::memcpy(&values[place], row + s * sizeof(T), sizeof(T));
        }
      }
      for (size_t s = 0, start = 0; s < strategies; start = ends[s++]) {
        Status status = encoders[s].append_differences(first_bar + begin, bars.data() + start, values.data() + start,
                                                       ends[s] - start);
        if (!status.ok()) return fail(status, s, failed_strategy);
      }
    }
    for (SignalEncoder& encoder : encoders) encoder.last_bar_ = first_bar + matrix.bar_count - 1;
    return Status();
  }

 private:
  static constexpr int64_t kRowsPerBlock = 512;

  static Status fail(Status status, size_t strategy, int64_t* failed_strategy) {
    *failed_strategy = static_cast<int64_t>(strategy);
    return status;
  }
};

namespace {

template <typename T>
Status observe_typed(const SignalMatrix& matrix, BarIndex first_bar, std::span<SignalEncoder> encoders,
                     int64_t* failed_strategy) {
  if (matrix.strategy_stride == static_cast<int64_t>(sizeof(T)) && matrix.strategy_count > 1) {
    return MatrixRows::observe<T>(matrix, first_bar, encoders, failed_strategy);
  }
  for (int64_t i = 0; i < matrix.strategy_count; ++i) {
    const auto* column = static_cast<const uint8_t*>(matrix.data) + i * matrix.strategy_stride;
    Status status =
        encoders[static_cast<size_t>(i)].observe_series<T>(first_bar, column, matrix.bar_count, matrix.bar_stride);
    if (!status.ok()) {
      *failed_strategy = i;
      return status;
    }
  }
  return Status();
}

// Calls function with a value of the C++ type that an element type stands for.
template <typename Function>
auto with_type(ElementType type, Function&& function) {
  switch (type) {
    case ElementType::int8:
      return function(int8_t{});
    case ElementType::int16:
      return function(int16_t{});
    case ElementType::int32:
      return function(int32_t{});
    case ElementType::int64:
      return function(int64_t{});
    case ElementType::uint8:
      return function(uint8_t{});
    case ElementType::uint16:
      return function(uint16_t{});
    case ElementType::uint32:
      return function(uint32_t{});
    case ElementType::uint64:
      return function(uint64_t{});
    case ElementType::float32:
      return function(float{});
    case ElementType::float64:
      break;
  }
  return function(double{});
}

}  // namespace

int64_t element_size(ElementType type) {
  return with_type(type, [](auto element) { return static_cast<int64_t>(sizeof(element)); });
}

double element_at(ElementType type, const void* elements, int64_t i) {
  return with_type(type, [&](auto element) {
    std::memcpy(&element, static_cast<const uint8_t*>(elements) + static_cast<size_t>(i) * sizeof(element),
                sizeof(element));
    return static_cast<double>(element);
  });
}

Status observe_matrix(const SignalMatrix& matrix, BarIndex first_bar, std::span<SignalEncoder> encoders,
                      int64_t* failed_strategy) {
  assert(static_cast<int64_t>(encoders.size()) == matrix.strategy_count);
  if (matrix.bar_count == 0 || matrix.strategy_count == 0) return Status();
  return with_type(matrix.type, [&](auto element) {
    return observe_typed<decltype(element)>(matrix, first_bar, encoders, failed_strategy);
  });
}

}  // namespace signalbook
