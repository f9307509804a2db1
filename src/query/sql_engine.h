#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "store/store.h"

struct ArrowArrayStream;  // the Arrow C stream interface: a plain struct that any Arrow library reads

namespace signalbook {

class StrategyLookup;

// DuckDB over a scope: the views of sql_views.h and the literal names of the specification's tables. Read-only, and
// confined to the store, unless it is opened up.
class SqlEngine {
 public:
  struct Options {
    bool confined = true;  // false: any statement, any file, several statements in one text
    // Told once of each run of the store that answers leave out, because it cannot be read, and why.
    std::function<void(const std::string& text)> note;
  };
  static Result<std::unique_ptr<SqlEngine>> open(FileSystem& files, const Scope& scope, const Options& options);
  static Result<std::unique_ptr<SqlEngine>> open(FileSystem& files, const Scope& scope) {
    return open(files, scope, Options());
  }
  ~SqlEngine();

  // Runs one SELECT, EXPLAIN, DESCRIBE, SHOW or SUMMARIZE. `stream` is filled for the caller, who releases it; it stays
  // valid after the engine is gone. Invalid, with DuckDB's message, for anything else.
  Status query(const std::string& sql, ArrowArrayStream* stream);

  // A condition on the view `strategies` that every row fulfils which a user may mean by a strategy_id, an alias or the
  // first digits of a hash, and few others: where indexes are large they need not be searched then. Empty: any row may
  // be meant.
  Result<std::string> rows_named(const std::string& name);
  // The same of all strategies with this value_digest (its bytes), whatever their spelling.
  Result<std::string> rows_with_values(std::string_view value_digest);

  // Those rows themselves, by run_id and trace_id; nothing where a search alone would tell.
  using Rows = std::set<std::pair<std::string, int64_t>>;
  Result<std::optional<Rows>> known_rows_named(const std::string& name);
  Result<std::optional<Rows>> known_rows_with_values(std::string_view value_digest);

 private:
  struct State;
  struct Lookup;  // of the rows of a run
  SqlEngine(FileSystem& files, Scope scope, Options options);
  Status open_state();
  struct RowsOfRun {
    std::string run_id;
    std::optional<std::vector<uint32_t>> trace_ids;  // nothing: any
  };
  using FindRows = std::function<Result<std::vector<uint32_t>>(StrategyLookup& lookup)>;
  static FindRows named(const std::string& name);
  static FindRows with_values(std::string_view value_digest);
  Result<std::vector<RowsOfRun>> find_rows(const FindRows& find);
  Result<std::string> rows_condition(const FindRows& find);
  Result<std::optional<Rows>> known_rows(const FindRows& find);
  Result<Lookup*> lookup_of(const RunLocation& run);
  std::shared_ptr<State> state();

  FileSystem& files_;
  Scope scope_;
  Options options_;
  std::mutex state_mutex_;
  std::shared_ptr<State> state_;  // of the runs as they were when it was made

  // What find_rows() has opened, by the paths of indexes, with the stamps that these had then.
  std::mutex lookups_mutex_;
  std::map<std::string, std::unique_ptr<Lookup>> lookups_;
};

}  // namespace signalbook
