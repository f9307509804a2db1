#include "store/run_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/commit_run.h"
#include "store/writer_record.h"

namespace signalbook {

namespace {

const char* describe(SignalKind kind) { return kind == SignalKind::label ? "labels" : "numbers"; }

// What a trace said last.
std::string last_of(const SignalChanges& changes) {
  return changes.kind == SignalKind::number ? fmt::format("{}", changes.values.back())
                                            : fmt::format("'{}'", changes.labels.back());
}

Status differs(BarIndex bar, const std::string& before, const std::string& now) {
  return Status::invalid(fmt::format(
      "bar {}: {} was recorded before the interruption, and now it is {}; the input is not the one that was recorded",
      bar, before, now));
}

}  // namespace

// ---- Signals
// ---------------------------------------------------------------------------------------------------------

Status RunWriter::check_feed(const Bars& bars) const {
  SB_RETURN_IF_ERROR(check_bars(bars));
  for (const std::string* name : {&bars.symbol, &bars.timeframe}) {
    if (name->empty()) return Status::invalid("a symbol or timeframe is empty");
    if (to_valid_utf8(*name) != *name)
      return Status::invalid(fmt::format("'{}' is not valid UTF-8", to_valid_utf8(*name)));
  }
  if (bars.size() >= JournalObserved::kNoBar)
    return Status::invalid(fmt::format("{} bars are more than a feed may have", bars.size()));
  for (const Feed& feed : feeds_) {
    if (feed.bars.symbol == bars.symbol && feed.bars.timeframe == bars.timeframe)
      return Status::invalid(fmt::format("feed {} {} is given twice", bars.symbol, bars.timeframe));
  }
  return Status();
}

Result<size_t> RunWriter::add_feed(Bars bars) {
  SB_RETURN_IF_ERROR(failure_);
  SB_RETURN_IF_ERROR(check_feed(bars));
  std::string id = to_hex(data_id(bars));
  const JournalFeed declared = {.symbol = bars.symbol,
                                .timeframe = bars.timeframe,
                                .data_id = id,
                                .bar_count = static_cast<int64_t>(bars.size())};
  const size_t number = feeds_.size();
  if (number < resumed_feeds_.size()) {
    const JournalFeed& before = resumed_feeds_[number];
    if (!(before == declared)) {
      return Status::invalid(fmt::format(
          "{}: it was begun on the bars of {} {} ({} of them), and these are others: {} {} ({}); give the same bars in "
          "the same order, or record a new run",
          run_path_, before.symbol, before.timeframe, before.bar_count, bars.symbol, bars.timeframe, bars.size()));
    }
  } else {
    SB_RETURN_IF_ERROR(keep_failure(write_feed_bars(bars, id)));
    journal_->batch().feeds.push_back(declared);
  }
  feeds_.push_back({std::move(bars), std::move(id)});
  return number;
}

// The journal speaks of bars by their data_id, so they must be there for whoever reads it after a crash.
Status RunWriter::write_feed_bars(const Bars& bars, const std::string& data_id_hex) {
  const std::string path = journal_bars_path(run_path_, data_id_hex);
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path));
  if (exists) return Status();  // another writer's
  SB_ASSIGN_OR_RETURN(const std::string bytes, encode_bars_file(bars, data_id_hex));
  const std::string temporary = fmt::format("{}.{}{}", path, options_.writer, kTemporarySuffix);
  SB_RETURN_IF_ERROR(replace_file(files_, temporary, bytes));
  SB_RETURN_IF_ERROR(files_.sync_files(std::span(&temporary, 1)));
  SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  return files_.sync_directory(journal_directory(run_path_));
}

