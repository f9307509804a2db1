#include "store/run_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/digest.h"
#include "base/parallel_for.h"
#include "format/content_hash.h"
#include "format/file_names.h"
#include "format/strategy_identity.h"
#include "format/trace_schema.h"
#include "store/bars_file.h"
#include "store/commit_run.h"
#include "store/pack_rows.h"
#include "store/run_files.h"
#include "store/run_journals.h"
#include "store/run_reader.h"
#include "store/strategy_index.h"
#include "store/trace_row.h"
#include "store/trace_storage.h"
#include "store/writer_record.h"

namespace signalbook {

namespace {

constexpr const char* kJournalsWhy = "the run has not all that is in it: ";

// Of each strategy; nothing where its declaration is lost.
std::vector<std::optional<Digest>> digests_of(const WriterRecord& writer) {
  std::vector<std::optional<Digest>> digests(writer.strategies.size());
  for (size_t i = 0; i < digests.size(); ++i) {
    const Result<JsonValue> config = parse_json(writer.strategies[i].config);
    if (!config.ok()) continue;
    const Result<StrategyIdentity> identity = identify_strategy(*config);
    if (identity.ok()) digests[i] = identity->digest;
  }
  return digests;
}

// Journals, or what is left of them where somebody died removing them.
Result<bool> has_journals(FileSystem& files, const std::string& run_path) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(journal_directory(run_path)));
  if (exists) return true;
  return files.directory_exists(done_journal_directory(run_path));
}

class Inspection {
 public:
  Inspection(FileSystem& files, const std::string& run_path, const InspectOptions& options)
      : files_(files), run_path_(run_path), options_(options) {}

  Result<RunInspection> run() {
    SB_RETURN_IF_ERROR(look_at_tables());
    SB_RETURN_IF_ERROR(facts().index == IndexFact::whole ? compare_traces_with_index() : look_at_traces());
    SB_RETURN_IF_ERROR(look_at_journals());
    SB_RETURN_IF_ERROR(look_at_recorded_bars());
    SB_RETURN_IF_ERROR(find_kept_journals());
    SB_RETURN_IF_ERROR(find_kept_done_journals());
    return std::move(found_);
  }

 private:
  RecoveryFacts& facts() { return found_.facts; }
  bool is_whole() const {
    return found_.facts.index == IndexFact::whole && found_.facts.description == DescriptionFact::whole &&
           found_.facts.traces == TracesFact::whole;
  }
  std::string path_of(const std::string& name) const { return join_path(run_path_, name); }

  // The whole file; nothing when there is none.
  Result<std::optional<std::string>> read(const std::string& name) {
    SB_ASSIGN_OR_RETURN(const bool is_directory, is_in_the_way(name));
    if (is_directory) return std::optional<std::string>();
    Result<std::string> bytes = files_.read_file(path_of(name));
    if (bytes.ok()) return std::optional(std::move(bytes).value());
    if (bytes.status().code() == StatusCode::not_found) return std::optional<std::string>();
    return bytes.status();
  }

  // A directory, over which no file can be renamed.
  Result<bool> is_in_the_way(const std::string& name) {
    SB_ASSIGN_OR_RETURN(const bool is_directory, files_.directory_exists(path_of(name)));
    if (is_directory) {
      found_.damage.push_back(name + ": is a directory");
      found_.in_the_way.push_back({.path = name, .why = "a directory where a file of the run belongs"});
    }
    return is_directory;
  }

  void tell_damage(const std::string& name, const std::string& what) {
    found_.damage.push_back(what);
    found_.damaged_files.push_back({.path = name, .why = "damaged; the run has another now"});
  }

  Status look_at_tables();
  Status look_at_description();
  Status look_at_index();
  Status look_at_other_files();
  Status compare_traces_with_index();
  Status compare_files(const std::vector<const IndexRow*>& rows, int64_t& damaged_count);
  Status compare_pack(const std::string& path, const std::vector<const IndexRow*>& rows, int64_t& damaged_count);
  Status look_at_traces();
  Status look_at_pack(const std::string& path, int64_t& damaged_count);
  void judge_traces(int64_t damaged_count);
  Status look_at_journals();
  Status look_at_bars(const WriterRecord& writer);
  void describe(const WriterRecord& writer);
  Status find_traces_of_no_journal();
  Status look_at_recorded_bars();
  Status find_kept_journals();
  Status find_kept_done_journals();
  // What of it the run does not have, as the index tells; empty when it has it all.
  std::string find_more_than_index(const WriterRecord& writer) const;

