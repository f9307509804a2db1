#include "base/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include "support/temporary_directory.h"

namespace signalbook {
namespace {

FileSystem& disk() { return posix_file_system(); }

std::string bytes_of(const std::string& path) { return disk().read_file(path).value(); }

void write(const std::string& path, std::string_view bytes) {
  ASSERT_TRUE(disk().write_new_file(path, bytes).ok()) << path;
}

// Waits for what must come; gives up when the code is so wrong that it does not.
void wait_until(const std::function<bool()>& came) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!came() && std::chrono::steady_clock::now() < end) ::sched_yield();
}

// Another process, which must not use what gtest knows. Its end is waited for.
class Child {
 public:
  explicit Child(const std::function<bool()>& work) : id_(::fork()) {
    if (id_ != 0) return;
    ::alarm(100);
    ::_exit(work() ? 0 : 1);  // as a process that is killed: no destructor of the test's runs
  }
  ~Child() { (void)succeeded(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t id() const { return id_; }
  bool succeeded() {
    if (id_ > 0) {
      int status = 0;
      succeeded_ = ::waitpid(id_, &status, 0) == id_ && WIFEXITED(status) && WEXITSTATUS(status) == 0;
      id_ = -1;
    }
    return succeeded_;
  }

 private:
  pid_t id_;
  bool succeeded_ = false;
};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    for (const int end : ends_) ::close(end);
  }
  void say() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void hear() const {
    char byte;
    ssize_t count;
    do {
      count = ::read(ends_[0], &byte, 1);
    } while (count < 0 && errno == EINTR);
    EXPECT_EQ(count, 1);
  }
  bool is_silent() const {
    pollfd end{.fd = ends_[0], .events = POLLIN, .revents = 0};
    return ::poll(&end, 1, 0) == 0;
  }

 private:
  std::array<int, 2> ends_{};
};

bool is_asleep(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end + 2, 1) == "S";
}

// How many descriptors of a process are open on the file that has this name.
int open_count(pid_t process, const std::string& path) {
  int count = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd", gone))
    count += std::filesystem::read_symlink(entry.path(), gone) == path ? 1 : 0;
  return count;
}

// ---- Files that grow, and files read in pieces
// -----------------------------------------------------------------------

TEST(PosixFileSystem, AFileGrowsAtItsEnd) {
  TemporaryDirectory directory;
  const std::string path = directory / "f";
  const auto file = disk().create_append_file(path).value();
  std::string expected;
  for (size_t i = 0; i < 40; ++i) {
    const std::string piece(i * i * 37, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(file->append(piece).ok());
    expected += piece;
    if (i % 7 == 0) {
      ASSERT_TRUE(file->sync().ok());
    }
    ASSERT_EQ(bytes_of(path), expected) << "others see what was appended, synced or not";
  }
  const Result<std::unique_ptr<AppendFile>> again = disk().create_append_file(path);
  EXPECT_EQ(again.status().code(), StatusCode::io_error);
  EXPECT_NE(again.status().message().find(path), std::string::npos);
  EXPECT_EQ(bytes_of(path), expected);
  EXPECT_EQ(disk().create_append_file(directory / "none/f").status().code(), StatusCode::not_found);
}

TEST(PosixFileSystem, ReadsPieces) {
  TemporaryDirectory directory;
  std::string bytes;
  for (int i = 0; bytes.size() < 10'000; ++i) bytes += std::to_string(i);
  write(directory / "f", bytes);
  const auto file = disk().open_file(directory / "f").value();
  EXPECT_EQ(file->size(), static_cast<int64_t>(bytes.size()));
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4096}, bytes.size() - 1, bytes.size(), bytes.size() + 5}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{5000}, bytes.size(), 2 * bytes.size()}) {
      std::string piece(size, '?');
      const size_t count = file->read(static_cast<int64_t>(offset), piece).value();
      EXPECT_EQ(piece.substr(0, count), offset < bytes.size() ? bytes.substr(offset, size) : "")
          << offset << " " << size;
    }
  }
  EXPECT_EQ(disk().open_file(directory / "none").status().code(), StatusCode::not_found);
  EXPECT_EQ(disk().open_file(directory.path()).status().code(), StatusCode::invalid);
}

TEST(PosixFileSystem, AnOpenFileOutlivesItsName) {
  TemporaryDirectory directory;
  write(directory / "f", "old");
  write(directory / "new", "new bytes");
  const auto file = disk().open_file(directory / "f").value();
  ASSERT_TRUE(disk().rename(directory / "new", directory / "f").ok());
  std::string piece(10, '?');
  EXPECT_EQ(file->read(0, piece).value(), 3u);
  EXPECT_EQ(piece.substr(0, 3), "old");
}

// The limit on file sizes is a disk that is full at a place of our choice.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_;
  void (*handler_)(int);
};

