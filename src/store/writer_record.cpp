#include "store/writer_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace signalbook {

namespace {

// Where a trace stands while its journal is read.
struct Progress {
  uint32_t found = 0;  // changes, damaged stretches or not
  BarIndex last_bar = -1;
  int64_t damage_count = 0;  // stretches when it was last seen whole
  bool is_cut = false;       // there was a damaged stretch since its beginning
  uint32_t stated = JournalObserved::kNotEnded;
};

class WriterReader {
 public:
  WriterReader(FileSystem& files, const WriterJournal& journal) : files_(files), journal_(journal) {
    record_.writer = journal.writer;
  }

  Result<WriterRecord> run() {
    SB_ASSIGN_OR_RETURN(SegmentOrder order, order_segments(files_, journal_));
    record_.damage = std::move(order.damage);
    int64_t damage_before = 0;
    for (size_t i = 0; i < order.segments.size(); ++i) {
      const std::string& path = order.segments[i].path;
      damage_before += order.segments[i].follows_gap ? 1 : 0;
      SB_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files_.open_file(path));
      record_.paths.push_back(path);
      record_.segments.push_back(std::move(file));
      SB_ASSIGN_OR_RETURN(
          const JournalScan scan,
          scan_journal(
              files_, path, order.segments[i].limit, [&](const JournalBatch& batch, const JournalPlace& place) {
                return take(batch, static_cast<uint32_t>(i), place.offset, damage_before + place.damage_count).at(path);
              }));
      if (scan.header && !record_.header) record_.header = scan.header;
      if (scan.header) record_.header->missing = scan.header->missing;  // may be given later on
      record_.whole_bytes = scan.whole_bytes;
      record_.torn_bytes += scan.torn_bytes;
      if (scan.torn_bytes > 0) record_.torn_paths.push_back(path);
      for (const JournalDamage& damage : scan.damage) {
        record_.damage.push_back(
            fmt::format("{}: byte {}: {}; {} bytes are lost", path, damage.offset, damage.what, damage.lost_bytes));
      }
      damage_before += static_cast<int64_t>(scan.damage.size());
    }
    if (!record_.header && !record_.damage.empty()) {
      record_.damage.push_back(fmt::format("{}: lost with its first frame: code_version, tags and note",
                                           record_.paths.empty() ? journal_.writer : record_.paths.front()));
    }
    finish(damage_before);
    return std::move(record_);
  }

 private:
  // Declarations keep their numbers where one before them is lost.
  template <typename T>
  static Status declare(std::vector<T>& known, uint32_t first, const std::vector<T>& added) {
    if (added.empty()) return Status();
    if (first < known.size()) return Status::damaged("a number is declared twice");
    known.resize(first);
    known.insert(known.end(), added.begin(), added.end());
    return Status();
  }

  Status take(const JournalBatch& batch, uint32_t segment, int64_t offset, int64_t damage_count) {
    SB_RETURN_IF_ERROR(declare(record_.feeds, batch.first_feed, batch.feeds));
    SB_RETURN_IF_ERROR(declare(record_.strategies, batch.first_strategy, batch.strategies));
    SB_RETURN_IF_ERROR(declare(record_.labels, batch.first_label, batch.labels));
    if (!batch.traces.empty() && batch.first_trace < record_.traces.size())
      return Status::damaged("a trace is declared twice");
    for (size_t i = 0; i < batch.traces.size(); ++i) {
      const size_t number = batch.first_trace + i;
      reach(number, damage_count);
      record_.traces[number].strategy = batch.traces[i].strategy;
      record_.traces[number].feed = batch.traces[i].feed;
    }
    WriterRecord::Frame frame = {.segment = segment, .offset = offset};
    const auto note = [&](uint32_t trace, uint32_t bar) -> TraceRecord* {
      frame.min_trace = std::min(frame.min_trace, trace);
      frame.max_trace = std::max(frame.max_trace, trace);
      Progress& progress = see(trace, damage_count);
      ++progress.found;
      progress.last_bar = std::max(progress.last_bar, static_cast<BarIndex>(bar));
      if (progress.is_cut) return nullptr;
      ++record_.traces[trace].change_count;
      record_.traces[trace].last_bar = progress.last_bar;
      return &record_.traces[trace];
    };
    for (const JournalChange& change : batch.changes) {
      if (TraceRecord* const trace = note(change.trace, change.bar)) trace->last_value = change.value;
    }
    for (const JournalLabelChange& change : batch.label_changes) {
      if (TraceRecord* const trace = note(change.trace, change.bar)) {
        trace->kind = SignalKind::label;
        trace->last_label = change.label;
      }
    }
    for (const JournalObserved& observed : batch.observed) {
      for (uint32_t i = 0; i < observed.trace_count; ++i) {
        const uint32_t trace = observed.first_trace + i;
        Progress& progress = see(trace, damage_count);
        if (observed.last_bar != JournalObserved::kNoBar)
          progress.last_bar = std::max(progress.last_bar, static_cast<BarIndex>(observed.last_bar));
        if (observed.change_count != JournalObserved::kNotEnded) progress.stated = observed.change_count;
        if (!progress.is_cut) record_.traces[trace].last_bar = progress.last_bar;
      }
    }
    if (frame.min_trace <= frame.max_trace) record_.frames.push_back(frame);
    record_.position = batch.position;
    record_.input_ended = record_.input_ended || batch.input_ended;
    return Status();
  }

