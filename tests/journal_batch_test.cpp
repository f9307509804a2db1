#include "journal/journal_batch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "support/random_batch.h"

namespace signalbook {
namespace {

std::string encode(const JournalBatch& batch) {
  std::string bytes;
  encode_batch(batch, &bytes);
  return bytes;
}

// A block as docs/format.md has it.
std::string block(uint32_t type, uint32_t item_count, const std::string& body) {
  std::string bytes(16, '\0');
  const uint64_t byte_count = body.size();
  std::memcpy(bytes.data(), &type, 4);
  std::memcpy(bytes.data() + 4, &item_count, 4);
  std::memcpy(bytes.data() + 8, &byte_count, 8);
  bytes += body;
  while (bytes.size() % 8 != 0) bytes += '\0';
  return bytes;
}
std::string head() { return block(1, 1, std::string(24, '\0')); }

Status decode(const std::string& bytes) {
  JournalBatch batch;
  return decode_batch(bytes, &batch);
}

TEST(JournalBatch, ComesBackAsItWas) {
  RandomBatches random(1);
  JournalBatch before, batch;
  for (int round = 0; round < 300; ++round) {
    JournalBatch given;
    given.position = static_cast<int64_t>(random.below(1000)) - 500;
    given.first_feed = static_cast<uint32_t>(random.below(100));
    given.first_strategy = static_cast<uint32_t>(random.below(100));
    given.first_trace = static_cast<uint32_t>(random.below(100));
    given.first_label = static_cast<uint32_t>(random.below(100));
    random.fill(given, round % 40);
    std::string bytes = encode(given);
    EXPECT_EQ(bytes.size() % 8, 0u);
    EXPECT_EQ(bytes.size(), given.byte_count());
    ASSERT_TRUE(decode_batch(bytes, &batch).ok());  // over what the last round left in it
    ASSERT_EQ(batch, given);
    bytes.insert(0, 1, 'x');  // any alignment
    ASSERT_TRUE(decode_batch(std::string_view(bytes).substr(1), &batch).ok());
    ASSERT_EQ(batch, given);
  }
}

TEST(JournalBatch, ClearedItGoesOnCounting) {
  JournalBatch batch;
  batch.feeds.resize(1);
  batch.strategies.resize(2);
  batch.traces.resize(3);
  batch.labels.resize(4);
  batch.changes.resize(5);
  batch.input_ended = true;
  batch.position = 6;
  EXPECT_FALSE(batch.empty());
  batch.clear();
  EXPECT_TRUE(batch.empty());
  const JournalBatch expected{.first_feed = 1, .first_strategy = 2, .first_trace = 3, .first_label = 4, .position = 6};
  EXPECT_EQ(batch, expected);
}

TEST(JournalBatch, EveryCutIsDamage) {
  RandomBatches random(2);
  JournalBatch batch;
  random.fill(batch, 3);
  const std::string bytes = encode(batch);
  std::vector<std::string> ends;  // where a block ends a batch may end as well
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Status status = decode(bytes.substr(0, size));
    if (status.ok()) {
      ends.push_back(bytes.substr(0, size));
    } else {
      ASSERT_EQ(status.code(), StatusCode::damaged) << size;
    }
  }
  EXPECT_LE(ends.size(), 8u);
  for (const std::string& end : ends) {
    JournalBatch shorter;
    ASSERT_TRUE(decode_batch(end, &shorter).ok());
    EXPECT_EQ(encode(shorter), end);
  }
}

TEST(JournalBatch, WhatIsNoneIsDamage) {
  const std::string change(16, '\1');
  EXPECT_TRUE(decode(head()).ok());
  EXPECT_TRUE(decode(head() + block(6, 1, change)).ok());
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"nothing", ""},
      {"no head", block(6, 1, change)},
      {"two heads", head() + head()},
      {"a short head", block(1, 1, std::string(16, '\0'))},
      {"a head of two", block(1, 2, std::string(24, '\0'))},
      {"no items", head() + block(6, 0, "")},
      {"fewer items than said", head() + block(6, 2, change)},
      {"more items than said", head() + block(6, 1, change + change)},
      {"as many items as 32 bits hold", head() + block(6, 0xFFFFFFFF, change)},
      {"a sum that overflows", head() + block(6, 0x10000001, change)},
      {"out of order", head() + block(6, 1, change) + block(4, 2, change)},
      {"twice", head() + block(6, 1, change) + block(6, 1, change)},
      {"a text longer than its block", head() + block(5, 1, std::string("\5\0\0\0abcd", 8))},
      {"more labels than there are", head() + block(5, 0xFFFFFFFF, std::string(8, '\0'))},
      {"bytes behind the labels", head() + block(5, 1, std::string("\1\0\0\0ab", 6))},
      {"padding that is not zero", head() + block(5, 1, std::string("\1\0\0\0a", 5)).replace(21, 1, "x")},
      {"a block that ends nowhere", head() + block(6, 1, change).replace(8, 8, 8, '\xFF')},
  };
  for (const auto& [name, bytes] : cases) EXPECT_EQ(decode(bytes).code(), StatusCode::damaged) << name;
}

TEST(JournalBatch, UnknownBlocksArePassedOverOnlyWhereTheySaySo) {
  JournalBatch batch;
  batch.position = 7;
  const std::string bytes = encode(batch);
  JournalBatch read;
  EXPECT_TRUE(decode_batch(bytes + block(0xFFFFFFFF, 3, "new"), &read).ok());
  EXPECT_EQ(read, batch);
  const Status status = decode(bytes + block(0x7FFFFFFF, 3, "new"));
  EXPECT_EQ(status.code(), StatusCode::invalid);
  EXPECT_NE(status.message().find("newer Signalbook"), std::string::npos) << status.message();
}

// Bytes that were changed anyhow: an error, or a batch, which can then be written again.
TEST(JournalBatch, AnyBytesAreABatchOrAnError) {
  const int rounds = std::getenv("SIGNALBOOK_LONG_TESTS") != nullptr ? 2'000'000 : 20'000;
  RandomBatches random(3);
  JournalBatch batch, read;
  int good = 0;
  for (int round = 0; round < rounds; ++round) {
    JournalBatch given;
    random.fill(given, 4);
    std::string bytes = encode(given);
    for (uint64_t change = 1 + random.below(3); change > 0; --change) {
      const size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0:
          bytes[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
          break;
        case 2:
          bytes.erase(at, random.below(20));
          break;
        default:
          bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(20)));
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    const Status status = decode_batch(bytes, &batch);
    if (!status.ok()) continue;
    ++good;
    const std::string again = encode(batch);
    ASSERT_TRUE(decode_batch(again, &read).ok()) << round;
    ASSERT_EQ(encode(read), again) << round;
  }
  EXPECT_GT(good, rounds / 20);  // it looks deeper than the first check
}

}  // namespace
}  // namespace signalbook