  FileSystem& files_;
  const std::string& run_path_;
  const InspectOptions& options_;
  RunInspection found_;
  std::optional<RunDescription> description_;  // run.json, where it can be read
  std::vector<IndexRow> rows_;                 // of a whole index
  std::map<std::string, std::string> bars_;    // data_id -> what is wrong with them, empty when nothing is
  std::vector<WriterRecord> writers_;
  std::set<std::string> missing_bars_;  // data_ids of a run that is made, whose bars the store lacks
  std::multimap<std::pair<Digest, std::string>, const IndexRow*> rows_by_trace_;  // by digest and data_id
};

// run.json and what it vouches for, all of which somebody may be replacing where the run's lock is not held.
Status Inspection::look_at_tables() {
  const std::vector<std::string> names = {file::kStrategyComponents, file::kStrategyIndex};
  const Status looked = look_at_run_files(files_, run_path_, names, [&]() -> Status {
    found_ = RunInspection();
    rows_.clear();
    description_.reset();
    SB_RETURN_IF_ERROR(look_at_description());
    SB_RETURN_IF_ERROR(look_at_index());
    SB_RETURN_IF_ERROR(look_at_other_files());
    return found_.damage.empty() ? Status() : Status::damaged(found_.damage.front());
  });
  if (!looked.ok() && looked.code() != StatusCode::damaged) return looked;
  for (const IndexRow& row : rows_) rows_by_trace_.emplace(std::pair(row.strategy_digest, row.data_id), &row);
  return Status();
}

// Metric sets. They follow from what else the run has, and nothing is made of them.
Status Inspection::look_at_other_files() {
  if (!description_) return Status();
  for (const RunDescription::File& entry : description_->files) {
    found_.has_two_versions |= entry.previous.has_value();
    const bool is_pack = pack_kind(entry.path).has_value();  // looked at with the traces
    if (is_pack || entry.path == file::kStrategyComponents || entry.path == file::kStrategyIndex) continue;
    const Status status = check_run_file(files_, run_path_, *description_, entry.path, FileCheck::digest);
    if (status.ok()) continue;
    if (status.code() != StatusCode::damaged) return status;
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path_of(entry.path)));
    found_.damage.push_back(
        fmt::format("{}: {}", entry.path, exists ? "not the bytes that run.json speaks of" : "missing"));
  }
  return Status();
}

Status Inspection::look_at_description() {
  const std::string name = file::kRunDescription;
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> text, read(name));
  SB_ASSIGN_OR_RETURN(const bool no_components, is_in_the_way(file::kStrategyComponents));
  if (!text) return Status();
  Result<RunDescription> description = decode_run_description(*text, name);
  if (description.status().code() == StatusCode::invalid) return description.status();  // a newer program's
  if (!description.ok()) {
    facts().description = DescriptionFact::damaged;
    tell_damage(name, description.status().message());
    return Status();
  }
  SB_RETURN_IF_ERROR(check_layout(*description, run_path_));
  const Status components =
      check_run_file(files_, run_path_, *description, file::kStrategyComponents, FileCheck::digest);
  if (components.code() == StatusCode::io_error) return components;
  facts().description = components.ok() ? DescriptionFact::whole : DescriptionFact::damaged;
  if (!components.ok()) {
    SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path_of(file::kStrategyComponents)));
    SB_ASSIGN_OR_RETURN(const bool is_committed, files_.file_exists(path_of(file::kStrategyIndex)));
    const std::string what =
        fmt::format("{}: {}", file::kStrategyComponents, exists ? "not the bytes that run.json speaks of" : "missing");
    // Before the commit a crash may leave the name of one without that of the other.
    if (is_committed && !no_components) found_.damage.push_back(what);
    if (exists) {
      found_.damaged_files.push_back(
          {.path = file::kStrategyComponents, .why = "not what run.json speaks of; the run has another now"});
    }
  }
  description_ = std::move(description).value();
  return Status();
}

