#include "study/regimes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "analytics/equity.h"
#include "analytics/regime_metrics.h"
#include "analytics/trades.h"
#include "base/ascii.h"
#include "base/digest.h"
#include "format/strategy_identity.h"
#include "study/study_window.h"

namespace signalbook {

namespace {

struct Candidate {
  const NamedRun* in = nullptr;
  const IndexRow* row = nullptr;
};

constexpr size_t kMostNamed = 20;

std::string list_of(const std::vector<Candidate>& candidates) {
  std::string text;
  std::set<std::string> lines;
  for (const auto& [in, row] : candidates) {
    const std::string line =
        fmt::format("\n  {}  {}  {}  {}", in->run_id, row->strategy_id, row->strategy_hash(), row->strategy_type);
    if (lines.size() < kMostNamed && lines.insert(line).second) text += line;
  }
  if (candidates.size() > lines.size()) text += fmt::format("\n  and {} more", candidates.size() - lines.size());
  return text;
}

bool is_digits_of(std::string_view name, const IndexRow& row) {
  constexpr size_t kMinDigits = 4;
  return name.size() >= kMinDigits && to_hex(row.strategy_digest).starts_with(to_lower_ascii(std::string(name)));
}

using Fits = bool (*)(std::string_view name, const IndexRow& row);

constexpr Fits kWaysToName[] = {
    [](std::string_view name, const IndexRow& row) {
      return row.strategy_id == name || std::ranges::find(row.aliases, name) != row.aliases.end();
    },
    is_digits_of,
    [](std::string_view name, const IndexRow& row) { return row.strategy_type == name; },
};

// Those that fit in the first way in which any does.
std::vector<Candidate> those_named(std::string_view name, const std::vector<Candidate>& all) {
  for (const Fits fits : kWaysToName) {
    std::vector<Candidate> found;
    std::ranges::copy_if(all, std::back_inserter(found), [&](const Candidate& one) { return fits(name, *one.row); });
    if (!found.empty()) return found;
  }
  return {};
}

Status no_such_classifier(std::string_view name, const FeedTraces& feed, const std::vector<Candidate>& on_feed,
                          const std::vector<Candidate>& elsewhere) {
  const std::vector<Candidate> named = those_named(name, elsewhere);
  if (!named.empty()) {
    const auto& [in, row] = named.front();
    return Status::not_found(
        fmt::format("classifier {} of {} is on other bars ({} {}), and labels hold for their own bars only; record it "
                    "on those of {} {}",
                    name, in->run_id, row->symbol, row->timeframe, feed.symbol, feed.timeframe));
  }
  if (on_feed.empty()) {
    return Status::not_found(
        fmt::format("there is no classifier on these bars of {} {}; record one, whose signals are labels", feed.symbol,
                    feed.timeframe));
  }
  return Status::not_found(fmt::format("there is no classifier {} on these bars of {} {}; there are:{}", name,
                                       feed.symbol, feed.timeframe, list_of(on_feed)));
}

}  // namespace

Result<ClassifierTrace> find_classifier(std::span<const NamedRun> runs, const FeedTraces& feed, int64_t bar_count,
                                        std::string_view name) {
  std::vector<Candidate> on_feed, elsewhere;
  for (const NamedRun& in : runs) {
    for (const IndexRow& row : in.run->rows()) {
      if (row.kind != SignalKind::label) continue;
      (row.data_id == feed.data_id ? on_feed : elsewhere).push_back({&in, &row});
    }
  }
  std::vector<Candidate> found = those_named(name, on_feed);
  if (found.empty()) return no_such_classifier(name, feed, on_feed, elsewhere);

  const Candidate longest =
      *std::ranges::max_element(found, {}, [](const Candidate& one) { return one.row->bar_count; });
  if (longest.row->bar_count < bar_count) {
    return Status::invalid(fmt::format(
        "classifier {} of {} broke off before bar {}, and what it would have said by bar {} is not known; record all "
        "of it, or end earlier with --to",
        longest.row->strategy_id, longest.in->run_id, longest.row->bar_count, bar_count - 1));
  }
  std::erase_if(found, [&](const Candidate& one) { return one.row->bar_count < bar_count; });
  const auto what_it_says = [](const Candidate& one) {
    return std::pair(one.row->strategy_digest, one.row->trace_hash);
  };
  for (const Candidate& one : found) {
    if (what_it_says(one) == what_it_says(found.front())) continue;
    return Status::invalid(
        fmt::format("{} fits several classifiers; name one by its strategy_id or its hash, and the runs with --run:{}",
                    name, list_of(found)));
  }
  const auto& [in, row] = found.front();
  SB_ASSIGN_OR_RETURN(Trace trace, in->run->read_trace(*row));
  return ClassifierTrace{.run_id = in->run_id, .row = row, .labels = std::move(trace.changes)};
}

namespace {

// The labels as they hold on bars of the window, which count from 0 here.
SignalChanges labels_within(const SignalChanges& labels, BarWindow bars) {
  SignalChanges within = {.kind = labels.kind};
  for (size_t k = 0; k < labels.size() && labels.idx[k] < bars.end; ++k) {
    const BarIndex bar = std::max<BarIndex>(labels.idx[k] - bars.begin, 0);
    if (!within.idx.empty() && within.idx.back() == bar) {
      within.labels.back() = labels.labels[k];
    } else {
      within.idx.push_back(bar);
      within.labels.push_back(labels.labels[k]);
    }
  }
  return within;
}

std::optional<std::string> label_on(const SignalChanges& labels, BarIndex bar) {
  const auto k = std::ranges::upper_bound(labels.idx, bar) - labels.idx.begin();
  return k == 0 ? std::nullopt : std::optional(labels.labels[static_cast<size_t>(k) - 1]);
}

struct EnteredTrades {
  int64_t count = 0, closed = 0, won = 0;
};

}  // namespace

Result<std::vector<RegimeRow>> measure_by_regime(const FeedTraces& feed, const MetricTerms& terms,
                                                 const SignalChanges& labels, const StudyControl& control) {
  SB_ASSIGN_OR_RETURN(const StudyWindow window, find_study_window(feed, terms));
  SB_ASSIGN_OR_RETURN(const PriceSeries series, closes_of(feed, window.bars));
  // Refuses costs and rates that are none.
  SB_RETURN_IF_ERROR(MetricsKernel::make(series, window.options, {}).status());
  const SignalChanges said = labels_within(labels, window.bars);
  const double bars_a_year = window.options.bars_per_year;
  const double risk_free = std::pow(1 + window.options.risk_free_rate, 1 / bars_a_year) - 1;

  std::vector<std::vector<RegimeRow>> rows_of(feed.traces.size());
  SB_RETURN_IF_ERROR(control.for_each(feed.traces.size(), [&](size_t i) -> Status {
    const FeedTrace& trace = feed.traces[i];
    const Result<EquityCurve> curve = equity_curve(trace.changes, series, window.options.cost);
    if (!curve.ok()) return curve.status().at(name_of(trace));
    SB_ASSIGN_OR_RETURN(const std::vector<RegimeMetrics> regimes, metrics_by_regime(curve->returns, said));
    SB_ASSIGN_OR_RETURN(const std::vector<Trade> trades, list_trades(trace.changes, series, window.options.cost));
    std::map<std::optional<std::string>, EnteredTrades> entered;
    for (const Trade& one : trades) {
      EnteredTrades& tally = entered[label_on(said, one.entry_idx - window.bars.begin)];
      ++tally.count;
      if (one.is_open) continue;
      ++tally.closed;
      tally.won += one.net_return.value_or(0) > kEven;
    }
    double largest = 0;
    for (const double value : trace.changes.values) largest = std::max(largest, std::abs(value));
    for (const RegimeMetrics& regime : regimes) {
      RegimeRow row = {.trace = i,
                       .label = regime.label,
                       .bars = regime.bars,
                       .bars_share = static_cast<double>(regime.bars) / static_cast<double>(curve->returns.size()),
                       .return_sum = regime.total,
                       .mean_return = regime.mean};
      if (regime.volatility) {
        const bool varies = *regime.volatility > kNoVariance * largest;
        row.annual_volatility = varies ? *regime.volatility * std::sqrt(bars_a_year) : 0;
        if (varies) row.sharpe_ratio = (regime.mean - risk_free) / *regime.volatility * std::sqrt(bars_a_year);
      }
      const EnteredTrades& tally = entered[regime.label];
      row.trade_count = tally.count;
      if (tally.closed > 0) row.win_rate = static_cast<double>(tally.won) / static_cast<double>(tally.closed);
      rows_of[i].push_back(std::move(row));
    }
    return Status();
  }));
  std::vector<RegimeRow> rows;
  for (std::vector<RegimeRow>& some : rows_of) std::ranges::move(some, std::back_inserter(rows));
  return rows;
}

}  // namespace signalbook
