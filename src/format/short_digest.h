#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace signalbook {

// Shown, at least, of strategies whose strategy_hash is the same.
inline constexpr size_t kCollisionDigits = 16;

// How many hexadecimal digits tell these digests apart, all of them: at least `least`, and more where two begin alike.
// They are sorted, and each is there once.
size_t digits_to_tell_apart(std::span<const std::string> digests, size_t least);

}  // namespace signalbook
