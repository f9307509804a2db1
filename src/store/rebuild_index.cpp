#include "store/rebuild_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/digest.h"
#include "base/parallel_for.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/strategy_identity.h"
#include "format/strategy_tree.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/metric_set.h"
#include "store/pack_rows.h"
#include "store/replace_run_file.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/strategy_components.h"
#include "store/strategy_row.h"
#include "store/trace_row.h"
#include "store/trace_storage.h"

namespace signalbook {

namespace {

Result<int64_t> size_of(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<ReadableFile> file, files.open_file(path));
  return file->size();
}

// What a file holds; nothing where it cannot be read, because a rebuild is what mends it.
std::optional<std::string> read_if_there(FileSystem& files, const std::string& path) {
  Result<std::string> bytes = files.read_file(path);
  return bytes.ok() ? std::optional(std::move(bytes).value()) : std::nullopt;
}

class Rebuild {
 public:
  Rebuild(FileSystem& files, const std::string& run_path, const RebuildOptions& options)
      : files_(files), run_path_(run_path), options_(options), lost_(files, run_path, options.now, options.is_dry) {}

  Result<RebuildReport> run(const RunDescription* fallback) {
    SB_RETURN_IF_ERROR(read_old_description());
    read_old_index();
    SB_RETURN_IF_ERROR(read_traces());
    SB_RETURN_IF_ERROR(begin_description(fallback));
    add_what_the_index_knew();
    SB_RETURN_IF_ERROR(describe_feeds());
    put_in_order();
    SB_RETURN_IF_ERROR(write_tables());
    SB_RETURN_IF_ERROR(lost_.take(damaged_files_));
    report_.moved = lost_.moved();
    report_.changed = report_.changed || !report_.moved.empty();
    return std::move(report_);
  }

 private:
  // This very trace: of a file trace_path and file_sha256; of a pack, or of one that lay the other way, whose it is and
  // trace_hash.
  using TraceKey = std::tuple<std::string, Digest, TraceHash>;
  static TraceKey key_of(const IndexRow& row);
  static TraceKey key_by_content(const IndexRow& row, bool is_packed);
  template <typename Value>
  static const Value* find_known(const std::map<TraceKey, Value>& known, const IndexRow& row);

  Status read_old_description();
  void read_old_index();
  Status read_traces();
  Status read_files(const std::vector<std::string>& paths);
  Status read_pack(const std::string& path);
  const Bars* find_bars(const std::string& data_id_hex);
  void add_traces_without_changes();
  void choose_between_layouts();
  Status begin_description(const RunDescription* fallback);
  void leave_out(const std::string& path, std::string why);
  void tell_missing_traces();
  void tell_lost_traces();
  void put_in_order();
  void name_packs();
  void add_what_the_index_knew();
  MetricSet metrics_of_rows() const;
  Status describe_feeds();
  Result<std::string> encode_strategy_components() const;
  Status keep_other_files();
  Status write_tables();

