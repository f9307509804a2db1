#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "support/failing_file_system.h"
#include "support/journal_bytes.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

bool long_tests() { return std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr; }

// What a writer was told, and what was acknowledged to it.
struct Told {
  std::vector<JournalBatch> batches;  // whose write was tried
  int64_t acknowledged = 0;           // the position
};

// Appends and syncs as the seed has it, until something fails; then every call must say the same for ever.
void write_at_random(FileSystem& files, const std::string& path, uint64_t seed, Told& told) {
  RandomBatches random(seed);
  JournalOptions options = kOnlyWhenTold;
  if (random.below(2) == 0) options.sync_bytes = 1000;
  auto created = JournalWriter::create(files, path, small_header(), options);
  if (!created.ok()) return;
  JournalWriter& writer = **created;
  Status status;
  for (int step = 0; step < 12 && status.ok(); ++step) {
    random.fill(writer.batch(), random.below(10) == 0 ? 100 : 3);
    writer.batch().position += 1;
    told.batches.push_back(writer.batch());
    status = random.below(3) == 0 ? writer.sync() : writer.write();
    told.acknowledged = writer.durable_position();
    ASSERT_LE(told.acknowledged, writer.batch().position);
    if (status.ok()) {
      ASSERT_EQ(writer.is_durable(), told.acknowledged == writer.batch().position);
    }
  }
  if (status.ok()) return;
  EXPECT_NE(status.message().find("--resume"), std::string::npos) << status.message();
  for (int again = 0; again < 3; ++again) {
    writer.batch().position += 1;
    EXPECT_EQ(writer.write().message(), status.message());
    EXPECT_EQ(writer.write_if_large().message(), status.message());
    EXPECT_EQ(writer.sync().message(), status.message());
    EXPECT_EQ(writer.sync_if_older_than(0).message(), status.message());
    EXPECT_FALSE(writer.is_durable());
    EXPECT_EQ(writer.durable_position(), told.acknowledged);
  }
}

// Everything acknowledged is there, in order, and nothing that was not written.
void expect_kept(FileSystem& files, const std::string& path, const Told& told) {
  ScanResult result = scan_file(files, path);
  if (result.status.code() == StatusCode::not_found) {
    EXPECT_EQ(told.acknowledged, 0);
    return;
  }
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_TRUE(result.scan.damage.empty()) << result.scan.damage[0].what;
  std::erase_if(result.visits, [last = int64_t{0}](const Visit& visit) mutable {
    const bool is_seal = visit.batch.empty() && visit.batch.position == last;
    last = visit.batch.position;
    return is_seal;
  });
  ASSERT_LE(result.visits.size(), told.batches.size());
  for (size_t i = 0; i < result.visits.size(); ++i) ASSERT_EQ(result.visits[i].batch, told.batches[i]);
  const int64_t found = result.visits.empty() ? 0 : result.visits.back().batch.position;
  EXPECT_GE(found, told.acknowledged);
}

TEST(JournalCrash, AFailedOperationIsTheLast) {
  int64_t operations = 1;
  for (int64_t failing = 0; failing < operations; ++failing) {
    for (const bool for_good : {false, true}) {
      SCOPED_TRACE(failing);
      TemporaryDirectory directory;
      FailingFileSystem files(failing, for_good);
      Told told;
      write_at_random(files, directory / "j", 1, told);
      if (HasFatalFailure()) return;
      expect_kept(posix_file_system(), directory / "j", told);
      operations = std::max(operations, files.operation_count());
      if (files.has_failed()) operations = std::max(operations, failing + 2);
    }
  }
  EXPECT_GT(operations, 12);
}

TEST(JournalCrash, WhatWasAcknowledgedSurvives) {
  const uint64_t runs = long_tests() ? 2000 : 40;
  int64_t lost_bytes = 0, crashes = 0;
  for (uint64_t run = 0; run < runs; ++run) {
    CrashDisk disk;
    ASSERT_TRUE(disk.create_directory("/run").ok());
    ASSERT_TRUE(disk.sync_directory("/").ok());
    if (run % 2 == 1) disk.fail_at(disk.operation_count() + static_cast<int64_t>(run / 2 % 25), run % 4 == 1);
    Told told;
    const auto crash = [&] {
      for (uint64_t seed = 0; seed < 8; ++seed) {
        SCOPED_TRACE("run " + std::to_string(run) + ", seed " + std::to_string(seed));
        CrashDisk left = disk.after_crash(seed);
        expect_kept(left, "/run/j", told);
        const ScanResult result = scan_file(left, "/run/j");
        lost_bytes += result.scan.torn_bytes;
        ++crashes;
      }
    };
    disk.before_each([&](const CrashDisk::Operation&) { crash(); });
    write_at_random(disk, "/run/j", run, told);
    crash();
    if (HasFailure()) return;
  }
  EXPECT_GT(crashes, 1000);
  EXPECT_GT(lost_bytes, 0);
}

// Cut, repeated, moved, overwritten: what comes back stood there, and all before the first change does.
TEST(JournalCrash, AnyBytesAreReadToTheirEnd) {
  const int rounds = long_tests() ? 300'000 : 3'000;
  RandomBatches random(9);
  int64_t visited = 0, damaged = 0;
  for (int round = 0; round < rounds; ++round) {
    const KnownJournal known = make_journal(static_cast<uint64_t>(round % 50), 10, 2);
    std::string bytes = known.bytes;
    size_t first_change = bytes.size();
    for (uint64_t change = 1 + random.below(4); change > 0 && !bytes.empty(); --change) {
      const size_t at = random.below(bytes.size()), size = std::min(random.below(64), bytes.size() - at);
      first_change = std::min(first_change, at);
      switch (random.below(6)) {
        case 0:
          bytes[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, '\0');
          break;
        case 2:
          bytes.erase(at, size);
          break;
        case 3:
          bytes.insert(at, bytes.substr(random.below(bytes.size()), size));
          break;
        case 4:
          bytes.replace(at, size, bytes.substr(random.below(bytes.size()), size));
          break;
        default:
          bytes.resize(at);
          break;
      }
    }
    std::optional<int64_t> limit;
    if (random.below(3) == 0) limit = static_cast<int64_t>(random.below(known.bytes.size() + 100));
    const ScanResult result = scan_bytes(bytes, limit);
    ASSERT_TRUE(result.status.ok()) << result.status.message();
    const int64_t counts = std::min(static_cast<int64_t>(first_change), limit.value_or(int64_t{1} << 40));
    const size_t whole = known.frame_at(counts);
    ASSERT_GE(result.visits.size() + 1, whole) << round;
    int64_t last = 0;
    for (const Visit& visit : result.visits) {
      ASSERT_GT(visit.place.offset, last) << round;
      last = visit.place.offset;
      const size_t frame = known.frame_at(last);
      ASSERT_EQ(known.begin(frame), last) << round;
      ASSERT_EQ(visit.batch, known.batches[frame - 1]) << round;
    }
    ASSERT_LE(result.scan.whole_bytes + result.scan.torn_bytes, static_cast<int64_t>(bytes.size())) << round;
    for (const JournalDamage& damage : result.scan.damage) ASSERT_GT(damage.lost_bytes, 0) << round;
    visited += result.scan.frame_count;
    damaged += static_cast<int64_t>(result.scan.damage.size());
  }
  EXPECT_GT(visited, rounds);
  EXPECT_GT(damaged, rounds / 20);
}

}  // namespace
}  // namespace signalbook
