#include <gtest/gtest.h>

#include <cstring>

#include "base/crc32c.h"
#include "journal/journal_file.h"
#include "support/journal_bytes.h"

namespace signalbook {
namespace {

void expect_header(const JournalScan& scan) {
  ASSERT_TRUE(scan.header.has_value());
  const JournalHeader expected = small_header();
  EXPECT_EQ(scan.header->writer, expected.writer);
  EXPECT_EQ(scan.header->segment, expected.segment);
  EXPECT_EQ(scan.header->continues_at, expected.continues_at);
  EXPECT_EQ(scan.header->created_at, expected.created_at);
  EXPECT_EQ(scan.header->code_version, expected.code_version);
  EXPECT_EQ(scan.header->note, expected.note);
  EXPECT_EQ(scan.header->tags, expected.tags);
  EXPECT_EQ(scan.header->missing, expected.missing);
}

// Visited: these frames and no others, as they were written.
void expect_visits(const ScanResult& result, const KnownJournal& known, const std::vector<size_t>& frames) {
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  ASSERT_EQ(result.visits.size(), frames.size());
  EXPECT_EQ(result.scan.frame_count, static_cast<int64_t>(frames.size()));
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(result.visits[i].batch, known.batches[frames[i] - 1]);
    EXPECT_EQ(result.visits[i].place.offset, known.begin(frames[i]));
  }
}

std::vector<size_t> frames_between(size_t first, size_t end) {
  std::vector<size_t> frames;
  for (size_t frame = first; frame < end; ++frame) frames.push_back(frame);
  return frames;
}

TEST(Journal, ComesBackAsItWas) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const KnownJournal known = make_journal(seed, 20, seed < 10 ? 3 : 200);
    const auto size = static_cast<int64_t>(known.bytes.size());
    for (const std::optional<int64_t> limit : {std::optional<int64_t>(), std::optional<int64_t>(size)}) {
      const ScanResult result = scan_bytes(known.bytes, limit);
      expect_visits(result, known, frames_between(1, 20));
      expect_header(result.scan);
      EXPECT_EQ(result.scan.whole_bytes, size);
      EXPECT_EQ(result.scan.torn_bytes, 0);
      EXPECT_TRUE(result.scan.damage.empty());
    }
  }
}

TEST(Journal, EveryKindOfHeaderComesBack) {
  for (const MissingSignal missing : {MissingSignal::refuse, MissingSignal::flat, MissingSignal::hold}) {
    JournalHeader header{.writer = "w\"1\n", .code_version = "", .note = "ü", .tags = {}, .missing = missing};
    CrashDisk disk;
    ASSERT_TRUE(JournalWriter::create(disk, "/j", header).ok());
    const ScanResult result = scan_file(disk, "/j");
    ASSERT_TRUE(result.scan.header.has_value());
    EXPECT_EQ(result.scan.header->writer, header.writer);
    EXPECT_EQ(result.scan.header->segment, 1);
    EXPECT_EQ(result.scan.header->code_version, header.code_version);
    EXPECT_EQ(result.scan.header->note, header.note);
    EXPECT_TRUE(result.scan.header->tags.empty());
    EXPECT_EQ(result.scan.header->missing, missing);
  }
}

