#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "format/json_value.h"

namespace signalbook {

// range(a, b, step): a, a + step, ... up to b, and b itself where a step falls on it. Counted in decimal from the
// digits as written, so that the fourth value of range(0.5, 4.4, 0.1) is the number 0.8 and not
// 0.5 + 0.1 + 0.1 + 0.1. Integers where a, b and step are written as integers, reals otherwise.
class NumberRange {
 public:
  // Text that is meant as a range: range( and its closing parenthesis at the very end, or none at all.
  // "range(20) > 1.5" is an expression.
  static bool is_meant_by(std::string_view text);

  // Invalid when a, b or step is no number, step is 0 or leads away from b.
  static Result<NumberRange> parse(std::string_view text);

  uint64_t count() const { return count_; }  // at least 1; 2^64 - 1 stands for more
  JsonValue at(uint64_t index) const;

 private:
  __extension__ using Wide = __int128;

  Wide first_ = 0;  // these two in units of 10^exponent_
  Wide step_ = 1;
  int exponent_ = 0;
  bool integers_ = true;
  uint64_t count_ = 1;
};

}  // namespace signalbook