  FileSystem& files_;
  const std::string& run_path_;
  const RebuildOptions& options_;
  LostAndFound lost_;
  RebuildReport report_;
  std::vector<IndexRow> rows_;
  std::optional<RunDescription> old_;                // run.json, where it can be read
  std::vector<RunDescription::File> packs_;          // those that can be read
  std::map<std::string, std::optional<Bars>> bars_;  // by data_id, of packs
  RunDescription description_;
  bool index_is_read_ = false;  // an older one, whole or not
  std::map<TraceKey, IndexRow> old_rows_;
  std::map<TraceKey, std::string> old_places_;                       // files and packs, by content
  std::vector<IndexRow> old_rows_without_changes_;                   // of packs
  std::map<TraceKey, std::pair<Metrics, std::string>> old_metrics_;  // with their definitions
  std::vector<RunDescription::File> old_files_, other_files_;        // beside run.json; without index and components
  std::vector<LostFile> damaged_files_;
  std::set<std::string> trace_files_, told_files_;  // where traces lie: those there, and those that are told as damage
};

Rebuild::TraceKey Rebuild::key_of(const IndexRow& row) {
  return row.is_packed() ? key_by_content(row, true) : TraceKey(row.trace_path, row.file_sha256, {});
}

Rebuild::TraceKey Rebuild::key_by_content(const IndexRow& row, bool is_packed) {
  std::string whose = is_packed ? "in a pack" : "in a file";
  const std::string id = to_valid_utf8(row.strategy_id);  // as files and packs have it
  for (const std::string* const part : {&id, &row.symbol, &row.timeframe, &row.data_id}) whose += '\0' + *part;
  return {whose, row.strategy_digest, row.trace_hash};
}

template <typename Value>
const Value* Rebuild::find_known(const std::map<TraceKey, Value>& known, const IndexRow& row) {
  auto found = known.find(key_of(row));
  if (found == known.end()) found = known.find(key_by_content(row, !row.is_packed()));
  return found == known.end() ? nullptr : &found->second;
}

Status Rebuild::read_old_description() {
  const std::string path = join_path(run_path_, file::kRunDescription);
  const std::optional<std::string> text = read_if_there(files_, path);
  if (!text) return Status();
  Result<RunDescription> decoded = decode_run_description(*text, path);
  if (decoded.status().code() == StatusCode::invalid) return decoded.status();  // a newer program's
  if (!decoded.ok()) return Status();
  SB_RETURN_IF_ERROR(check_layout(*decoded, run_path_));
  old_ = std::move(decoded).value();
  return Status();
}

// Aliases, metrics and the ends that were said stand in the index alone. A row of an older one counts where it tells of
// this very trace, also when the rest of that index is not what was written.
void Rebuild::read_old_index() {
  const std::string path = join_path(run_path_, file::kStrategyIndex);
  for (const std::string& name : {path + std::string(kTemporarySuffix), path}) {
    const std::optional<std::string> bytes = read_if_there(files_, name);
    Result<std::vector<IndexRow>> rows =
        bytes ? decode_index(*bytes, name) : Result<std::vector<IndexRow>>(Status::not_found(name));
    if (!rows.ok()) continue;
    index_is_read_ = true;
    const Result<MetricSet> metrics = decode_index_metrics(*bytes, name);
    for (size_t i = 0; i < rows->size(); ++i) {
      const IndexRow& row = (*rows)[i];
      const std::string* const definition = metrics.ok() ? metrics->definition(i) : nullptr;
      for (const TraceKey& key : {key_of(row), key_by_content(row, row.is_packed())}) {
        if (definition != nullptr) old_metrics_.insert_or_assign(key, std::pair(metrics->figures[i], *definition));
        old_rows_.insert_or_assign(key, row);
      }
      old_places_.insert_or_assign(key_by_content(row, false), row.is_packed() ? row.pack : row.trace_path);
      if (row.is_packed() && row.change_count == 0) old_rows_without_changes_.push_back(row);
    }
  }
}

void Rebuild::leave_out(const std::string& path, std::string why) {
  report_.damage.push_back(why + "; left out");
  told_files_.insert(path);
  if (why.starts_with(path + ": ")) why = why.substr(path.size() + 2);
  damaged_files_.push_back({.path = path, .why = std::move(why)});
}

Status Rebuild::read_traces() {
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> paths, list_trace_files(files_, run_path_));
  trace_files_.insert(paths.begin(), paths.end());
  std::vector<std::string> in_files;
  std::ranges::copy_if(paths, std::back_inserter(in_files), [](const auto& path) { return !pack_kind(path); });
  SB_RETURN_IF_ERROR(read_files(in_files));
  for (const std::string& path : paths) {
    if (pack_kind(path)) SB_RETURN_IF_ERROR(read_pack(path));
  }
  add_traces_without_changes();
  choose_between_layouts();
  if (!rows_.empty()) return Status();
  return Status::not_found(paths.empty() ? fmt::format("{} has no trace to make an index of", run_path_)
                                         : fmt::format("{}: none of its {} traces is whole: {}", run_path_,
                                                       paths.size(), report_.damage.front()));
}

