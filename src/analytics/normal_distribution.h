#pragma once

#include <cmath>
#include <limits>
#include <numbers>

namespace signalbook {

// The standard normal distribution. Boost.Math has both functions, but its Debian package is 138 MB of headers, and the
// quantile is a few lines once erfc is there.

// Probability of a value up to x; full relative precision in the lower tail.
inline double normal_cdf(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

// The x with normal_cdf(x) = p; -infinity at 0, infinity at 1, NaN outside. Where 1 - p is known better than p, ask for
// -normal_quantile(1 - p).
// Begins with the approximation 26.2.23 of Abramowitz and Stegun, "Handbook of Mathematical Functions" (error below
// 4.5e-4), and refines it by Halley's method, which triples the digits at each step.
inline double normal_quantile(double p) {
  if (p > 0.5) return -normal_quantile(1 - p);  // exact: no digit of 1 - p is lost here
  if (p == 0) return -std::numeric_limits<double>::infinity();
  if (!(p > 0)) return std::numeric_limits<double>::quiet_NaN();
  const double t = std::sqrt(-2 * std::log(p));
  const double above = 2.515517 + t * (0.802853 + t * 0.010328);
  const double below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  double x = above / below - t;
  for (int step = 0; step < 2; ++step) {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    const double newton = (normal_cdf(x) - p) / density;
    x -= newton / (1 + x * newton / 2);
  }
  return x;
}

}  // namespace signalbook
