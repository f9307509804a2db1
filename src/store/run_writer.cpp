#include "store/run_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <set>

#include "base/time_text.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/strategy_parameters.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/run_description.h"
#include "store/store.h"
#include "store/strategy_components.h"

namespace signalbook {

namespace {

const char* describe(SignalKind kind) { return kind == SignalKind::label ? "labels" : "numbers"; }

}  // namespace

RunWriter::RunWriter(FileSystem& files, std::string run_path, RunOptions options)
    : files_(files), run_path_(std::move(run_path)), options_(std::move(options)) {}

// Where a run may lie: right below a directory that is, or will be, a store.
Status RunWriter::check_place() const {
  const std::string name = file_name_of(run_path_), store_path = parent_path(run_path_);
  if (name == file::kBarsDirectory || name == file::kStoreDirectory || name == "." || name == "..") {
    return Status::invalid(fmt::format("{}: '{}' is no name for a run; choose another", run_path_, name));
  }
  // Not in a run, and not among the bars or the marks of a store, however deep.
  std::string inner = run_path_;
  for (std::string above = store_path; above != inner; inner = above, above = parent_path(above)) {
    SB_ASSIGN_OR_RETURN(const bool in_run, files_.file_exists(join_path(above, file::kStrategyIndex)));
    const std::string above_name = file_name_of(above);
    SB_ASSIGN_OR_RETURN(
        const bool in_store,
        files_.file_exists(join_path(join_path(parent_path(above), file::kStoreDirectory), file::kStoreMarker)));
    if (in_run || (in_store && (above_name == file::kBarsDirectory || above_name == file::kStoreDirectory))) {
      return Status::invalid(fmt::format("{} lies in {}, which is {}; a run lies beside others, in their store",
                                         run_path_, above, in_run ? "a run" : "the store's own"));
    }
    if (above_name == "." || above_name == ".." || above == "/") break;  // what is above is not told by the text
  }
  return Status();
}

Result<std::unique_ptr<RunWriter>> RunWriter::create(FileSystem& files, const std::string& run_path,
                                                     RunOptions options) {
  std::unique_ptr<RunWriter> writer(new RunWriter(files, run_path, std::move(options)));
  SB_RETURN_IF_ERROR(writer->check_place());
  SB_RETURN_IF_ERROR(writer->make_parents(parent_path(run_path)));
  Status status = files.create_directory(run_path);
  if (status.code() == StatusCode::invalid) {
    SB_ASSIGN_OR_RETURN(const bool finished, files.file_exists(join_path(run_path, file::kStrategyIndex)));
    SB_ASSIGN_OR_RETURN(const bool has_traces, files.directory_exists(join_path(run_path, file::kTracesDirectory)));
    return Status::invalid(status.message() +
                           (has_traces && !finished
                                ? ": a run that was never finished, or is being written; if nobody is at it, remove it"
                                : "; a run is written once: choose another name, or remove that directory first"));
  }
  SB_RETURN_IF_ERROR(status);
  writer->created_directory_ = true;
  return writer;
}

// Creates the missing directories above the run, and remembers them.
Status RunWriter::make_parents(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(path));
  if (exists) return Status();
  if (parent_path(path) != path) SB_RETURN_IF_ERROR(make_parents(parent_path(path)));
  SB_RETURN_IF_ERROR(create_directories(files_, path));
  parents_.push_back(path);
  return Status();
}

RunWriter::~RunWriter() {
  if (committed_) return;
  // Best effort: what stays has no index and is a run to nobody.
  if (created_directory_) (void)remove_tree(files_, run_path_);
  // A directory in which somebody else has begun something is not empty, and stays.
  for (auto path = parents_.rbegin(); path != parents_.rend(); ++path) (void)files_.remove_directory(*path);
}

Result<size_t> RunWriter::add_feed(Bars bars) {
  SB_RETURN_IF_ERROR(check_bars(bars));
  for (const std::string* name : {&bars.symbol, &bars.timeframe}) {
    if (name->empty()) return Status::invalid("a symbol or timeframe is empty");
    if (to_valid_utf8(*name) != *name)
      return Status::invalid(fmt::format("'{}' is not valid UTF-8", to_valid_utf8(*name)));
  }
  for (const Feed& feed : feeds_) {
    if (feed.bars.symbol == bars.symbol && feed.bars.timeframe == bars.timeframe) {
      return Status::invalid(fmt::format("feed {} {} is given twice", bars.symbol, bars.timeframe));
    }
  }
  std::string id = to_hex(data_id(bars));
  feeds_.push_back({std::move(bars), std::move(id)});
  return feeds_.size() - 1;
}

