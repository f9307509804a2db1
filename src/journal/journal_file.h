#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "format/signal_encoder.h"
#include "journal/journal_batch.h"

namespace signalbook {

// How the traces of the run are to lie on disk when it is finished.
enum class RunLayout : uint8_t {
  automatic,  // by how many there are
  files,
  packed,
  packed_full,  // with columns that need neither index nor bars
};

// The first frame of a journal: whose it is, and what the run is to be.
struct JournalHeader {
  std::string writer;
  int segment = 1;  // a writer that goes on after a crash begins another file
  // Of the segment before this one, what counts: its whole frames when this one was begun. 0 for the first.
  int64_t continues_at = 0;
  int64_t created_at = 0;  // of the run, microseconds since 1970 UTC
  std::optional<std::string> code_version, note;
  std::vector<std::pair<std::string, std::string>> tags;
  MissingSignal missing = MissingSignal::refuse;
  RunLayout layout = RunLayout::automatic;
};

// When a journal makes itself durable without being told: after so many bytes, or at the first frame so long after the
// last time.
struct JournalOptions {
  int64_t frame_bytes = int64_t{1} << 20;
  int64_t sync_bytes = int64_t{64} << 20;
  int64_t sync_milliseconds = 1000;
  std::chrono::steady_clock::time_point (*now)() = std::chrono::steady_clock::now;  // a test has its own
};

// Writes one journal file. What it gathers in batch() becomes a frame when it is large enough, and durable in groups.
// After an error nothing more is taken: every later call returns that error. Without sync() at the end, what was not
// yet durable may be there later, or not.
class JournalWriter {
 public:
  // `path` must not exist. It is durable, its name in its directory too, with the first sync.
  static Result<std::unique_ptr<JournalWriter>> create(FileSystem& files, const std::string& path,
                                                       const JournalHeader& header, const JournalOptions& options = {});

  // What the next frame is to hold.
  JournalBatch& batch() { return batch_; }
  // To be called between two things that belong together: writes a frame when the batch is large enough, and syncs when
  // that is due.
  Status write_if_large() {  // here, because it is called for each change
    const bool is_small = plain_bytes() + text_bytes_ < options_.frame_bytes && text_count() == counted_texts_;
    return is_small && waiting_since_ && failure_.ok() ? Status() : write_if_due();
  }
  // Writes what is gathered, however little, and syncs when that is due. Nothing gathered and the same position:
  // nothing is written.
  Status write();
  // Writes what is gathered and makes it durable, and then a frame that says so.
  Status sync();
  // The same when the oldest thing that is not durable is `milliseconds` old, as seen by the first call here after it
  // was gathered.
  Status sync_if_older_than(int64_t milliseconds);

  // Whether all that was handed over is durable, the header too; and the caller's position that is.
  bool is_durable() const;
  int64_t durable_position() const;
  int64_t byte_count() const;  // of the file

 private:
  JournalWriter(FileSystem& files, std::string path, const JournalOptions& options, std::unique_ptr<AppendFile> file)
      : files_(files), path_(std::move(path)), options_(options), file_(std::move(file)) {}

  bool is_gathered() const { return !batch_.empty() || batch_.position != written_position_; }
  // About what the batch takes, in two parts: the texts are counted as they come, not each time.
  int64_t plain_bytes() const {
    constexpr int64_t kPerChange = sizeof(JournalChange);
    static_assert(sizeof(JournalLabelChange) == kPerChange && sizeof(JournalPrice) == kPerChange &&
                  sizeof(JournalObserved) == kPerChange);
    return static_cast<int64_t>(batch_.changes.size() + batch_.label_changes.size() + batch_.prices.size() +
                                batch_.observed.size()) *
               kPerChange +
           static_cast<int64_t>(batch_.traces.size() * sizeof(JournalTrace));
  }
  size_t text_count() const { return batch_.feeds.size() + batch_.strategies.size() + batch_.labels.size(); }
  void count_texts();
  Status write_if_due();
  void note_time();
  // Of the disk: the first error, and every call's after it.
  Status fail(const Status& status);
  // The frame whose payload stands in frame_, behind room for its header.
  Status append_frame();
  Status append_gathered();
  void append_seal();
  Status make_durable();

  FileSystem& files_;
  std::string path_;
  JournalOptions options_;
  std::unique_ptr<AppendFile> file_;
  JournalBatch batch_;
  std::string frame_;  // scratch
  size_t counted_feeds_ = 0, counted_strategies_ = 0, counted_labels_ = 0;
  size_t counted_texts_ = 0;  // these three together
  int64_t text_bytes_ = 0;    // of what is counted
  uint32_t frame_count_ = 0;
  int64_t written_bytes_ = 0, durable_bytes_ = 0;
  int64_t seal_bytes_ = 0;  // of the seal, where the last frame is one
  int64_t written_position_ = 0, durable_position_ = 0;
  bool name_is_durable_ = false;
  std::optional<std::chrono::steady_clock::time_point> waiting_since_;  // the oldest thing that is not durable
  Status failure_;
};

// A frame that is not what was written, before the end of what the writer had made durable.
struct JournalDamage {
  int64_t offset = 0;      // where the first bad byte's frame begins
  int64_t lost_bytes = 0;  // up to the next whole frame, or to the end of what counts
  std::string what;
};

// What a journal file holds.
struct JournalScan {
  std::optional<JournalHeader> header;  // none: the first frame is not whole
  int64_t frame_count = 0;              // visited: the header is not among them
  int64_t whole_bytes = 0;              // up to the end of the last whole frame
  int64_t torn_bytes = 0;               // behind it: a write that a crash cut off
  std::vector<JournalDamage> damage;
};

// Where a frame stands.
struct JournalPlace {
  int64_t offset = 0;
  int64_t damage_count = 0;  // how many times frames before it are lost
};

// Reads a journal file frame by frame, in a few MB of memory. Bytes that are no frame are torn when nothing after them
// was written later than a sync that covers them, else damage; frames behind damage are visited all the same, and
// marked by damage_count. Only the first `limit` bytes count, where one is given. `visit` is not called for the header.
// Stops with the first error of `visit`. NotFound when there is no such file, Invalid when a newer Signalbook wrote it.
Result<JournalScan> scan_journal(FileSystem& files, const std::string& path, std::optional<int64_t> limit,
                                 const std::function<Status(const JournalBatch&, const JournalPlace&)>& visit);

// The header of a journal file; nothing when it is not whole. NotFound and Invalid as above.
Result<std::optional<JournalHeader>> read_journal_header(FileSystem& files, const std::string& path);

// Reads again the frame that a scan has found at this offset. Damaged when it is not there any more.
Status read_journal_frame(ReadableFile& file, const std::string& path, int64_t offset, JournalBatch* batch);

}  // namespace signalbook
