#include "store/change_pass.h"

#include <fmt/format.h>

#include <algorithm>

namespace signalbook {

ChangePass::ChangePass(const RecordedRun& run, std::vector<const RecordedSource*> sources)
    : run_(run), sources_(std::move(sources)), slots_(sources_.size()) {}

Status ChangePass::read() {
  for (uint32_t writer = 0; writer < run_.writers.size(); ++writer) SB_RETURN_IF_ERROR(read_writer(writer));
  return Status();
}

Status ChangePass::read_writer(uint32_t writer_number) {
  const WriterRecord& writer = run_.writers[writer_number];
  constexpr uint32_t kNone = 0xFFFFFFFF;
  std::vector<uint32_t> slot_of(writer.traces.size(), kNone);
  uint32_t first = kNone, last = 0;
  for (size_t k = 0; k < sources_.size(); ++k) {
    if (sources_[k]->writer != writer_number) continue;
    const uint32_t trace = sources_[k]->trace;
    const TraceRecord& record = writer.traces[trace];
    slot_of[trace] = static_cast<uint32_t>(k);
    slots_[k].wanted = record.change_count;
    slots_[k].bars.reserve(record.change_count);
    if (record.kind == SignalKind::label) {
      slots_[k].labels.reserve(record.change_count);
    } else {
      slots_[k].values.reserve(record.change_count);
    }
    first = std::min(first, trace);
    last = std::max(last, trace);
  }
  if (first == kNone) return Status();

  JournalBatch batch;
  for (const WriterRecord::Frame& frame : writer.frames) {
    if (frame.min_trace > last || frame.max_trace < first) continue;
    SB_RETURN_IF_ERROR(
        read_journal_frame(*writer.segments[frame.segment], writer.paths[frame.segment], frame.offset, &batch));
    for (const JournalChange& change : batch.changes) {
      if (slot_of[change.trace] == kNone) continue;
      Slot& slot = slots_[slot_of[change.trace]];
      if (slot.bars.size() == slot.wanted) continue;
      slot.bars.push_back(change.bar);
      slot.values.push_back(change.value);
    }
    for (const JournalLabelChange& change : batch.label_changes) {
      if (slot_of[change.trace] == kNone) continue;
      Slot& slot = slots_[slot_of[change.trace]];
      if (slot.bars.size() == slot.wanted) continue;
      slot.bars.push_back(change.bar);
      slot.labels.push_back(change.label);
    }
    for (const JournalPrice& price : batch.prices) {
      if (slot_of[price.trace] != kNone) slots_[slot_of[price.trace]].prices.emplace_back(price.bar, price.price);
    }
  }
  return Status();
}

Result<RecordedTrace> ChangePass::take(size_t k) {
  Slot slot = std::move(slots_[k]);
  const RecordedSource& source = *sources_[k];
  const WriterRecord& writer = run_.writers[source.writer];
  const TraceRecord& record = run_.record_of(source);
  const BarIndex bar_count = run_.bar_counts[source.feed];
  const auto damaged = [&](const std::string& what) {
    return Status::damaged(fmt::format("{}: strategy {}: {}", writer.paths.back(), source.strategy_id, what));
  };
  if (slot.bars.size() != slot.wanted) {
    return damaged(fmt::format("{} changes are there, {} were", slot.bars.size(), slot.wanted));
  }
  RecordedTrace trace;
  trace.strategy_id = source.strategy_id;
  trace.config = writer.strategies[record.strategy].config;
  trace.feed = source.feed;
  // What was said to be at its end holds until the last bar, if it ever said anything.
  trace.complete = is_complete(record, bar_count);
  trace.last_bar = record.ended ? bar_count - 1 : record.last_bar;
  trace.changes.kind = record.kind;
  trace.changes.idx.assign(slot.bars.begin(), slot.bars.end());
  trace.changes.values = std::move(slot.values);
  for (const uint32_t label : slot.labels) {
    if (label >= writer.labels.size() || writer.labels[label].empty()) return damaged("a label is lost");
    trace.changes.labels.push_back(writer.labels[label]);
  }
  const Status status = check_changes(trace.changes, bar_count);
  if (!status.ok()) return damaged(status.message());
  for (const auto& [bar, price] : slot.prices) {
    const auto place = std::lower_bound(slot.bars.begin(), slot.bars.end(), bar);
    if (place != slot.bars.end() && *place == bar)
      trace.prices.emplace_back(static_cast<size_t>(place - slot.bars.begin()), price);
  }
  return trace;
}

}  // namespace signalbook
