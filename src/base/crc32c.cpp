#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace signalbook {

uint32_t crc32c(std::string_view bytes, uint32_t before) {
  constexpr size_t kPiece = size_t{1} << 30;  // the library counts in int
  uint32_t state = ~before;
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kPiece);
    // It only reads, but does not say so.
    auto* const piece = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    state = crc32_iscsi(piece, static_cast<int>(size), state);
    bytes.remove_prefix(size);
  }
  return ~state;
}

}  // namespace signalbook
