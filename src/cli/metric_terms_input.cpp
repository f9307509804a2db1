#include "cli/metric_terms_input.h"

#include <fmt/format.h>

#include "store/parse_time.h"

namespace signalbook::cli {

namespace {

constexpr double kBasisPoint = 1e-4;
constexpr int64_t kDay = int64_t{86'400} * 1'000'000;

// The first bar, where the text is that of --from; with `past`, the first moment behind the last bar of --to, which
// is the end of a day or right after a time.
Result<int64_t> read_bound(const char* option, const std::string& text, bool past) {
  bool zone_given = false;
  const Result<int64_t> time = parse_time(text, &zone_given);
  if (!time.ok()) return Status::invalid(fmt::format("{} {}: {}", option, text, time.status().message()));
  if (!past) return *time;
  const bool is_date = text.find(':') == std::string::npos;
  return *time + (is_date ? kDay : 1);
}

}  // namespace

Result<MetricTerms> read_metric_terms(const AnalyzeCommandOptions& options) {
  MetricTerms terms = {.cost = options.cost_bps * kBasisPoint,
                       .capital = options.capital,
                       .risk_free_rate = options.risk_free_rate,
                       .bars_per_year = options.bars_per_year,
                       .exits = {.stop = options.stop,
                                 .target = options.target,
                                 .trail = options.trail,
                                 .slippage = options.slippage_bps * kBasisPoint},
                       .without_bars = options.without_bars};
  if (!options.from.empty()) {
    SB_ASSIGN_OR_RETURN(terms.from, read_bound("--from", options.from, /*past=*/false));
  }
  if (!options.to.empty()) {
    SB_ASSIGN_OR_RETURN(terms.to, read_bound("--to", options.to, /*past=*/true));
  }
  if (terms.from && terms.to && *terms.from >= *terms.to) {
    return Status::invalid(fmt::format("--to {} comes before --from {}", options.to, options.from));
  }
  if (terms.exits.slippage > 0 && terms.exits.stop == 0 && terms.exits.trail == 0) {
    return Status::invalid("--slippage-bps is that of --stop or --trail (a target does not slip); give one of them");
  }
  const bool needs_bars = terms.has_window() || terms.has_exits() || options.bars_per_year ||
                          options.capital != MetricTerms().capital || options.risk_free_rate != 0;
  if (terms.without_bars && needs_bars) {
    return Status::invalid(
        "--without-bars leaves what trades alone tell: of the other options, --cost-bps goes with it");
  }
  return terms;
}

Result<AnalyzeOptions> read_analyze_options(const AnalyzeCommandOptions& options) {
  SB_ASSIGN_OR_RETURN(const MetricTerms terms, read_metric_terms(options));
  return AnalyzeOptions{.terms = terms, .set_name = options.name, .control = {.threads = options.threads}};
}

}  // namespace signalbook::cli