Status Rebuild::read_files(const std::vector<std::string>& paths) {
  constexpr size_t kAtATime = 1024;
  ProgressMeter meter(options_.progress, "read traces of " + file_name_of(run_path_), "files",
                      static_cast<int64_t>(paths.size()));
  for (size_t begin = 0; begin < paths.size(); begin += kAtATime) {
    std::vector<Result<IndexRow>> read(std::min(kAtATime, paths.size() - begin), IndexRow());
    SB_RETURN_IF_ERROR(parallel_for(read.size(), options_.threads, [&](size_t i) {
      read[i] = read_index_row(files_, run_path_, paths[begin + i]);
      meter.add(1);
      return Status();
    }));
    for (size_t i = 0; i < read.size(); ++i) {
      if (read[i].ok()) {
        rows_.push_back(std::move(read[i]).value());
        continue;
      }
      if (read[i].status().code() == StatusCode::io_error) return read[i].status();
      leave_out(paths[begin + i], read[i].status().message());
    }
  }
  return Status();
}

const Bars* Rebuild::find_bars(const std::string& data_id_hex) {
  const auto [place, is_new] = bars_.try_emplace(data_id_hex);
  if (is_new) {
    Result<Bars> bars = read_stored_bars(files_, run_path_, data_id_hex);
    if (bars.ok() && to_hex(data_id(*bars)) == data_id_hex) place->second = std::move(bars).value();
  }
  return place->second ? &*place->second : nullptr;
}

// A pack of which some traces are whole stays what it is: they can be read, and it is to be brought back from a copy.
Status Rebuild::read_pack(const std::string& path) {
  SB_ASSIGN_OR_RETURN(const int64_t size, size_of(files_, join_path(run_path_, path)));
  ProgressMeter meter(options_.progress, fmt::format("read {}", path), kProgressBytes, size);
  SB_ASSIGN_OR_RETURN(const RunDescription::FileVersion version,
                      read_file_version(files_, join_path(run_path_, path), [&](int64_t bytes) { meter.add(bytes); }));
  const auto bars_of = [this](const std::string& data_id_hex) { return find_bars(data_id_hex); };
  Result<PackContents> contents = read_pack_rows(files_, run_path_, path, bars_of, options_.threads);
  if (contents.status().code() == StatusCode::io_error) return contents.status();
  if (!contents.ok()) return leave_out(path, contents.status().message()), Status();
  if (contents->rows.empty() && !contents->damage.empty())
    return leave_out(path, path + ": " + contents->damage.front()), Status();
  for (const std::string& line : contents->damage) {
    told_files_.insert(path);
    report_.damage.push_back(
        fmt::format("{}: {}; left out: bring the pack back from a copy, and do this again", path, line));
  }
  RunDescription::File entry = {.path = path, .size = version.size, .sha256 = version.sha256};
  const RunDescription::File* const old = old_ ? find_run_file(*old_, path) : nullptr;
  if (old != nullptr && !is_run_file(*old, version)) {
    entry = *old;  // which is what it should be
    told_files_.insert(path);
    report_.damage.push_back(
        fmt::format("{}: not the bytes that run.json speaks of; bring the pack back from a copy", path));
  }
  packs_.push_back(std::move(entry));
  std::ranges::move(contents->rows, std::back_inserter(rows_));
  return Status();
}

// Of a pack, where the index alone knows them: of the same recording, in a pack that is there.
void Rebuild::add_traces_without_changes() {
  std::map<std::string, int64_t> times;
  for (const IndexRow& row : rows_) {
    if (row.is_packed()) times.emplace(row.pack, row.created_at);
  }
  for (IndexRow& row : std::exchange(old_rows_without_changes_, {})) {
    const auto time = times.find(row.pack);
    const bool is_there = std::ranges::find(packs_, row.pack, &RunDescription::File::path) != packs_.end();
    const bool is_of_run = time == times.end() ? !times.empty() || rows_.empty() : time->second == row.created_at;
    if (is_there && is_of_run && derive_strategy(row).ok()) rows_.push_back(std::move(row));
  }
}

