#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
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

Result<RunLayout> parse_layout(const RecordOptions& options) {
  if (options.columns != "few" && options.columns != "full") {
    return Status::invalid(fmt::format("--columns {} is unknown; there are few and full", options.columns));
  }
  const bool is_full = options.columns == "full";
  if (options.layout == "packed") return is_full ? RunLayout::packed_full : RunLayout::packed;
  if (is_full) return Status::invalid("--columns is for packs: --layout packed; files always have all columns");
  if (options.layout == "files") return RunLayout::files;
  if (options.layout == "auto") return RunLayout::automatic;
  return Status::invalid(fmt::format("--layout {} is unknown; there are files, packed and auto", options.layout));
}

std::string format_size(int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  return bytes < 1'000'000 ? fmt::format("{:.1f} kB", size / 1e3) : fmt::format("{:.1f} MB", size / 1e6);
}

Status check_stream_options(const RecordOptions& options) {
  if (options.signals == "-") return Status();
  if (options.ack) return Status::invalid("--ack is for signals that come while they are produced: --signals -");
  if (options.eof_ends)
    return Status::invalid("--eof-ends is for standard input: --signals -; a file ends with its end");
  return Status();
}

Result<RecordRequest> make_request(const RecordOptions& options) {
  SB_RETURN_IF_ERROR(check_stream_options(options));
  RecordRequest request;
  SB_ASSIGN_OR_RETURN(request.options.layout, parse_layout(options));
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
  request.is_one_of_several = !options.writer.empty();
  if (request.is_one_of_several) request.options.writer = options.writer;
  request.options.opening = options.resume              ? RunOpening::resume
                            : request.is_one_of_several ? RunOpening::join
                                                        : RunOpening::create;
  return request;
}

// A line for the program that sends the rows, at once. That it cannot be read any more is an error here: who waits for
// an acknowledgement would wait for ever.
Status say(const std::string& line) {
  if (std::fputs(line.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return Status();
  const int error = errno;
  std::clearerr(stdout);
  return Status::io_error(fmt::format("cannot write to standard output: {}", std::strerror(error)));
}

SignalStream standard_input(const RecordOptions& options) {
  SignalStream stream = {
      .descriptor = STDIN_FILENO, .end_of_file_ends = options.eof_ends, .resume = {}, .acknowledge = {}};
  if (options.resume) stream.resume = [](int64_t rows) { return say(fmt::format("resume {}\n", rows)); };
  if (options.ack) stream.acknowledge = [](int64_t rows) { return say(fmt::format("acknowledged {}\n", rows)); };
  return stream;
}

void print_summary(const std::string& run_path, const RunSummary& summary, double seconds) {
  const double share = summary.signal_count == 0 ? 0.0
                                                 : 100.0 * static_cast<double>(summary.change_count) /
                                                       static_cast<double>(summary.signal_count);
  print_out("recorded {}: {}, {}, {} in {} ({:.2f}%), {}, {:.2f} s\n", escape_lines(run_path),
            count_of(summary.strategy_count, "strategy", "strategies"), count_of(summary.trace_count, "trace"),
            count_of(summary.change_count, "change"), count_of(summary.signal_count, "signal"), share,
            format_size(summary.file_bytes), seconds);
}

// The run is there whatever comes of it.
Status analyze_recorded(const std::string& run_path, const RecordOptions& options, int* interrupted_by) {
  const Status status = run_analyze({.common = {.quiet = options.quiet}, .path = run_path}, interrupted_by);
  if (status.code() == StatusCode::not_found) {  // classifiers alone
    if (!options.quiet) say_on_stderr("signalbook: no metrics: " + status.message());
    return Status();
  }
  return status.with(fmt::format("; {} is recorded, without metrics", run_path));
}

std::string describe_rows(int64_t count) {
  return count == 0 ? "what was recorded is durable"
                    : fmt::format("{} {} durable", count, count == 1 ? "row is" : "rows are");
}

}  // namespace

Status run_record(const RecordOptions& options, int* interrupted_by) {
  const auto start = std::chrono::steady_clock::now();
  SB_ASSIGN_OR_RETURN(RecordRequest request, make_request(options));
  if (options.signals == "-") request.stream = standard_input(options);
  SB_ASSIGN_OR_RETURN(std::unique_ptr<Interrupt> interrupt, Interrupt::catch_signals());
  request.interrupt = &interrupt->signal_number();
  request.interrupt_descriptor = interrupt->descriptor();

  ProgressBar bar(options.quiet);
  const std::string name = file_name_of(request.run_path);
  request.progress = bar.callback();
  request.commit.progress = bar.counter("write " + name, "traces");
  SB_ASSIGN_OR_RETURN(const RecordOutcome outcome, record_run(posix_file_system(), request));
  bar.hide();
  const std::string run = escape_lines(request.run_path);
  if (!options.quiet) {
    for (const std::string& warning : outcome.warnings) say_on_stderr("warning: " + warning);
  }
  switch (outcome.end) {
    case RecordOutcome::End::interrupted:
      *interrupted_by = interrupt->signal_number();
      say_on_stderr(fmt::format(
          "signalbook: interrupted: {}; go on with the same command and --resume, or finish with: signalbook recover "
          "{}",
          describe_rows(outcome.row_count), request.run_path));
      break;
    case RecordOutcome::End::was_finished:
      if (!options.quiet)
        print_out("{} is finished already; there is nothing to go on with, and nothing was read\n", run);
      break;
    case RecordOutcome::End::closed:
      if (!options.quiet) {
        print_out("writer {} of {} is done: {}; when all its writers are: signalbook recover {}\n",
                  escape_lines(options.writer), run, describe_rows(outcome.row_count), run);
      }
      break;
    case RecordOutcome::End::committed: {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (!options.quiet) print_summary(request.run_path, outcome.summary, seconds.count());
      if (!options.analyze) break;
      interrupt.reset();  // the analysis has its own
      return analyze_recorded(request.run_path, options, interrupted_by);
    }
  }
  return Status();
}

}  // namespace signalbook::cli
