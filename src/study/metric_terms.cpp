#include "study/metric_terms.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"
#include "base/time_text.h"
#include "format/file_names.h"

namespace signalbook {

namespace {

// 2024-01-02T13:30:00Z -> 20240102t1330; of midnight the day alone, of a second more digits.
std::string time_name(int64_t microseconds, bool with_clock = false) {
  std::string day, clock;
  std::string* part = &day;
  for (const char letter : format_time(microseconds)) {
    if (letter == 'T') part = &clock;
    if (letter >= '0' && letter <= '9') *part += letter;
  }
  if (clock == "000000" && !with_clock) return day;
  if (clock.ends_with("00") && clock.size() == 6) clock.resize(4);
  return day + "t" + clock;
}

// Of the last moment before an end: 2024-04-01 at midnight ends 20240331.
std::string last_name(int64_t end) {
  constexpr int64_t kDay = int64_t{86'400} * 1'000'000;
  return end % kDay == 0 ? time_name(end - kDay) : time_name(end - 1, /*with_clock=*/true);
}

// Digits enough to tell what people type; what they multiply to in binary is nobody's.
std::string number_name(double value) {
  std::string text = fmt::format("{:.12g}", value);
  std::erase(text, '+');  // no letter of a name
  return text;
}

// Long names keep their beginning.
std::string cut(std::string name) {
  constexpr size_t kDigits = 8;
  if (name.size() <= kMaxNamePart) return name;
  const std::string digest = to_hex(sha256(name)).substr(0, kDigits);
  name.resize(kMaxNamePart - kDigits - 1);
  return name + "-" + digest;
}

}  // namespace

std::string name_of_terms(const MetricTerms& terms) {
  std::string name;
  const auto add = [&](std::string_view what, const std::string& value) {
    name += fmt::format("{}{}{}", name.empty() ? "" : "_", what, value);
  };
  const MetricTerms usual;
  if (terms.without_bars) add("px", "");
  if (terms.cost != usual.cost) add("cost", fmt::format("{}bp", number_name(terms.cost * 1e4)));
  if (terms.capital != usual.capital) add("capital", number_name(terms.capital));
  if (terms.risk_free_rate != usual.risk_free_rate) add("rf", number_name(terms.risk_free_rate));
  if (terms.bars_per_year) add("bars", number_name(*terms.bars_per_year));
  if (terms.from) add("from", time_name(*terms.from));
  if (terms.to) add("to", last_name(*terms.to));
  if (terms.exits.stop > 0) add("stop", number_name(terms.exits.stop));
  if (terms.exits.target > 0) add("target", number_name(terms.exits.target));
  if (terms.exits.trail > 0) add("trail", number_name(terms.exits.trail));
  if (terms.exits.slippage > 0) add("slip", fmt::format("{}bp", number_name(terms.exits.slippage * 1e4)));
  return name.empty() ? "plain" : cut(std::move(name));
}

}  // namespace signalbook