// Where somebody died who laid the traces out the other way, or into packs of another size, they are there twice, and
// count once. Files say all that an index needs; so they count where they have all that the packs have.
void Rebuild::choose_between_layouts() {
  using Key = std::tuple<std::string, std::string, std::string, std::string, Digest, TraceHash>;
  const auto key = [](const IndexRow& row) {
    return Key(to_valid_utf8(row.strategy_id), row.symbol, row.timeframe, row.data_id, row.strategy_digest,
               row.trace_hash);
  };
  std::set<Key> in_files, in_packs;
  std::erase_if(rows_, [&](const IndexRow& row) {
    const bool is_new = (row.is_packed() ? in_packs : in_files).insert(key(row)).second;
    return row.is_packed() && !is_new;
  });
  if (in_files.empty() || in_packs.empty()) return;
  const bool files_count = std::ranges::includes(in_files, in_packs);
  std::erase_if(rows_, [&](const IndexRow& row) {
    return row.is_packed() ? files_count : !files_count && in_packs.contains(key(row));
  });
}

Status Rebuild::begin_description(const RunDescription* fallback) {
  if (old_) {
    description_ = *old_;
  } else if (fallback != nullptr) {
    description_ = *fallback;
  } else {
    description_.created_at = std::ranges::min(rows_, {}, &IndexRow::created_at).created_at;
    report_.remarks.push_back(
        "run.json cannot be read: tags, note and code_version of the run are lost; created_at is the traces'");
  }
  description_.run_id = file_name_of(run_path_);
  old_files_ = std::exchange(description_.files, {});
  std::erase_if(old_files_, [](const RunDescription::File& entry) { return pack_kind(entry.path).has_value(); });
  const bool is_packed = std::ranges::any_of(rows_, &IndexRow::is_packed);
  description_.layout = is_packed ? layout::kPacked : layout::kFiles;
  return Status();
}

void Rebuild::add_what_the_index_knew() {
  for (IndexRow& row : rows_) {
    const IndexRow* const old = find_known(old_rows_, row);
    if (old == nullptr) continue;
    row.aliases = old->aliases;
    row.complete = old->complete;
    if (!row.is_packed()) continue;
    row.trace_path = old->trace_path;
    if (!row.first_ts) row.first_ts = old->first_ts, row.last_ts = old->last_ts;
  }
  if (!index_is_read_) {
    report_.remarks.push_back(
        "no index can be read: other ids of the same configuration (aliases) are lost, and a trace counts as complete "
        "when it was observed to its last bar");
  }
  tell_missing_traces();
  tell_lost_traces();
}

// What the older index names and is neither there nor told as damage. Without one run.json knows the packs and how many
// traces there were.
void Rebuild::tell_missing_traces() {
  constexpr std::string_view kBringBack = "left out: bring it back from a copy, and do this again";
  for (const IndexRow& row : rows_) old_places_.erase(key_by_content(row, false));
  std::map<std::string, int64_t> counts;
  for (const auto& [key, place] : old_places_) ++counts[place];
  for (const auto& [place, count] : counts) {
    if (told_files_.contains(place)) continue;
    const std::string traces = fmt::format("{} trace{}", count, count == 1 ? "" : "s");
    report_.missing.push_back(trace_files_.contains(place)
                                  ? fmt::format("{}: {} of the index not in it; {}", place, traces, kBringBack)
                              : pack_kind(place) ? fmt::format("{}: missing, with {}; {}", place, traces, kBringBack)
                                                 : fmt::format("{}: missing; {}", place, kBringBack));
  }
  if (index_is_read_ || !old_) return;
  const int64_t lost = old_->trace_count - static_cast<int64_t>(rows_.size());
  if (lost <= 0) return;
  for (const RunDescription::File& entry : old_->files) {
    if (pack_kind(entry.path) && !trace_files_.contains(entry.path))
      report_.missing.push_back(fmt::format("{}: missing; {}", entry.path, kBringBack));
  }
  const auto is_pack = [](const std::string& path) { return pack_kind(path).has_value(); };
  const int64_t untold = lost - std::ranges::count_if(told_files_, std::not_fn(is_pack));
  if (description_.layout == layout::kFiles && old_->layout == layout::kFiles && untold > 0) {
    report_.missing.push_back(fmt::format(
        "run.json speaks of more traces ({}); left out: bring what is missing back from a copy, and do this again",
        untold));
  }
}