Status Inspection::look_at_index() {
  const std::string name = file::kStrategyIndex;
  SB_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, read(name));
  if (!bytes) return Status();
  Result<std::vector<IndexRow>> rows = decode_index(*bytes, name);
  std::string what = rows.ok() ? "" : rows.status().message();
  if (description_) {
    const RunDescription::File* const entry = find_run_file(*description_, name);
    const bool is_described = entry != nullptr && is_run_file(*entry, *bytes);
    if (!is_described && what.empty()) what = name + ": not the bytes that run.json speaks of";
  }
  facts().index = what.empty() ? IndexFact::whole : IndexFact::damaged;
  if (!what.empty()) {
    tell_damage(name, what);
    return Status();
  }
  rows_ = std::move(rows).value();
  return Status();
}

void Inspection::judge_traces(int64_t damaged_count) {
  const int64_t whole_count = found_.whole_trace_count;
  facts().traces = whole_count + damaged_count == 0 ? TracesFact::none
                   : damaged_count == 0             ? TracesFact::whole
                   : whole_count == 0               ? TracesFact::lost
                                                    : TracesFact::damaged;
}

Status Inspection::compare_traces_with_index() {
  int64_t damaged_count = 0;
  std::vector<const IndexRow*> in_files;
  std::map<std::string, std::vector<const IndexRow*>> packs;
  for (const IndexRow& row : rows_) {
    if (row.is_packed()) packs[row.pack].push_back(&row);
    if (!row.is_packed()) in_files.push_back(&row);
  }
  SB_RETURN_IF_ERROR(compare_files(in_files, damaged_count));
  for (const auto& [path, rows] : packs) SB_RETURN_IF_ERROR(compare_pack(path, rows, damaged_count));
  judge_traces(damaged_count);
  return Status();
}

Status Inspection::compare_files(const std::vector<const IndexRow*>& rows, int64_t& damaged_count) {
  ProgressMeter meter(options_.progress, "read traces of " + file_name_of(run_path_), "files",
                      static_cast<int64_t>(rows.size()));
  constexpr size_t kAtATime = 1024;
  enum class State : uint8_t { whole, damaged, missing };
  for (size_t begin = 0; begin < rows.size(); begin += kAtATime) {
    std::vector<State> states(std::min(kAtATime, rows.size() - begin), State::damaged);
    const auto compare = [&](size_t i) -> Status {
      const IndexRow& row = *rows[begin + i];
      meter.add(1);
      const Result<std::string> bytes = files_.read_file(path_of(row.trace_path));
      if (bytes.status().code() == StatusCode::not_found) return states[i] = State::missing, Status();
      SB_ASSIGN_OR_RETURN(const bool is_directory, files_.directory_exists(path_of(row.trace_path)));
      if (is_directory) return Status();
      SB_RETURN_IF_ERROR(bytes.status());
      const bool is_whole = static_cast<int64_t>(bytes->size()) == row.file_size && sha256(*bytes) == row.file_sha256;
      if (is_whole) states[i] = State::whole;
      return Status();
    };
    SB_RETURN_IF_ERROR(parallel_for(states.size(), options_.threads, compare));
    for (size_t i = 0; i < states.size(); ++i) {
      const std::string& path = rows[begin + i]->trace_path;
      (states[i] == State::whole ? found_.whole_trace_count : damaged_count) += 1;
      if (states[i] == State::whole) continue;
      SB_ASSIGN_OR_RETURN(const bool is_directory, is_in_the_way(path));
      if (is_directory || states[i] == State::missing) {
        found_.damage.push_back(path + ": missing");
      } else {
        tell_damage(path, path + ": not the bytes that the index speaks of");
      }
    }
  }
  return Status();
}

