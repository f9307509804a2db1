#pragma once

namespace signalbook {

// What sums and products are kept in between the double that comes in and the one that goes out. A figure such as
// calmar_ratio divides by what is left of a cancellation, so that the 53 bits of a double do not give 12 digits. Where
// a long double has more bits (x86: 64, most ARM systems: 113, in software) they do; where it is a double, figures of
// long traces are good to about ten digits.
using Wide = long double;

}  // namespace signalbook