void Rebuild::tell_lost_traces() {
  if (description_.layout != layout::kPacked || index_is_read_) return;
  const int64_t count = old_ ? old_->trace_count - static_cast<int64_t>(rows_.size()) : -1;
  if (count == 0) return;
  report_.remarks.push_back(
      count > 0 && report_.damage.empty() && report_.missing.empty()
          ? fmt::format("{} traces without any change stood in the index alone, and are lost: record them again", count)
          : "traces without any change stand in the index alone: if there were any, they are lost");
}

MetricSet Rebuild::metrics_of_rows() const {
  MetricSet set(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    const auto* const old = find_known(old_metrics_, rows_[i]);
    if (old == nullptr) continue;
    set.figures[i] = old->first;
    set.set_definition(i, old->second);
  }
  return set;
}

// Rows of packs keep the trace_id that stands there. Their paths, which name no files, are those of the old index or
// made in the same way, as far as all traces are there.
void Rebuild::put_in_order() {
  std::map<std::tuple<std::string, int64_t, std::string>, int64_t> ids;
  const auto place_of = [](const IndexRow& row) {
    return std::tuple(row.pack, row.row_start, row.change_count > 0 ? "" : row.strategy_id);
  };
  for (const IndexRow& row : rows_) {
    if (row.is_packed()) ids.emplace(place_of(row), row.trace_id);
  }
  sort_index(rows_);
  if (ids.empty()) return;
  std::vector<IndexRow> numbered = rows_;
  int64_t next = 0;
  bool is_in_order = true;
  for (IndexRow& row : numbered) {
    row.trace_id = row.is_packed() ? ids.at(place_of(row)) : next;
    is_in_order = is_in_order && row.trace_id >= next;
    next = row.trace_id + 1;
  }
  if (is_in_order) rows_ = std::move(numbered);

  TracePaths paths;
  std::vector<std::string> made;
  std::set<std::string> taken;
  bool is_clash = false;
  for (const IndexRow& row : rows_) {
    made.push_back(paths.add({.symbol = row.symbol,
                              .timeframe = row.timeframe,
                              .kind = row.kind,
                              .strategy_type = row.strategy_type,
                              .strategy_digest = to_hex(row.strategy_digest)}));
    is_clash |= !taken.insert(row.trace_path.empty() ? made.back() : row.trace_path).second;
  }
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].is_packed() && (is_clash || rows_[i].trace_path.empty())) rows_[i].trace_path = made[i];
  }
}