// run.json vouches for a pack. Where it does not, because it cannot be read, each trace is read.
Status Inspection::compare_pack(const std::string& path, const std::vector<const IndexRow*>& rows,
                                int64_t& damaged_count) {
  const auto count = static_cast<int64_t>(rows.size());
  SB_ASSIGN_OR_RETURN(const bool is_directory, is_in_the_way(path));
  SB_ASSIGN_OR_RETURN(const bool exists, files_.file_exists(path_of(path)));
  if (is_directory || !exists) {
    found_.damage.push_back(fmt::format("{}: missing, with {} trace{}", path, count, count == 1 ? "" : "s"));
    damaged_count += count;
    return Status();
  }
  const RunDescription::File* const entry = description_ ? find_run_file(*description_, path) : nullptr;
  if (entry != nullptr) {
    ProgressMeter meter(options_.progress, "read " + path, kProgressBytes, entry->size);
    SB_ASSIGN_OR_RETURN(const RunDescription::FileVersion version,
                        read_file_version(files_, path_of(path), [&](int64_t bytes) { meter.add(bytes); }));
    if (is_run_file(*entry, version)) {
      found_.whole_trace_count += count;
      return Status();
    }
  }
  SB_ASSIGN_OR_RETURN(const std::unique_ptr<TraceStorage> traces, open_traces(files_, run_path_, RunDescription()));
  const int64_t readable = std::ranges::count_if(
      rows, [&](const IndexRow* row) { return traces->read_changes(*row, /*with_prices=*/false).ok(); });
  found_.whole_trace_count += readable;
  damaged_count += count - readable;
  if (entry == nullptr && readable == count) {
    if (!description_) return Status();
    // Then run.json is not the one of this run.
    facts().description = DescriptionFact::damaged;
    found_.damage.push_back(fmt::format("{}: does not vouch for {}", file::kRunDescription, path));
    return Status();
  }
  if (readable == count) {
    // Something is another byte all the same: a price, or what finds the rows.
    --found_.whole_trace_count;
    ++damaged_count;
  }
  tell_damage(path, fmt::format("{}: not the bytes that {} speaks of; {} of its {} traces can be read", path,
                                entry != nullptr ? file::kRunDescription : "the index", readable, count));
  return Status();
}

Status Inspection::look_at_traces() {
  SB_ASSIGN_OR_RETURN(const std::vector<std::string> paths, list_trace_files(files_, run_path_));
  ProgressMeter meter(options_.progress, "read traces of " + file_name_of(run_path_), "files",
                      static_cast<int64_t>(paths.size()));
  int64_t damaged_count = 0;
  constexpr size_t kAtATime = 1024;
  for (size_t begin = 0; begin < paths.size(); begin += kAtATime) {
    std::vector<Status> states(std::min(kAtATime, paths.size() - begin));
    SB_RETURN_IF_ERROR(parallel_for(states.size(), options_.threads, [&](size_t i) {
      const std::string& path = paths[begin + i];
      meter.add(1);
      if (!pack_kind(path)) states[i] = read_index_row(files_, run_path_, path).status();
      return Status();
    }));
    for (size_t i = 0; i < states.size(); ++i) {
      const std::string& path = paths[begin + i];
      if (states[i].code() == StatusCode::io_error) return states[i];
      if (pack_kind(path)) {
        SB_RETURN_IF_ERROR(look_at_pack(path, damaged_count));
      } else if (states[i].ok()) {
        ++found_.whole_trace_count;
      } else {
        ++damaged_count;
        tell_damage(path, states[i].message());
      }
    }
  }
  judge_traces(damaged_count);
  return Status();
}

// A pack by itself; no bars are asked.
Status Inspection::look_at_pack(const std::string& path, int64_t& damaged_count) {
  const RunDescription::File* const entry = description_ ? find_run_file(*description_, path) : nullptr;
  bool is_described = true;
  if (entry != nullptr) {
    SB_ASSIGN_OR_RETURN(const RunDescription::FileVersion version, read_file_version(files_, path_of(path)));
    is_described = is_run_file(*entry, version);
  }
  const auto no_bars = [](const std::string&) -> const Bars* { return nullptr; };
  const Result<PackContents> contents = read_pack_rows(files_, run_path_, path, no_bars, options_.threads);
  if (contents.status().code() == StatusCode::io_error) return contents.status();
  if (contents.ok()) found_.whole_trace_count += static_cast<int64_t>(contents->rows.size());
  if (contents.ok() && contents->damage.empty() && is_described) return Status();
  ++damaged_count;
  if (!contents.ok()) return tell_damage(path, contents.status().message()), Status();
  tell_damage(path, !contents->damage.empty() ? path + ": " + contents->damage.front()
                                              : path + ": not the bytes that run.json speaks of");
  return Status();
}

// The earliest writer's header says what the run is, as it does to commit_run().
void Inspection::describe(const WriterRecord& writer) {
  if (!writer.header) return;
  const bool is_first = !found_.recorded;
  if (is_first) found_.recorded = RunDescription();
  found_.recorded->writers.push_back({.name = writer.writer, .position = writer.position});
  if (!is_first && found_.recorded->created_at <= writer.header->created_at) return;
  found_.recorded->created_at = writer.header->created_at;
  found_.recorded->code_version = writer.header->code_version;
  found_.recorded->note = writer.header->note;
  found_.recorded->tags = writer.header->tags;
}