TEST(Journal, CutAnywhereItsWholeFramesComeBack) {
  const KnownJournal known = make_journal(1, 8, 2);
  const auto size = static_cast<int64_t>(known.bytes.size());
  for (int64_t cut = 0; cut <= size; ++cut) {
    SCOPED_TRACE(cut);
    const std::string bytes = known.bytes.substr(0, static_cast<size_t>(cut));
    const size_t first_lost = known.frame_at(cut);
    const int64_t whole = known.begin(first_lost);
    const ScanResult result = scan_bytes(bytes);
    expect_visits(result, known, frames_between(1, first_lost));
    EXPECT_EQ(result.scan.header.has_value(), first_lost > 0);
    EXPECT_EQ(result.scan.whole_bytes, whole);
    EXPECT_EQ(result.scan.torn_bytes, cut - whole);
    EXPECT_TRUE(result.scan.damage.empty());

    // What somebody went on from must be there.
    const ScanResult counted = scan_bytes(bytes, size);
    expect_visits(counted, known, frames_between(1, first_lost));
    EXPECT_EQ(counted.scan.torn_bytes, 0);
    ASSERT_EQ(counted.scan.damage.size(), cut < size ? 1u : 0u);
    if (cut < size) {
      EXPECT_EQ(counted.scan.damage[0].offset, whole);
      EXPECT_EQ(counted.scan.damage[0].lost_bytes, size - whole);
    }

    // And what comes behind the limit does not count, whatever it is.
    const ScanResult limited = scan_bytes(known.bytes, whole);
    expect_visits(limited, known, frames_between(1, first_lost));
    EXPECT_TRUE(limited.scan.damage.empty());
  }
}

