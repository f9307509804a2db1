#include "store/strategy_lookup.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/digest.h"
#include "store/replace_run_file.h"
#include "store/run_reader.h"
#include "support/crash_disk.h"
#include "support/run_states.h"

namespace signalbook {
namespace {

using namespace signalbook::test;

const std::string kLookup = kStore + "/.signalbook/lookup/run_1";

CrashDisk run_of(size_t count) {
  CrashDisk disk;
  const auto run = RunWriter::create(disk, kRun, writer_options()).value();
  EXPECT_TRUE(run->add_feed(make_small_bars(12)).ok());
  for (size_t i = 0; i < count; ++i) {
    // Of every third configuration there is an alias.
    for (size_t twin = 0; twin < (i % 3 == 0 ? 2u : 1u); ++twin) {
      const std::string id = (twin == 0 ? "strategy_" : "abcd") + std::to_string(i);
      const auto strategy = run->add_strategy(id, parse(R"({"rsi":{"period":)" + std::to_string(i) + "}}"));
      EXPECT_TRUE(run->record(run->add_trace(*strategy, 0), 3, 1.0).ok());
    }
  }
  EXPECT_TRUE(run->commit().ok());
  return disk;
}

std::vector<uint32_t> found(const Result<std::vector<uint32_t>>& rows) {
  EXPECT_TRUE(rows.ok()) << rows.status().message();
  return rows.value();
}

StrategyLookup open(FileSystem& files) {
  auto lookup = StrategyLookup::open(files, kStore, {.run_id = "run_1", .path = kRun});
  EXPECT_TRUE(lookup.ok() && lookup->has_value()) << lookup.status().message();
  return std::move(**lookup);
}

// Every name finds the rows that a look at all of them finds.
void expect_finds_all(FileSystem& files, StrategyLookup lookup) {
  const auto run = RunReader::open(files, kRun).value();
  const auto rows_that = [&](auto&& is_it) {
    std::vector<uint32_t> rows;
    for (const IndexRow& row : run->rows()) {
      if (is_it(row)) rows.push_back(static_cast<uint32_t>(row.trace_id));
    }
    return rows;
  };
  for (const IndexRow& row : run->rows()) {
    const std::string digest = to_hex(row.strategy_digest);
    for (const size_t digits : {1, 4, 12, 15, 16, 17, 64}) {
      const std::string prefix = digest.substr(0, digits), compared = digest.substr(0, std::min<size_t>(digits, 16));
      ASSERT_EQ(found(lookup.rows_with_digits(prefix)),
                rows_that([&](const IndexRow& r) { return to_hex(r.strategy_digest).starts_with(compared); }));
    }
    std::vector<std::string> names = row.aliases;
    names.push_back(row.strategy_id);
    for (const std::string& name : names) {
      ASSERT_EQ(found(lookup.rows_with_id(name)), std::vector{static_cast<uint32_t>(row.trace_id)}) << name;
    }
    const std::string values(row.value_digest.begin(), row.value_digest.end());
    ASSERT_EQ(found(lookup.rows_with_values(values)),
              rows_that([&](const IndexRow& r) { return r.value_digest == row.value_digest; }));
  }
  EXPECT_TRUE(found(lookup.rows_with_id("nobody")).empty());
  EXPECT_TRUE(found(lookup.rows_with_id("")).empty());
  EXPECT_TRUE(found(lookup.rows_with_values("nothing!")).empty());
}

TEST(StrategyLookup, FindsWhatALookAtAllRowsFinds) {
  CrashDisk disk = run_of(200);
  StrategyLookup made = open(disk);
  ASSERT_TRUE(disk.file_exists(kLookup).value());
  expect_finds_all(disk, std::move(made));
  expect_finds_all(disk, open(disk));  // from the file
}

// Of one digit the rows lie in several blocks, and begin and end within one.
TEST(StrategyLookup, FindsRowsOfManyBlocks) {
  CrashDisk disk = run_of(9'000);
  StrategyLookup lookup = open(disk);
  const auto run = RunReader::open(disk, kRun).value();
  std::map<char, std::vector<uint32_t>> by_digit;
  for (const IndexRow& row : run->rows()) {
    const auto number = static_cast<uint32_t>(row.trace_id);
    by_digit[to_hex(row.strategy_digest)[0]].push_back(number);
    ASSERT_EQ(found(lookup.rows_with_id(row.strategy_id)), std::vector{number});
    ASSERT_EQ(found(lookup.rows_with_digits(to_hex(row.strategy_digest))), std::vector{number});
  }
  for (const auto& [digit, rows] : by_digit) EXPECT_EQ(found(lookup.rows_with_digits(std::string(1, digit))), rows);
  EXPECT_EQ(found(lookup.rows_with_digits("")).size(), run->rows().size());
}

// Numbers have gaps where an index was made anew from packs.
TEST(StrategyLookup, GivesTheNumbersThatTheIndexGives) {
  CrashDisk disk = run_of(20);
  const std::string path = kRun + "/strategy_index.parquet";
  const std::string bytes = disk.read_file(path).value();
  const auto with_gaps = replace_index_columns(bytes, path, [](size_t first, size_t count) {
    Table table;
    TableColumn& trace_ids = table.add("trace_id", ColumnType::int32);
    for (size_t row = first; row < first + count; ++row) trace_ids.append_integer(static_cast<int64_t>(3 * row + 2));
    return Result(std::move(table));
  });
  ASSERT_TRUE(with_gaps.ok() && replace_run_file(disk, kRun, "strategy_index.parquet", *with_gaps).ok());
  EXPECT_EQ(RunReader::open(disk, kRun).value()->rows()[1].trace_id, 5);
  expect_finds_all(disk, open(disk));
}

TEST(StrategyLookup, IsMadeAnewWhereItIsStaleDamagedOrMissing) {
  CrashDisk disk = run_of(40);
  (void)open(disk);
  const std::string whole = disk.read_file(kLookup).value();
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string damaged = whole;
    if (i % 3 == 0) {
      damaged.resize(random() % damaged.size());
    } else {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    test::replace(disk, kLookup, damaged);
    expect_finds_all(disk, open(disk));
    ASSERT_EQ(disk.read_file(kLookup).value(), whole) << i;
  }
  // Of another run, under this one's name.
  CrashDisk other = run_of(41);
  (void)open(other);
  test::replace(disk, kLookup, other.read_file(kLookup).value());
  expect_finds_all(disk, open(disk));
  ASSERT_TRUE(disk.remove_file(kLookup).ok());
  expect_finds_all(disk, open(disk));
}

TEST(StrategyLookup, NeedsNoPlaceToWrite) {
  CrashDisk disk = run_of(10);
  disk.fail_at(disk.operation_count(), /*for_good=*/true);
  expect_finds_all(disk, open(disk));
}

}  // namespace
}  // namespace signalbook