TEST(PosixFileSystem, AfterAFailedAppendNothingMoreIsTaken) {
  TemporaryDirectory directory;
  const std::string path = directory / "f";
  const auto file = disk().create_append_file(path).value();
  Status failure, written_whole;
  {
    const SizeLimit limit(1000);
    ASSERT_TRUE(file->append(std::string(600, 'a')).ok());
    ASSERT_TRUE(file->sync().ok());
    failure = file->append(std::string(600, 'b'));  // the system takes 400
    written_whole = disk().write_new_file(directory / "whole", std::string(1001, 'c'));
  }
  EXPECT_EQ(failure.code(), StatusCode::io_error);
  EXPECT_NE(failure.message().find(path), std::string::npos);
  EXPECT_NE(failure.message().find("ulimit -f"), std::string::npos) << "what to do next";
  EXPECT_EQ(written_whole.code(), StatusCode::io_error);
  EXPECT_EQ(bytes_of(path), std::string(600, 'a') + std::string(400, 'b'));
  // There is room again, but what stands in the file is not what was appended.
  EXPECT_EQ(file->append("c").message(), failure.message());
  EXPECT_EQ(file->sync().message(), failure.message());
  EXPECT_EQ(bytes_of(path).size(), 1000u);
}

// ---- Whole files and directories
// -------------------------------------------------------------------------------------

TEST(PosixFileSystem, SyncsFewAndManyFiles) {
  TemporaryDirectory directory;
  std::vector<std::string> paths;
  for (const size_t count : {0, 1, 7, 8, 20}) {
    while (paths.size() < count) {
      paths.push_back(directory / std::to_string(paths.size()));
      write(paths.back(), "x");
    }
    EXPECT_TRUE(disk().sync_files(paths).ok()) << count;
  }
  EXPECT_TRUE(disk().sync_directory(directory.path()).ok());
  paths.push_back(directory / "none");
  EXPECT_EQ(disk().sync_files(paths).code(), StatusCode::not_found) << "each file is asked";
  EXPECT_EQ(disk().sync_files(std::vector<std::string>{directory / "none"}).code(), StatusCode::not_found);
  EXPECT_EQ(disk().sync_files(std::vector<std::string>(9, directory / "none")).code(), StatusCode::not_found);
  EXPECT_EQ(disk().sync_directory(directory / "none").code(), StatusCode::not_found);
  EXPECT_EQ(disk().sync_directory(directory / "0").code(), StatusCode::io_error);
}

TEST(PosixFileSystem, AFileIsCreatedOnceAndReplacedByARename) {
  TemporaryDirectory directory;
  write(directory / "f", "old");
  EXPECT_EQ(disk().write_new_file(directory / "f", "new").code(), StatusCode::io_error);
  EXPECT_EQ(bytes_of(directory / "f"), "old");
  const FileStamp before = disk().stamp(directory / "f").value().value();
  EXPECT_EQ(disk().stamp(directory / "f").value(), before);
  write(directory / "f.tmp", "new");
  ASSERT_TRUE(disk().rename(directory / "f.tmp", directory / "f").ok());
  EXPECT_EQ(bytes_of(directory / "f"), "new");
  EXPECT_FALSE(disk().file_exists(directory / "f.tmp").value());
  EXPECT_FALSE(disk().stamp(directory / "f").value() == before);
  EXPECT_EQ(disk().rename(directory / "none", directory / "f").code(), StatusCode::not_found);
  EXPECT_EQ(disk().read_file(directory.path()).status().code(), StatusCode::invalid);
}

TEST(PosixFileSystem, ATreeIsMadeAndRemovedWithoutFollowingLinks) {
  TemporaryDirectory directory;
  ASSERT_TRUE(create_directories(disk(), directory / "a/b/c").ok());
  ASSERT_TRUE(create_directories(disk(), directory / "a/b/c").ok());
  EXPECT_EQ(disk().create_directory(directory / "a/b").code(), StatusCode::invalid);
  write(directory / "kept", "x");
  write(directory / "a/b/f", "x");
  EXPECT_FALSE(create_directories(disk(), directory / "kept/d").ok());
  ASSERT_TRUE(disk().create_directory(directory / "other").ok());
  write(directory / "other/kept", "x");
  std::filesystem::create_directory_symlink(directory / "other", directory / "a/b/link");
  const auto entries = disk().list_directory(directory / "a/b").value();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name + entries[1].name + entries[2].name, "cflink");
  EXPECT_TRUE(entries[0].is_directory && !entries[0].is_link && !entries[1].is_directory);
  EXPECT_TRUE(entries[2].is_directory && entries[2].is_link);
  EXPECT_EQ(disk().remove_directory(directory / "a").code(), StatusCode::io_error) << "not empty";
  ASSERT_TRUE(remove_tree(disk(), directory / "a").ok());
  EXPECT_FALSE(disk().directory_exists(directory / "a").value());
  EXPECT_TRUE(disk().file_exists(directory / "other/kept").value());
  EXPECT_TRUE(remove_tree(disk(), directory / "a").ok()) << "nothing to do";
}