TEST(Journal, EveryByteFlippedIsTornOrDamage) {
  const KnownJournal known = make_journal(2, 12, 2);
  const auto size = static_cast<int64_t>(known.bytes.size());
  int torn = 0, damaged = 0;
  for (int64_t at = 0; at < size; ++at) {
    for (const char flip : {'\1', '\x80', '\xFF'}) {
      SCOPED_TRACE(at);
      std::string bytes = known.bytes;
      bytes[static_cast<size_t>(at)] = static_cast<char>(bytes[static_cast<size_t>(at)] ^ flip);
      const size_t frame = known.frame_at(at);
      std::vector<size_t> before = frames_between(1, frame), others = before;
      for (const size_t after : frames_between(frame + 1, known.ends.size())) others.push_back(after);

      const auto expect_damage = [&](const ScanResult& result) {
        expect_visits(result, known, others);
        ASSERT_EQ(result.scan.damage.size(), 1u);
        EXPECT_EQ(result.scan.damage[0].offset, known.begin(frame));
        EXPECT_EQ(result.scan.damage[0].lost_bytes, known.ends[frame] - known.begin(frame));
        EXPECT_EQ(result.scan.torn_bytes, 0);
        for (size_t i = 0; i < result.visits.size(); ++i) {
          EXPECT_EQ(result.visits[i].place.damage_count, i < before.size() ? 0 : 1);
        }
      };
      const ScanResult result = scan_bytes(bytes);
      EXPECT_EQ(result.scan.header.has_value(), frame > 0);
      if (known.is_known_durable(frame)) {
        ++damaged;
        expect_damage(result);
      } else {
        ++torn;
        expect_visits(result, known, before);
        EXPECT_TRUE(result.scan.damage.empty());
        EXPECT_EQ(result.scan.torn_bytes, size - known.begin(frame));
      }
      expect_damage(scan_bytes(bytes, size));
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(torn, 100);
  EXPECT_GT(damaged, 100);
}

TEST(Journal, DamageIsNamedByItsFrames) {
  const KnownJournal known = make_journal(2, 12, 2);
  std::string bytes = known.bytes;
  ASSERT_TRUE(known.is_known_durable(3));
  for (const size_t frame : {2, 3}) bytes[static_cast<size_t>(known.begin(frame)) + 40] ^= 1;
  const ScanResult result = scan_bytes(bytes);
  ASSERT_EQ(result.scan.damage.size(), 1u);
  EXPECT_EQ(result.scan.damage[0].what, "frames 2 to 3 are lost");
  EXPECT_EQ(result.scan.damage[0].lost_bytes, known.ends[3] - known.begin(2));
}

// A disk may write what was not synced in any order.
TEST(Journal, AHoleInWhatWasNotSyncedIsTorn) {
  KnownJournal known = make_journal(3, 12, 2);
  ASSERT_FALSE(known.is_known_durable(10));
  std::string bytes = known.bytes;
  std::fill(bytes.begin() + known.begin(10), bytes.begin() + known.ends[10], '\0');
  const ScanResult result = scan_bytes(bytes);
  expect_visits(result, known, frames_between(1, 10));
  EXPECT_TRUE(result.scan.damage.empty());
  EXPECT_EQ(result.scan.torn_bytes, static_cast<int64_t>(bytes.size()) - known.begin(10));
}

TEST(Journal, HolesBeforeAndAfterWhatWasSynced) {
  const KnownJournal known = make_journal(2, 12, 2);
  ASSERT_TRUE(known.is_known_durable(1));
  ASSERT_TRUE(known.is_known_durable(4));
  ASSERT_FALSE(known.is_known_durable(10));
  std::string bytes = known.bytes;
  for (const size_t frame : {1, 4, 10}) bytes[static_cast<size_t>(known.begin(frame)) + 50] ^= 4;
  const ScanResult result = scan_bytes(bytes);
  expect_visits(result, known, {2, 3, 5, 6, 7, 8, 9});
  expect_header(result.scan);
  ASSERT_EQ(result.scan.damage.size(), 2u);
  EXPECT_EQ(result.visits[0].place.damage_count, 1);
  EXPECT_EQ(result.visits[1].place.damage_count, 1);
  EXPECT_EQ(result.visits[2].place.damage_count, 2);
  EXPECT_EQ(result.scan.whole_bytes, known.ends[9]);
  EXPECT_EQ(result.scan.torn_bytes, static_cast<int64_t>(bytes.size()) - known.begin(10));
}

TEST(Journal, GarbageIsNoJournal) {
  RandomBatches random(4);
  for (int round = 0; round < 200; ++round) {
    std::string garbage(random.below(2000), '\0');
    for (char& byte : garbage) byte = static_cast<char>(random.below(256));
    for (size_t at = 0; round % 2 == 0 && at + 4 <= garbage.size(); at += 8) garbage.replace(at, 4, "SBJ1");
    const ScanResult alone = scan_bytes(garbage);
    ASSERT_TRUE(alone.status.ok());
    EXPECT_FALSE(alone.scan.header.has_value());
    EXPECT_TRUE(alone.visits.empty());
    EXPECT_TRUE(alone.scan.damage.empty());
    EXPECT_EQ(alone.scan.torn_bytes, static_cast<int64_t>(garbage.size()));

    const KnownJournal known = make_journal(5, 4, 2);
    const ScanResult behind = scan_bytes(known.bytes + garbage);
    expect_visits(behind, known, frames_between(1, 4));
    EXPECT_EQ(behind.scan.torn_bytes, static_cast<int64_t>(garbage.size()));
  }
}

// A frame that stands in a text, or was left on the disk by another file, is none.
TEST(Journal, AFrameAtAnotherPlaceIsNone) {
  const KnownJournal known = make_journal(2, 12, 2);
  const size_t last = known.ends.size() - 1;
  const std::string copy = known.bytes.substr(static_cast<size_t>(known.begin(last)));
  std::string bytes = known.bytes.substr(0, static_cast<size_t>(known.begin(3))) + copy + std::string(8, 'x') + copy;
  const ScanResult result = scan_bytes(bytes);
  expect_visits(result, known, frames_between(1, 3));
  EXPECT_EQ(result.scan.torn_bytes, static_cast<int64_t>(bytes.size()) - known.begin(3));
}

// Frames around and beyond the size of what is read at a time.
TEST(Journal, FramesOfAnySize) {
  CrashDisk disk;
  KnownJournal known;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), kOnlyWhenTold).value();
  known.ends.push_back(writer->byte_count());
  constexpr size_t kWindow = size_t{4} << 20;
  uint32_t bar = 0;
  for (const size_t bytes :
       {kWindow - 5000, size_t{100}, kWindow - 88, kWindow - 72, kWindow, 3 * kWindow, size_t{160}}) {
    for (size_t i = 0; i < bytes / 16; ++i) writer->batch().changes.push_back({.trace = 1, .bar = ++bar, .value = 0.5});
    known.batches.push_back(writer->batch());
    ASSERT_TRUE(writer->write().ok());
    known.ends.push_back(writer->byte_count());
    known.batches.push_back(writer->batch());
    ASSERT_TRUE(writer->sync().ok());
    known.ends.push_back(writer->byte_count());  // behind the seal
  }
  known.bytes = disk.read_file("/j").value();
  expect_visits(scan_bytes(known.bytes), known, frames_between(1, 15));
  for (size_t frame = 1; frame < 14; ++frame) {
    std::string bytes = known.bytes;
    bytes[static_cast<size_t>(known.ends[frame]) - 1] ^= 1;
    std::vector<size_t> others = frames_between(1, 15);
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(frame) - 1);
    const ScanResult result = scan_bytes(bytes);
    expect_visits(result, known, others);
    EXPECT_EQ(result.scan.damage.size(), 1u);
  }
}

