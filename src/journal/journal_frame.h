#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "journal/journal_file.h"

namespace signalbook {

// How the bytes of a journal lie: frames, each this header and its payload. docs/format.md has it in words.
struct FrameHeader {
  static constexpr uint32_t kMagic = 0x314A4253;  // "SBJ1"

  uint32_t magic = kMagic;
  uint32_t payload_size = 0;  // a multiple of 8
  int64_t offset = 0;         // where the frame begins: a copy of it elsewhere is none
  int64_t durable = 0;        // the bytes of this file that the writer knew to be durable when it wrote the frame
  uint32_t number = 0;        // of the frame in its file, from 0
  uint32_t checksum = 0;      // CRC-32C of the header before this member, and the payload

  int64_t end() const { return offset + static_cast<int64_t>(sizeof(FrameHeader)) + payload_size; }
};
static_assert(sizeof(FrameHeader) == 32);

inline constexpr size_t kFrameHeaderSize = sizeof(FrameHeader);
inline constexpr int64_t kLargestPayload = int64_t{1} << 30;
inline constexpr int64_t kFrameStep = 8;  // frames begin at multiples of it

// Fills in size and checksum of a frame whose payload is complete. `frame` has kFrameHeaderSize bytes to spare in
// front, and a payload of a multiple of 8.
void finish_frame(int64_t offset, int64_t durable, uint32_t number, std::string* frame);

// The header at the front of `bytes` (at least kFrameHeaderSize), where it can be one of a frame at this offset that
// ends before `file_size`. The checksum of the payload is not looked at.
bool read_frame_header(std::string_view bytes, int64_t offset, int64_t file_size, FrameHeader* header);

// What the checksum starts from: that of the header alone.
uint32_t checksum_of_header(const FrameHeader& header);

// The first frame's payload.
std::string encode_journal_header(const JournalHeader& header);
// Damaged when it is none, Invalid when a newer Signalbook wrote it.
Result<JournalHeader> decode_journal_header(std::string_view payload);

}  // namespace signalbook