Status Rebuild::describe_feeds() {
  using Key = std::tuple<std::string, std::string, std::string>;
  struct Range {
    int64_t bar_count = 0;
    std::optional<int64_t> first_ts, last_ts;
  };
  std::map<Key, Range> in_traces;
  for (const IndexRow& row : rows_) {
    Range& range = in_traces[{row.symbol, row.timeframe, row.data_id}];
    range.bar_count = std::max(range.bar_count, row.bar_count);
    if (row.first_ts) range.first_ts = std::min(range.first_ts.value_or(*row.first_ts), *row.first_ts);
    if (row.last_ts) range.last_ts = std::max(range.last_ts.value_or(*row.last_ts), *row.last_ts);
  }
  // Those that run.json names keep their order; it may name feeds without a trace.
  std::set<Key> named;
  for (const RunDescription::Feed& feed : description_.feeds) named.insert({feed.symbol, feed.timeframe, feed.data_id});
  for (const auto& [key, range] : in_traces) {
    if (named.contains(key)) continue;
    const auto& [symbol, timeframe, data_id_hex] = key;
    description_.feeds.push_back({.symbol = symbol,
                                  .timeframe = timeframe,
                                  .data_id = data_id_hex,
                                  .bar_count = range.bar_count,
                                  .first_ts = range.first_ts.value_or(0),
                                  .last_ts = range.last_ts.value_or(0)});
  }
  std::map<std::string, int64_t> bar_counts;
  for (RunDescription::Feed& feed : description_.feeds) {
    const std::string path = join_path(parent_path(run_path_), bars_path(feed.data_id));
    const std::optional<std::string> bytes = read_if_there(files_, path);
    const Result<Bars> bars = bytes ? decode_bars_file(*bytes, path) : Result<Bars>(Status::not_found("missing"));
    if (!bars.ok() || to_hex(data_id(*bars)) != feed.data_id) {
      report_.remarks.push_back(
          fmt::format("{} cannot be read: the bars of {} {} count as far as its traces go, and which of them are "
                      "complete is taken from an older index or not known; bring the bars back and do this again",
                      path, feed.symbol, feed.timeframe));
      continue;
    }
    feed.bar_count = static_cast<int64_t>(bars->size());
    feed.first_ts = bars->ts.front();
    feed.last_ts = bars->ts.back();
    if (!feed.bars_sha256) {
      feed.bars_size = static_cast<int64_t>(bytes->size());
      feed.bars_sha256 = to_hex(sha256(*bytes));
    }
    bar_counts[feed.data_id] = feed.bar_count;
  }
  for (IndexRow& row : rows_) {
    const auto count = bar_counts.find(row.data_id);
    if (count != bar_counts.end() && row.bar_count == count->second) row.complete = true;
  }
  return Status();
}

Result<std::string> Rebuild::encode_strategy_components() const {
  std::vector<ComponentRow> components;
  std::set<Digest> known;
  for (const IndexRow& row : rows_) {
    if (!known.insert(row.strategy_digest).second) continue;
    SB_ASSIGN_OR_RETURN(const JsonValue config, parse_json(row.strategy_config));
    SB_ASSIGN_OR_RETURN(const JsonValue node, normalize_strategy(config));
    for (StrategyComponent& component : list_components(node))
      components.push_back({row.strategy_digest, std::move(component)});
  }
  return encode_components(components);
}

// What run.json names beside index and components (metric sets) and is whole stays named, as long as it is about the
// traces that the run has now.
Status Rebuild::keep_other_files() {
  for (RunDescription::File& entry : old_files_) {
    if (entry.path == file::kStrategyComponents || entry.path == file::kStrategyIndex) continue;
    const Result<std::string> bytes = files_.read_file(join_path(run_path_, entry.path));
    if (bytes.status().code() == StatusCode::io_error) return bytes.status();
    std::string why = bytes.ok() ? "not the bytes that run.json speaks of" : "missing";
    if (bytes.ok() && is_run_file(entry, *bytes)) {
      if (metric_set_name(entry.path) && !decode_metric_set(*bytes, entry.path, rows_).ok()) {
        why = "its rows are not those of the index any more";
      } else {
        why.clear();
      }
    }
    if (why.empty()) {
      const RunDescription::FileVersion version = version_of(*bytes);
      other_files_.push_back({.path = entry.path, .size = version.size, .sha256 = version.sha256});
      continue;
    }
    report_.remarks.push_back(
        fmt::format("{}: {}; left out, to be computed again with signalbook analyze", entry.path, why));
    if (bytes.ok()) damaged_files_.push_back({.path = entry.path, .why = why});
  }
  return Status();
}

// Those that some row needs: as run.json had them, the others in the order of the index.
void Rebuild::name_packs() {
  std::vector<std::string> order;
  if (old_) {
    for (const RunDescription::File& entry : old_->files) order.push_back(entry.path);
  }
  std::set<std::string> used;
  for (const IndexRow& row : rows_) {
    if (!row.is_packed() || !used.insert(row.pack).second) continue;
    if (std::ranges::find(order, row.pack) == order.end()) order.push_back(row.pack);
  }
  for (const std::string& path : order) {
    const auto pack = std::ranges::find(packs_, path, &RunDescription::File::path);
    if (pack == packs_.end() || !used.contains(path)) continue;
    report_.summary.file_bytes += pack->size;
    description_.files.push_back(*pack);
  }
}

