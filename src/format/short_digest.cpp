#include "format/short_digest.h"

#include <algorithm>

namespace signalbook {

size_t digits_to_tell_apart(std::span<const std::string> digests, size_t least) {
  size_t digits = least;
  for (size_t i = 1; i < digests.size(); ++i) {
    // In sorted order whatever begins alike stands side by side.
    const auto [end, other] = std::ranges::mismatch(digests[i - 1], digests[i]);
    digits = std::max(digits, static_cast<size_t>(end - digests[i - 1].begin()) + 1);
  }
  return digits;
}

}  // namespace signalbook