Result<size_t> RunWriter::add_strategy(std::string_view strategy_id, const JsonValue& config) {
  SB_RETURN_IF_ERROR(failure_);
  if (strategy_id.empty()) return Status::invalid("a strategy_id is empty");
  const Result<JsonValue> node = normalize_strategy(config);
  if (!node.ok()) return node.status().at(fmt::format("strategy {}", strategy_id));
  const Digest digest = identify_normalized(*node).digest;
  const auto [known, is_new] = strategy_numbers_.try_emplace(std::string(strategy_id), strategies_.size());
  if (!is_new) {
    const Digest& other = strategies_[known->second].digest;
    if (other == digest) return known->second;
    return Status::invalid(fmt::format("strategy_id {} is given twice with different configurations: {} and {} ({})",
                                       strategy_id, to_hex(other).substr(0, 12), to_hex(digest).substr(0, 12),
                                       to_json(config)));
  }
  SB_RETURN_IF_ERROR(make_room());
  strategies_.push_back({.id = known->first, .digest = digest});
  journal_->batch().strategies.push_back({.id = known->first, .config = to_json(config)});
  return strategies_.size() - 1;
}

std::optional<size_t> RunWriter::find_strategy(std::string_view strategy_id) const {
  const auto known = strategy_numbers_.find(std::string(strategy_id));
  if (known == strategy_numbers_.end()) return std::nullopt;
  return known->second;
}

size_t RunWriter::add_trace(size_t strategy, size_t feed) {
  const auto [place, is_new] = trace_numbers_.try_emplace(trace_key(strategy, feed), traces_.size());
  if (is_new) {
    traces_.push_back({.strategy = static_cast<uint32_t>(strategy),
                       .feed = static_cast<uint32_t>(feed),
                       .encoder = SignalEncoder(SignalKind::number, options_.missing)});
    journal_->batch().traces.push_back(
        {.strategy = static_cast<uint32_t>(strategy), .feed = static_cast<uint32_t>(feed)});
  }
  return place->second;
}

Status RunWriter::name_trace(const Trace& trace, const Status& status) const {
  const Bars& bars = feeds_[trace.feed].bars;
  const std::string place = fmt::format("strategy {}", strategies_[trace.strategy].id);
  return status.at(feeds_.size() == 1 ? place : fmt::format("{} on {} {}", place, bars.symbol, bars.timeframe));
}

Result<SignalEncoder*> RunWriter::encoder_for(size_t trace, BarIndex bar, SignalKind kind) {
  Trace& state = traces_[trace];
  const auto bar_count = static_cast<int64_t>(feeds_[state.feed].bars.size());
  Status status;
  if (state.finished) {
    status = Status::invalid(fmt::format("bar {} comes after the end of the trace", bar));
  } else if (bar < 0 || bar >= bar_count) {
    status = Status::invalid(fmt::format("bar {} is outside the bars: there are {}, numbered from 0", bar, bar_count));
  } else if (state.encoder.kind() != kind) {
    if (state.change_count == 0) {
      // At most missing values so far: they have no kind.
      const BarIndex last_bar = state.encoder.last_bar();
      state.encoder = SignalEncoder(kind, options_.missing);
      state.encoder.observe_held_until(last_bar);
    } else {
      status = Status::invalid(fmt::format("bar {}: {} where there were {} before; a trace is one or the other", bar,
                                           describe(kind), describe(state.encoder.kind())));
    }
  }
  if (!status.ok()) return name_trace(state, status);
  return &state.encoder;
}

void RunWriter::touch(size_t trace) {
  if (traces_[trace].touched) return;
  traces_[trace].touched = true;
  touched_.push_back(trace);
}

uint32_t RunWriter::number_of_label(const std::string& label) {
  const auto [place, is_new] = label_numbers_.try_emplace(label, static_cast<uint32_t>(label_numbers_.size()));
  if (is_new) journal_->batch().labels.push_back(label);
  return place->second;
}

void RunWriter::gather(size_t trace, std::optional<double> price) {
  Trace& state = traces_[trace];
  touch(trace);
  if (state.encoder.new_change_count() == 0) return;
  const auto number = static_cast<uint32_t>(trace);
  JournalBatch& batch = journal_->batch();
  state.encoder.hand_over([&](const SignalChanges& changes, size_t begin) {
    for (size_t k = begin; k < changes.size(); ++k) {
      const auto bar = static_cast<uint32_t>(changes.idx[k]);
      if (changes.kind == SignalKind::number) {
        batch.changes.push_back({.trace = number, .bar = bar, .value = changes.values[k]});
      } else {
        batch.label_changes.push_back({.trace = number, .bar = bar, .label = number_of_label(changes.labels[k])});
      }
    }
    state.change_count += static_cast<uint32_t>(changes.size() - begin);
    const auto bar = static_cast<size_t>(changes.idx.back());
    if (price && *price != feeds_[state.feed].bars.close[bar])
      batch.prices.push_back({.trace = number, .bar = static_cast<uint32_t>(bar), .price = *price});
  });
}

