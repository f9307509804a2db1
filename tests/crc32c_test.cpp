#include "base/crc32c.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>

namespace signalbook {
namespace {

// The definition, a bit at a time.
uint32_t slow_crc32c(std::string_view bytes) {
  uint32_t state = 0xFFFFFFFF;
  for (const char byte : bytes) {
    state ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82F63B78 : 0);
  }
  return ~state;
}

std::string random_bytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Of RFC 3720, B.4.
TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(Crc32c, IsTheDefinitionAtEveryLengthAndAlignment) {
  std::mt19937_64 random(1);
  const std::string bytes = random_bytes(random, 5000);
  for (size_t begin = 0; begin < 8; ++begin) {
    for (size_t size = 0; size < 600; ++size) {
      const std::string_view piece = std::string_view(bytes).substr(begin, size);
      ASSERT_EQ(crc32c(piece), slow_crc32c(piece)) << begin << " " << size;
    }
  }
  EXPECT_EQ(crc32c(bytes), slow_crc32c(bytes));
}

TEST(Crc32c, PiecesAreTheWhole) {
  std::mt19937_64 random(2);
  const std::string bytes = random_bytes(random, 1000);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view whole = bytes;
    ASSERT_EQ(crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))), crc32c(whole)) << cut;
  }
}

// The bytes end where the memory does: what reads on is killed.
TEST(Crc32c, ReadsNothingBehindTheEnd) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* const memory = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  char* const bytes = static_cast<char*>(memory);
  std::memset(bytes, 'x', page);
  ASSERT_EQ(::mprotect(bytes + page, page, PROT_NONE), 0);
  for (size_t size = 0; size <= page; ++size) {
    const std::string_view piece(bytes + page - size, size);
    if (size < 600) {
      ASSERT_EQ(crc32c(piece), slow_crc32c(piece)) << size;
    } else {
      (void)crc32c(piece);
    }
  }
  ::munmap(memory, 2 * page);
}

}  // namespace
}  // namespace signalbook