Status Rebuild::write_tables() {
  SB_ASSIGN_OR_RETURN(const std::string index, encode_index(rows_, metrics_of_rows()));
  SB_ASSIGN_OR_RETURN(const std::string components, encode_strategy_components());
  for (const IndexRow& row : rows_) {
    report_.summary.incomplete_count += row.complete ? 0 : 1;
    report_.summary.file_bytes += row.file_size;
    if (row.observed_from) report_.summary.signal_count += *row.observed_to - *row.observed_from + 1;
  }
  name_packs();
  count_rows(rows_, description_);
  report_.summary.change_count = description_.change_count;
  report_.summary.trace_count = description_.trace_count;
  report_.summary.strategy_count = description_.strategy_count;
  SB_RETURN_IF_ERROR(keep_other_files());

  // What is there already in these bytes stays.
  std::vector<NewRunFile> changed;
  std::vector<LostFile> replaced;
  const auto is_new = [&](const std::string& name, const std::string& bytes) {
    const std::optional<std::string> old = read_if_there(files_, join_path(run_path_, name));
    if (old && *old != bytes) replaced.push_back({.path = name, .why = "made anew from the traces", .is_copied = true});
    return old != bytes;
  };
  for (const auto& [name, bytes] :
       {std::pair(file::kStrategyComponents, &components), std::pair(file::kStrategyIndex, &index)}) {
    if (is_new(name, *bytes)) changed.push_back({.name = name, .bytes = *bytes});
    const RunDescription::FileVersion version = version_of(*bytes);
    description_.files.push_back({.path = name, .size = version.size, .sha256 = version.sha256});
  }
  description_.files.insert(description_.files.end(), other_files_.begin(), other_files_.end());
  const bool is_description_new = is_new(file::kRunDescription, encode_run_description(description_));
  if (changed.empty() && !is_description_new) {
    // Whoever wrote it may have died before its name was durable.
    return options_.is_dry ? Status() : files_.sync_directory(run_path_);
  }
  report_.changed = true;
  SB_RETURN_IF_ERROR(lost_.take(replaced));
  if (options_.is_dry) return Status();
  return replace_run_files(files_, run_path_, description_, changed,
                           [](const RunDescription& next) { return Result(encode_run_description(next)); });
}

}  // namespace

Result<RebuildReport> rebuild_tables(FileSystem& files, const std::string& run_path, const RunDescription* fallback,
                                     const RebuildOptions& options) {
  return Rebuild(files, run_path, options).run(fallback);
}

Result<RebuildReport> rebuild_index(FileSystem& files, const std::string& given_path, const RebuildOptions& options) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(given_path));
  if (!exists) return Status::not_found(fmt::format("{} is no directory", given_path));
  std::string run_path = given_path;
  if (const std::string name = file_name_of(given_path); name == "." || name == "..") {
    SB_ASSIGN_OR_RETURN(run_path, files.absolute_path(given_path));  // its own name stands in run.json
  }
  const auto check_journal = [&]() -> Status {
    SB_ASSIGN_OR_RETURN(const bool has_journal, files.directory_exists(journal_directory(run_path)));
    if (!has_journal) return Status();
    return Status::invalid(
        fmt::format("{} has a journal: it is being written, or died; finish it with signalbook recover", run_path));
  };
  SB_RETURN_IF_ERROR(check_journal());
  std::unique_ptr<RunLock> lock;
  if (!options.is_dry) {
    SB_ASSIGN_OR_RETURN(lock, RunLock::take(files, run_path, /*wait=*/false));
    if (lock == nullptr) {
      return Status::invalid(
          fmt::format("{} is being committed or recovered by another process; wait for it", run_path));
    }
    SB_RETURN_IF_ERROR(check_journal());
  }
  return rebuild_tables(files, run_path, nullptr, options);
}

}  // namespace signalbook