  void reach(size_t trace, int64_t damage_count) {
    if (trace < record_.traces.size()) return;
    record_.traces.resize(trace + 1);
    progress_.resize(trace + 1, Progress{.damage_count = damage_count});
  }

  Progress& see(uint32_t trace, int64_t damage_count) {
    reach(trace, damage_count);
    Progress& progress = progress_[trace];
    if (progress.damage_count != damage_count) progress.is_cut = true;
    return progress;
  }

  void finish(int64_t damage_count) {
    for (size_t i = 0; i < record_.traces.size(); ++i) {
      TraceRecord& trace = record_.traces[i];
      const Progress& progress = progress_[i];
      const bool is_whole = progress.stated != JournalObserved::kNotEnded && progress.stated == progress.found;
      if (is_whole) {
        trace.change_count = progress.found;
        trace.last_bar = progress.last_bar;
        trace.ended = true;
      } else if (progress.stated != JournalObserved::kNotEnded && damage_count == 0) {
        record_.damage.push_back(fmt::format("{}: trace {}: {} changes are there, {} were written",
                                             record_.paths.back(), i, progress.found, progress.stated));
      }
    }
  }

  FileSystem& files_;
  const WriterJournal& journal_;
  WriterRecord record_;
  std::vector<Progress> progress_;
};

}  // namespace

bool is_complete(const TraceRecord& trace, BarIndex bar_count) {
  return trace.last_bar >= 0 && (trace.ended || trace.last_bar == bar_count - 1);
}

Result<SegmentOrder> order_segments(FileSystem& files, const WriterJournal& journal) {
  SegmentOrder order;
  for (const std::string& path : journal.no_files) order.damage.push_back(path + ": is no file");
  std::map<int, std::pair<std::string, std::optional<JournalHeader>>> by_number;
  for (const bool is_named_right : {true, false}) {
    for (size_t i = 0; i < journal.segments.size(); ++i) {
      const std::string& path = journal.segments[i];
      SB_ASSIGN_OR_RETURN(std::optional<JournalHeader> header, read_journal_header(files, path));
      const int number = header ? header->segment : journal.numbers[i];
      const bool is_own = !header || header->writer == journal.writer;
      if ((is_own && number == journal.numbers[i]) != is_named_right) continue;
      if (!is_named_right) {
        order.damage.push_back(
            fmt::format("{}: its header says that it is segment {} of writer {}", path, number, header->writer));
      }
      if (is_own) by_number.try_emplace(number, path, std::move(header));
    }
  }
  int before = 0;
  for (auto& [number, segment] : by_number) {
    const bool follows_gap = number != before + 1;
    if (follows_gap) {
      const auto path_of = [&](int missing) {
        return join_path(parent_path(segment.first), file_name_of(segment_path("", journal.writer, missing)));
      };
      const std::string first = path_of(before + 1), last = path_of(number - 1);
      const bool is_told = first == last && std::ranges::find(journal.no_files, first) != journal.no_files.end();
      if (!is_told) order.damage.push_back(first == last ? first + ": missing" : first + " to " + last + ": missing");
    }
    if (!order.segments.empty() && !follows_gap && segment.second)
      order.segments.back().limit = segment.second->continues_at;
    order.segments.push_back({.path = segment.first, .limit = std::nullopt, .follows_gap = follows_gap});
    before = number;
  }
  return order;
}

Result<WriterRecord> read_writer_record(FileSystem& files, const WriterJournal& journal) {
  return WriterReader(files, journal).run();
}

}  // namespace signalbook
