#include "journal/journal_frame.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstring>

#include "base/crc32c.h"

namespace signalbook {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

uint32_t checksum_of_header(const FrameHeader& header) {
  return crc32c({reinterpret_cast<const char*>(&header), offsetof(FrameHeader, checksum)});
}

void finish_frame(int64_t offset, int64_t durable, uint32_t number, std::string* frame) {
  const std::string_view payload = std::string_view(*frame).substr(kFrameHeaderSize);
  assert(payload.size() % kFrameStep == 0 && payload.size() <= kLargestPayload);
  FrameHeader header{
      .payload_size = static_cast<uint32_t>(payload.size()), .offset = offset, .durable = durable, .number = number};
  header.checksum = crc32c(payload, checksum_of_header(header));
  std::memcpy(frame->data(), &header, sizeof(header));
}

bool read_frame_header(std::string_view bytes, int64_t offset, int64_t file_size, FrameHeader* header) {
  assert(bytes.size() >= kFrameHeaderSize);
  std::memcpy(header, bytes.data(), sizeof(*header));
  return header->magic == FrameHeader::kMagic && header->offset == offset && header->payload_size % kFrameStep == 0 &&
         header->payload_size <= kLargestPayload && header->end() <= file_size && header->durable >= 0 &&
         header->durable <= offset && (header->number == 0) == (offset == 0);
}

}  // namespace signalbook