Status Inspection::look_at_journals() {
  SB_ASSIGN_OR_RETURN(const bool exists, has_journals(files_, run_path_));
  if (!exists) return Status();
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files_, run_path_));
  bool is_damaged = false;
  for (const WriterJournal& journal : journals) {
    SB_ASSIGN_OR_RETURN(WriterRecord writer, read_writer_record(files_, journal));
    found_.torn_bytes += writer.torn_bytes;
    is_damaged |= !writer.damage.empty();
    found_.damage.insert(found_.damage.end(), writer.damage.begin(), writer.damage.end());
    for (const TraceRecord& trace : writer.traces) {
      const bool is_known = trace.strategy < writer.strategies.size() && trace.feed < writer.feeds.size() &&
                            !writer.strategies[trace.strategy].id.empty() && !writer.feeds[trace.feed].data_id.empty();
      found_.recorded_trace_count += is_known ? 1 : 0;
    }
    if (journal.is_suspect) {
      found_.remarks.push_back(fmt::format(
          "writer {}: the disk failed to take its journal; what it had not acknowledged may be gone", writer.writer));
    }
    SB_RETURN_IF_ERROR(look_at_bars(writer));
    describe(writer);
    writers_.push_back(std::move(writer));
  }
  const bool holds_traces = found_.recorded_trace_count > 0;
  facts().journal = is_damaged ? (holds_traces ? JournalFact::damaged : JournalFact::unreadable)
                               : (holds_traces ? JournalFact::whole : JournalFact::empty);
  const bool is_committed = facts().index == IndexFact::whole;
  if (facts().journal == JournalFact::whole && is_committed && !is_whole()) return find_traces_of_no_journal();
  return Status();
}

Status Inspection::look_at_bars(const WriterRecord& writer) {
  for (const JournalFeed& feed : writer.feeds) {
    if (feed.data_id.empty()) continue;  // its declaration is lost
    const auto [place, is_new] = bars_.try_emplace(feed.data_id);
    if (!is_new) continue;
    const std::string in_store = join_path(parent_path(run_path_), bars_path(feed.data_id));
    std::string why = in_store + ": missing";
    bool is_found = false;
    for (const std::string& path : {journal_bars_path(run_path_, feed.data_id), in_store}) {
      const Result<std::string> bytes = files_.read_file(path);
      if (bytes.status().code() == StatusCode::io_error) return bytes.status();
      if (!bytes.ok()) continue;
      const Result<Bars> bars = decode_bars_file(*bytes, path);
      is_found = bars.ok() && to_hex(data_id(*bars)) == feed.data_id;
      if (is_found) break;
      why = bars.ok() ? path + ": these are other bars" : bars.status().message();
    }
    if (is_found) continue;
    place->second = why;
    facts().bars = BarsFact::missing;
    found_.damage.push_back(fmt::format("{} (bars of {} {})", why, feed.symbol, feed.timeframe));
  }
  return Status();
}

// Journals that are removed one by one may be the rest of those that a commit was made of. They must not take its
// place.
Status Inspection::find_traces_of_no_journal() {
  std::set<std::pair<Digest, std::string>> recorded;
  for (const WriterRecord& writer : writers_) {
    const std::vector<std::optional<Digest>> digests = digests_of(writer);
    for (const TraceRecord& trace : writer.traces) {
      if (trace.strategy >= digests.size() || trace.feed >= writer.feeds.size() || !digests[trace.strategy]) continue;
      recorded.insert({*digests[trace.strategy], writer.feeds[trace.feed].data_id});
    }
  }
  int64_t missing = 0;
  for (const IndexRow& row : rows_) missing += recorded.contains({row.strategy_digest, row.data_id}) ? 0 : 1;
  if (missing == 0) return Status();
  facts().journal = JournalFact::damaged;
  found_.damage.push_back(
      fmt::format("{}: {} traces of the index are in no journal", journal_directory(run_path_), missing));
  return Status();
}