Result<size_t> RunWriter::add_strategy(std::string_view strategy_id, const JsonValue& config) {
  if (strategy_id.empty()) return Status::invalid("a strategy_id is empty");
  const Result<JsonValue> node = normalize_strategy(config);
  if (!node.ok()) return node.status().at(fmt::format("strategy {}", strategy_id));
  StrategyIdentity identity = identify_normalized(*node);

  const auto known = strategy_numbers_.find(std::string(strategy_id));
  if (known != strategy_numbers_.end()) {
    const Strategy& other = strategies_[known->second];
    if (other.identity.digest == identity.digest) return known->second;
    return Status::invalid(fmt::format("strategy_id {} is given twice with different configurations: {} and {}",
                                       strategy_id, other.config, to_json(config)));
  }
  Strategy strategy = {.id = std::string(strategy_id),
                       .config = to_json(config),
                       .parameters = queryable_parameters(*node),
                       .type = *node->find("type")->text(),
                       .constraints = member_text(node->find("constraints")),
                       .threshold = member_text(node->find("threshold")),
                       .identity = std::move(identity),
                       .components = list_components(*node)};
  strategies_.push_back(std::move(strategy));
  strategy_numbers_.emplace(strategy_id, strategies_.size() - 1);
  return strategies_.size() - 1;
}

size_t RunWriter::add_trace(size_t strategy, size_t feed) {
  const auto [place, added] = trace_numbers_.try_emplace({strategy, feed}, traces_.size());
  if (added) traces_.push_back({strategy, feed, SignalEncoder(SignalKind::number, options_.missing), {}, false});
  return place->second;
}

Status RunWriter::name_trace(const TraceState& state, const Status& status) const {
  const Bars& bars = feeds_[state.feed].bars;
  const std::string place = fmt::format("strategy {}", strategies_[state.strategy].id);
  return status.at(feeds_.size() == 1 ? place : fmt::format("{} on {} {}", place, bars.symbol, bars.timeframe));
}