TEST(Journal, AFrameIsReadAgain) {
  const KnownJournal known = make_journal(6, 10, 3);
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("/j", known.bytes).ok());
  const auto file = disk.open_file("/j").value();
  JournalBatch batch;
  std::vector<int64_t> begins;
  for (size_t frame = 1; frame < 10; ++frame) {
    ASSERT_TRUE(read_journal_frame(*file, "/j", known.begin(frame), &batch).ok());
    EXPECT_EQ(batch, known.batches[frame - 1]);
    begins.push_back(known.begin(frame));
  }
  for (int64_t offset = 0; offset < static_cast<int64_t>(known.bytes.size()) + 40; ++offset) {
    if (std::find(begins.begin(), begins.end(), offset) != begins.end()) continue;
    ASSERT_EQ(read_journal_frame(*file, "/j", offset, &batch).code(), StatusCode::damaged) << offset;
  }
  std::string bytes = known.bytes;
  bytes[static_cast<size_t>(known.ends[4]) - 1] ^= 1;
  ASSERT_TRUE(disk.write_new_file("/k", bytes).ok());
  const Status status = read_journal_frame(*disk.open_file("/k").value(), "/k", known.begin(4), &batch);
  EXPECT_EQ(status.code(), StatusCode::damaged);
  EXPECT_NE(status.message().find("/k"), std::string::npos);
}

TEST(Journal, WhoVisitsMayStop) {
  const KnownJournal known = make_journal(7, 10, 3);
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("/j", known.bytes).ok());
  int count = 0;
  const auto scan = scan_journal(disk, "/j", std::nullopt, [&](const JournalBatch&, const JournalPlace&) {
    return ++count == 3 ? Status::invalid("enough") : Status();
  });
  EXPECT_EQ(scan.status().message(), "enough");
  EXPECT_EQ(count, 3);
  EXPECT_EQ(scan_file(disk, "/none").status.code(), StatusCode::not_found);
}

// ---- The bytes
// -------------------------------------------------------------------------------------------------------

// A frame as docs/format.md has it.
std::string frame(int64_t offset, int64_t durable, uint32_t number, std::string payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::string bytes(32, '\0');
  std::memcpy(bytes.data(), "SBJ1", 4);
  std::memcpy(bytes.data() + 4, &size, 4);
  std::memcpy(bytes.data() + 8, &offset, 8);
  std::memcpy(bytes.data() + 16, &durable, 8);
  std::memcpy(bytes.data() + 24, &number, 4);
  const uint32_t checksum = crc32c(bytes.substr(0, 28) + payload);
  std::memcpy(bytes.data() + 28, &checksum, 4);
  return bytes + payload;
}