// The bars of a run that is made, in the store. Those of a run that is going to be finished come with its journals.
Status Inspection::look_at_recorded_bars() {
  if (find_recovery_rule(facts()).action == RecoveryAction::finish) return Status();
  std::map<std::string, RunDescription::Feed> feeds;
  if (description_) {
    for (const RunDescription::Feed& feed : description_->feeds) feeds.emplace(feed.data_id, feed);
  }
  for (const IndexRow& row : rows_) {
    RunDescription::Feed& feed = feeds[row.data_id];
    feed.symbol = row.symbol;
    feed.timeframe = row.timeframe;
  }
  for (const auto& [id, feed] : feeds) {
    const std::string path = join_path(parent_path(run_path_), bars_path(id));
    const Result<std::string> bytes = files_.read_file(path);
    if (bytes.status().code() == StatusCode::io_error) return bytes.status();
    std::string why = bytes.status().code() == StatusCode::not_found ? path + ": missing" : bytes.status().message();
    if (bytes.ok()) {
      const Result<Bars> bars = decode_bars_file(*bytes, path);
      why = bars.ok() ? "" : bars.status().message();
      if (bars.ok() && to_hex(data_id(*bars)) != id) why = path + ": these are other bars";
    }
    if (why.empty()) {
      const bool is_recorded = feed.bars_size && feed.bars_sha256;
      if (is_recorded && !is_run_file({.path = path, .size = *feed.bars_size, .sha256 = *feed.bars_sha256}, *bytes)) {
        found_.remarks.push_back(path + ": other bytes than this run recorded, but the same bars");
      }
      continue;
    }
    facts().bars = BarsFact::missing;
    missing_bars_.insert(id);
    const auto told = bars_.find(id);
    if (told != bars_.end() && !told->second.empty()) continue;
    found_.damage.push_back(fmt::format("{} (bars of {} {})", why, feed.symbol, feed.timeframe));
  }
  return Status();
}

std::string Inspection::find_more_than_index(const WriterRecord& writer) const {
  if (!writer.damage.empty()) return writer.damage.front();
  const std::vector<std::optional<Digest>> digests = digests_of(writer);
  for (const TraceRecord& trace : writer.traces) {
    if (trace.strategy >= digests.size() || !digests[trace.strategy] || trace.feed >= writer.feeds.size()) {
      return fmt::format("writer {}: what a trace is a trace of cannot be read", writer.writer);
    }
    const JournalFeed& feed = writer.feeds[trace.feed];
    const auto [begin, end] = rows_by_trace_.equal_range({*digests[trace.strategy], feed.data_id});
    const bool is_there = std::any_of(begin, end, [&](const auto& entry) {
      const IndexRow& row = *entry.second;
      return row.change_count >= trace.change_count && (trace.change_count == 0 || row.bar_count > trace.last_bar);
    });
    if (is_there) continue;
    return fmt::format("writer {}: strategy {} on {} {}, {} changes up to bar {}", writer.writer,
                       writer.strategies[trace.strategy].id, feed.symbol, feed.timeframe, trace.change_count,
                       trace.last_bar);
  }
  return "";
}

// Of a run that is not made yet they are read into it: what no reading takes is kept. Of one that is made, they may say
// more than it has, as when it was finished from a part of them.
Status Inspection::find_kept_journals() {
  const std::string name = file_name_of(journal_directory(run_path_));
  SB_ASSIGN_OR_RETURN(const bool exists, files_.directory_exists(journal_directory(run_path_)));
  if (!exists) return Status();
  const auto keep_all = [&](const std::string& why) { found_.kept_journals = {{.path = name, .why = why}}; };
  if (facts().journal == JournalFact::damaged || facts().journal == JournalFact::unreadable) {
    keep_all("damaged; what could be read of it is in the run");
    return Status();
  }
  if (is_whole()) {
    for (const WriterRecord& writer : writers_) {
      const std::string more = find_more_than_index(writer);
      if (!more.empty()) {
        keep_all(kJournalsWhy + more);
        return Status();
      }
    }
  }
  for (const std::string& id : missing_bars_) {
    SB_ASSIGN_OR_RETURN(const bool is_here, files_.file_exists(journal_bars_path(run_path_, id)));
    if (!is_here) continue;
    keep_all("it has bars that are missing or damaged in the store");
    return Status();
  }
  SB_ASSIGN_OR_RETURN(found_.kept_journals, find_foreign_files(files_, run_path_, name));
  for (const WriterRecord& writer : writers_) {
    const std::vector<LostFile> torn = journals_cut_off(writer.torn_paths);
    found_.kept_journals.insert(found_.kept_journals.end(), torn.begin(), torn.end());
  }
  return Status();
}

