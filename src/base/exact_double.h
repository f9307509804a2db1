#pragma once

#include <cstdint>
#include <optional>

namespace signalbook {

// The double that equals an integer, or nothing where there is none (beyond 2^53 most integers have none).
inline std::optional<double> to_exact_double(int64_t integer) {
  const auto number = static_cast<double>(integer);
  // 2^63 is what the largest integers round up to; casting it back would be undefined.
  if (number >= 0x1p63 || static_cast<int64_t>(number) != integer) return std::nullopt;
  return number;
}

}  // namespace signalbook
