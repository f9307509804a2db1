#include "base/parallel_for.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace signalbook {
namespace {

TEST(ParallelFor, DoesEachItemOnce) {
  for (const size_t threads : {0, 1, 2, 3, 8, 40}) {
    for (const size_t count : {0, 1, 2, 7, 100, 1001}) {
      std::vector<std::atomic<int>> done(count);
      ASSERT_TRUE(parallel_for(count, threads, [&](size_t i) {
                    ++done.at(i);
                    return Status();
                  }).ok());
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(done[i], 1) << threads << " " << count << " " << i;
    }
  }
}

// Each item waits until as many are at work as there are threads.
TEST(ParallelFor, WorksOnAsManyThreadsAsAsked) {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::thread::id> at_work;
  ASSERT_TRUE(parallel_for(3, 3, [&](size_t) {
                std::unique_lock lock(mutex);
                at_work.insert(std::this_thread::get_id());
                changed.notify_all();
                changed.wait_for(lock, std::chrono::minutes(1), [&] { return at_work.size() == 3; });
                return Status();
              }).ok());
  EXPECT_EQ(at_work.size(), 3u);
  EXPECT_TRUE(at_work.contains(std::this_thread::get_id()));
}

TEST(ParallelFor, OneThreadIsTheCallers) {
  const auto caller = std::this_thread::get_id();
  const Status status = parallel_for(100, 1, [&](size_t) {
    return std::this_thread::get_id() == caller ? Status() : Status::invalid("another thread");
  });
  EXPECT_TRUE(status.ok());
  EXPECT_GE(core_count(), 1u);
}

// Items of 64 fail on two threads: `early`, and 3 or `late`, which ends only after `early` has failed.
Status fail_in_turn(size_t early, size_t late) {
  std::atomic<bool> has_begun{false}, has_failed{false};
  const auto wait_for = [](const std::atomic<bool>& flag) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!flag && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  };
  return parallel_for(64, 2, [&](size_t i) {
    if (i == early) {
      wait_for(has_begun);
      has_failed = true;
    } else if (i == late) {
      has_begun = true;
      wait_for(has_failed);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // for the other thread to note its failure
    }
    const bool is_good = i != early && i != 3 && (i != late || i == 0);
    return is_good ? Status() : Status::invalid("item " + std::to_string(i));
  });
}

// The smallest that fails may be the last to say so, and what is before it is done all the same.
TEST(ParallelFor, WhichFailedFirstByTheClockDoesNotMatter) {
  EXPECT_EQ(fail_in_turn(40, 0).message(), "item 3");
  EXPECT_EQ(fail_in_turn(40, 3).message(), "item 3");
  EXPECT_EQ(fail_in_turn(3, 4).message(), "item 3");
  EXPECT_EQ(fail_in_turn(4, 3).message(), "item 3");
}

TEST(ParallelFor, FailsWithTheSmallestThatFailed) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    const size_t count = 1 + random() % 300, threads = 1 + random() % 4;
    std::vector<char> is_bad(count);
    for (size_t k = 0; k < 1 + random() % 4; ++k) is_bad[random() % count] = 1;
    const auto first = static_cast<size_t>(std::ranges::find(is_bad, 1) - is_bad.begin());
    std::vector<std::atomic<int>> done(count);
    const Status status = parallel_for(count, threads, [&](size_t i) {
      ++done[i];
      if (!is_bad[i]) return Status();
      return Status::invalid("item " + std::to_string(i));
    });
    ASSERT_EQ(status.code(), StatusCode::invalid);
    ASSERT_EQ(status.message(), "item " + std::to_string(first));
    for (size_t i = 0; i < count; ++i) {
      if (i <= first) {
        ASSERT_EQ(done[i], 1) << i << " of " << count;
      } else {
        ASSERT_LE(done[i], 1);
      }
    }
  }
}

TEST(ParallelFor, StopsWhenInterrupted) {
  for (const size_t threads : {1, 3}) {
    std::atomic<int> interrupt{0};
    std::atomic<size_t> done{0};
    const auto body = [&](size_t) {
      if (++done == 10) interrupt = 15;
      return Status();
    };
    EXPECT_EQ(parallel_for(100'000, threads, body, &interrupt).code(), StatusCode::io_error);
    EXPECT_GE(done, 10u);
    EXPECT_LT(done, 100'000u);
    done = 0;
    interrupt = 99;
    EXPECT_EQ(parallel_for(100, threads, body, &interrupt).code(), StatusCode::io_error);
    EXPECT_EQ(done, 0u);
    interrupt = 0;
    EXPECT_TRUE(parallel_for(9, threads, body, &interrupt).ok());
  }
}

}  // namespace
}  // namespace signalbook
