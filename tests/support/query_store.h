#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "query/sql_engine.h"
#include "store/store.h"

namespace signalbook::test {

// A directory of its own, gone with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Works from another directory, and comes back.
class InDirectory {
 public:
  explicit InDirectory(const std::string& path) : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~InDirectory() { std::filesystem::current_path(before_); }
  InDirectory(const InDirectory&) = delete;
  InDirectory& operator=(const InDirectory&) = delete;

 private:
  std::filesystem::path before_;
};

// One column of a small Parquet file: "double" and "[1, 2.5, null]". Types: double, int, int32, bool, text, bytes,
// time (UTC), null, texts (a list).
struct Column {
  std::string name;
  std::string type;
  std::string values;  // a JSON array
};

void write_parquet(const std::string& path, const std::vector<Column>& columns);
void write_text(const std::string& path, const std::string& text);

// A store written file by file, so that a test decides what is in it and what is wrong with it.
class QueryStore {
 public:
  explicit QueryStore(const std::string& name = "results");

  const std::string& path() const { return path_; }
  std::string run_path(const std::string& run_id) const { return path_ + "/" + run_id; }
  const std::string& directory() const { return directory_.path(); }

  // The index of a run; `columns` beside strategy_id ("strategy_0"...), strategy_hash and trace_path.
  void add_index(const std::string& run_id, size_t row_count, std::vector<Column> columns = {});
  void add_description(const std::string& run_id, const std::vector<std::string>& data_ids = {});
  // A trace of the format, two rows; for classifiers val is text.
  void add_trace(const std::string& run_id, const std::string& kind, const std::string& name);
  void add_bars(const std::string& data_id, size_t bar_count);

  Scope scope() const { return {.store_path = path_, .run_path = {}}; }
  Scope scope_of(const std::string& run_id) const { return {.store_path = path_, .run_path = run_path(run_id)}; }

 private:
  TemporaryDirectory directory_;
  std::string path_;
};

// The result as csv, or "error 2: message".
std::string ask(SqlEngine& engine, const std::string& sql);
std::string ask(const Scope& scope, const std::string& sql);

}  // namespace signalbook::test