TEST(Paths, Parts) {
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(parent_path("a/b"), "a");
  EXPECT_EQ(parent_path("a/b//"), "a");
  EXPECT_EQ(parent_path("b"), ".");
  EXPECT_EQ(parent_path("/b"), "/");
  EXPECT_EQ(parent_path("/"), "/");
  EXPECT_EQ(file_name_of("a/b"), "b");
  EXPECT_EQ(file_name_of("a/b/"), "b");
  EXPECT_EQ(file_name_of("b"), "b");
}

// ---- Locks
// -----------------------------------------------------------------------------------------------------------

TEST(PosixFileSystem, OneHolderOfALockInThisProcess) {
  TemporaryDirectory directory;
  auto lock = disk().lock_file(directory / "lock", false).value();
  ASSERT_NE(lock, nullptr);
  EXPECT_EQ(disk().lock_file(directory / "lock", false).value(), nullptr);
  EXPECT_NE(disk().lock_file(directory / "other", false).value(), nullptr);
  lock.reset();
  EXPECT_NE(disk().lock_file(directory / "lock", true).value(), nullptr);
  EXPECT_EQ(disk().lock_file(directory / "none/lock", true).status().code(), StatusCode::not_found);
}

TEST(PosixFileSystem, ALockIsGivenBackByTheEndOfAProcess) {
  TemporaryDirectory directory;
  const Pipe locked, may_go;
  Child holder([&] {
    const auto lock = disk().lock_file(directory / "lock", false);
    locked.say();
    may_go.hear();
    if (!lock.ok() || *lock == nullptr) return false;
    ::_exit(0);  // without giving it back
  });
  locked.hear();
  EXPECT_EQ(disk().lock_file(directory / "lock", false).value(), nullptr);
  may_go.say();
  EXPECT_NE(disk().lock_file(directory / "lock", true).value(), nullptr);
  EXPECT_TRUE(holder.succeeded());
}

// A signal that comes while a lock is waited for is no reason to fail.
TEST(PosixFileSystem, WaitsForALockThroughSignals) {
  TemporaryDirectory directory;
  const std::string path = disk().absolute_path(directory.path()).value() + "/lock";
  static volatile std::sig_atomic_t signals;
  signals = 0;
  struct sigaction counts {
  }, before{};
  counts.sa_handler = [](int) { signals = signals + 1; };  // and no SA_RESTART
  ASSERT_EQ(::sigaction(SIGUSR1, &counts, &before), 0);
  const pid_t waiter = ::getpid();
  const Pipe locked;
  Child holder([&] {
    const auto lock = disk().lock_file(path, false);
    locked.say();
    for (int i = 0; i < 3; ++i) {
      wait_until([&] { return open_count(waiter, path) == 1 && is_asleep(waiter); });
      ::kill(waiter, SIGUSR1);
    }
    return lock.ok();
  });
  locked.hear();
  const auto lock = disk().lock_file(path, true);
  EXPECT_TRUE(holder.succeeded());
  ::sigaction(SIGUSR1, &before, nullptr);
  ASSERT_TRUE(lock.ok()) << lock.status().message();
  EXPECT_NE(*lock, nullptr);
  EXPECT_GT(signals, 0);
}

// Whoever holds a lock may remove its file. Who waits for it must not take that for the lock.
TEST(PosixFileSystem, ALockIsOnTheFileThatHasTheName) {
  TemporaryDirectory directory;
  const std::string path = disk().absolute_path(directory.path()).value() + "/lock";
  auto first = disk().lock_file(path, false).value();
  const Pipe has_lock;
  Child waiter([&] {
    const auto lock = disk().lock_file(path, true);
    has_lock.say();
    return lock.ok() && *lock != nullptr && disk().file_exists(path).value();
  });
  // One descriptor the fork has left it: the lock is given back all the same. The other is its own.
  wait_until([&] { return open_count(waiter.id(), path) == 2; });
  ASSERT_TRUE(disk().remove_file(path).ok());
  auto second = disk().lock_file(path, false).value();
  ASSERT_NE(second, nullptr) << "a new file, a new lock";
  first.reset();
  wait_until([&] { return !has_lock.is_silent() || open_count(waiter.id(), path) > 0; });
  EXPECT_TRUE(has_lock.is_silent()) << "a lock on a file that has no name";
  second.reset();
  has_lock.hear();
  EXPECT_TRUE(waiter.succeeded());
}

TEST(PosixFileSystem, OnlyOneProcessAtATimeThoughEachRemovesTheLock) {
  TemporaryDirectory directory;
  const std::string path = directory / "lock", inside = directory / "inside";
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto lock = disk().lock_file(path, true);
      if (!lock.ok() || *lock == nullptr) return false;
      if (!disk().write_new_file(inside, "").ok()) return false;  // somebody else is in
      ::sched_yield();
      if (!disk().remove_file(inside).ok()) return false;
      if (!disk().remove_file(path).ok()) return false;
    }
    return true;
  };
  Child a(work), b(work), c(work);
  EXPECT_TRUE(a.succeeded());
  EXPECT_TRUE(b.succeeded());
  EXPECT_TRUE(c.succeeded());
  EXPECT_FALSE(disk().file_exists(path).value());
}

}  // namespace
}  // namespace signalbook
