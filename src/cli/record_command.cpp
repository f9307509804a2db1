#include <fmt/format.h>

#include <chrono>

#include "cli/commands.h"
#include "ingest/record.h"

namespace signalbook::cli {

namespace {

// SPY_5m=spy.csv: the timeframe is what follows the last underscore, because symbols have underscores too (BTC_USDT).
// They may have an equals sign as well (ES=F_5m=es.csv), so the file begins after the first one that has a feed before.
Result<RecordRequest::Feed> parse_feed(const std::string& text) {
  for (size_t equals = text.find('='); equals != std::string::npos; equals = text.find('=', equals + 1)) {
    const size_t underscore = text.substr(0, equals).rfind('_');
    if (underscore == std::string::npos || underscore == 0 || underscore + 1 == equals || equals + 1 == text.size())
      continue;
    return RecordRequest::Feed{.symbol = text.substr(0, underscore),
                               .timeframe = text.substr(underscore + 1, equals - underscore - 1),
                               .bars_path = text.substr(equals + 1)};
  }
  return Status::invalid(
      fmt::format("--feed {} is not of the form SYMBOL_TIMEFRAME=FILE, such as SPY_5m=spy.csv", text));
}

Result<std::vector<RecordRequest::Feed>> find_feeds(const RecordOptions& options) {
  std::vector<RecordRequest::Feed> feeds;
  if (!options.bars.empty()) {
    if (!options.feeds.empty()) return Status::invalid("give --bars or --feed, not both");
    if (options.symbol.empty() || options.timeframe.empty()) {
      return Status::invalid("--bars needs --symbol and --timeframe, such as --symbol SPY --timeframe 5m");
    }
    feeds.push_back({.symbol = options.symbol, .timeframe = options.timeframe, .bars_path = options.bars});
    return feeds;
  }
  if (options.feeds.empty()) {
    return Status::invalid("there are no bars; give --bars FILE --symbol S --timeframe T, or --feed S_T=FILE");
  }
  if (!options.symbol.empty() || !options.timeframe.empty()) {
    return Status::invalid("--symbol and --timeframe belong to --bars; a --feed says them itself");
  }
  for (const std::string& text : options.feeds) {
    SB_ASSIGN_OR_RETURN(RecordRequest::Feed feed, parse_feed(text));
    feeds.push_back(std::move(feed));
  }
  return feeds;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_tags(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> tags;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::invalid(fmt::format("--tag {} is not of the form key=value", text));
    }
    const std::string key = text.substr(0, equals);
    for (const auto& [known, value] : tags) {
      if (known == key) return Status::invalid(fmt::format("--tag {} is given twice", key));
    }
    tags.emplace_back(key, text.substr(equals + 1));
  }
  return tags;
}

Result<MissingSignal> parse_missing(const std::string& text) {
  if (text == "refuse") return MissingSignal::refuse;
  if (text == "flat") return MissingSignal::flat;
  if (text == "hold") return MissingSignal::hold;
  return Status::invalid(fmt::format("--na {} is unknown; there are refuse, flat and hold", text));
}

std::string format_size(int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  return bytes < 1'000'000 ? fmt::format("{:.1f} kB", size / 1e3) : fmt::format("{:.1f} MB", size / 1e6);
}

}  // namespace

Status run_record(const RecordOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  if (options.layout != "files" && options.layout != "auto") {
    return Status::invalid(fmt::format("--layout {} is unknown; there are files and auto", options.layout));
  }
  RecordRequest request;
  request.run_path = options.run;
  while (request.run_path.size() > 1 && request.run_path.back() == '/') request.run_path.pop_back();
  SB_ASSIGN_OR_RETURN(request.feeds, find_feeds(options));
  if (!options.strategies.empty()) request.strategies_path = options.strategies;
  request.signals_path = options.signals;
  request.options.code_version = options.code_version;
  request.options.note = options.note;
  SB_ASSIGN_OR_RETURN(request.options.tags, parse_tags(options.tags));
  SB_ASSIGN_OR_RETURN(request.options.missing, parse_missing(options.missing));
  SB_ASSIGN_OR_RETURN(request.options.created_at, current_time());

  SB_ASSIGN_OR_RETURN(const RunSummary summary, record_run(posix_file_system(), request));
  if (options.quiet) return Status();
  for (const std::string& warning : summary.warnings) fmt::print(stderr, "warning: {}\n", escape_lines(warning));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double share = summary.signal_count == 0 ? 0.0
                                                 : 100.0 * static_cast<double>(summary.change_count) /
                                                       static_cast<double>(summary.signal_count);
  fmt::print("recorded {}: {} strategies, {} traces, {} changes in {} signals ({:.2f}%), {}, {:.2f} s\n",
             request.run_path, with_separators(summary.strategy_count), with_separators(summary.trace_count),
             with_separators(summary.change_count), with_separators(summary.signal_count), share,
             format_size(summary.file_bytes), seconds.count());
  return Status();
}

}  // namespace signalbook::cli