Status RunWriter::record(size_t trace, BarIndex bar, double value, std::optional<double> price) {
  SB_RETURN_IF_ERROR(make_room());
  Trace& state = traces_[trace];
  // A missing value says nothing about the kind.
  SB_ASSIGN_OR_RETURN(SignalEncoder* const encoder,
                      encoder_for(trace, bar, std::isnan(value) ? state.encoder.kind() : SignalKind::number));
  if (price && !std::isfinite(*price))
    return name_trace(state, Status::invalid(fmt::format("bar {}: the price is no finite number", bar)));
  const bool is_label = encoder->kind() == SignalKind::label;
  const Status status = is_label ? encoder->observe_label(bar, "") : encoder->observe(bar, value);
  if (!status.ok()) return name_trace(state, status);
  gather(trace, price);
  return Status();
}

Status RunWriter::record_label(size_t trace, BarIndex bar, std::string_view label, std::optional<double> price) {
  SB_RETURN_IF_ERROR(make_room());
  Trace& state = traces_[trace];
  SB_ASSIGN_OR_RETURN(SignalEncoder* const encoder, encoder_for(trace, bar, SignalKind::label));
  if (price && !std::isfinite(*price))
    return name_trace(state, Status::invalid(fmt::format("bar {}: the price is no finite number", bar)));
  const Status status = encoder->observe_label(bar, to_valid_utf8(label));
  if (!status.ok()) return name_trace(state, status);
  gather(trace, price);
  return Status();
}

Status RunWriter::record_bar(std::span<const size_t> traces, BarIndex bar, std::span<const double> values) {
  assert(traces.size() == values.size());
  for (size_t i = 0; i < traces.size(); ++i) SB_RETURN_IF_ERROR(record(traces[i], bar, values[i]));
  return Status();
}

Status RunWriter::record_matrix(std::span<const size_t> traces, BarIndex first_bar, const SignalMatrix& matrix) {
  if (matrix.bar_count == 0) return Status();
  for (const size_t trace : traces) {
    SB_RETURN_IF_ERROR(encoder_for(trace, first_bar, SignalKind::number).status());
    SB_RETURN_IF_ERROR(encoder_for(trace, first_bar + matrix.bar_count - 1, SignalKind::number).status());
  }
  // The encoders come together for the duration of the call, so that the kernel sees them side by side.
  std::vector<SignalEncoder> encoders;
  encoders.reserve(traces.size());
  for (const size_t trace : traces) encoders.push_back(std::move(traces_[trace].encoder));
  int64_t failed = 0;
  const Status status = observe_matrix(matrix, first_bar, encoders, &failed);
  for (size_t i = 0; i < traces.size(); ++i) traces_[traces[i]].encoder = std::move(encoders[i]);
  if (!status.ok()) {
    // What the kernel had seen when it failed differs from trace to trace: none of it is kept.
    const Status named = name_trace(traces_[traces[static_cast<size_t>(failed)]], status);
    failure_ = Status::invalid(named.message() + "; this writer takes nothing more");
    return named;
  }
  for (const size_t trace : traces) {
    SB_RETURN_IF_ERROR(make_room());
    gather(trace);
  }
  return Status();
}

Status RunWriter::finish_trace(size_t trace) {
  SB_RETURN_IF_ERROR(make_room());
  Trace& state = traces_[trace];
  if (state.finished) return Status();
  state.finished = true;
  const BarIndex last_bar = state.encoder.last_bar();
  journal_->batch().observed.push_back(
      {.first_trace = static_cast<uint32_t>(trace),
       .trace_count = 1,
       .last_bar = last_bar < 0 ? JournalObserved::kNoBar : static_cast<uint32_t>(last_bar),
       .change_count = state.change_count});
  return Status();
}

