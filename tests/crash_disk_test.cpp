#include "support/crash_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "support/failing_file_system.h"
#include "support/temporary_directory.h"

namespace signalbook {
namespace {

constexpr uint64_t kSeeds = 300;

// Bytes that are never zero, and tell their place.
std::string filler(size_t size, size_t from = 0) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(1 + (from + i) % 251);
  return bytes;
}

std::string read(FileSystem& disk, const std::string& path) {
  const Result<std::string> bytes = disk.read_file(path);
  return bytes.ok() ? *bytes : "(" + bytes.status().message() + ")";
}

bool exists(FileSystem& disk, const std::string& path) { return disk.file_exists(path).value(); }

// Every file with its bytes and every directory, by path.
std::map<std::string, std::string> all_of(FileSystem& disk, const std::string& directory) {
  std::map<std::string, std::string> found;
  const std::vector<DirectoryEntry> entries = disk.list_directory(directory).value();
  for (const DirectoryEntry& entry : entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_directory) {
      found[path] = "(directory)";
      found.merge(all_of(disk, path));
    } else {
      found[path] = disk.read_file(path).value();
    }
  }
  return found;
}

// ---- Without a crash it is a disk
// ------------------------------------------------------------------------------------

// One random operation, and what it says.
std::string random_operation(FileSystem& disk, const std::string& root, uint64_t seed,
                             std::vector<std::unique_ptr<AppendFile>>* open) {
  std::mt19937_64 random(seed);
  const auto path = [&] {
    std::string result = root;
    for (uint64_t depth = 1 + random() % 3; depth > 0; --depth) result += "/" + std::string(1, "abc"[random() % 3]);
    return result;
  };
  const auto say = [](const Status& status) { return std::to_string(int(status.code())) + " " + status.message(); };
  const std::string one = path(), two = path();
  const std::string bytes = filler(random() % 2000);
  switch (random() % 15) {
    case 0:
    case 1:
      return say(disk.write_new_file(one, bytes));
    case 2: {
      auto file = disk.create_append_file(one);
      if (file.ok()) open->push_back(std::move(file).value());
      return say(file.status());
    }
    case 3:
      if (open->empty()) return "";
      return say((*open)[random() % open->size()]->append(bytes));
    case 4:
      if (open->empty()) return "";
      return say((*open)[random() % open->size()]->sync());
    case 5:
    case 6:
      return say(disk.rename(one, two));
    case 7:
      return say(disk.sync_directory(one));
    case 8:
    case 9:
    case 10:
      return say(disk.create_directory(one));
    case 11:
      return say(disk.remove_file(one));
    case 12:
      return say(disk.remove_directory(one));
    case 13: {
      const auto file = disk.open_file(one);
      if (!file.ok()) return say(file.status());
      std::string piece(700, '\0');
      const size_t count = (*file)->read(static_cast<int64_t>(random() % 2000), piece).value();
      return std::to_string((*file)->size()) + " " + piece.substr(0, count);
    }
    default: {
      const auto stamp = disk.stamp(one);
      const auto listed = disk.list_directory(one);
      std::string answer = say(stamp.status()) + say(listed.status()) + say(disk.read_file(one).status()) +
                           say(disk.absolute_path(one).status()) + (exists(disk, one) ? "file" : "") +
                           (disk.directory_exists(one).value() ? "directory" : "");
      if (stamp.ok() && *stamp) answer += std::to_string((*stamp)->size);
      return answer;
    }
  }
}

TEST(CrashDisk, SaysAndHoldsWhatTheRealDiskDoes) {
  for (uint64_t round = 0; round < 30; ++round) {
    TemporaryDirectory directory;
    FailingFileSystem real(-1, false);  // counts
    CrashDisk disk;
    ASSERT_TRUE(create_directories(disk, directory.path()).ok());
    const int64_t before = disk.operation_count();
    std::vector<std::unique_ptr<AppendFile>> real_open, open;
    for (uint64_t i = 0; i < 200; ++i) {
      const uint64_t seed = round * 1000 + i;
      const std::string expected = random_operation(real, directory.path(), seed, &real_open);
      ASSERT_EQ(random_operation(disk, directory.path(), seed, &open), expected) << "seed " << seed;
      ASSERT_EQ(disk.operation_count() - before, real.operation_count()) << "seed " << seed;
    }
    ASSERT_EQ(all_of(disk, directory.path()), all_of(real, directory.path()));
    CrashDisk killed = disk.after_kill();
    ASSERT_EQ(all_of(killed, directory.path()), all_of(real, directory.path()));
    CrashDisk spared = disk.after_crash(1);
    ASSERT_EQ(all_of(spared, directory.path()), all_of(real, directory.path()));
  }
}

