#include "study/metric_terms.h"

#include <fmt/format.h>

#include "base/time_text.h"

namespace signalbook {

namespace {

// 2024-01-02T13:30:00Z -> 20240102t1330; without the time at midnight.
std::string time_name(int64_t microseconds) {
  std::string name;
  for (const char letter : format_time(microseconds)) {
    if (letter == 'T') name += 't';
    if (letter >= '0' && letter <= '9') name += letter;
  }
  for (const char* const zeros : {"t000000", "00"}) {
    if (name.ends_with(zeros) && (*zeros == 't' || name.find('t') + 7 == name.size())) {
      name.resize(name.size() - std::string_view(zeros).size());
    }
  }
  return name;
}

}  // namespace

std::string name_of_terms(const MetricTerms& terms) {
  std::string name;
  const auto add = [&](std::string_view what, const std::string& value) {
    name += fmt::format("{}{}{}", name.empty() ? "" : "_", what, value);
  };
  // Numbers are written as they are, which no other number is; '+' of an exponent is no letter of a name.
  const auto number = [](double value) {
    std::string text = fmt::format("{}", value);
    std::erase(text, '+');
    return text;
  };
  const MetricTerms usual;
  if (terms.without_bars) add("px", "");
  if (terms.cost != usual.cost) add("cost", fmt::format("{}bp", number(terms.cost * 1e4)));
  if (terms.capital != usual.capital) add("capital", number(terms.capital));
  if (terms.risk_free_rate != usual.risk_free_rate) add("rf", number(terms.risk_free_rate));
  if (terms.bars_per_year) add("bars", number(*terms.bars_per_year));
  if (terms.from) add("from", time_name(*terms.from));
  if (terms.to) add("to", time_name(*terms.to));
  if (terms.exits.stop > 0) add("stop", number(terms.exits.stop));
  if (terms.exits.target > 0) add("target", number(terms.exits.target));
  if (terms.exits.trail > 0) add("trail", number(terms.exits.trail));
  if (terms.exits.slippage > 0) add("slip", fmt::format("{}bp", number(terms.exits.slippage * 1e4)));
  return name.empty() ? "plain" : name;
}

}  // namespace signalbook