TEST(Journal, ANewerOneIsRefused) {
  const auto refused = [](const std::string& bytes) {
    const Status status = scan_bytes(bytes).status;
    EXPECT_EQ(status.code(), StatusCode::invalid);
    EXPECT_NE(status.message().find("/j: frame "), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("newer Signalbook"), std::string::npos) << status.message();
  };
  refused(frame(0, 0, 0, R"({"journal_version":2}   )"));
  const KnownJournal known = make_journal(8, 3, 2);
  const auto size = static_cast<int64_t>(known.bytes.size());
  refused(known.bytes + frame(size, 0, 3,
                              known.bytes.substr(static_cast<size_t>(known.begin(1)) + 32, 40) +
                                  std::string("\xFF\xFF\xFF\x7F\1\0\0\0\0\0\0\0\0\0\0\0", 16)));
}

TEST(Journal, AWholeFrameThatIsNoneOfOursIsDamage) {
  const KnownJournal known = make_journal(8, 3, 2);
  const auto size = static_cast<int64_t>(known.bytes.size());
  const ScanResult result = scan_bytes(known.bytes + frame(size, 0, 3, "notblock"));
  expect_visits(result, known, frames_between(1, 3));
  ASSERT_EQ(result.scan.damage.size(), 1u);
  EXPECT_EQ(result.scan.damage[0].offset, size);
  EXPECT_EQ(result.scan.damage[0].lost_bytes, 40);
  EXPECT_EQ(result.scan.torn_bytes, 0);
  for (const char* header : {"no JSON ", R"({})      ", R"({"journal_version":1,"writer":7} )"}) {
    std::string payload = header;
    payload.append(-payload.size() % 8, ' ');
    const ScanResult headless = scan_bytes(frame(0, 0, 0, payload));
    ASSERT_TRUE(headless.status.ok());
    EXPECT_FALSE(headless.scan.header.has_value());
    EXPECT_EQ(headless.scan.damage.size(), 1u);
  }
}

TEST(Journal, TheBytesAreThoseOfTheFormat) {
  CrashDisk disk;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), kOnlyWhenTold).value();
  JournalBatch& batch = writer->batch();
  batch.feeds = {{.symbol = "SPY", .timeframe = "5m", .data_id = std::string(64, 'd'), .bar_count = 16614}};
  batch.strategies = {{.id = "strategy_0", .config = R"({"rsi":{"period":14}})"}, {.id = "é", .config = "{}"}};
  batch.traces = {{.strategy = 0, .feed = 0}, {.strategy = 1, .feed = 0}};
  ASSERT_TRUE(writer->sync().ok());
  batch.labels = {"calm", "wild"};
  batch.changes = {{.trace = 0, .bar = 30, .value = 1.0}, {.trace = 0, .bar = 45, .value = -0.5}};
  batch.label_changes = {{.trace = 1, .bar = 2, .label = 1}};
  batch.prices = {{.trace = 0, .bar = 45, .price = 471.25}};
  batch.position = 100;
  ASSERT_TRUE(writer->write().ok());
  batch.observed = {{.first_trace = 0, .trace_count = 1, .last_bar = 16613, .change_count = 2},
                    {.first_trace = 1, .trace_count = 1, .last_bar = 60}};
  batch.position = 120;
  ASSERT_TRUE(writer->write().ok());
  batch.input_ended = true;
  batch.position = 121;
  ASSERT_TRUE(writer->write().ok());
  const std::string written = disk.read_file("/j").value();

  const std::string golden = SIGNALBOOK_SOURCE_DIR "/tests/golden/journal/small.journal";
  const Result<std::string> expected = posix_file_system().read_file(golden);
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_TRUE(written == *expected) << "the bytes of a journal have changed: a reader of old ones must still read them";
  const ScanResult result = scan_file(posix_file_system(), golden);
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  expect_header(result.scan);
  ASSERT_EQ(result.visits.size(), 5u);
  EXPECT_EQ(result.visits[0].batch.strategies[1].id, "é");
  EXPECT_TRUE(result.visits[1].batch.empty());
  EXPECT_EQ(result.visits[2].batch.first_trace, 2u);
  EXPECT_EQ(result.visits[2].batch.prices[0].price, 471.25);
  EXPECT_EQ(result.visits[3].batch.observed[0].change_count, 2u);
  EXPECT_FALSE(result.visits[3].batch.input_ended);
  EXPECT_TRUE(result.visits[4].batch.input_ended);
}

