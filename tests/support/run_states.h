#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "store/run_journals.h"
#include "store/run_writer.h"
#include "support/crash_disk.h"
#include "support/layouts.h"
#include "support/small_run.h"

// Runs in every state in which a crash or a bad disk can leave them, on a disk in memory.

namespace signalbook::test {

inline const std::string kStore = "/results", kRun = "/results/run_1";

// Every file below a directory, by its path in it. Locks are no content.
inline void collect_files(FileSystem& files, const std::string& directory, const std::string& name,
                          std::map<std::string, std::string>& found) {
  const Result<std::vector<DirectoryEntry>> entries = files.list_directory(directory);
  if (!entries.ok()) return;
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(directory, entry.name), inside = join_path(name, entry.name);
    if (entry.is_directory) {
      collect_files(files, path, inside, found);
    } else if (!entry.name.ends_with(".lock")) {
      found[inside] = files.read_file(path).value();
    }
  }
}

inline std::map<std::string, std::string> all_files(FileSystem& files, const std::string& directory) {
  std::map<std::string, std::string> found;
  collect_files(files, directory, "", found);
  return found;
}

// The same without lost+found.
inline std::map<std::string, std::string> files_of_store(FileSystem& files) {
  std::map<std::string, std::string> found = all_files(files, kStore);
  std::erase_if(found, [](const auto& file) { return file.first.starts_with(".signalbook/lost+found"); });
  return found;
}

inline void replace(FileSystem& files, const std::string& path, const std::string& bytes) {
  ASSERT_TRUE(create_directories(files, parent_path(path)).ok());
  if (files.file_exists(path).value()) {
    ASSERT_TRUE(files.remove_file(path).ok());
  }
  ASSERT_TRUE(files.write_new_file(path, bytes).ok());
}

inline RunOptions writer_options(const std::string& writer = "main") {
  RunOptions options;
  options.code_version = "abc";
  options.note = "a note";
  options.tags = {{"k", "v"}};
  options.created_at = 1'700'000'000'000'000;
  options.opening = RunOpening::join;
  options.writer = writer;
  options.layout = current_layout().layout;
  return options;
}

// Two strategies, of which one is made of others, and a classifier on twelve bars; up to `bars` of them are recorded.
// A sync after each and one behind all, so that any of them is damage, and no torn end, when it is not what was
// written.
inline Status record_states_run(RunWriter& run, BarIndex bars = 12) {
  SB_ASSIGN_OR_RETURN(const size_t feed, run.add_feed(make_small_bars(12)));
  const char* const configs[] = {
      R"({"rsi":{"period":14}})",
      R"({"type":"ensemble","strategies":[{"momentum":{"n":5},"weight":0.5},{"rsi":{"period":7},"weight":0.5}]})",
      R"({"regime":{"lookback":3}})"};
  for (int i = 0; i < 3; ++i) {
    SB_ASSIGN_OR_RETURN(const size_t strategy, run.add_strategy("strategy_" + std::to_string(i), parse(configs[i])));
    const size_t trace = run.add_trace(strategy, feed);
    for (BarIndex bar = i; bar < bars; ++bar) {
      SB_RETURN_IF_ERROR(i == 2 ? run.record_label(trace, bar, bar < 7 ? "ranging" : "trending")
                                : run.record(trace, bar, static_cast<double>((bar + i) / 3 % 3) - 1.0));
    }
    SB_RETURN_IF_ERROR(run.sync());
  }
  if (bars == 12) SB_RETURN_IF_ERROR(run.end_input());
  SB_RETURN_IF_ERROR(run.set_position(bars));
  return run.sync();
}

// A run that was recorded up to this bar and then died.
inline CrashDisk interrupted_run(BarIndex bars = 12) {
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options());
    EXPECT_TRUE(run.ok()) << run.status().message();
    const Status status = record_states_run(**run, bars);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return disk.after_crash(0);
}

// The same run, committed.
inline CrashDisk committed_run() {
  CrashDisk disk;
  {
    const auto run = RunWriter::create(disk, kRun, writer_options());
    EXPECT_TRUE(run.ok() && record_states_run(**run).ok());
    const Result<RunSummary> summary = (*run)->commit(commit_options());
    EXPECT_TRUE(summary.ok()) << summary.status().message();
  }
  return disk.after_crash(0);
}

}  // namespace signalbook::test
