#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "journal/journal_file.h"
#include "support/crash_disk.h"
#include "support/random_batch.h"

namespace signalbook {

// Nothing happens by time or by itself: the test decides.
inline constexpr JournalOptions kOnlyWhenTold{
    .frame_bytes = int64_t{1} << 40, .sync_bytes = int64_t{1} << 40, .sync_milliseconds = int64_t{1} << 40};

inline JournalHeader small_header() {
  return {.writer = "main",
          .segment = 2,
          .continues_at = 4096,
          .created_at = 1'735'043'696'000'000,
          .code_version = "v1.2",
          .note = std::nullopt,
          .tags = {{"who", "it's me"}, {"n", "3"}},
          .missing = MissingSignal::hold};
}

// A journal and what is known of it: frame 0 is the header, frame k holds batch k - 1.
struct KnownJournal {
  std::string bytes;
  std::vector<JournalBatch> batches;
  std::vector<int64_t> ends;     // of each frame
  std::vector<int64_t> durable;  // what was, when the frame was written

  int64_t begin(size_t frame) const { return frame == 0 ? 0 : ends[frame - 1]; }
  size_t frame_at(int64_t offset) const {
    return static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), offset) - ends.begin());
  }
  // Whether a frame behind this one knows that it was durable.
  bool is_known_durable(size_t frame) const {
    return std::any_of(durable.begin() + static_cast<std::ptrdiff_t>(frame) + 1, durable.end(),
                       [&](int64_t known) { return known > begin(frame); });
  }
};

// Frames of up to `most` items of each kind, a sync, and the frame that seals it, after every third or so but the last
// three.
inline KnownJournal make_journal(uint64_t seed, size_t frame_count, size_t most) {
  KnownJournal known;
  CrashDisk disk;
  RandomBatches random(seed);
  const auto writer = JournalWriter::create(disk, "/j", small_header(), kOnlyWhenTold).value();
  int64_t synced = 0;
  known.ends.push_back(writer->byte_count());
  known.durable.push_back(0);
  const auto note_frame = [&] {
    known.ends.push_back(writer->byte_count());
    known.durable.push_back(synced);
  };
  while (known.ends.size() < frame_count) {
    random.fill(writer->batch(), most);
    writer->batch().position += static_cast<int64_t>(1 + random.below(9));
    known.batches.push_back(writer->batch());
    EXPECT_TRUE(writer->write().ok());
    note_frame();
    if (known.ends.size() + 2 < frame_count && random.below(3) == 0) {
      synced = known.ends.back();
      known.batches.push_back(writer->batch());  // of the seal: nothing but the numbers
      EXPECT_TRUE(writer->sync().ok());
      note_frame();
    }
  }
  known.bytes = disk.read_file("/j").value();
  return known;
}

struct Visit {
  JournalBatch batch;
  JournalPlace place;
};
struct ScanResult {
  Status status;
  JournalScan scan;
  std::vector<Visit> visits;
};

inline ScanResult scan_file(FileSystem& files, const std::string& path, std::optional<int64_t> limit = std::nullopt) {
  ScanResult result;
  const auto scan = scan_journal(files, path, limit, [&](const JournalBatch& batch, const JournalPlace& place) {
    result.visits.push_back({batch, place});
    return Status();
  });
  result.status = scan.status();
  if (scan.ok()) result.scan = *scan;
  return result;
}

inline ScanResult scan_bytes(const std::string& bytes, std::optional<int64_t> limit = std::nullopt) {
  CrashDisk disk;
  EXPECT_TRUE(disk.write_new_file("/j", bytes).ok());
  return scan_file(disk, "/j", limit);
}

}  // namespace signalbook