// The same of what a removal has left that died. Nobody ever reads it into a run.
Status Inspection::find_kept_done_journals() {
  const std::string directory = done_journal_directory(run_path_), name = file_name_of(directory);
  SB_ASSIGN_OR_RETURN(found_.kept_done_journals, find_foreign_files(files_, run_path_, name));
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals_in(files_, directory));
  const auto keep_all = [&](const std::string& why) { found_.kept_done_journals = {{.path = name, .why = why}}; };
  for (const WriterJournal& journal : journals) {
    const Result<WriterRecord> writer = read_writer_record(files_, journal);
    if (writer.status().code() == StatusCode::io_error) return writer.status();
    const std::string more = writer.ok() ? find_more_than_index(*writer) : writer.status().message();
    if (!more.empty()) {
      keep_all(kJournalsWhy + more);
      return Status();
    }
    for (const std::string& path : writer->torn_paths)
      found_.kept_done_journals.push_back(
          {.path = join_path(name, file_name_of(path)), .why = journals_cut_off({path}).front().why});
  }
  return Status();
}

}  // namespace

// Only locks that are there are tried, so that nothing is made.
Result<std::vector<std::string>> find_alive_writers(FileSystem& files, const std::string& run_path) {
  std::vector<std::string> alive;
  SB_ASSIGN_OR_RETURN(const std::vector<WriterJournal> journals, list_journals(files, run_path));
  for (const WriterJournal& journal : journals) {
    const std::string path = writer_lock_path(run_path, journal.writer);
    SB_ASSIGN_OR_RETURN(const bool exists, files.file_exists(path));
    if (!exists) continue;
    const Result<std::unique_ptr<FileLock>> lock = files.lock_file(path, /*wait=*/false);
    if (lock.ok() && *lock == nullptr) alive.push_back(journal.writer);  // where nobody may write, nobody can tell
  }
  return alive;
}

Result<bool> looks_like_run(FileSystem& files, const std::string& path) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(path));
  SB_ASSIGN_OR_RETURN(const bool has_journal, has_journals(files, path));
  if (has_journal) return true;
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory && entry.name == file::kTracesDirectory) return true;
    for (const char* name : {file::kRunDescription, file::kStrategyIndex, file::kStrategyComponents}) {
      const bool is_named = entry.name == name || entry.name == name + std::string(kTemporarySuffix);
      if (!entry.is_directory && is_named) return true;
    }
  }
  // With nothing but a lock in it, it is anybody's, or that of a recording that begins.
  return false;
}

Result<RunInspection> inspect_run(FileSystem& files, const std::string& run_path, bool writers_are_locked,
                                  const InspectOptions& options) {
  SB_ASSIGN_OR_RETURN(const bool exists, files.directory_exists(run_path));
  if (!exists) return Status::not_found(fmt::format("{} is no directory", run_path));
  if (!writers_are_locked) {
    RunInspection found;
    SB_ASSIGN_OR_RETURN(found.alive_writers, find_alive_writers(files, run_path));
    found.facts.writers = WritersFact::alive;
    if (!found.alive_writers.empty()) return found;
  }
  return Inspection(files, run_path, options).run();
}

Result<std::vector<std::string>> list_unfinished_runs(FileSystem& files, const std::string& store_path) {
  SB_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files.list_directory(store_path));
  std::vector<std::string> names;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || entry.name == file::kStoreDirectory || entry.name == file::kBarsDirectory) continue;
    const std::string path = store_path == "." ? entry.name : join_path(store_path, entry.name);
    const Result<std::vector<DirectoryEntry>> inside = files.list_directory(path);
    if (!inside.ok() || inside->empty()) continue;  // none of ours
    SB_ASSIGN_OR_RETURN(const bool is_run, looks_like_run(files, path));
    SB_ASSIGN_OR_RETURN(const bool is_finished, files.file_exists(join_path(path, file::kStrategyIndex)));
    SB_ASSIGN_OR_RETURN(const bool has_journal, has_journals(files, path));
    if (!is_run) continue;
    const bool is_settled = is_finished && !has_journal;
    SB_ASSIGN_OR_RETURN(const bool is_described, files.file_exists(join_path(path, file::kRunDescription)));
    const bool is_whole =
        is_settled && is_described && RunReader::open(files, path).status().code() != StatusCode::damaged;
    if (!is_whole) names.push_back(entry.name);
  }
  return names;
}

}  // namespace signalbook
