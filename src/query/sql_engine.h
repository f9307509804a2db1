#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/status.h"
#include "store/store.h"

struct ArrowArrayStream;  // the Arrow C stream interface: a plain struct that any Arrow library reads

namespace signalbook {

// DuckDB over a scope: the views of sql_views.h and the literal names of the specification's tables. Read-only, and
// confined to the store.
class SqlEngine {
 public:
  static Result<std::unique_ptr<SqlEngine>> open(FileSystem& files, const Scope& scope);
  ~SqlEngine();

  // Runs one SELECT, EXPLAIN, DESCRIBE or SHOW. `stream` is filled for the caller, who releases it; it stays valid
  // after the engine is gone. Invalid, with DuckDB's message, for anything else.
  Status query(const std::string& sql, ArrowArrayStream* stream);

 private:
  struct State;
  explicit SqlEngine(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace signalbook
