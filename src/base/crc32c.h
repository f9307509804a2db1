#pragma once

#include <cstdint>
#include <string_view>

namespace signalbook {

// CRC-32C (Castagnoli, as in iSCSI): finds torn and flipped bytes of a journal; identity is SHA-256's affair. Bytes
// that come in pieces: crc32c(b, crc32c(a)) is that of a and b together. "123456789" gives 0xE3069283.
uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace signalbook