Status RunWriter::end_input() {
  for (size_t trace = 0; trace < traces_.size(); ++trace) SB_RETURN_IF_ERROR(finish_trace(trace));
  if (!input_ended_) journal_->batch().input_ended = true;  // once is enough
  input_ended_ = true;
  return Status();
}

Status RunWriter::check_repeats(size_t trace, BarIndex bar, double value) const {
  const Trace& state = traces_[trace];
  if (bar != state.encoder.last_bar() || state.change_count == 0 || std::isnan(value)) return Status();
  const SignalChanges& said = state.encoder.changes();
  if (said.kind == SignalKind::number && said.values.back() == value) return Status();
  return name_trace(state, differs(bar, last_of(said), fmt::format("{}", value)));
}

Status RunWriter::check_repeats_label(size_t trace, BarIndex bar, std::string_view label) const {
  const Trace& state = traces_[trace];
  if (bar != state.encoder.last_bar() || state.change_count == 0 || label.empty()) return Status();
  const SignalChanges& said = state.encoder.changes();
  if (said.kind == SignalKind::label && said.labels.back() == to_valid_utf8(label)) return Status();
  return name_trace(state, differs(bar, last_of(said), fmt::format("'{}'", label)));
}

// ---- The journal
// -----------------------------------------------------------------------------------------------------

Status RunWriter::keep_failure(Status status) {
  if (status.ok() || !failure_.ok()) return status;
  failure_ = status;
  // What the disk failed to keep may still be read from memory: whoever goes on must write it anew.
  (void)files_.write_new_file(suspect_path(run_path_, options_.writer), status.message() + "\n");
  return status;
}

Status RunWriter::make_room() {
  if (!failure_.ok()) return failure_;
  if (given_back_count_ > 0) return Status::invalid(run_path_ + " is being committed; this writer takes nothing more");
  const JournalBatch& batch = journal_->batch();
  const size_t large = batch.changes.size() + batch.label_changes.size() + 8 * batch.strategies.size();
  constexpr size_t kChangesPerFrame = size_t{1} << 16;
  return large < kChangesPerFrame ? Status() : write_frame();
}

// Neighbours that were observed up to the same bar, as in a sweep bar by bar, become one entry.
void RunWriter::gather_observed() {
  std::sort(touched_.begin(), touched_.end());
  std::vector<JournalObserved>& observed = journal_->batch().observed;
  const size_t begin = observed.size();
  for (const size_t trace : touched_) {
    traces_[trace].touched = false;
    const BarIndex last_bar = traces_[trace].encoder.last_bar();
    if (last_bar < 0 || traces_[trace].finished) continue;
    const auto bar = static_cast<uint32_t>(last_bar);
    const bool continues = observed.size() > begin && observed.back().last_bar == bar &&
                           observed.back().first_trace + observed.back().trace_count == trace;
    if (continues) {
      ++observed.back().trace_count;
    } else {
      observed.push_back({.first_trace = static_cast<uint32_t>(trace), .trace_count = 1, .last_bar = bar});
    }
  }
  touched_.clear();
}

Status RunWriter::write_frame() {
  gather_observed();
  return keep_failure(journal_->write());
}

Status RunWriter::set_position(int64_t position) {
  SB_RETURN_IF_ERROR(failure_);
  journal_->batch().position = position;
  return Status();
}

Status RunWriter::sync() {
  SB_RETURN_IF_ERROR(failure_);
  gather_observed();
  const Status status = journal_->sync();
  last_sync_ = std::chrono::steady_clock::now();
  return keep_failure(status);
}

Status RunWriter::sync_if_older_than(int64_t milliseconds) {
  SB_RETURN_IF_ERROR(failure_);
  if (is_durable()) return Status();
  if (std::chrono::steady_clock::now() - last_sync_ < std::chrono::milliseconds(milliseconds)) return Status();
  return sync();
}

bool RunWriter::is_durable() const { return touched_.empty() && journal_->is_durable(); }

int64_t RunWriter::durable_position() const {
  return journal_ == nullptr ? durable_position_ : journal_->durable_position();
}

}  // namespace signalbook