Result<SignalEncoder*> RunWriter::encoder_for(size_t trace, BarIndex bar, SignalKind kind) {
  TraceState& state = traces_[trace];
  const auto bar_count = static_cast<int64_t>(feeds_[state.feed].bars.size());
  Status status;
  if (state.finished) {
    status = Status::invalid(fmt::format("bar {} comes after the end of the trace", bar));
  } else if (bar < 0 || bar >= bar_count) {
    status = Status::invalid(fmt::format("bar {} is outside the bars: there are {}, numbered from 0", bar, bar_count));
  } else if (state.encoder.kind() != kind) {
    if (state.encoder.changes().size() == 0 && state.encoder.last_bar() < 0) {
      state.encoder = SignalEncoder(kind, options_.missing);
    } else if (state.encoder.changes().size() == 0) {
      // Only missing values so far: they have no kind.
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

void RunWriter::keep_price(TraceState& state, size_t changes_before, std::optional<double> price) {
  const SignalChanges& changes = state.encoder.changes();
  if (!price || changes.size() == changes_before) return;
  const double close = feeds_[state.feed].bars.close[static_cast<size_t>(changes.idx.back())];
  if (*price != close) state.prices.emplace_back(changes.size() - 1, *price);
}

Status RunWriter::record(size_t trace, BarIndex bar, double value, std::optional<double> price) {
  TraceState& state = traces_[trace];
  // A missing value says nothing about the kind.
  SB_ASSIGN_OR_RETURN(SignalEncoder* const encoder,
                      encoder_for(trace, bar, std::isnan(value) ? state.encoder.kind() : SignalKind::number));
  const size_t changes_before = encoder->changes().size();
  if (price && !std::isfinite(*price)) {
    return name_trace(state, Status::invalid(fmt::format("bar {}: the price is no finite number", bar)));
  }
  const bool label = encoder->kind() == SignalKind::label;
  Status status = label ? encoder->observe_label(bar, "") : encoder->observe(bar, value);
  if (!status.ok()) return name_trace(state, status);
  keep_price(state, changes_before, price);
  return Status();
}

Status RunWriter::record_label(size_t trace, BarIndex bar, std::string_view label, std::optional<double> price) {
  TraceState& state = traces_[trace];
  SB_ASSIGN_OR_RETURN(SignalEncoder* const encoder, encoder_for(trace, bar, SignalKind::label));
  const size_t changes_before = encoder->changes().size();
  if (price && !std::isfinite(*price)) {
    return name_trace(state, Status::invalid(fmt::format("bar {}: the price is no finite number", bar)));
  }
  Status status = encoder->observe_label(bar, to_valid_utf8(label));
  if (!status.ok()) return name_trace(state, status);
  keep_price(state, changes_before, price);
  return Status();
}

Status RunWriter::record_bar(std::span<const size_t> traces, BarIndex bar, std::span<const double> values) {
  assert(traces.size() == values.size());
  for (size_t i = 0; i < traces.size(); ++i) SB_RETURN_IF_ERROR(record(traces[i], bar, values[i]));
  return Status();
}

Status RunWriter::record_matrix(std::span<const size_t> traces, BarIndex first_bar, const SignalMatrix& matrix) {
  if (matrix.bar_count == 0) return Status();
  // The encoders come together for the duration of the call, so that the kernel sees them side by side.
  std::vector<SignalEncoder> encoders;
  encoders.reserve(traces.size());
  for (const size_t trace : traces) {
    SB_RETURN_IF_ERROR(encoder_for(trace, first_bar, SignalKind::number).status());
    SB_RETURN_IF_ERROR(encoder_for(trace, first_bar + matrix.bar_count - 1, SignalKind::number).status());
  }
  for (const size_t trace : traces) encoders.push_back(std::move(traces_[trace].encoder));
  int64_t failed = 0;
  const Status status = observe_matrix(matrix, first_bar, encoders, &failed);
  for (size_t i = 0; i < traces.size(); ++i) traces_[traces[i]].encoder = std::move(encoders[i]);
  return status.ok() ? status : name_trace(traces_[traces[static_cast<size_t>(failed)]], status);
}

Status RunWriter::finish_trace(size_t trace) {
  TraceState& state = traces_[trace];
  if (state.finished) return Status();
  const Feed& feed = feeds_[state.feed];
  const Strategy& strategy = strategies_[state.strategy];
  IndexRow row;
  row.complete = is_observed(trace);
  state.encoder.observe_held_until(static_cast<BarIndex>(feed.bars.size()) - 1);
  state.finished = true;

  row.strategy_id = strategy.id;
  row.strategy_digest = strategy.identity.digest;
  row.value_digest = strategy.identity.value_digest;
  row.strategy_type = strategy.type;
  row.parameters = strategy.parameters;
  row.symbol = feed.bars.symbol;
  row.timeframe = feed.bars.timeframe;
  row.kind = state.encoder.kind();
  row.constraints = strategy.constraints;
  row.threshold = strategy.threshold;
  row.data_id = feed.data_id;
  row.bar_count = state.encoder.bar_count();
  row.observed_from = state.encoder.observed_from();
  row.observed_to = state.encoder.observed_to();
  row.strategy_config = strategy.config;
  row.created_at = options_.created_at;
  const SignalChanges changes = state.encoder.take_changes();
  row.change_count = static_cast<int64_t>(changes.size());
  row.trace_hash = trace_hash(changes, row.bar_count);
  if (row.observed_from) summary_.signal_count += *row.observed_to - *row.observed_from + 1;
  summary_.change_count += row.change_count;

  // The same configuration under another id: one row if it says the same, two and a warning if it does not.
  const auto key = std::pair(state.feed, row.strategy_digest);
  const auto [begin, end] = rows_by_configuration_.equal_range(key);
  for (auto other = begin; other != end; ++other) {
    IndexRow& twin = rows_[other->second];
    if (twin.trace_hash == row.trace_hash && twin.kind == row.kind && prices_[other->second] == state.prices) {
      twin.aliases.push_back(row.strategy_id);
      summary_.change_count -= row.change_count;
      return Status();
    }
  }
  if (begin != end) {
    summary_.warnings.push_back(fmt::format(
        "strategies {} and {} have one configuration ({}) but different traces or prices on {} {}: both are kept; "
        "something in the code is not deterministic, or the configuration does not say all",
        rows_[begin->second].strategy_id, row.strategy_id, row.strategy_hash(), row.symbol, row.timeframe));
  }
  SB_RETURN_IF_ERROR(write_trace(state, row, changes));
  prices_.push_back(std::exchange(state.prices, {}));
  rows_by_configuration_.emplace(key, rows_.size());
  rows_.push_back(std::move(row));
  return Status();
}

Status RunWriter::write_trace(TraceState& state, IndexRow& row, const SignalChanges& changes) {
  const Feed& feed = feeds_[state.feed];
  const std::string digest = to_hex(row.strategy_digest);
  row.trace_path = paths_.add({.symbol = row.symbol,
                               .timeframe = row.timeframe,
                               .kind = row.kind,
                               .strategy_type = row.strategy_type,
                               .strategy_digest = digest});
  ts_.resize(changes.size());
  px_.resize(changes.size());
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto bar = static_cast<size_t>(changes.idx[i]);
    ts_[i] = feed.bars.ts[bar];
    px_[i] = feed.bars.close[bar];
  }
  for (const auto& [change, price] : state.prices) px_[change] = price;
  if (!ts_.empty()) {
    row.first_ts = ts_.front();
    row.last_ts = ts_.back();
  }
  SB_ASSIGN_OR_RETURN(const std::string_view bytes,
                      file_encoder_.encode({.strategy_id = to_valid_utf8(row.strategy_id),
                                            .strategy_hash = row.strategy_hash(),
                                            .strategy_digest = digest,
                                            .strategy_config = row.strategy_config,
                                            .symbol = row.symbol,
                                            .timeframe = row.timeframe,
                                            .data_id = row.data_id,
                                            .trace_hash = to_hex(row.trace_hash),
                                            .bar_count = row.bar_count,
                                            .creation_time = format_time(options_.created_at)},
                                           changes, ts_, px_));
  row.file_size = static_cast<int64_t>(bytes.size());
  row.file_sha256 = sha256(bytes);
  summary_.file_bytes += row.file_size;
  const std::string path = join_path(run_path_, row.trace_path);
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  return write_temporary(path, bytes);
}

Status RunWriter::make_directory(const std::string& path) {
  if (path == run_path_ || std::find(directories_.begin(), directories_.end(), path) != directories_.end())
    return Status();
  SB_RETURN_IF_ERROR(make_directory(parent_path(path)));
  SB_RETURN_IF_ERROR(files_.create_directory(path));
  directories_.push_back(path);
  return Status();
}

Status RunWriter::write_temporary(const std::string& final_path, std::string_view bytes) {
  const std::string temporary = final_path + std::string(kTemporarySuffix);
  SB_RETURN_IF_ERROR(files_.write_new_file(temporary, bytes));
  in_flight_.emplace_back(temporary, final_path);
  return Status();
}

Result<RunSummary> RunWriter::commit() {
  assert(!committed_);
  for (size_t trace = 0; trace < traces_.size(); ++trace) SB_RETURN_IF_ERROR(finish_trace(trace));
  if (rows_.empty()) return Status::invalid("there is no trace to record");
  sort_index(rows_);
  SB_ASSIGN_OR_RETURN(const std::string index, encode_index(rows_));
  SB_ASSIGN_OR_RETURN(const std::string components, encode_strategy_components());
  summary_.strategy_count = static_cast<int64_t>(strategies_.size());
  summary_.trace_count = static_cast<int64_t>(rows_.size());

  RunDescription description;
  description.run_id = file_name_of(run_path_);
  description.created_at = options_.created_at;
  description.code_version = options_.code_version;
  description.note = options_.note;
  description.tags = options_.tags;
  description.strategy_count = summary_.strategy_count;
  description.trace_count = summary_.trace_count;
  description.change_count = summary_.change_count;
  for (const Feed& feed : feeds_) {
    description.feeds.push_back({.symbol = feed.bars.symbol,
                                 .timeframe = feed.bars.timeframe,
                                 .data_id = feed.data_id,
                                 .bar_count = static_cast<int64_t>(feed.bars.size()),
                                 .first_ts = feed.bars.ts.front(),
                                 .last_ts = feed.bars.ts.back()});
  }
  const auto vouch_for = [&](const char* path, const std::string& bytes) {
    description.files.push_back(
        {.path = path, .size = static_cast<int64_t>(bytes.size()), .sha256 = to_hex(sha256(bytes))});
  };
  vouch_for(file::kStrategyComponents, components);
  vouch_for(file::kStrategyIndex, index);
  SB_RETURN_IF_ERROR(commit_files(components, index, encode_run_description(description)));
  return summary_;
}

Result<std::string> RunWriter::encode_strategy_components() {
  constexpr size_t kMostNamed = 3;
  std::vector<ComponentRow> rows;
  std::set<Digest> known;
  size_t uneven_count = 0;
  for (const IndexRow& row : rows_) {
    const Strategy& strategy = strategies_[strategy_numbers_.at(row.strategy_id)];
    if (strategy.components.empty() || !known.insert(row.strategy_digest).second) continue;
    for (const StrategyComponent& component : strategy.components) rows.push_back({row.strategy_digest, component});
    const std::vector<UnevenWeights> uneven = find_uneven_weights(strategy.components);
    if (uneven.empty() || ++uneven_count > kMostNamed) continue;
    const std::string& path = uneven.front().parent_path;
    const WeightFlaw& flaw = uneven.front().flaw;
    const std::string more = uneven.size() == 1 ? "" : fmt::format(" (one of {} such lists)", uneven.size());
    summary_.warnings.push_back(fmt::format("strategy {}: {} of {} {}; kept as given{}", strategy.id, flaw.subject,
                                            path.empty() ? "the root" : path, flaw.predicate, more));
  }
  if (uneven_count > kMostNamed) {
    summary_.warnings.push_back(
        fmt::format("{} more configurations have weights that do not sum to 1", uneven_count - kMostNamed));
  }
  return encode_components(rows);
}

// Everything is written under temporary names and flushed at once. Then names are given: bars and traces first, the
// components and the description after them, the index last. Whatever dies in between leaves no index, or a whole run.
Status RunWriter::commit_files(const std::string& components, const std::string& index,
                               const std::string& description) {
  const std::string store_path = parent_path(run_path_);
  SB_RETURN_IF_ERROR(ensure_store(files_, store_path, format_time(options_.created_at),
                                  join_path(run_path_, "store.json" + std::string(kTemporarySuffix))));

  const std::string bars_directory = join_path(store_path, file::kBarsDirectory);
  bool bars_added = false;
  for (size_t i = 0; i < feeds_.size(); ++i) {
    const std::string path = join_path(store_path, bars_path(feeds_[i].data_id));
    const Result<std::string> there = files_.read_file(path);
    if (there.ok()) {
      // Named by their content, so only damage can make them others than ours: then ours take their place.
      if (decode_bars_file(*there, path).ok()) continue;
      summary_.warnings.push_back(fmt::format("{} was damaged and is written anew", path));
    } else if (there.status().code() != StatusCode::not_found) {
      return there.status();
    }
    SB_ASSIGN_OR_RETURN(const std::string bytes, encode_bars_file(feeds_[i].bars, feeds_[i].data_id));
    SB_RETURN_IF_ERROR(create_directories(files_, bars_directory));
    // In flight inside the run, because two runs may bring the same bars at the same time.
    const std::string temporary = join_path(run_path_, fmt::format("bars-{}{}", i, kTemporarySuffix));
    SB_RETURN_IF_ERROR(files_.write_new_file(temporary, bytes));
    in_flight_.emplace_back(temporary, path);
    bars_added = true;
  }
  const std::string description_path = join_path(run_path_, file::kRunDescription);
  const std::string index_path = join_path(run_path_, file::kStrategyIndex);
  SB_RETURN_IF_ERROR(write_temporary(join_path(run_path_, file::kStrategyComponents), components));
  SB_RETURN_IF_ERROR(write_temporary(description_path, description));
  SB_RETURN_IF_ERROR(write_temporary(index_path, index));

  std::vector<std::string> temporaries;
  for (const auto& [temporary, path] : in_flight_) temporaries.push_back(temporary);
  SB_RETURN_IF_ERROR(files_.sync_files(temporaries));

  const std::pair<std::string, std::string> last = in_flight_.back();
  in_flight_.pop_back();
  for (const auto& [temporary, path] : in_flight_) SB_RETURN_IF_ERROR(files_.rename(temporary, path));
  for (const std::string& directory : directories_) SB_RETURN_IF_ERROR(files_.sync_directory(directory));
  if (bars_added) SB_RETURN_IF_ERROR(files_.sync_directory(bars_directory));
  SB_RETURN_IF_ERROR(files_.sync_directory(run_path_));
  SB_RETURN_IF_ERROR(files_.sync_directory(store_path));
  for (const std::string& parent : parents_) SB_RETURN_IF_ERROR(files_.sync_directory(parent_path(parent)));
  SB_RETURN_IF_ERROR(files_.rename(last.first, last.second));
  committed_ = true;  // from here on the run is whole, and a failing sync only means that a power cut may undo it
  return files_.sync_directory(run_path_);
}

}  // namespace signalbook
