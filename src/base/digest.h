#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace signalbook {

// A SHA-256: identity of configurations, traces, bars and files.
using Digest = std::array<uint8_t, 32>;

Digest sha256(std::string_view bytes);

// SHA-256 of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(const void* bytes, size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  Digest finish();  // once

 private:
  void* context_;  // EVP_MD_CTX
};

// Lowercase hexadecimal.
std::string to_hex(std::span<const uint8_t> bytes);

}  // namespace signalbook
