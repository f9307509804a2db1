#include <fmt/format.h>

#include "journal/journal_frame.h"

namespace signalbook {

Result<std::unique_ptr<JournalWriter>> JournalWriter::create(FileSystem& files, const std::string& path,
                                                             const JournalHeader& header,
                                                             const JournalOptions& options) {
  SB_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, files.create_append_file(path));
  std::unique_ptr<JournalWriter> writer(new JournalWriter(files, path, options, std::move(file)));
  writer->frame_.assign(kFrameHeaderSize, '\0');
  writer->frame_ += encode_journal_header(header);
  writer->note_time();
  SB_RETURN_IF_ERROR(writer->append_frame());
  return writer;
}

Status JournalWriter::write_if_due() {
  SB_RETURN_IF_ERROR(failure_);
  note_time();
  count_texts();
  return plain_bytes() + text_bytes_ < options_.frame_bytes ? Status() : write();
}

Status JournalWriter::write() {
  SB_RETURN_IF_ERROR(failure_);
  if (!is_gathered()) return Status();
  note_time();
  SB_RETURN_IF_ERROR(append_gathered());
  const bool is_due = written_bytes_ - durable_bytes_ >= options_.sync_bytes ||
                      options_.now() - *waiting_since_ >= std::chrono::milliseconds(options_.sync_milliseconds);
  return is_due ? make_durable() : Status();
}

Status JournalWriter::sync() {
  SB_RETURN_IF_ERROR(failure_);
  if (is_gathered()) SB_RETURN_IF_ERROR(append_gathered());
  if (!is_durable()) SB_RETURN_IF_ERROR(make_durable());
  append_seal();
  return Status();
}

Status JournalWriter::sync_if_older_than(int64_t milliseconds) {
  SB_RETURN_IF_ERROR(failure_);
  if (is_durable()) return Status();
  note_time();
  return options_.now() - *waiting_since_ >= std::chrono::milliseconds(milliseconds) ? sync() : Status();
}

bool JournalWriter::is_durable() const { return !is_gathered() && written_bytes_ == durable_bytes_ + seal_bytes_; }
int64_t JournalWriter::durable_position() const { return durable_position_; }
int64_t JournalWriter::byte_count() const { return written_bytes_; }

// Called for each thing that is gathered, so the clock is read for the first of them only.
void JournalWriter::note_time() {
  if (!waiting_since_ && !is_durable()) waiting_since_ = options_.now();
}

void JournalWriter::count_texts() {
  size_t size = 0;
  for (; counted_feeds_ < batch_.feeds.size(); ++counted_feeds_) {
    const JournalFeed& feed = batch_.feeds[counted_feeds_];
    size += sizeof(feed.bar_count) + feed.symbol.size() + feed.timeframe.size() + feed.data_id.size();
  }
  for (; counted_strategies_ < batch_.strategies.size(); ++counted_strategies_) {
    const JournalStrategy& strategy = batch_.strategies[counted_strategies_];
    size += strategy.id.size() + strategy.config.size();
  }
  for (; counted_labels_ < batch_.labels.size(); ++counted_labels_) size += batch_.labels[counted_labels_].size();
  counted_texts_ = counted_feeds_ + counted_strategies_ + counted_labels_;
  text_bytes_ += static_cast<int64_t>(size);
}

Status JournalWriter::fail(const Status& status) {
  constexpr std::string_view kWhatToDo = "; what was acknowledged is kept: mend that, then record again with --resume";
  return failure_ = Status::io_error(fmt::format("{}{}", status.message(), kWhatToDo));
}

Status JournalWriter::append_frame() {
  finish_frame(written_bytes_, durable_bytes_, frame_count_, &frame_);
  if (const Status status = file_->append(frame_); !status.ok()) return fail(status);
  written_bytes_ += static_cast<int64_t>(frame_.size());
  ++frame_count_;
  seal_bytes_ = 0;
  return Status();
}

// A frame that says nothing but that all before it is durable: a byte of that which is another one later on is damage
// then, and no write that a crash cut off. What it says holds whether it gets to the disk or not, so nobody waits for
// it; where it cannot be written, that is the next call's error.
void JournalWriter::append_seal() {
  if (seal_bytes_ > 0) return;
  frame_.assign(kFrameHeaderSize, '\0');
  encode_batch(batch_, &frame_);
  if (append_frame().ok()) seal_bytes_ = static_cast<int64_t>(frame_.size());
}

Status JournalWriter::append_gathered() {
  if (const auto size = static_cast<int64_t>(batch_.byte_count()); size > kLargestPayload) {
    return failure_ =
               Status::invalid(fmt::format("cannot write {} bytes to {} at a time, at most {}; record fewer bars "
                                           "at a time",
                                           size, path_, kLargestPayload));
  }
  frame_.assign(kFrameHeaderSize, '\0');
  encode_batch(batch_, &frame_);
  SB_RETURN_IF_ERROR(append_frame());
  written_position_ = batch_.position;
  batch_.clear();
  counted_feeds_ = counted_strategies_ = counted_labels_ = counted_texts_ = 0;
  text_bytes_ = 0;
  return Status();
}

Status JournalWriter::make_durable() {
  if (const Status status = file_->sync(); !status.ok()) return fail(status);
  if (!name_is_durable_) {
    if (const Status status = files_.sync_directory(parent_path(path_)); !status.ok()) return fail(status);
    name_is_durable_ = true;
  }
  durable_bytes_ = written_bytes_;
  seal_bytes_ = 0;
  durable_position_ = written_position_;
  waiting_since_.reset();
  return Status();
}

}  // namespace signalbook