// ---- The writer
// ------------------------------------------------------------------------------------------------------

TEST(JournalWriter, DurableIsWhatWasSynced) {
  CrashDisk disk;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), kOnlyWhenTold).value();
  EXPECT_FALSE(writer->is_durable());  // the header
  ASSERT_TRUE(writer->sync().ok());
  EXPECT_TRUE(writer->is_durable());
  EXPECT_EQ(writer->durable_position(), 0);

  writer->batch().changes.push_back({.trace = 1, .bar = 2, .value = 3.0});
  EXPECT_FALSE(writer->is_durable());
  writer->batch().position = 10;
  ASSERT_TRUE(writer->write().ok());
  EXPECT_TRUE(writer->batch().empty());
  EXPECT_FALSE(writer->is_durable());
  EXPECT_EQ(writer->durable_position(), 0);
  ASSERT_TRUE(writer->sync().ok());
  EXPECT_TRUE(writer->is_durable());
  EXPECT_EQ(writer->durable_position(), 10);

  writer->batch().position = 20;  // a position alone is worth a frame, too
  EXPECT_FALSE(writer->is_durable());
  ASSERT_TRUE(writer->sync().ok());
  EXPECT_TRUE(writer->is_durable());
  EXPECT_EQ(writer->durable_position(), 20);
  EXPECT_EQ(scan_file(disk, "/j").visits.back().batch.position, 20);
  EXPECT_EQ(disk.unsynced_bytes(), 32 + 40);  // the seal, a frame with its head: nobody waits for it
  EXPECT_EQ(disk.unsynced_changes(), 0);      // the name
}

TEST(JournalWriter, NothingNewWritesNothing) {
  CrashDisk disk;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), kOnlyWhenTold).value();
  writer->batch().position = 1;
  ASSERT_TRUE(writer->sync().ok());
  const int64_t size = writer->byte_count(), operations = disk.operation_count();
  ASSERT_TRUE(writer->write().ok());
  ASSERT_TRUE(writer->write_if_large().ok());
  ASSERT_TRUE(writer->sync().ok());
  ASSERT_TRUE(writer->sync_if_older_than(0).ok());
  EXPECT_EQ(writer->byte_count(), size);
  EXPECT_EQ(disk.operation_count(), operations);
  EXPECT_EQ(disk.read_file("/j").value().size(), static_cast<size_t>(size));
}

TEST(JournalWriter, FramesAreWrittenWhenTheyAreLarge) {
  CrashDisk disk;
  JournalOptions options = kOnlyWhenTold;
  options.frame_bytes = 1000;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), options).value();
  const auto gather_until_written = [&](auto add) {
    const int64_t before = writer->byte_count();
    int count = 0;
    while (writer->byte_count() == before && count < 1000) {
      add();
      ++count;
      EXPECT_TRUE(writer->write_if_large().ok());
    }
    EXPECT_GT(writer->byte_count() - before, 950);  // lengths and padding aside
    EXPECT_LT(writer->byte_count() - before, 2000);
    return count;
  };
  JournalBatch& batch = writer->batch();
  const std::string text(46, 't');
  EXPECT_EQ(gather_until_written([&] { batch.changes.emplace_back(); }), 63);
  EXPECT_EQ(gather_until_written([&] { batch.label_changes.emplace_back(); }), 63);
  EXPECT_EQ(gather_until_written([&] { batch.prices.emplace_back(); }), 63);
  EXPECT_EQ(gather_until_written([&] { batch.observed.emplace_back(); }), 63);
  EXPECT_EQ(gather_until_written([&] { batch.traces.emplace_back(); }), 125);
  EXPECT_EQ(gather_until_written([&] { batch.labels.push_back(text); }), 22);
  EXPECT_EQ(gather_until_written([&] { batch.strategies.push_back({.id = text, .config = text}); }), 11);
  EXPECT_EQ(gather_until_written([&] { batch.feeds.push_back({.symbol = text, .timeframe = text}); }), 10);
}

