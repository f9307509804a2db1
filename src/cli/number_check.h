#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <string>

namespace signalbook::cli {

// What a number of the command line must be: finite (CLI11 takes NaN for any number), from `least` to `most`, both
// included.
inline CLI::Validator number_between(double least, double most, const std::string& description) {
  const auto check = [least, most, description](std::string& text) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (is_number && std::isfinite(value) && value >= least && value <= most) return "";
    return fmt::format("{} is not {}", text, description);
  };
  return CLI::Validator(check, "");
}

}  // namespace signalbook::cli
