#include "format/find_changes.h"

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Compiled twice where the compiler can choose at load time: counting and clearing bits are single instructions on
// any machine of the last ten years, but not on the oldest x86-64. Sanitizers do not know such functions.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define SB_FOR_NEW_AND_OLD_CPUS __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define SB_FOR_NEW_AND_OLD_CPUS
#endif

namespace signalbook {

namespace {

// Bit i is set where the i-th of 64 bytes differs.
[[gnu::always_inline]] inline uint64_t differing_bytes(const uint8_t* a, const uint8_t* b) {
#if defined(__SSE2__)
  uint64_t equal = 0;
  for (int block = 0; block < 4; ++block) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a) + block);
    const __m128i y = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b) + block);
    equal |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)))) << (16 * block);
  }
  return ~equal;
#else
  uint64_t differ = 0;
  for (int i = 0; i < 64; ++i) differ |= static_cast<uint64_t>(a[i] != b[i]) << i;
  return differ;
#endif
}

// Most blocks hold a few changes, and how many is hard to foresee: for single bytes, four at a time are written
// whether they are there or not, which costs less than a branch that goes wrong (Lemire's way with bit sets).
template <int kElementSize>
[[gnu::always_inline]] inline int64_t find(const uint8_t* a, const uint8_t* b, int64_t count, uint32_t* positions) {
  constexpr int kElementsPerBlock = 64 / kElementSize;
  constexpr uint64_t kElementMask = kElementSize == 8 ? 0xff : (uint64_t{1} << kElementSize) - 1;
  uint32_t* out = positions;
  const auto add_block = [&](int64_t begin, uint64_t differ) {
    if constexpr (kElementSize == 1) {
      const int changes = std::popcount(differ);
      for (int written = 0; written < changes; written += static_cast<int>(kDifferencesSlack)) {
        for (int k = 0; k < kDifferencesSlack; ++k) {
          out[written + k] = static_cast<uint32_t>(begin + std::countr_zero(differ));
          differ &= differ - 1;
        }
      }
      out += changes;
    } else {
      while (differ != 0) {
        const int element = std::countr_zero(differ) / kElementSize;
        *out++ = static_cast<uint32_t>(begin + element);
        differ &= ~(kElementMask << (element * kElementSize));
      }
    }
  };
  int64_t i = 0;
  for (; i + kElementsPerBlock <= count; i += kElementsPerBlock) {
    add_block(i, differing_bytes(a + i * kElementSize, b + i * kElementSize));
  }
  if (i < count && count >= kElementsPerBlock) {  // the rest is the end of a block that overlaps the last one
    const int64_t begin = count - kElementsPerBlock;
    const uint64_t differ = differing_bytes(a + begin * kElementSize, b + begin * kElementSize);
    add_block(begin, differ & (~uint64_t{0} << ((i - begin) * kElementSize)));
    i = count;
  }
  for (; i < count; ++i) {
    if (std::memcmp(a + i * kElementSize, b + i * kElementSize, kElementSize) != 0) *out++ = static_cast<uint32_t>(i);
  }
  return out - positions;
}

SB_FOR_NEW_AND_OLD_CPUS int64_t find1(const uint8_t* a, const uint8_t* b, int64_t count, uint32_t* positions) {
  return find<1>(a, b, count, positions);
}
SB_FOR_NEW_AND_OLD_CPUS int64_t find2(const uint8_t* a, const uint8_t* b, int64_t count, uint32_t* positions) {
  return find<2>(a, b, count, positions);
}
SB_FOR_NEW_AND_OLD_CPUS int64_t find4(const uint8_t* a, const uint8_t* b, int64_t count, uint32_t* positions) {
  return find<4>(a, b, count, positions);
}
SB_FOR_NEW_AND_OLD_CPUS int64_t find8(const uint8_t* a, const uint8_t* b, int64_t count, uint32_t* positions) {
  return find<8>(a, b, count, positions);
}

}  // namespace

template <int kElementSize>
int64_t find_differences(const void* a, const void* b, int64_t count, uint32_t* positions) {
  constexpr auto kFind = kElementSize == 1 ? find1 : kElementSize == 2 ? find2 : kElementSize == 4 ? find4 : find8;
  return kFind(static_cast<const uint8_t*>(a), static_cast<const uint8_t*>(b), count, positions);
}

template int64_t find_differences<1>(const void*, const void*, int64_t, uint32_t*);
template int64_t find_differences<2>(const void*, const void*, int64_t, uint32_t*);
template int64_t find_differences<4>(const void*, const void*, int64_t, uint32_t*);
template int64_t find_differences<8>(const void*, const void*, int64_t, uint32_t*);

}  // namespace signalbook