// ---- What a power cut leaves
// -----------------------------------------------------------------------------------------

TEST(CrashDisk, WhatIsSyncedStays) {
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("d").ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  ASSERT_TRUE(disk.write_new_file("d/whole.tmp", filler(3000)).ok());
  const auto file = disk.create_append_file("d/grows").value();
  ASSERT_TRUE(file->append(filler(700)).ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"d/whole.tmp"}).ok());
  ASSERT_TRUE(disk.rename("d/whole.tmp", "d/whole").ok());
  EXPECT_EQ(disk.unsynced_changes(), 3);
  ASSERT_TRUE(disk.sync_directory("d").ok());
  EXPECT_EQ(disk.unsynced_changes(), 0);
  ASSERT_TRUE(file->append(filler(5000, 700)).ok());
  EXPECT_EQ(disk.unsynced_bytes(), 5000);
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    EXPECT_EQ(read(after, "d/whole"), filler(3000));
    EXPECT_FALSE(exists(after, "d/whole.tmp"));
    EXPECT_EQ(read(after, "d/grows").substr(0, 700), filler(700));
    EXPECT_EQ(after.unsynced_bytes() + after.unsynced_changes(), 0);
  }
}

// Every byte that is there after a crash is the one that was written, or a zero; whole sectors share a fate.
TEST(CrashDisk, UnsyncedBytesAreLostInPieces) {
  CrashDisk disk;
  const auto file = disk.create_append_file("f").value();
  ASSERT_TRUE(disk.sync_directory("/").ok());
  const std::string all = filler(5000);
  for (size_t from = 0; from < all.size(); from += 250) {
    ASSERT_TRUE(file->append(all.substr(from, 250)).ok());
    if (from == 500) {
      ASSERT_TRUE(file->sync().ok());
    }
  }
  std::set<size_t> sizes;
  int most_holes = 0;
  bool shorter_with_zeros = false, as_long_with_zeros = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    const std::string bytes = read(after, "f");
    ASSERT_LE(bytes.size(), all.size());
    ASSERT_EQ(bytes.substr(0, 750), all.substr(0, 750));
    sizes.insert(bytes.size());
    int holes = 0;
    for (size_t i = 750; i < bytes.size(); ++i) {
      ASSERT_TRUE(bytes[i] == '\0' || bytes[i] == all[i]) << i;
      if (bytes[i] == '\0') continue;
      holes += bytes[i - 1] == '\0' ? 1 : 0;
      ASSERT_TRUE(i % 512 == 0 || bytes[i - 1] != '\0') << "a sector in two minds at " << i;
    }
    most_holes = std::max(most_holes, holes);
    if (bytes.back() == '\0') (bytes.size() == all.size() ? as_long_with_zeros : shorter_with_zeros) = true;
  }
  EXPECT_TRUE(sizes.contains(750) && sizes.contains(5000) && sizes.size() > 20);
  EXPECT_GT(most_holes, 1);
  EXPECT_TRUE(shorter_with_zeros && as_long_with_zeros);
  CrashDisk least = disk.after_crash(0);
  EXPECT_EQ(read(least, "f"), all.substr(0, 750));
}

// The classic mistake: a rename that is durable before the bytes are.
TEST(CrashDisk, ARenameDoesNotWaitForTheBytes) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("f.tmp", filler(2000)).ok());
  ASSERT_TRUE(disk.rename("f.tmp", "f").ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  CrashDisk after = disk.after_crash(0);
  EXPECT_EQ(read(after, "f"), "");
}

TEST(CrashDisk, ARenameHappensOrNot) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("f", "old").ok());
  ASSERT_TRUE(disk.write_new_file("f.tmp", "new").ok());
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"f", "f.tmp"}).ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  ASSERT_TRUE(disk.rename("f.tmp", "f").ok());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    seen.insert(read(after, "f"));
    EXPECT_EQ(exists(after, "f.tmp"), read(after, "f") == "old");
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST(CrashDisk, ARenameToAnotherDirectoryNeedsASyncOfThatOne) {
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("a").ok());
  ASSERT_TRUE(disk.create_directory("b").ok());
  ASSERT_TRUE(disk.write_new_file("a/f", "").ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  ASSERT_TRUE(disk.sync_directory("a").ok());
  ASSERT_TRUE(disk.rename("a/f", "b/f").ok());
  ASSERT_TRUE(disk.sync_directory("a").ok());
  std::set<bool> moved;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    EXPECT_NE(exists(after, "a/f"), exists(after, "b/f"));
    moved.insert(exists(after, "b/f"));
  }
  EXPECT_EQ(moved.size(), 2u);
  ASSERT_TRUE(disk.sync_directory("b").ok());
  CrashDisk after = disk.after_crash(0);
  EXPECT_TRUE(exists(after, "b/f") && !exists(after, "a/f"));
}