TEST(JournalWriter, SyncsAfterSoManyBytes) {
  CrashDisk disk;
  JournalOptions options = kOnlyWhenTold;
  options.sync_bytes = 1000;
  const auto writer = JournalWriter::create(disk, "/j", small_header(), options).value();
  while (writer->durable_position() == 0 && writer->byte_count() < 5000) {
    EXPECT_GT(disk.unsynced_bytes(), 0);
    writer->batch().position += 1;
    ASSERT_TRUE(writer->write().ok());
  }
  EXPECT_GE(writer->byte_count(), 1000);
  EXPECT_LT(writer->byte_count(), 1100);
  EXPECT_TRUE(writer->is_durable());

  writer->batch().position += 1;  // counted anew from there
  ASSERT_TRUE(writer->write().ok());
  EXPECT_FALSE(writer->is_durable());
  ASSERT_TRUE(writer->sync_if_older_than(1'000'000'000).ok());
  EXPECT_FALSE(writer->is_durable());
  ASSERT_TRUE(writer->sync_if_older_than(0).ok());
  EXPECT_TRUE(writer->is_durable());
}

// A clock that the test sets.
std::chrono::steady_clock::time_point fake_now;
void advance(int64_t milliseconds) { fake_now += std::chrono::milliseconds(milliseconds); }

class JournalClock : public ::testing::Test {
 protected:
  std::unique_ptr<JournalWriter> create(JournalOptions options) {
    options.now = [] { return fake_now; };
    return JournalWriter::create(disk_, "/j", small_header(), options).value();
  }

  CrashDisk disk_;
};

TEST_F(JournalClock, AFrameAfterSoLongIsSynced) {
  JournalOptions options = kOnlyWhenTold;
  options.sync_milliseconds = 1000;
  const auto writer = create(options);
  for (int round = 0; round < 3; ++round) {
    const int64_t before = writer->durable_position();
    writer->batch().position += 1;
    ASSERT_TRUE(writer->write().ok());
    advance(999);
    writer->batch().position += 1;
    ASSERT_TRUE(writer->write().ok());
    EXPECT_EQ(writer->durable_position(), before);
    advance(1);
    ASSERT_TRUE(writer->write_if_large().ok());  // no frame, so no sync
    EXPECT_EQ(writer->durable_position(), before);
    writer->batch().position += 1;
    ASSERT_TRUE(writer->write().ok());
    EXPECT_EQ(writer->durable_position(), before + 3);
    advance(5000);  // nothing waits meanwhile
  }
}

TEST_F(JournalClock, TheOldestThingThatWaitsDecides) {
  const auto writer = create(kOnlyWhenTold);
  ASSERT_TRUE(writer->sync().ok());
  for (int round = 0; round < 3; ++round) {
    const int64_t before = writer->durable_position();
    writer->batch().position += 1;
    ASSERT_TRUE(writer->sync_if_older_than(100).ok());  // seen for the first time
    advance(60);
    writer->batch().position += 1;
    ASSERT_TRUE(round == 1 ? writer->write().ok() : writer->write_if_large().ok());
    advance(39);
    ASSERT_TRUE(writer->sync_if_older_than(100).ok());
    EXPECT_EQ(writer->durable_position(), before);
    advance(1);
    ASSERT_TRUE(writer->sync_if_older_than(100).ok());
    EXPECT_EQ(writer->durable_position(), before + 2);
    advance(5000);
    ASSERT_TRUE(writer->sync_if_older_than(100).ok());
  }
}

TEST(JournalWriter, AFileThatIsThereIsNotTouched) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("/j", "mine").ok());
  EXPECT_FALSE(JournalWriter::create(disk, "/j", small_header()).ok());
  EXPECT_EQ(disk.read_file("/j").value(), "mine");
}
}  // namespace
}  // namespace signalbook