TEST(CrashDisk, ChangesOfOneNameHappenInOrder) {
  CrashDisk disk;
  for (const char* name : {"a", "b"}) ASSERT_TRUE(disk.create_directory(name).ok());
  ASSERT_TRUE(disk.write_new_file("a/f", "old").ok());
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"a/f"}).ok());
  for (const char* name : {"a", "/"}) ASSERT_TRUE(disk.sync_directory(name).ok());
  ASSERT_TRUE(disk.rename("a/f", "a/g").ok());
  ASSERT_TRUE(disk.rename("a/g", "b/f").ok());
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    EXPECT_EQ(exists(after, "a/f") + exists(after, "a/g") + exists(after, "b/f"), 1) << "one file, one name";
  }
  // A new file of that name is durable: then so is that the old one has left it.
  ASSERT_TRUE(disk.write_new_file("a/g", "new").ok());
  ASSERT_TRUE(disk.sync_directory("a").ok());
  CrashDisk after = disk.after_crash(0);
  EXPECT_EQ(read(after, "b/f"), "old");
  EXPECT_EQ(read(after, "a/g"), "");
  EXPECT_FALSE(exists(after, "a/f"));
}

TEST(CrashDisk, ChangesOfDifferentNamesAreLostInAnyOrder) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("first", "").ok());
  ASSERT_TRUE(disk.write_new_file("second", "").ok());
  ASSERT_TRUE(disk.remove_file("first").ok());
  ASSERT_TRUE(disk.write_new_file("first", "").ok());
  ASSERT_TRUE(disk.rename("first", "third").ok());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CrashDisk after = disk.after_crash(seed);
    std::string names;
    for (const auto& [path, bytes] : all_of(after, "/")) names += file_name_of(path) + " ";
    seen.insert(names);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"", "first ", "second ", "third ", "first second ", "second third "}));
}

TEST(CrashDisk, AFileIsLostWithADirectoryThatIsNotDurable) {
  CrashDisk disk;
  ASSERT_TRUE(disk.create_directory("d").ok());
  ASSERT_TRUE(disk.write_new_file("d/f", "x").ok());
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"d/f"}).ok());
  ASSERT_TRUE(disk.sync_directory("d").ok());
  CrashDisk after = disk.after_crash(0);
  EXPECT_FALSE(after.directory_exists("d").value());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  after = disk.after_crash(0);
  EXPECT_EQ(read(after, "d/f"), "x");
}

TEST(CrashDisk, ARemovalThatIsNotSyncedCanBeUndone) {
  CrashDisk disk;
  ASSERT_TRUE(disk.write_new_file("f", "x").ok());
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"f"}).ok());
  ASSERT_TRUE(disk.sync_directory("/").ok());
  ASSERT_TRUE(disk.remove_file("f").ok());
  CrashDisk after = disk.after_crash(0);
  EXPECT_EQ(read(after, "f"), "x");
  ASSERT_TRUE(disk.sync_directory("/").ok());
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    after = disk.after_crash(seed);
    EXPECT_FALSE(exists(after, "f"));
  }
}

TEST(CrashDisk, AKilledProcessLosesNothingUntilThePowerGoes) {
  CrashDisk disk;
  const auto file = disk.create_append_file("f").value();
  ASSERT_TRUE(file->append("bytes").ok());
  CrashDisk killed = disk.after_kill();
  ASSERT_TRUE(file->append(" of the dead").ok());
  EXPECT_EQ(read(killed, "f"), "bytes");
  CrashDisk after = killed.after_crash(0);
  EXPECT_FALSE(exists(after, "f"));
  ASSERT_TRUE(killed.sync_files(std::vector<std::string>{"f"}).ok());
  ASSERT_TRUE(killed.sync_directory("/").ok());
  after = killed.after_crash(0);
  EXPECT_EQ(read(after, "f"), "bytes");
}

// The same operations always leave the same.
TEST(CrashDisk, ASeedIsADisk) {
  CrashDisk disk;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(disk.write_new_file(name, filler(3000)).ok());
  std::set<std::map<std::string, std::string>> seen;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CrashDisk one = disk.after_crash(seed), same = disk.after_crash(seed);
    EXPECT_EQ(all_of(one, "/"), all_of(same, "/"));
    seen.insert(all_of(one, "/"));
  }
  EXPECT_GT(seen.size(), 20u);
}

// ---- Faults
// ----------------------------------------------------------------------------------------------------------

TEST(CrashDisk, AFailedSyncDropsTheBytesForGood) {
  CrashDisk disk;
  const auto file = disk.create_append_file("f").value();
  ASSERT_TRUE(disk.sync_directory("/").ok());
  ASSERT_TRUE(file->append(filler(600)).ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(file->append(filler(2000, 600)).ok());
  disk.fail_at(disk.operation_count(), false);
  const Status failure = file->sync();
  EXPECT_EQ(failure.code(), StatusCode::io_error);
  const int64_t count = disk.operation_count();
  EXPECT_EQ(file->sync().message(), failure.message()) << "nothing more is taken";
  EXPECT_EQ(file->append("x").message(), failure.message());
  EXPECT_EQ(disk.operation_count(), count);
  ASSERT_TRUE(disk.sync_files(std::vector<std::string>{"f"}).ok()) << "Linux tells of it once";
  EXPECT_EQ(read(disk, "f"), filler(2600)) << "until the crash";
  CrashDisk after = disk.after_crash(0);
  EXPECT_EQ(read(after, "f"), filler(600));
  EXPECT_EQ(disk.unsynced_bytes(), 2000);
}

TEST(CrashDisk, FailsAtAnOperationOnceOrFromThenOn) {
  for (const bool for_good : {false, true}) {
    for (int64_t k = 0; k < 11; ++k) {
      CrashDisk disk;
      disk.fail_at(k, for_good);
      std::unique_ptr<AppendFile> file;
      const auto create_append_file = [&] {
        auto created = disk.create_append_file("b");
        if (created.ok()) file = std::move(created).value();
        return created.status();
      };
      std::vector<bool> ok;
      ok.push_back(disk.create_directory("d").ok());
      ok.push_back(disk.write_new_file("a", "1234").ok());
      ok.push_back(create_append_file().ok());
      if (file) {
        ok.push_back(file->append("1234").ok());
        if (k != 3) ok.push_back(file->sync().ok());
      }
      ok.push_back(disk.sync_files(std::vector<std::string>{"a"}).ok());
      ok.push_back(disk.sync_directory("/").ok());
      ok.push_back(disk.lock_file("lock", false).ok());
      ok.push_back(disk.rename("a", "c").ok());
      for (size_t i = 0; i < ok.size(); ++i) {
        const auto operation = static_cast<int64_t>(i);
        EXPECT_EQ(ok[i], for_good ? operation < k : operation != k) << i << " of " << k;
      }
      EXPECT_EQ(disk.operation_count(), static_cast<int64_t>(ok.size()));
      EXPECT_EQ(read(disk, exists(disk, "a") ? "a" : "c") == "12", k == 1 || (for_good && k == 0));
      EXPECT_EQ(read(disk, "b") == "12", k == 3);
    }
  }
}

TEST(CrashDisk, TellsOfEachOperationBeforeItHappens) {
  CrashDisk disk;
  std::vector<std::string> seen;
  disk.before_each([&](const CrashDisk::Operation& operation) {
    CrashDisk before = disk.after_kill();
    seen.push_back(std::to_string(operation.number) + " " + std::string(operation.action) + " " + operation.path + " " +
                   (exists(before, "f") ? read(before, "f") : "none"));
  });
  const auto file = disk.create_append_file("f").value();
  ASSERT_TRUE(file->append("ab").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(disk.rename("f", "g").ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"0 create f none", "1 append f ", "2 sync f ab", "3 rename g ab"}));
}

// ---- Locks
// -----------------------------------------------------------------------------------------------------------

TEST(CrashDisk, OneHolderOfALock) {
  CrashDisk disk;
  auto lock = disk.lock_file("lock", true).value();
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(disk.lock_file("lock", false).value(), nullptr);
  EXPECT_EQ(disk.lock_file("lock", true).status().code(), StatusCode::io_error);
  EXPECT_NE(disk.lock_file("other", false).value(), nullptr);
  CrashDisk killed = disk.after_kill();
  EXPECT_NE(killed.lock_file("lock", false).value(), nullptr) << "the dead hold nothing";
  lock.reset();
  lock = disk.lock_file("lock", true).value();
  ASSERT_NE(lock, nullptr);
  ASSERT_TRUE(disk.remove_file("lock").ok());
  const auto next = disk.lock_file("lock", false).value();
  ASSERT_NE(next, nullptr) << "a lock is on the file that has the name";
  lock.reset();
  EXPECT_EQ(disk.lock_file("lock", false).value(), nullptr) << "what goes is the lock on the file that was removed";
}

}  // namespace
}  // namespace signalbook
